"""The middleware over a bare ASGI application: routes, rejections, outages, what is put on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from counterfoil import (
    BooleanClaim,
    InvalidClaims,
    MemoryStore,
    Policy,
    PrimitiveClaim,
    RequestFacts,
    Sessions,
    StoreUnavailable,
    Unauthorised,
)
from counterfoil.adapters.web.asgi import SessionMiddleware
from counterfoil.adapters.web.exchange import Exchange, exchange_of
from counterfoil.effects import InvalidInput

from ...listening import quiet
from .conftest import ORIGIN, Away, Browser, Clock, call

Handler = Callable[[Exchange], Awaitable[Any]]
LEEWAY = 10_000
PLAIN = [(b"content-type", b"text/plain")]


class Site:
    """An application of handlers by path, each of which may set headers of its own."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.handlers: dict[str, Handler] = {}
        self.headers = PLAIN
        self.served: list[str] = []
        self.app = SessionMiddleware(self.application, sessions)
        self.handlers["/login"] = lambda exchange: exchange.create_session("ada")
        self.handlers["/me"] = lambda exchange: exchange.get_session()

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.served.append(scope.get("path", scope["type"]))
        if scope["type"] == "lifespan":
            return
        await self.handlers.get(scope["path"], nothing)(exchange_of(scope))
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": b""})


async def nothing(_: Exchange) -> None:
    """Does nothing with the session."""


@pytest.fixture
def site(sessions: Sessions) -> Site:
    return Site(sessions)


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site.app)


def log_in(browser: Browser) -> None:
    assert browser("POST", "/login", st_auth_mode="cookie").status == 200
    assert {"sAccessToken", "sRefreshToken"} <= {name for name, _ in browser.jar}


async def switch(exchange: Exchange) -> None:
    """Logs in as somebody else, and makes sure that the old session is over."""
    old = await exchange.get_session()
    await exchange.create_session("eve")
    await exchange.sessions.revoke_session(old)
    with suppress(Unauthorised):
        await exchange.sessions.merge_into_access_token_payload(old, {"plan": "pro"})


def test_a_login_is_kept_whatever_is_done_with_the_session_before_it(
    site: Site, browser: Browser
) -> None:
    site.handlers["/switch"] = switch
    log_in(browser)
    before = dict(browser.jar)
    switched = browser("POST", "/switch", st_auth_mode="cookie")
    assert switched.get("front-token") not in (None, "remove")
    assert before.keys() == browser.jar.keys()
    assert set(before.values()).isdisjoint(browser.jar.values())
    assert browser("GET", "/me").status == 200


async def log_in_and_look(exchange: Exchange) -> None:
    await exchange.create_session("ada")
    with suppress(Unauthorised):
        await exchange.get_session()


async def sign_out_by_hand(exchange: Exchange) -> None:
    await exchange.sessions.revoke_session(await exchange.get_session())


def test_whoever_never_heard_of_a_login_is_told_all_of_the_session_before_it(
    site: Site, browser: Browser
) -> None:
    site.handlers |= {"/again": log_in_and_look, "/out": sign_out_by_hand}
    log_in(browser)
    before = dict(browser.jar)
    browser("POST", "/again", st_auth_mode="cookie")
    browser.jar = before  # the response got lost
    assert browser("POST", "/out", st_auth_mode="cookie").get("front-token") == "remove"
    assert browser.jar == {}


async def rekey(exchange: Exchange) -> None:
    await exchange.sessions.rekey_session(await exchange.get_session())


def test_within_a_mounted_application_is_within_the_same_exchange(
    sessions: Sessions, browser: Browser
) -> None:
    within = Site(sessions)
    within.handlers["/rekey"] = rekey

    async def around(scope: Any, receive: Any, send: Any) -> None:
        old = await exchange_of(scope).get_session(required=False)
        waiting: list[Any] = []

        async def wait(message: Any) -> None:
            waiting.append(message)

        await within.app(scope, receive, wait)
        if old is not None:
            await exchange_of(scope).sessions.revoke_session(old)
        for message in waiting:
            await send(message)

    browser.app = SessionMiddleware(around, sessions)
    log_in(browser)
    before = set(browser.jar.values())
    told = browser("POST", "/rekey", st_auth_mode="cookie")
    assert len(told.all("set-cookie")) == len(set(told.all("set-cookie"))) == 2
    assert before.isdisjoint(browser.jar.values())
    assert browser("GET", "/me").status == 200


def test_what_is_told_within_is_put_on_once_whatever_stands_between(
    sessions: Sessions, browser: Browser
) -> None:
    async def within(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).create_session("ada")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    others = Sessions(Policy(ORIGIN), MemoryStore(), listener=quiet)
    between = SessionMiddleware(SessionMiddleware(within, sessions), others)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).create_session("guest")
        await between(scope, receive, send)

    browser.app = SessionMiddleware(around, sessions)
    told = browser("POST", "/", st_auth_mode="cookie")
    assert len(told.all("set-cookie")) == 2


def test_whoever_mounts_may_answer_for_an_application_that_fails(
    sessions: Sessions, browser: Browser
) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    within = SessionMiddleware(fail, sessions)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).create_session("guest")
        with suppress(ZeroDivisionError):
            await within(scope, receive, send)
        await send({"type": "http.response.start", "status": 422, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    browser.app = SessionMiddleware(around, sessions)
    assert browser("POST", "/", st_auth_mode="cookie").status == 422
    assert {name for name, _ in browser.jar} >= {"sAccessToken", "sRefreshToken"}


def test_fetchers_within_a_mounted_application_are_given_its_scope() -> None:
    claim = PrimitiveClaim("tenant")
    sessions = Sessions(
        Policy(ORIGIN), MemoryStore(), listener=quiet,
        fetchers={"tenant": lambda _, scope: scope["tenant"]},
    )  # fmt: skip
    found: list[Any] = []

    async def within(scope: Any, receive: Any, send: Any) -> None:
        session = await exchange_of(scope).create_session("ada", claims=[claim])
        found.append(claim.value_in(session.payload))

    mounted = SessionMiddleware(within, sessions)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await mounted({**scope, "tenant": "blue"}, receive, send)

    call(SessionMiddleware(around, sessions), {"type": "http", "method": "GET", "path": "/",
                                               "headers": []})  # fmt: skip
    assert found == ["blue"]


def test_a_life_by_cookie(site: Site, browser: Browser, clock: Clock) -> None:
    assert browser("GET", "/me").body == {"message": "unauthorised"}
    log_in(browser)
    assert browser("GET", "/me").status == 200
    clock.now += 16 * 60_000
    expired = browser("GET", "/me")
    assert (expired.status, expired.body) == (401, {"message": "try refresh token"})
    assert expired.all("set-cookie") == []
    before = dict(browser.jar)
    refreshed = browser("POST", "/auth/session/refresh")
    assert (refreshed.status, refreshed.body) == (200, {})
    assert refreshed.get("front-token")
    assert browser.jar.keys() == before.keys()
    assert all(browser.jar[key] != before[key] for key in before)
    assert browser("GET", "/me").status == 200
    left = browser("POST", "/auth/signout")
    assert (left.status, left.body) == (200, {"status": "OK"})
    assert left.get("front-token") == "remove"
    assert browser.jar == {}
    assert browser("GET", "/me").status == 401
    assert browser("POST", "/auth/signout").status == 401
    assert "/auth/session/refresh" not in site.served
    assert "/auth/signout" not in site.served


def test_a_life_by_header(browser: Browser) -> None:
    login = browser("POST", "/login", st_auth_mode="header")
    access, refresh = login.get("st-access-token"), login.get("st-refresh-token")
    assert access
    assert refresh
    assert browser("GET", "/me", authorization=f"Bearer {access}").status == 200
    again = browser("POST", "/auth/session/refresh", authorization=f"Bearer {refresh}")
    assert again.get("st-refresh-token") not in (None, "", refresh)
    exposed = again.get("access-control-expose-headers") or ""
    assert set(exposed.split(", ")) == {"st-access-token", "front-token", "st-refresh-token"}


def test_theft_is_told_as_theft(browser: Browser) -> None:
    login = browser("POST", "/login", st_auth_mode="header")
    first = second = login.get("st-refresh-token")
    for _ in range(2):
        again = browser("POST", "/auth/session/refresh", authorization=f"Bearer {second}")
        second = again.get("st-refresh-token")
    stolen = browser("POST", "/auth/session/refresh", authorization=f"Bearer {first}")
    assert (stolen.status, stolen.body) == (401, {"message": "token theft detected"})
    assert stolen.get("front-token") == "remove"


def test_others_find_the_keys(browser: Browser, sessions: Sessions) -> None:
    found = browser("GET", "/auth/.well-known/openid-configuration").body
    assert found["issuer"] == f"{ORIGIN}/auth"
    path = found["jwks_uri"].removeprefix(ORIGIN)
    assert browser("GET", path).body == sessions.jwks()


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD", "PUT"])
def test_other_methods_and_paths_are_the_applications_own(site: Site, method: str) -> None:
    browser = Browser(site.app)
    for path in ("/auth/session/refresh", "/auth/signout", "/auth", "/auth/session/refresh/"):
        assert browser(method, path).headers == [("content-type", "text/plain")]
    assert len(site.served) == 4


@pytest.mark.parametrize(
    ("root", "path"),
    [("/api", "/auth/session/refresh"), ("/api", "/api/auth/session/refresh")],
)
def test_a_proxy_may_have_taken_a_part_of_the_path_off(
    make_sessions: Callable[..., Sessions], root: str, path: str
) -> None:
    site = Site(make_sessions(base_path="/api/auth"))
    assert Browser(site.app)("POST", path, {"root_path": root}).status == 401
    assert site.served == []


def test_what_is_read_is_private_and_joins_the_applications_own_headers(
    site: Site, browser: Browser
) -> None:
    site.headers = [
        (b"Vary", b"Accept-Encoding, cookie"),
        (b"cache-control", b"public, max-age=60"),
        (b"set-cookie", b"theme=dark; Path=/"),
        *PLAIN,
    ]
    assert browser("GET", "/").get("cache-control") == "public, max-age=60"
    log_in(browser)
    answer = browser("GET", "/me")
    assert answer.get("cache-control") == "no-store"
    assert answer.get("vary") == "Accept-Encoding, cookie, Authorization"
    assert answer.all("set-cookie") == ["theme=dark; Path=/"]
    assert answer.get("content-type") == "text/plain"
    for again in range(3):  # the request that was seen before says the same
        assert browser("GET", "/me") == answer, again


def test_a_header_that_must_go_goes(site: Site, browser: Browser) -> None:
    site.headers = [(b"Anti-CSRF", b"left over"), *PLAIN]

    async def leave(exchange: Exchange) -> None:
        await exchange.sign_out()

    site.handlers["/leave"] = leave
    log_in(browser)
    answer = browser("POST", "/leave")
    assert answer.get("front-token") == "remove"
    assert answer.get("anti-csrf") is None


def test_claims_that_fail_are_told(site: Site, browser: Browser) -> None:
    verified = BooleanClaim("verified", fetchable=False)

    async def read(exchange: Exchange) -> None:
        await exchange.get_session(validators=[verified.is_true()])

    site.handlers["/verified"] = read
    log_in(browser)
    answer = browser("GET", "/verified")
    assert answer.status == 403
    assert answer.body["message"] == "invalid claim"
    assert [failure["id"] for failure in answer.body["claimValidationErrors"]] == ["verified"]


def test_a_store_that_is_away_clears_nothing(site: Site, browser: Browser, store: Away) -> None:
    async def read(exchange: Exchange) -> None:
        await exchange.get_session(check_database=True)

    site.handlers["/now"] = read
    log_in(browser)
    before = dict(browser.jar)
    store.away = True
    for method, path in (("GET", "/now"), ("POST", "/auth/session/refresh")):
        answer = browser(method, path)
        assert (answer.status, answer.get("retry-after")) == (503, "1")
        assert answer.get("cache-control") == "no-store"
        assert answer.get("vary") == "Cookie, Authorization"
        assert answer.get("front-token") is None
        assert browser.jar == before
    store.away = False
    assert browser("GET", "/now").status == 200


def test_a_login_that_was_done_reaches_the_client_whatever_fails_after_it(
    site: Site, browser: Browser
) -> None:
    async def crash(exchange: Exchange) -> None:
        await exchange.create_session("ada")
        raise ZeroDivisionError

    async def refuse(exchange: Exchange) -> None:
        await exchange.create_session("ada")
        raise StoreUnavailable("the other database is away")

    site.handlers.update({"/crash": crash, "/refuse": refuse})
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/crash",
        "headers": [(b"st-auth-mode", b"cookie")],
    }
    with pytest.raises(ZeroDivisionError):
        call(site.app, scope)
    start = scope["sent"][0]
    assert start["status"] == 500
    assert [name for name, _ in start["headers"]].count(b"set-cookie") == 2
    assert browser("POST", "/refuse", st_auth_mode="cookie").status == 503
    assert browser("GET", "/me").status == 200


def test_an_error_that_loses_no_token_is_left_to_others(site: Site, browser: Browser) -> None:
    async def crash(exchange: Exchange) -> None:
        await exchange.get_session(required=False)
        raise ZeroDivisionError

    site.handlers["/crash"] = crash
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/crash", "headers": []}
    with pytest.raises(ZeroDivisionError):
        call(site.app, scope)
    assert scope["sent"] == []


@pytest.mark.parametrize("error", [Unauthorised, InvalidClaims, StoreUnavailable])
def test_once_the_answer_has_begun_an_error_is_only_raised(
    sessions: Sessions, error: Callable[[Any], Exception]
) -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error(())

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(type(error(()))):
        call(SessionMiddleware(late, sessions), scope)
    assert len(scope["sent"]) == 1


def test_other_protocols_pass(site: Site) -> None:
    call(site.app, {"type": "lifespan"})
    assert site.served == ["lifespan"]


def test_without_the_middleware_an_exchange_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="add it to the application"):
        exchange_of({"type": "http"})


def test_what_listeners_and_fetchers_are_given_is_the_scope(sessions: Sessions) -> None:
    scope: Any = {"type": "http", "method": "GET", "headers": []}
    exchange = Exchange(sessions, scope)
    assert "headers" not in repr(exchange.sessions.interpreter)  # they carry tokens
    assert exchange.sessions is exchange.sessions
    assert exchange.request == RequestFacts("GET")
