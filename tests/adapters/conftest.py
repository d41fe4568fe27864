"""Records to store, the embedded stores to keep them in, and servers of the others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import SessionRecord

from .postgres_server import PostgresServer, postgres_server

def _record(handle: str = "h1", **changes: Any) -> SessionRecord:
    values: dict[str, Any] = {
        "handle": handle,
        "user_id": "ada",
        "recipe_user_id": "ada",
        "tenant_id": "public",
        "created_at": 1_000,
        "absolute_expires_at": 100_000,
        "idle_lifetime": 10_000,
        "access_lifetime": 1_000,
        "rotated_at": 1_000,
        "current_digest": bytes(32),
        "mac_key": b"k" * 32,
    }
    return SessionRecord(**{**values, **changes})


@pytest.fixture(scope="session")
def make_record() -> Callable[..., SessionRecord]:
    """Builds a record of the handle given; other fields as keywords."""
    return _record


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started when it is first needed."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database that nobody used before."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStore | SqliteStore]:
    """Each of the embedded stores, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with SqliteStore(tmp_path / "sessions.db") as on_disk:
        yield on_disk
