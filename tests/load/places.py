"""Where sessions are kept under load: what each kind of store can be asked to be."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from counterfoil import BlockingSessions, LocalKeys, SessionRecord
from counterfoil.adapters import OpenStore

from ..listening import quiet
from .population import POLICY


class Place(Protocol):
    """An empty place of some kind of store, on a server of ours."""

    @property
    def url(self) -> str:
        """Its connection string."""
        ...

    def open(self) -> OpenStore:
        """A store there, as an application opens it."""
        ...

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """Put many records in at once, and leave the place as it would be found: at rest."""
        ...

    def size_on_disk(self) -> int:
        """Bytes."""
        ...

    def size_in_memory(self) -> int | None:
        """Bytes that are or should be there; None where it doesn't matter."""
        ...


NewPlace = Callable[[], Place]


@contextmanager
def places(store: str, folder: Path) -> Generator[NewPlace]:
    """As many places of one kind as are asked for; servers end with the block."""
    with ExitStack() as running:
        yield _OPENERS[store](running, folder)


def _in_sqlite(running: ExitStack, folder: Path) -> NewPlace:
    from .in_sqlite import InSqlite

    return lambda: InSqlite(folder)


def _in_postgres(running: ExitStack, folder: Path) -> NewPlace:
    from .in_postgres import InPostgres, durable_server

    server = running.enter_context(durable_server())
    return lambda: InPostgres(server, server.new_database())


def _in_redis(running: ExitStack, folder: Path) -> NewPlace:
    from .in_redis import InRedis, durable_server

    return lambda: InRedis(running.enter_context(durable_server(folder)))


_OPENERS: dict[str, Callable[[ExitStack, Path], NewPlace]] = {
    "sqlite": _in_sqlite,
    "postgres": _in_postgres,
    "redis": _in_redis,
}


def sessions_on(store: OpenStore) -> BlockingSessions:
    """Sessions on a store, whose keys are elsewhere."""
    return BlockingSessions(POLICY, store, LocalKeys.in_memory(), listener=quiet)
