"""Requests that want to be taken for something else, and applications that come too late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from counterfoil import (
    BlockingSessions,
    MemoryStore,
    Policy,
    RequestFacts,
    Session,
    Sessions,
    Transfer,
)
from counterfoil.adapters.memory import World
from counterfoil.adapters.web.asgi import SessionMiddleware, public_path
from counterfoil.adapters.web.exchange import Exchange, exchange_of
from counterfoil.adapters.web.fastapi import add_sessions
from counterfoil.core import WEBSOCKET
from counterfoil.effects import InvalidInput

from .conftest import ORIGIN, Away, Browser, call

OK: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Logs in at /login; says who it is elsewhere."""
    exchange: Exchange = exchange_of(scope)
    if scope["path"] == "/login":
        await exchange.create_session("ada", payload={"name": 'a\r\nSet-Cookie: b="c"; \u20ac'})
    else:
        await exchange.get_session()
    await send(OK)
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def browser(sessions: Sessions) -> Browser:
    return Browser(SessionMiddleware(application, sessions))


def asked(method: str, *headers: tuple[bytes, bytes], path: str = "/me") -> dict[str, Any]:
    """An ASGI scope."""
    return {"type": "http", "method": method, "path": path, "headers": list(headers)}


def status(browser: Browser, scope: Any) -> int:
    found: int = call(browser.app, scope)[0]["status"]
    return found


def test_of_two_authorization_headers_none_counts(browser: Browser) -> None:
    login = browser("POST", "/login", st_auth_mode="header")
    token = (login.get("st-access-token") or "").encode()
    mine, other = (b"authorization", b"Bearer " + token), (b"authorization", b"Bearer x")
    assert status(browser, asked("GET", mine)) == 200
    for pair in ((mine, other), (other, mine), (mine, mine)):
        for _ in range(2):  # seen before or not
            assert status(browser, asked("GET", *pair)) == 401


def test_a_second_header_vouches_for_nothing(browser: Browser) -> None:
    browser("POST", "/login", st_auth_mode="cookie")
    cookie = (b"cookie", f"sAccessToken={browser.jar['sAccessToken', '/']}".encode())
    site = b"sec-fetch-site"
    assert status(browser, asked("POST", cookie, (site, b"same-origin"))) == 200
    for said in (
        [b"cross-site", b"same-origin"],
        [b"same-origin", b"cross-site"],
        [b"Same-Origin"],
    ):
        assert status(browser, asked("POST", cookie, *((site, value) for value in said))) == 401


@pytest.mark.parametrize(
    "cookie",
    [b"\xff\xfe=\x00", b"sAccessToken=\xff\xc3\x28", b"sAccessToken=%ff%00%0d%0a", b";;;=;" * 4000,
     b"sAccessToken=a; " * 4000, b"sAccessToken=" + b"a." * 30000, b"sAccessToken=%" * 99],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/me"), ("POST", "/auth/session/refresh")])
def test_odd_and_huge_cookies_are_refused_not_failed(
    browser: Browser, cookie: bytes, method: str, path: str
) -> None:
    headers = ((b"cookie", cookie), (b"sec-fetch-site", b"same-origin"))
    assert status(browser, asked(method, *headers, path=path)) == 401


def test_no_claim_and_no_user_reaches_a_header_line(browser: Browser) -> None:
    for mode in ("cookie", "header"):
        answer = browser("POST", "/login", st_auth_mode=mode)
        for name, value in answer.headers:
            assert value.isascii(), name
            assert "\r" not in value, name
            assert "\n" not in value, name


@pytest.mark.parametrize(
    "path",
    ["//auth/session/refresh", "/auth//session/refresh", "/auth/session/refresh/",
     "/auth/session/refresh;x", "/AUTH/session/refresh", "/auth/session/../session/refresh",
     "/auth/session/refresh/steal", "/auth/session/refresh\x00"],
)  # fmt: skip
def test_no_other_path_is_the_refresh_route(browser: Browser, path: str) -> None:
    answer = browser("POST", path, st_auth_mode="header")
    assert answer.body == {"message": "unauthorised"}
    assert answer.get("front-token") is None  # which a refused refresh would have


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "get", "post", "WEBSOCKET"])
def test_no_other_method_refreshes_whatever_it_says_it_is(browser: Browser, method: str) -> None:
    told = {"x_http_method_override": "POST", "x_method_override": "POST"}
    assert browser(method, "/auth/session/refresh", **told).get("front-token") is None


def test_no_http_method_passes_for_a_websocket(make_sessions: Callable[..., Sessions]) -> None:
    browser = Browser(SessionMiddleware(application, make_sessions(anti_csrf="VIA_TOKEN")))
    browser("POST", "/login", st_auth_mode="cookie")
    for method in ("WEBSOCKET", "websocket", "POST"):
        assert browser(method, "/me").status == 401
    assert " " in RequestFacts(WEBSOCKET).method  # which no HTTP method has


@pytest.mark.parametrize(
    ("root", "path", "public"),
    [
        ("", "/auth", "/auth"),
        ("/api", "/auth", "/api/auth"),
        ("/api", "/api/auth", "/api/auth"),
        ("/api/", "/auth", "/api/auth"),
        ("/api", "/apiary", "/api/apiary"),
        ("/api", "/api", "/api"),
    ],
)
def test_a_root_path_is_whole_segments(root: str, path: str, public: str) -> None:
    assert public_path({"path": path, "root_path": root}) == public


LATE: dict[str, Callable[[Exchange, Session], Awaitable[object]]] = {
    "a login": lambda exchange, _: exchange.create_session("ada"),
    "a refresh": lambda exchange, _: exchange.refresh_session(),
    "a sign-out": lambda exchange, _: exchange.sign_out(),
    "a login on the facade": lambda exchange, _: exchange.sessions.create_session_in_request(
        exchange.request, "ada"
    ),
    "a re-keying": lambda exchange, session: exchange.sessions.rekey_session(session),
    "an attachment": lambda exchange, session: exchange.sessions.attach_to_request_response(
        session, Transfer.COOKIE
    ),
}


@pytest.mark.parametrize("late", LATE)
def test_tokens_are_not_lost_behind_a_response_that_has_begun(
    sessions: Sessions, store: Away, late: str
) -> None:
    kept: list[World] = []

    async def streams(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        session = await exchange.create_session("ada")
        await send(OK)
        kept.append(store.world)
        await LATE[late](exchange, session)

    with pytest.raises(InvalidInput, match="has begun"):
        call(SessionMiddleware(streams, sessions), asked("POST"))
    assert kept == [store.world]


@pytest.mark.parametrize(
    "wrong", [BlockingSessions(Policy(ORIGIN), MemoryStore()), Policy(ORIGIN), "x", None]
)
def test_what_are_no_sessions_to_await_is_refused_when_they_are_given(wrong: Any) -> None:
    told = rf"must be Sessions, not {type(wrong).__name__}; write Sessions\(policy, store\)"
    with pytest.raises(InvalidInput, match=told):
        SessionMiddleware(application, wrong)
    with pytest.raises(InvalidInput, match=told):
        add_sessions(FastAPI(), wrong)


def test_a_second_middleware_within_gives_the_exchange_back(sessions: Sessions) -> None:
    found: list[Exchange] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        found.append(exchange_of(scope))
        await application(scope, receive, send)

    within = SessionMiddleware(inner, sessions)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        before = exchange_of(scope)
        await within(scope, receive, send)
        found.extend((before, exchange_of(scope)))

    browser = Browser(SessionMiddleware(outer, sessions))
    login = browser("POST", "/login", st_auth_mode="cookie")
    assert len(login.all("set-cookie")) == 2
    in_it, before, after = found
    assert before is after is not in_it
    answer = browser("GET", "/me")
    assert (answer.get("cache-control"), answer.get("vary")) == (
        "no-store",
        "Cookie, Authorization",
    )
    assert isinstance(before.request, RequestFacts)


def test_what_a_request_held_is_free_when_it_is_over(sessions: Sessions) -> None:
    scope = asked("GET")
    call(SessionMiddleware(application, sessions), scope)
    with pytest.raises(InvalidInput, match="its response is over"):
        exchange_of(scope)
