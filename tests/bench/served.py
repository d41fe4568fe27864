"""What `web.py` measures: one route in five ways, served by one uvicorn worker.

Run as a program with a port, a parser and a loop. `/bare` asks for no session, `/nothing` has a
dependency that does nothing, `/ours` has `SessionDep`, `/asked` asks its exchange in the handler,
and `/decoded` has a dependency that decodes the token with PyJWT. Each is an application of its
own, in one process; the last has no sessions.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from counterfoil import MemoryStore, Policy, Session, Sessions
from counterfoil.adapters.web.exchange import exchange_of
from counterfoil.adapters.web.fastapi import SessionDep, add_sessions

POLICY = Policy("https://api.example.com")
PAYLOAD = {"plan": "pro", "roles": ["admin", "editor"], "locale": "de-CH"}


def quiet(*_: object) -> None:
    """A listener that costs nothing."""


async def logged_in(sessions: Sessions) -> Session:
    """A session whose token the load shows."""
    return await sessions.create_session("user-1", payload=PAYLOAD)


BEARER = HTTPBearer()
Shown = Annotated[HTTPAuthorizationCredentials, Depends(BEARER)]


class Decoded:
    """A dependency that gives the claims of a bearer token."""

    def __init__(self, key: Any) -> None:
        self.key = key

    async def __call__(self, shown: Shown) -> dict[str, Any]:
        """Verify the token, as one would by hand."""
        try:
            return jwt.decode(
                shown.credentials, self.key, algorithms=["EdDSA"], issuer=POLICY.issuer
            )
        except jwt.InvalidTokenError:
            raise HTTPException(401) from None


async def nothing() -> None:
    """A dependency that does nothing: what FastAPI takes for any."""


NothingDep = Annotated[None, Depends(nothing)]


def applications(sessions: Sessions) -> dict[str, Any]:
    """The applications by the path of their one route; and what tells of the process."""
    routes: dict[str, Callable[..., Any]] = {
        "/bare": bare,
        "/nothing": after_nothing,
        "/ours": ours,
        "/asked": asked,
    }
    by_path: dict[str, Any] = {"/used": used}
    for path, route in routes.items():
        by_path[path] = app = FastAPI()
        add_sessions(app, sessions)
        app.get(path)(route)
    decode = Depends(Decoded(load_der_public_key(sessions.keys.keys[0].der)))
    by_path["/decoded"] = plain = FastAPI()

    @plain.get("/decoded")
    async def decoded(claims: dict[str, Any] = decode) -> dict[str, str]:
        return {"user": claims["sub"]}

    return by_path


async def bare() -> dict[str, str]:
    """Ask for no session."""
    return {"user": "user-1"}


async def after_nothing(_: NothingDep) -> dict[str, str]:
    """Have a dependency that does nothing."""
    return {"user": "user-1"}


async def ours(session: SessionDep) -> dict[str, str]:
    """Have the session as a dependency."""
    return {"user": session.user_id}


async def asked(request: Request) -> dict[str, str]:
    """Ask the exchange for the session."""
    session = await exchange_of(request.scope).get_session()
    return {"user": session.user_id}


async def used(scope: Any, receive: Any, send: Any) -> None:
    """Answer how many nanoseconds of processor time the process has used."""
    body = b"%d}" % time.process_time_ns()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(port: int, http: str, loop: str) -> None:
    """Print a token, then serve until it is stopped."""
    sessions = Sessions(POLICY, MemoryStore(), listener=quiet)
    print(str.__str__(asyncio.run(logged_in(sessions)).access_token), flush=True)
    by_path = applications(sessions)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await by_path[scope["path"]](scope, receive, send)

    options: dict[str, Any] = {"http": http, "loop": loop, "lifespan": "off"}
    uvicorn.run(app, port=port, log_level="warning", access_log=False, **options)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
