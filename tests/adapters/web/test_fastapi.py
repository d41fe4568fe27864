"""FastAPI's ways: dependencies, own responses, streams, errors, and the OpenAPI document."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import iscoroutinefunction
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.testclient import TestClient
from openapi_spec_validator import validate
from starlette.websockets import WebSocketDisconnect

from counterfoil import (
    BlockingSessions,
    BooleanClaim,
    InvalidInput,
    MemoryStore,
    Policy,
    Session,
    Sessions,
)
from counterfoil.adapters.web.cors import cors
from counterfoil.adapters.web.exchange import Exchange
from counterfoil.adapters.web.fastapi import (
    ExchangeDep,
    OptionalSessionDep,
    SessionDep,
    add_sessions,
    get_exchange,
    require_session,
    verify_session,
)
from counterfoil.effects import Rejection

from .conftest import ORIGIN, Away

PRO = BooleanClaim("pro", fetchable=False)
Pro = Annotated[Session, Depends(verify_session(validators=[PRO.is_true()]))]
Checked = Annotated[Session, Depends(verify_session(check_database=True))]
Unchecked = Annotated[Session, Depends(verify_session(check_anti_csrf=False))]


async def merged(session: SessionDep, exchange: ExchangeDep) -> Session:
    """A dependency that changes the session before the handler runs."""
    return await exchange.sessions.merge_into_access_token_payload(session, {"seen": True})


def first(exchange: ExchangeDep) -> Exchange:
    """A dependency that hands the exchange on."""
    return exchange


First = Annotated[Exchange, Depends(first)]
Merged = Annotated[Session, Depends(merged)]


def application(sessions: Sessions) -> FastAPI:
    app = FastAPI()
    add_sessions(app, sessions)

    @app.post("/login")
    async def login(exchange: ExchangeDep, user: str = "ada") -> str:
        return (await exchange.create_session(user)).handle

    @app.get("/me")
    @app.post("/me")
    async def me(session: SessionDep) -> str:
        return session.user_id

    @app.get("/maybe")
    async def maybe(session: OptionalSessionDep) -> str:
        return session.user_id if session else "nobody"

    @app.get("/pro")
    async def pro(session: Pro) -> str:
        return session.user_id

    @app.get("/checked")
    async def checked(session: Checked) -> str:
        return session.user_id

    @app.post("/unchecked")
    async def unchecked(session: Unchecked) -> str:
        return session.user_id

    @app.get("/blocking")
    def blocking(session: SessionDep) -> str:
        return session.user_id

    @app.get("/own")
    async def own(session: Merged) -> Response:
        return PlainTextResponse("own", headers={"Cache-Control": "public"})

    @app.get("/stream")
    async def stream(session: Merged) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "one "
            yield "two"

        return StreamingResponse(parts())

    @app.get("/background")
    async def background(session: Merged, tasks: BackgroundTasks) -> str:
        tasks.add_task(lambda: None)
        return "later"

    @app.get("/raises")
    async def raises(session: Merged) -> str:
        raise HTTPException(418, "teapot")

    @app.get("/fails")
    async def fails(session: Merged) -> str:
        raise ZeroDivisionError

    @app.get("/open")
    async def open_to_all() -> str:
        return "open"

    @app.websocket("/ws")
    async def ws(socket: WebSocket, session: SessionDep) -> None:
        await socket.accept()
        await socket.send_text(session.user_id)
        await socket.close()

    return app


@pytest.fixture
def app(sessions: Sessions) -> FastAPI:
    return application(sessions)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    headers = {"sec-fetch-site": "same-origin"}
    with TestClient(app, base_url=ORIGIN, headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def logged_in(client: TestClient) -> TestClient:
    assert client.post("/login", headers={"st-auth-mode": "cookie"}).status_code == 200
    return client


def test_a_session_is_required_unless_it_is_not(client: TestClient) -> None:
    refused = client.get("/me")
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised"})
    assert client.get("/maybe").json() == "nobody"
    client.post("/login", headers={"st-auth-mode": "cookie"})
    for path in ("/me", "/maybe", "/checked", "/blocking"):
        assert client.get(path).json() == "ada"


def test_a_route_has_its_own_validators(logged_in: TestClient) -> None:
    answer = logged_in.get("/pro")
    assert answer.status_code == 403
    assert answer.json()["claimValidationErrors"][0]["id"] == "pro"


def test_a_route_may_ask_the_store_or_skip_the_anti_csrf_check(
    logged_in: TestClient, store: Away
) -> None:
    crossing = {"sec-fetch-site": "cross-site"}
    assert logged_in.post("/me", headers=crossing).json() == {"message": "try refresh token"}
    assert logged_in.post("/unchecked", headers=crossing).json() == "ada"
    store.away = True
    assert logged_in.get("/me").status_code == 200
    away = logged_in.get("/checked")
    assert (away.status_code, away.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/own", 200), ("/stream", 200), ("/background", 200), ("/raises", 418), ("/fails", 500)],
)
def test_effects_reach_whatever_response_there_is(
    logged_in: TestClient, path: str, status: int
) -> None:
    before = logged_in.cookies["sAccessToken"]
    answer = logged_in.get(path)
    assert answer.status_code == status
    assert "front-token" in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert logged_in.cookies["sAccessToken"] != before


def test_a_websocket_takes_the_same_dependency(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass
    token = client.post("/login", headers={"st-auth-mode": "header"}).headers["st-access-token"]
    with client.websocket_connect("/ws", headers={"authorization": f"Bearer {token}"}) as socket:
        assert socket.receive_text() == "ada"


def test_a_handler_of_the_applications_own_comes_first(app: FastAPI) -> None:
    async def own(_: object, error: Exception) -> Response:
        return JSONResponse({"own": str(error)[:12]}, 499)

    app.add_exception_handler(Rejection, own)
    with TestClient(app) as client:
        assert client.get("/me").status_code == 499


def test_the_document_says_how_a_session_comes_and_how_it_is_refused(
    make_sessions: Callable[..., Sessions],
) -> None:
    sessions = make_sessions(unauthorised_status=440, access_cookie="own")
    app = application(sessions)
    schema = app.openapi()
    validate(schema)
    assert app.openapi() is schema
    assert schema["components"]["securitySchemes"] == {
        "session": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of a session, as st-access-token had it at login.",
        },
        "session-cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "own",
            "description": "The access token of a session, as browsers send it.",
        },
    }
    me: dict[str, Any] = schema["paths"]["/me"]["get"]
    assert me["security"] == [{"session": []}, {"session-cookie": []}]
    assert {"200", "440", "403", "503"} <= me["responses"].keys()
    claims = me["responses"]["403"]["content"]["application/json"]["schema"]["properties"]
    assert set(claims) == {"message", "claimValidationErrors"}
    assert "security" not in schema["paths"]["/open"]["get"]
    assert set(schema["paths"]["/open"]["get"]["responses"]) == {"200"}


def test_the_document_says_where_a_session_is_optional(sessions: Sessions) -> None:
    app = FastAPI()
    add_sessions(app, sessions)

    @app.get("/maybe")
    async def maybe(session: OptionalSessionDep) -> bool:
        return session is None

    @app.get("/both")
    async def both(_: OptionalSessionDep, session: SessionDep) -> str:
        return session.user_id

    schema = app.openapi()
    validate(schema)
    assert set(schema["components"]["securitySchemes"]) == {"session", "session-cookie"}
    ways: list[dict[str, list[str]]] = [{"session": []}, {"session-cookie": []}]
    assert schema["paths"]["/maybe"]["get"]["security"] == [{}, *ways]
    assert schema["paths"]["/both"]["get"]["security"] == ways
    alone = FastAPI()
    add_sessions(alone, sessions)
    alone.get("/maybe")(maybe)
    assert set(alone.openapi()["components"]["securitySchemes"]) == {"session", "session-cookie"}


def test_a_plain_handler_logs_in_from_its_thread(sessions: Sessions) -> None:
    app = FastAPI()
    add_sessions(app, sessions)

    @app.post("/login")
    def login(user_id: str, exchange: ExchangeDep) -> str:
        return anyio.from_thread.run(exchange.create_session, user_id).handle

    @app.get("/me")
    def me(session: SessionDep) -> str:
        return session.user_id

    with TestClient(app, base_url=ORIGIN) as client:
        assert client.post("/login?user_id=ada", headers={"st-auth-mode": "cookie"}).is_success
        assert client.get("/me").json() == "ada"


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ([PRO], r"'pro' is a claim itself \(BooleanClaim\): .* as in claim\.is_true\(\)"),
        ([PRO.is_true], r"not method; call it"),
        (PRO.is_true(), r"not HasValue; write \[validator\]"),
    ],
)
def test_what_is_no_validator_is_refused_where_the_dependency_is_made(slip: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        verify_session(validators=slip)


CHANGES: dict[str, Callable[[Sessions, Session], Awaitable[object]]] = {
    "merge": lambda sessions, session: sessions.merge_into_access_token_payload(session, {"a": 1}),
    "re-key": lambda sessions, session: sessions.rekey_session(session),
    "revoke": lambda sessions, session: sessions.revoke_session(session),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_route_changes_the_session_through_its_exchange(sessions: Sessions, change: str) -> None:
    app = application(sessions)

    @app.post("/change")
    async def changed(session: SessionDep, exchange: ExchangeDep) -> None:
        await CHANGES[change](exchange.sessions, session)

    @app.post("/unheard")
    async def unheard(session: SessionDep) -> None:
        await CHANGES[change](sessions, session)

    with TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN}) as client:
        client.post("/login", headers={"st-auth-mode": "cookie"})
        before = dict(client.cookies)
        with pytest.raises(InvalidInput, match=r"exchange\.sessions"):
            client.post("/unheard")
        assert dict(client.cookies) == before
        assert client.get("/checked").json() == "ada"  # it was refused before anything was done
        assert client.post("/change").status_code == 200
        assert client.cookies.get("sAccessToken") != before["sAccessToken"]
        assert client.get("/checked").status_code == (401 if change == "revoke" else 200)
        refreshed = client.post("/auth/session/refresh").status_code
        assert refreshed == (401 if change == "revoke" else 200)


def test_a_test_puts_a_session_in_the_place_of_the_requests(app: FastAPI) -> None:
    session = BlockingSessions(Policy(ORIGIN), MemoryStore()).create_session("grace")
    app.dependency_overrides[require_session] = lambda: session
    with TestClient(app, base_url=ORIGIN) as client:
        assert "grace" in client.get("/me").text


def test_a_document_without_sessions_is_left_alone(sessions: Sessions) -> None:
    app = FastAPI()
    add_sessions(app, sessions)
    assert "components" not in app.openapi()


def test_pages_of_the_site_may_call_from_another_origin(
    make_sessions: Callable[..., Sessions],
) -> None:
    site = "https://app.example.com"
    sessions = make_sessions(site_origin=site)
    app = application(sessions)
    app.add_middleware(CORSMiddleware, **cors(sessions.policy))
    with TestClient(app, base_url=ORIGIN, headers={"origin": site}) as client:
        asked = "anti-csrf, authorization, fdi-version, rid, st-auth-mode"
        for path in ("/me", "/auth/session/refresh"):
            preflight = client.options(
                path,
                headers={
                    "access-control-request-method": "POST",
                    "access-control-request-headers": asked,
                },
            )
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == site
            assert preflight.headers["access-control-allow-credentials"] == "true"
            refused = client.post(path)
            assert refused.status_code == 401
            assert refused.headers["access-control-allow-origin"] == site
        login = client.post("/login", headers={"st-auth-mode": "header"})
        exposed = login.headers["access-control-expose-headers"].split(", ")
        assert {"front-token", "st-access-token", "st-refresh-token", "anti-csrf"} <= set(exposed)
        elsewhere = client.get("/me", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in elsewhere.headers


def test_the_exchange_is_the_same_all_through_a_request(app: FastAPI, client: TestClient) -> None:
    @app.get("/same")
    async def same(one: First, other: ExchangeDep) -> bool:
        return one is other

    assert client.get("/same").json() is True


def test_without_fastapi_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "try: import counterfoil.adapters.web.fastapi\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'counterfoil[fastapi]'" in told.stdout


@pytest.mark.parametrize("added", [True, False])
def test_a_mounted_application_refuses_as_its_host_does(
    app: FastAPI, sessions: Sessions, added: bool
) -> None:
    within = FastAPI()
    if added:
        add_sessions(within, sessions)

    @within.get("/me")
    async def me(session: SessionDep) -> str:
        return session.user_id

    app.mount("/within", within)
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        assert client.get("/within/me").status_code == 401
        client.post("/login", headers={"st-auth-mode": "cookie"})
        assert client.get("/within/me").json() == "ada"


def test_a_mounted_application_with_sessions_refuses_behind_a_middleware_of_its_host_too(
    sessions: Sessions,
) -> None:
    app, within = FastAPI(), FastAPI()

    @app.middleware("http")
    async def time(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    add_sessions(app, sessions)  # stands outside of the middleware, which has a task of its own
    add_sessions(within, sessions)

    @within.get("/me")
    async def me(session: SessionDep) -> str:
        return session.user_id

    @within.get("/fails")
    async def fails(exchange: ExchangeDep) -> None:
        await exchange.get_session(required=False)
        raise ZeroDivisionError

    app.mount("/within", within)
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        refused = client.get("/within/me")
        assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised"})
        assert client.get("/within/fails").status_code == 500


def test_the_exchange_is_found_without_a_thread() -> None:
    assert iscoroutinefunction(get_exchange)
