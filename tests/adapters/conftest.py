"""Records to store, the embedded stores to keep them in, and the servers that the others need."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import SessionRecord

from ..ports import free_port
from .postgres_server import PostgresServer, postgres_server
from .redis_servers import Cluster, Server, clustered


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


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis server that all tests of a run share."""
    with Server(tmp_path_factory.mktemp("redis"), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis cluster that all tests of a run share, so none may stop a server of it."""
    with clustered(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster


_prefixes = (f"test-{number}" for number in count())


@pytest.fixture
def prefix() -> str:
    """What no other test's keys begin with."""
    return next(_prefixes)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStore | SqliteStore]:
    """Each of the embedded stores, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with SqliteStore(tmp_path / "sessions.db") as on_disk:
        yield on_disk
