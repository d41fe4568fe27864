"""Records to store, and all stores to keep them in."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import HasAsyncForm, SessionRecord

from .postgres_server import PostgresServer, postgres_server

AnyStore = MemoryStore | SqliteStore | PostgresStore

_numbers = count(1)


@attrs.frozen
class Awaited:
    """The async form of a store, called as if it were blocking, on one event loop."""

    portal: BlockingPortal
    store: HasAsyncForm

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self.portal.call, self._perform, name)

    async def _perform(self, name: str, *values: object) -> Any:
        return await getattr(self.store.awaited, name)(*values)


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


@contextmanager
def _on_server(server: PostgresServer) -> Generator[PostgresStore]:
    # A schema of its own is made in a moment; a database would take a second.
    schema = f"sessions_{next(_numbers)}"
    with PostgresStore(server.url(), schema=schema) as store:
        yield store
    server.ask(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["memory", "sqlite", "postgres", "postgres, awaited"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    """Each of the stores, empty."""
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            with SqliteStore(tmp_path / "sessions.db") as on_disk:
                yield on_disk
        case "postgres":
            with _on_server(request.getfixturevalue("postgres")) as on_server:
                yield on_server
        case _:
            with (
                _on_server(request.getfixturevalue("postgres")) as on_server,
                start_blocking_portal("asyncio") as portal,
            ):
                yield cast("AnyStore", Awaited(portal, on_server))
