"""The demo's API: log in, look, change claims, sign out here and elsewhere, be stolen from."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any, cast

from ...core import Session
from ...effects import InvalidInput, Rejection, thaw
from ..optional import needs
from ..response import ResponseHeaders
from ..web.fastapi import ExchangeDep, add_sessions, verify_session
from .page_files import add_page
from .thief import Thief
from .watching import Statuses, WatchedSessions

try:
    from fastapi import Depends, FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.requests import ClientDisconnect
except ImportError as error:
    raise needs("demo") from error

LARGEST_BODY = 64 * 1024  # bytes
LONGEST_NAME = 100  # characters
UNNAMED = "a client"

# What was revoked elsewhere is over here at once: the store is asked each time.
Current = Annotated[Session, Depends(verify_session(check_database=True))]


def demo(sessions: WatchedSessions) -> FastAPI:
    """The demo over these sessions."""
    app = FastAPI(title="counterfoil demo")
    add_sessions(app, sessions)
    app.add_middleware(Statuses)
    app.add_exception_handler(InvalidInput, _bad_request)
    add_page(app)
    _add_account(app)
    _add_devices(app)
    _add_loss(app)
    _add_theft(app, Thief(sessions))
    _add_watching(app, sessions)
    return app


def _add_account(app: FastAPI) -> None:
    @app.post("/login")
    async def login(request: Request, exchange: ExchangeDep) -> dict[str, Any]:
        """A new session, in the mode of `st-auth-mode`; `device` is what to list it as."""
        body = await _body(request)
        user_id, device = _word(body, "userId"), _word({"device": UNNAMED, **body}, "device")
        return _shown(await exchange.create_session(user_id, data={"device": device}))

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
                        "device": known.data.get("device", UNNAMED),
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


def _add_loss(app: FastAPI) -> None:
    # A browser sends the refresh cookie to the refresh route, and to what lies below it.
    @app.post("/auth/session/refresh/lose")
    async def lose(request: Request, exchange: ExchangeDep) -> Response:
        """Refresh, and lose the response: what it tells the client, nobody hears."""
        lost = exchange.sessions.using(response=ResponseHeaders(), context=request.scope)
        with suppress(Rejection):
            await lost.refresh_session_in_request(exchange.request)
        return JSONResponse({"message": "the response was lost on its way"}, 504)


def _add_theft(app: FastAPI, thief: Thief) -> None:
    @app.post("/auth/session/refresh/steal")
    async def steal(exchange: ExchangeDep) -> dict[str, str | None]:
        """Copy the refresh token into the thief's jar."""
        thief.steal(exchange.request)
        return {"holds": thief.holds}

    @app.post("/thief/refresh")
    async def thief_refresh() -> dict[str, Any]:
        """The thief exchanges his copy."""
        return await thief.refresh()


def _add_watching(app: FastAPI, sessions: WatchedSessions) -> None:
    @app.get("/log")
    async def log(after: int = 0) -> list[dict[str, Any]]:
        """What was done since a line, for whichever user."""
        return sessions.log.after(after)

    @app.get("/settings")
    async def settings() -> dict[str, Any]:
        """What the page has to know to explain what it sees; times in seconds."""
        policy = sessions.policy
        return {
            "origin": str(policy.site_origin),
            "accessTtl": policy.lifetime.access.total_seconds(),
            "leeway": policy.leeway.total_seconds(),
            "antiCsrf": policy.anti_csrf,
        }


def _shown(session: Session) -> dict[str, Any]:
    return {
        "userId": session.user_id,
        "handle": session.handle,
        "payload": thaw(session.payload),
    }


def _word(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise InvalidInput(f"{name} must be a text of 1 to {LONGEST_NAME} characters.")
    return value


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        InvalidInput: it is none, too large, or never came whole.
    """
    text = b""
    try:
        async for part in request.stream():
            text += part
            if len(text) > LARGEST_BODY:
                raise InvalidInput(f"the body must be at most {LARGEST_BODY} bytes.")
    except ClientDisconnect:
        raise InvalidInput("the client went away in the middle of its body.") from None
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("the body must be JSON.") from None
    if not isinstance(body, dict):
        raise InvalidInput(f"the body must be a JSON object, not {type(body).__name__}.")
    return cast("dict[str, Any]", body)


async def _bad_request(_: Request, error: Exception) -> Response:
    return JSONResponse({"message": str(error)}, 400)
