"""A refresh on each store, against a bare script that does the same statements and one signature.

The script reads the session and replaces it by compare-and-swap, durably, on one connection that is
always open: with the store's own statements, but without parsing what it read, judging a token,
deriving its successor, or telling an error from another. Then it signs an access token with PyJWT.
What either waits for is the disk, so how long that takes is told too.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import statistics
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from counterfoil import SessionRecord
from counterfoil.adapters import OpenStore, sqlite
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.postgres_acts import Acts
from counterfoil.adapters.redis import RedisDurability, RedisStore
from counterfoil.adapters.redis_record import (
    FIELDS,
    Names,
    lifetime_of,
    place_of,
    values_of,
)
from counterfoil.adapters.redis_scripts import DONE, SWAP

from ..adapters.redis_servers import Server, clustered
from ..bench.__main__ import PAYLOAD, signing
from ..bench.rows import paired, timed
from . import in_postgres, in_redis
from .places import sessions_on
from .population import DAY, now
from .tables import Report

BOUND = 1.5
ACTS = 10  # in a round
Act = Callable[[], object]
Pair = tuple[OpenStore, Act]  # ours, and the script on the same server


def report(store: str, folder: Path, *, rounds: int) -> Report:
    """Both in turn, in short rounds: the medians, and the median of the rounds' ratios."""
    sync = _sync_time(folder / "page")
    with _PAIRS[store](folder) as (opened, bare), closing(opened):
        ours, yardstick, ratio = paired(_refreshing(opened), bare, ACTS, rounds)
    return Report(
        head=[
            "store",
            "a sync of the disk, us",
            "refresh, us",
            "bare script, us",
            f"ratio (at most {BOUND})",
        ],
        rows=[[store, f"{sync:,.0f}", f"{ours:,.0f}", f"{yardstick:,.0f}", f"{ratio:.2f}"]],
        missed=[f"{store}: a refresh takes {ratio:.2f} of the script"] if ratio > BOUND else [],
    )


def _sync_time(path: Path) -> float:
    """The median microseconds in which a page that was written is on disk."""
    with path.open("wb", buffering=0) as file:

        def sync() -> None:
            os.pwrite(file.fileno(), secrets.token_bytes(4096), 0)
            os.fdatasync(file.fileno())

        return statistics.median(timed(sync, 1) for _ in range(300))


def _refreshing(store: OpenStore) -> Act:
    sessions = sessions_on(store)
    current = sessions.create_session("ours", payload=PAYLOAD).refresh_token

    def refresh() -> object:
        nonlocal current
        current = sessions.refresh_session(current).refresh_token
        return current

    return refresh


def _record(store: OpenStore) -> SessionRecord:
    """One that is in the store, refreshed once."""
    sessions = sessions_on(store)
    session = sessions.create_session("bare", payload=PAYLOAD)
    sessions.refresh_session(session.refresh_token)
    record = store.load(session.handle)
    assert isinstance(record, SessionRecord)
    return record


@contextmanager
def _sqlite(folder: Path) -> Generator[Pair]:
    bare = folder / "bare.db"
    with sqlite.SqliteStore(folder / "ours.db") as store, sqlite.SqliteStore(bare) as schema:
        record = _record(schema)
        with closing(sqlite3.connect(bare, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield store, _bare_on_sqlite(connection, record)


def _bare_on_sqlite(connection: sqlite3.Connection, record: SessionRecord) -> Act:
    sign, version = signing(), record.version
    values = dict(zip(sqlite.COLUMNS, sqlite.row_of(record), strict=True))

    def refresh() -> object:
        nonlocal version
        connection.execute(sqlite.LOAD, (record.handle,)).fetchall()
        end, digest = now() + DAY, secrets.token_bytes(32)
        values.update(version=version + 1, current_digest=digest, expires_at=end)
        _, _, _, *others = values.values()
        held = (record.handle, version, record.user_id, record.created_at)
        assert connection.execute(sqlite.SWAP, (*others, *held)).rowcount
        version += 1
        return sign(record.user_id)

    return refresh


@contextmanager
def _postgres(folder: Path) -> Generator[Pair]:
    with in_postgres.durable_server() as server:
        url = server.url(server.new_database())
        store = PostgresStore(url)
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            yield store, _bare_on_postgres(connection, _record(store))


def _bare_on_postgres(
    connection: psycopg.Connection[tuple[object, ...]], record: SessionRecord
) -> Act:
    acts, sign = Acts("counterfoil"), signing()
    load, swap = acts.load(record.handle), acts.swap(record, record.version)
    values, version = dict(swap.values), record.version

    def refresh() -> object:
        nonlocal version
        connection.execute(load.statement, load.values).fetchall()
        values.update(expected=version, version=version + 1, current_digest=secrets.token_bytes(32))
        ((done, *_),) = connection.execute(swap.statement, values).fetchall()
        assert done
        version += 1
        return sign(record.user_id)

    return refresh


@contextmanager
def _redis(folder: Path) -> Generator[Pair]:
    with in_redis.durable_server(folder) as server:
        store = RedisStore.from_url(server.url)
        yield store, _bare_on_redis(server, _record(store))


@contextmanager
def _cluster(folder: Path) -> Generator[Pair]:
    with clustered(folder) as cluster:
        store = RedisStore.from_url(cluster.url, durability=RedisDurability(replicas=1))
        record = _record(store)
        yield store, _bare_on_redis(cluster.whose(_key(record)), record, waits=True)


def _bare_on_redis(server: Server, record: SessionRecord, *, waits: bool = False) -> Act:
    client: Any = Redis(port=server.port)  # whose commands have no types
    sign, version = signing(), record.version
    key, place = _key(record), place_of(record)
    rest, _, payload, data = values_of(record)
    lifetime = lifetime_of(record, in_redis.MARGIN)

    def refresh() -> object:
        nonlocal version
        client.execute_command("HMGET", key, *FIELDS)
        values = ("", rest, version + 1, payload, data, lifetime, version, place)
        asked = client.pipeline(transaction=False)
        asked.execute_command("EVALSHA", SWAP.sha, 1, key, *values)
        if waits:
            asked.execute_command("WAIT", 1, 1000)
        assert asked.execute() == [DONE, *([1] if waits else [])]
        version += 1
        return sign(record.user_id)

    return refresh


def _key(record: SessionRecord) -> str:
    return Names("counterfoil").record(record.handle)


_PAIRS = {"sqlite": _sqlite, "postgres": _postgres, "redis": _redis, "cluster": _cluster}
