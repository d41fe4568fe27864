"""starsessions on Redis: a request that changes the session, loaded and saved by its handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from counterfoil import LocalKeys, Sessions
from counterfoil.adapters.redis import RedisStore

from ..bench.__main__ import PAYLOAD
from ..listening import quiet
from . import in_redis
from .peers import ACTS, Pair
from .population import POLICY

# An extra of its own.
_stores: Any = import_module("starsessions.stores.redis")
_session: Any = import_module("starsessions.session")
_serializers: Any = import_module("starsessions.serializers")
_requests: Any = import_module("starlette.requests")

DAY = 86_400  # s


def pairs(running: ExitStack, folder: Path) -> Iterator[Pair]:
    """The one, on a server with `appendfsync always`, each with its own asynchronous driver."""
    server = running.enter_context(in_redis.durable_server(folder))
    runner = running.enter_context(asyncio.Runner())
    store = RedisStore.from_url(server.url)
    running.callback(store.close)
    connection = Redis(port=server.port)
    running.callback(lambda: runner.run(connection.aclose()))
    theirs = runner.run(_theirs(connection))
    ours = runner.run(_ours(store))
    yield Pair(
        peer="starsessions, one changed, Redis",
        theirs=_times(runner, theirs),
        theirs_does="GET, SET with EX, of the whole session",
        ours=_times(runner, ours),
        ours_does="access token verified; HMGET, EVALSHA that changes the session's data",
    )


Act = Callable[[], Awaitable[object]]


def _times(runner: asyncio.Runner, act: Act) -> Callable[[], None]:
    async def done() -> None:
        for _ in range(ACTS):
            await act()

    return lambda: runner.run(done())


async def _theirs(connection: Any) -> Act:
    store = _stores.RedisStore(connection=connection)
    serializer = _serializers.JsonSerializer()

    async def request(session_id: str | None, changes: dict[str, Any]) -> str:
        scope: dict[str, Any] = {"type": "http", "headers": []}
        handler = _session.SessionHandler(
            _requests.HTTPConnection(scope), session_id, store, serializer, 14 * DAY
        )
        await handler.load()
        handler.connection.session.update(changes)
        saved: str = await handler.save(14 * DAY)
        return saved

    known, count = await request(None, dict(PAYLOAD)), 0

    async def act() -> None:
        nonlocal count
        count += 1
        await request(known, {"count": count})

    return act


async def _ours(store: RedisStore) -> Act:
    sessions = Sessions(POLICY, store, LocalKeys.in_memory(), listener=quiet)
    known = (await sessions.create_session("ada", payload=PAYLOAD, data=PAYLOAD)).access_token
    count = 0

    async def act() -> None:
        nonlocal count
        count += 1
        session = await sessions.get_session(known)
        data = await sessions.get_session_data_from_database(session)
        await sessions.update_session_data_in_database(session, {**data, "count": count})

    return act
