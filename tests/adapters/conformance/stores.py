"""Factories for the conformance kit: each gives a new, empty store, and what opens it again.

In tests/adapters: pytest --pyargs counterfoil.effects.conformance --store conformance.stores:sqlite
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio.lowlevel
import psycopg
from psycopg import sql

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.redis import RedisStore
from counterfoil.adapters.sqlite import SqliteStore

POSTGRES, REDIS = "COUNTERFOIL_POSTGRES", "COUNTERFOIL_REDIS"  # the variables that have addresses


def memory() -> MemoryStore:
    """A store that ends with its process."""
    return MemoryStore()


def sqlite() -> Iterator[tuple[SqliteStore, partial[SqliteStore]]]:
    """A file, which is sound whatever was done to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sessions.db")
        with SqliteStore(path) as store:
            yield store, partial(SqliteStore, path)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def postgres() -> Iterator[tuple[PostgresStore, partial[PostgresStore]]]:
    """A schema of PostgreSQL's."""
    url, schema = os.environ[POSTGRES], f"sessions_{uuid4().hex}"
    with PostgresStore(url, schema=schema) as store:
        yield store, partial(PostgresStore, url, schema=schema)
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def redis() -> Iterator[tuple[RedisStore, partial[RedisStore]]]:
    """Keys of Redis that begin alike: of one server, or of a cluster."""
    url, prefix = os.environ[REDIS], f"sessions-{uuid4().hex}"
    with RedisStore.from_url(url, prefix=prefix) as store:
        yield store, partial(RedisStore.from_url, url, prefix=prefix)


redis_cluster = redis


class Coroutines:
    """A store whose acts must be awaited, each of them on an event loop."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def load(self, handle: str) -> Any:
        """As every act: another's may come first."""
        await anyio.lowlevel.checkpoint()
        return self._store.load(handle)

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_secret") or name == "close":
            raise AttributeError(name)
        act = getattr(self._store, name)

        async def awaited(*arguments: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return act(*arguments)

        return awaited


class TwoForms(MemoryStore):
    """A store that can be awaited, too."""

    @property
    def awaited(self) -> Any:
        """Its async form."""
        return Coroutines(self)


def two_forms() -> TwoForms:
    """A store in both forms."""
    return TwoForms()


def only_awaited() -> Coroutines:
    """A store that has no other form."""
    return Coroutines(MemoryStore())


# What the kit judges, and the fixture, if any, whose server a factory needs. One that needs a
# server finds its address in the environment, where that fixture puts it.
JUDGED: dict[str, str | None] = {
    "memory": None,
    "two_forms": None,
    "only_awaited": None,
    "sqlite": None,
    "postgres": "at_postgres",
    "redis": "at_redis",
    "redis_cluster": "at_redis_cluster",
}
