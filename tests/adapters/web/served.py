"""A server process of `test_many_clients`: an application on SQLite, whose clock the test moves.

    python served.py DATABASE CLOCK SOCKET RULE

`CLOCK` is a file whose eight bytes are the time, ms since the epoch; `SOCKET` the number of a
socket that listens already; `RULE` a rule of rotation by name.
"""

from __future__ import annotations

import json
import mmap
import socket
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from counterfoil import Lifetime, Policy, Sessions, SqliteStore, core
from counterfoil.adapters.held import PolicyConcern
from counterfoil.adapters.web.asgi import SessionMiddleware
from counterfoil.adapters.web.exchange import Exchange, exchange_of

ORIGIN = "http://localhost:8000"
ACCESS = timedelta(seconds=2)


def clock_of(path: Path) -> Callable[[], int]:
    """A clock that shows what the file says."""
    with path.open("rb") as file:
        shown = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    return lambda: int.from_bytes(shown[:8], sys.byteorder)


def quiet(*_: object) -> None:
    """Hears nothing."""


def sessions_on(database: Path, clock: Callable[[], int], rule: str = "SameSuccessor") -> Sessions:
    """The sessions that every process has."""
    policy = Policy(
        ORIGIN,
        lifetime=Lifetime(access=ACCESS),
        anti_csrf="VIA_TOKEN",
        rotation=getattr(core, rule)(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyConcern)  # the leeway is longer than such a life
        return Sessions(policy, SqliteStore(database), clock=clock, listener=quiet)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Logs in, reads, and merges what the body says."""
    exchange: Exchange = exchange_of(scope)
    match scope["path"]:
        case "/login":
            session = await exchange.create_session((await body_of(receive))["userId"])
        case "/claims":
            session = await exchange.get_session()
            patch = await body_of(receive)
            session = await exchange.sessions.merge_into_access_token_payload(session, patch)
        case _:
            session = await exchange.get_session()
    body = json.dumps({"handle": session.handle}).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> Any:
    """The request's JSON."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return json.loads(body or b"{}")


def main(database: str, clock: str, listening: str, rule: str) -> None:
    """Serve until it is stopped."""
    sessions = sessions_on(Path(database), clock_of(Path(clock)), rule)
    config = uvicorn.Config(
        SessionMiddleware(application, sessions), log_level="warning", lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(listening))])


if __name__ == "__main__":
    main(*sys.argv[1:])
