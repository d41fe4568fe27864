"""The demo's API: log in, look, change claims, sign out here and elsewhere, be stolen from."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any, cast

from ...core import Session
from ...effects import InvalidInput, thaw
from ..optional import needs
from ..web.fastapi import ExchangeDep, add_sessions, verify_session
from .thief import Thief
from .watching import WatchedSessions

try:
    from fastapi import Depends, FastAPI, Request
    from fastapi.responses import JSONResponse, Response
except ImportError as error:
    raise needs("demo") from error

LARGEST_BODY = 64 * 1024  # bytes

# What was revoked elsewhere is over here at once: the store is asked each time.
Current = Annotated[Session, Depends(verify_session(check_database=True))]

PAGE = {"/": "index.html", "/demo.js": "demo.js", "/demo.css": "demo.css"}
KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
GUARD = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def demo(sessions: WatchedSessions) -> FastAPI:
    """The demo over these sessions."""
    app = FastAPI(title="counterfoil demo")
    add_sessions(app, sessions)
    app.add_exception_handler(InvalidInput, _bad_request)
    _add_page(app)
    _add_account(app)
    _add_devices(app)
    _add_theft(app, Thief(sessions))

    @app.get("/log")
    async def log(after: int = 0) -> list[dict[str, Any]]:
        """What was done since a line."""
        return sessions.log.after(after)

    return app


def _add_page(app: FastAPI) -> None:
    folder = files(f"{__package__}") / "page"

    def serve(path: str, name: str) -> None:
        body = (folder / name).read_bytes()
        kind = KINDS[name.rpartition(".")[2]]

        @app.get(path, include_in_schema=False)
        async def page() -> Response:
            return Response(body, media_type=kind, headers=GUARD)

    for path, name in PAGE.items():
        serve(path, name)


def _add_account(app: FastAPI) -> None:
    @app.post("/login")
    async def login(request: Request, exchange: ExchangeDep) -> dict[str, Any]:
        """A new session, in the mode of `st-auth-mode`."""
        body = await _body(request)
        user_id = body.get("userId")
        if not isinstance(user_id, str) or not 0 < len(user_id) <= 100:
            raise InvalidInput("userId must be a text of 1 to 100 characters.")
        return _shown(await exchange.create_session(user_id))

    @app.get("/me")
    @app.post("/me")
    async def me(session: Current) -> dict[str, Any]:
        """Whose session this is."""
        return _shown(session)

    @app.post("/claims")
    async def claims(request: Request, session: Current, exchange: ExchangeDep) -> dict[str, Any]:
        """Merge the body into the access token's payload; null removes."""
        patch = await _body(request)
        return _shown(await exchange.sessions.merge_into_access_token_payload(session, patch))


def _add_devices(app: FastAPI) -> None:
    @app.get("/sessions")
    async def devices(session: Current, exchange: ExchangeDep) -> list[dict[str, Any]]:
        """Where the user is logged in."""
        sessions, listed = exchange.sessions, list[dict[str, Any]]()
        for handle in await sessions.get_all_session_handles_for_user(session.user_id):
            known = await sessions.get_session_information(handle)
            if known is not None:
                listed.append(
                    {
                        "handle": handle,
                        "createdAt": known.created_at,
                        "expiresAt": known.expires_at,
                        "here": handle == session.handle,
                    }
                )
        return listed

    @app.post("/sessions/{handle}/logout")
    async def logout_one(
        handle: str, session: Current, exchange: ExchangeDep
    ) -> dict[str, list[str]]:
        """Sign one of the user's own sessions out."""
        sessions = exchange.sessions
        own = await sessions.get_all_session_handles_for_user(session.user_id)
        wanted = [one for one in own if one == handle]
        return {"revoked": list(await sessions.revoke_multiple_sessions(wanted))}

    @app.post("/logout-others")
    async def logout_others(session: Current, exchange: ExchangeDep) -> dict[str, list[str]]:
        """Sign the user out everywhere else."""
        return {"revoked": list(await exchange.sessions.revoke_other_sessions(session))}

    @app.post("/logout-all")
    async def logout_all(session: Current, exchange: ExchangeDep) -> dict[str, list[str]]:
        """Sign the user out everywhere, here too."""
        sessions = exchange.sessions
        revoked = await sessions.revoke_all_sessions_for_user(session.user_id)
        await sessions.revoke_session(session)  # it is gone: this clears the client's tokens
        return {"revoked": list(revoked)}


def _add_theft(app: FastAPI, thief: Thief) -> None:
    # A browser sends the refresh cookie to the refresh route, and to what lies below it.
    @app.post("/auth/session/refresh/steal")
    async def steal(exchange: ExchangeDep) -> dict[str, bool]:
        """Copy the refresh token into the thief's jar."""
        thief.steal(exchange.request)
        return {"stolen": True}

    @app.post("/thief/refresh")
    async def thief_refresh() -> dict[str, Any]:
        """The thief exchanges his copy."""
        return await thief.refresh()


def _shown(session: Session) -> dict[str, Any]:
    return {
        "userId": session.user_id,
        "handle": session.handle,
        "payload": thaw(session.payload),
    }


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        InvalidInput: it is none, or too large.
    """
    text = b""
    async for part in request.stream():
        text += part
        if len(text) > LARGEST_BODY:
            raise InvalidInput(f"the body must be at most {LARGEST_BODY} bytes.")
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("the body must be JSON.") from None
    if not isinstance(body, dict):
        raise InvalidInput(f"the body must be a JSON object, not {type(body).__name__}.")
    return cast("dict[str, Any]", body)


async def _bad_request(_: Request, error: Exception) -> Response:
    return JSONResponse({"message": str(error)}, 400)
