"""The middleware around other ASGI frameworks: Starlette, Litestar and Quart, as the README has it.

Starlette lets an exception that it doesn't know through to its middleware. Litestar, and a
Starlette with the middleware around all of it, make a 500 of it, which gives way to the protocol's
answer. Quart handles it before it answers, so there it is for the application's own handler, which
hands it to `answer_to`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import litestar
import pytest
import quart
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from counterfoil import BooleanClaim, Rejection, Session, Sessions, StoreUnavailable
from counterfoil.adapters.web.answering import answer_to
from counterfoil.adapters.web.asgi import SessionMiddleware
from counterfoil.adapters.web.cors import cors
from counterfoil.adapters.web.exchange import ASGIApp, Exchange, exchange_of
from counterfoil.effects import to_json

from .conftest import ORIGIN, Away, Clock

SITE = "https://app.example.com"
PRO = BooleanClaim("pro", fetchable=False)


async def find(exchange: Exchange, path: str) -> Session:
    """What the application does, whatever it is made of."""
    match path:
        case "/login":
            return await exchange.create_session("ada")
        case "/pro":
            return await exchange.get_session(validators=[PRO.is_true()])
        case _:
            return await exchange.get_session(check_database=True)


def routes() -> list[Route]:
    """Starlette's."""

    async def serve(request: Request) -> PlainTextResponse:
        session = await find(exchange_of(request.scope), request.url.path)
        return PlainTextResponse(session.user_id)

    return [Route("/{path}", serve, methods=["GET", "POST"])]


def starlette_app(sessions: Sessions) -> ASGIApp:
    """Starlette's application."""
    app = Starlette(routes=routes())
    app.add_middleware(SessionMiddleware, sessions=sessions)
    app.add_middleware(CORSMiddleware, **cors(sessions.policy))
    return app


def starlette_wrapped(sessions: Sessions) -> ASGIApp:
    """Starlette's, with the middleware around all of it."""
    app = SessionMiddleware(Starlette(routes=routes()), sessions)
    return CORSMiddleware(app, **cors(sessions.policy))


def litestar_app(sessions: Sessions, *, handles: bool = False) -> ASGIApp:
    """Litestar's: the middleware stands around all of it, to have the protocol's routes."""

    @litestar.route("/{path:str}", http_method=["GET", "POST"], status_code=200)
    async def serve(request: litestar.Request[Any, Any, Any]) -> str:
        return (await find(exchange_of(request.scope), request.url.path)).user_id

    def refused(request: litestar.Request[Any, Any, Any], error: Any) -> litestar.Response[bytes]:
        answer = answer_to(error, exchange_of(request.scope))
        body = to_json(answer.body).encode()
        return litestar.Response(body, status_code=answer.status, media_type="application/json")

    handlers: Any = {Rejection: refused, StoreUnavailable: refused} if handles else {}
    app: Any = litestar.Litestar(  # whose ASGI types are closer than ours
        [serve], exception_handlers=handlers, openapi_config=None
    )
    return CORSMiddleware(SessionMiddleware(app, sessions), **cors(sessions.policy))


def quart_app(sessions: Sessions) -> ASGIApp:
    """Quart's: the same, by `asgi_app`."""
    app = quart.Quart(__name__)

    @app.route("/<path:path>", methods=["GET", "POST"])
    async def serve(path: str) -> str:
        return (await find(exchange_of(quart.request.scope), f"/{path}")).user_id

    @app.errorhandler(Rejection)
    @app.errorhandler(StoreUnavailable)
    async def refused(error: Any) -> quart.Response:
        answer = answer_to(error, exchange_of(quart.request.scope))
        return quart.Response(to_json(answer.body), answer.status, mimetype="application/json")

    served: Any = app  # whose ASGI types are closer than ours
    served.asgi_app = SessionMiddleware(served.asgi_app, sessions)
    return CORSMiddleware(served, **cors(sessions.policy))


APPS = {
    "starlette": starlette_app,
    "starlette, wrapped": starlette_wrapped,
    "litestar": litestar_app,
    "litestar, with a handler": partial(litestar_app, handles=True),
    "quart": quart_app,
}


@pytest.fixture(params=list(APPS.values()), ids=list(APPS))
def client(request: pytest.FixtureRequest, make_sessions: Callable[..., Sessions]) -> Any:
    app = request.param(make_sessions(site_origin=SITE))
    headers = {"origin": SITE, "sec-fetch-site": "same-site"}
    with TestClient(app, base_url=ORIGIN, headers=headers) as client:
        yield client


def test_a_life(client: TestClient, clock: Clock) -> None:
    refused = client.get("/me")
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised"})
    login = client.post("/login", headers={"st-auth-mode": "cookie"})
    assert (login.status_code, login.text) == (200, "ada")
    assert login.headers["cache-control"] == "no-store"
    assert client.get("/me").text == client.post("/me").text == "ada"
    lacking = client.get("/pro")
    assert lacking.status_code == 403
    assert [failure["id"] for failure in lacking.json()["claimValidationErrors"]] == ["pro"]
    clock.now += 16 * 60_000
    assert client.get("/me").json() == {"message": "try refresh token"}
    refreshed = client.post("/auth/session/refresh")
    assert (refreshed.status_code, refreshed.json()) == (200, {})
    assert client.get("/me").text == "ada"
    left = client.post("/auth/signout")
    assert (left.json(), left.headers["front-token"]) == ({"status": "OK"}, "remove")
    assert not client.cookies
    assert client.get("/me").status_code == 401


def test_an_outage(client: TestClient, store: Away) -> None:
    client.post("/login", headers={"st-auth-mode": "cookie"})
    store.away = True
    for method, path in (("GET", "/me"), ("POST", "/auth/session/refresh")):
        away = client.request(method, path)
        assert (away.status_code, away.headers["retry-after"]) == (503, "1")
        assert away.headers.get_list("set-cookie") == []
    store.away = False
    assert client.get("/me").text == "ada"


ASKED = ["anti-csrf", "authorization", "content-type", "fdi-version", "rid", "st-auth-mode"]


@pytest.mark.parametrize("path", ["/me", "/auth/session/refresh", "/auth/signout"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_of_the_sites_pages_is_let_through(
    client: TestClient, path: str, method: str
) -> None:
    asked = {
        "access-control-request-method": method,
        "access-control-request-headers": ",".join(ASKED),
    }
    answer = client.options(path, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(ASKED) <= set(allowed)
    elsewhere = client.options(path, headers={**asked, "origin": "https://evil.example"})
    assert elsewhere.status_code == 400
    assert "access-control-allow-origin" not in elsewhere.headers


def test_every_answer_can_be_read_by_the_sites_pages(client: TestClient, store: Away) -> None:
    answers = [client.get("/me"), client.post("/auth/session/refresh"), client.post("/login")]
    token = answers[-1].headers["st-access-token"]
    store.away = True
    answers.append(client.get("/me", headers={"authorization": f"Bearer {token}"}))
    assert [answer.status_code for answer in answers] == [401, 401, 200, 503]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.headers["access-control-allow-credentials"] == "true"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"front-token", "anti-csrf", "st-access-token", "st-refresh-token"} <= set(exposed)
        assert "Origin" in answer.headers["vary"]


async def caught(request: Request) -> PlainTextResponse:
    """Go on without a session, and fail for another reason."""
    exchange = exchange_of(request.scope)
    match request.path_params["way"]:
        case "own":
            with suppress(Rejection, StoreUnavailable):
                await exchange.get_session(check_database=True)
        case "gathered":
            await asyncio.gather(exchange.get_session(), return_exceptions=True)
        case "meanwhile":
            try:
                await exchange.get_session()
            except Rejection:
                raise ZeroDivisionError from None
        case _:
            return PlainTextResponse((await exchange.get_session()).user_id)
    return PlainTextResponse("the application's own", status_code=500)


async def again(request: Request) -> PlainTextResponse:
    """Be refused, and once more while that is handled."""
    exchange = exchange_of(request.scope)
    try:
        return PlainTextResponse((await exchange.get_session()).user_id)
    except Rejection:
        with suppress(Rejection):
            await exchange.get_session()
        raise


async def refuse(request: Request, error: Exception) -> PlainTextResponse:
    """An own handler, and a task after it that fails."""

    async def fail() -> None:
        raise StoreUnavailable("another one")

    return PlainTextResponse("never sent", 500, background=BackgroundTask(fail))


ERRORS = [Route("/again", again), Route("/{way}", caught)]


def mounted(sessions: Sessions) -> ASGIApp:
    """An application in another that has the middleware."""
    app = Starlette(routes=[Mount("/", Starlette(routes=ERRORS))])
    app.add_middleware(SessionMiddleware, sessions=sessions)
    return app


def mounted_with(sessions: Sessions) -> ASGIApp:
    """One that has the middleware in another that hasn't."""
    inner = SessionMiddleware(Starlette(routes=ERRORS), sessions)
    return Starlette(routes=[Mount("/", inner)])


def under(sessions: Sessions) -> ASGIApp:
    """One under the middleware."""
    return SessionMiddleware(Starlette(routes=ERRORS), sessions)


@pytest.mark.parametrize("made", [under, mounted, mounted_with])
def test_only_a_500_that_is_of_a_refusal_gives_way(
    made: Callable[[Sessions], ASGIApp], make_sessions: Callable[..., Sessions]
) -> None:
    app = made(make_sessions())
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        for path in ("/me", "/again"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised"})
            assert refused.headers["vary"] == "Cookie, Authorization"
        for path in ("/own", "/gathered", "/meanwhile"):
            failed = client.get(path)
            assert failed.status_code == 500
            assert failed.text in ("the application's own", "Internal Server Error")


@pytest.mark.parametrize("made", [under, mounted, mounted_with])
def test_an_outage_that_was_caught_is_over(
    made: Callable[[Sessions], ASGIApp], make_sessions: Callable[..., Sessions], store: Away
) -> None:
    sessions = make_sessions()
    token = anyio.run(sessions.create_session, "ada").access_token
    store.away = True
    with TestClient(made(sessions), base_url=ORIGIN, raise_server_exceptions=False) as client:
        failed = client.get("/own", headers={"authorization": f"Bearer {token}"})
    assert (failed.status_code, failed.text) == (500, "the application's own")


def test_what_fails_for_another_reason_is_still_raised(
    make_sessions: Callable[..., Sessions],
) -> None:
    with TestClient(under(make_sessions()), base_url=ORIGIN) as client:
        assert client.get("/me").status_code == 401
        with pytest.raises(ZeroDivisionError):
            client.get("/meanwhile")


def test_another_refusal_after_the_answer_is_still_raised(
    make_sessions: Callable[..., Sessions],
) -> None:
    inner = Starlette(routes=ERRORS, exception_handlers={Rejection: refuse})
    app = SessionMiddleware(inner, make_sessions())
    with (
        TestClient(app, base_url=ORIGIN) as client,
        pytest.raises(StoreUnavailable, match="another one"),
    ):
        client.get("/me")
