"""A store in PostgreSQL, for many machines: durable, shared, behind a pooler or not.

Each act is one statement in one round trip, and a transaction of its own; only a swap that is
refused reads in a second one, a purge goes on in batches, and `delete_for_user` looks again where
somebody else ended a session meanwhile, who may have re-keyed it. Nothing is decided here.
`postgres_acts.py` has the statements, `postgres_awaited.py` the same store for event loops.

Reads go where writes go. A replica lags, and a session that it has not got yet is no session that
is over: a miss on a replica is never an answer. So give the primary's address; where several hosts
are given, `target_session_attrs=read-write` finds it.

Behind PgBouncer in transaction mode there is nothing to set: no statement relies on another one's
session, nothing is prepared unless asked for. Limits for statements are the server's to keep:
`ALTER ROLE app SET statement_timeout = '5s'`. They end, too, what the server still does for a
caller who was cancelled: it isn't asked to stop, its connection is closed. A server that hangs
keeps no limit, and a caller that blocks waits for it; one that awaits may set a deadline.
Autocommit under READ COMMITTED, the default, is what the acts are made for; under a stricter
isolation the server gives up more of them, which are then asked again, a few times.

Others speak the same protocol; none was tested. On CockroachDB and YugabyteDB the acts need JSONB,
`FOR UPDATE SKIP LOCKED` and writing WITH queries. The tables are made with words of PostgreSQL's
own (`fillfactor`, `COLLATE "C"`): where those are refused, make them by hand, `schema_version` too,
and open with `migrate=False`. A purge deletes from and updates one table in one statement, which
CockroachDB may have to be told to allow. With Citus, sessions are spread by handle
(`create_distributed_table('counterfoil.sessions', 'handle')`): an act on one session asks one node,
an act on a user's sessions asks all, and a purge is for each node.
"""

from __future__ import annotations

import asyncio
import sys
from threading import Lock
from types import TracebackType
from typing import Self

from ..effects import FrozenDict, HandleTaken, InvalidInput, Missing, SessionRecord, Stale, TooLarge
from .postgres_acts import Acts
from .postgres_awaited import AwaitedPostgres
from .postgres_connections import AwaitedConnections, Connections
from .postgres_schema import prepare
from .postgres_sweeps import PASSES, oldest_first, unfinished
from .postgres_target import Target

MOST = 10  # connections at once
PATIENCE = 10.0  # s that an act waits for one


class PostgresStore:
    """A store in a PostgreSQL database. Implements `Store`, and `SecretStore` for keys.

    One object may be shared by all threads of a process, by event loops (asyncio; `Sessions` awaits
    it there), and be used again after a fork. What is acknowledged is durable, as far as the
    server's `synchronous_commit` says.

    Attributes:
        conninfo: a connection string of libpq's, `postgresql://user:password@host/database`.
        schema: where its tables are, and nobody else's.
        connections: how many it opens at once: for all threads, and for each event loop.
        patience: s that an act waits for one of them.
        migrate: whether an older schema is brought up to date, or refused.
        prepared: whether statements are prepared in the server, which spares it their planning. Not
            behind a pooler in transaction mode (PgBouncer before 1.21).

    Raises:
        StoreUnavailable: the database can't be reached, or its schema can't be used.
        InvalidInput: the connection string is none.

    >>> PostgresStore("postgresql://ada:se/cret@localhost/app")
    Traceback (most recent call last):
    counterfoil.effects.errors.InvalidInput: the connection string is not clear: percent-encode ...
    """

    def __init__(
        self,
        conninfo: str,
        *,
        schema: str = "counterfoil",
        connections: int = MOST,
        patience: float = PATIENCE,
        migrate: bool = True,
        prepared: bool = False,
    ) -> None:
        if connections < 1:
            raise InvalidInput(f"connections must be 1 or more, not {connections}.")
        if not patience >= 0:
            raise InvalidInput(f"patience must be 0 s or more, not {patience}.")
        if not schema or "\0" in schema or len(schema.encode()) > 63:
            raise InvalidInput("schema must be a name of 1 to 63 bytes.")
        self._target = Target.of(conninfo, prepared=prepared)
        self._most, self._patience = connections, patience
        self._acts = Acts(schema)
        self._threads = Connections(self._target, connections, patience)
        self._loops: dict[asyncio.AbstractEventLoop, AwaitedPostgres] = {}
        self._adding = Lock()
        with self._target.translated(), self._threads.connection() as connection:
            prepare(connection, schema, self._target.where, migrate=migrate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        self._threads.close()
        with self._adding:
            for awaited in self._loops.values():
                awaited.connections.close()

    @property
    def awaited(self) -> AwaitedPostgres | None:
        """Its async form for the asyncio loop that runs here; None under any other (trio)."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        return self._loops.get(loop) or self._on(loop)

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert a record."""
        return self._threads.perform(self._acts.create(record))

    def load(self, handle: str) -> SessionRecord | Missing:
        """Read a record."""
        return self._threads.perform(self._acts.load(handle))

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace a record by compare-and-swap."""
        if self._threads.perform(self._acts.swap(record, expected_version)):
            return None
        return Stale(self._threads.perform(self._acts.load(record.handle)))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Merge a patch into a payload."""
        return self._threads.perform(self._acts.merge_payload(handle, patch, limit))

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace a session's data."""
        return self._threads.perform(self._acts.replace_data(handle, data))

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete records."""
        return self._threads.perform(self._acts.delete(handles))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records, and what was made of them by re-keying meanwhile."""
        act = self._acts.delete_for_user(user_id, tenant_id, keep)
        ended: list[tuple[int, str]] = []
        for _ in range(PASSES):
            done = self._threads.perform(act)
            ended += done.records
            if done.is_last:
                return oldest_first(ended)
        raise unfinished()

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """Read a user's records."""
        return self._threads.perform(self._acts.list_for_user(user_id, tenant_id))

    def purge(self, now: int, limit: int) -> int:
        """Delete records that are over, in batches that pass over what others have locked."""
        deleted = 0
        while deleted < limit:
            done = self._threads.perform(self._acts.purge(now, limit - deleted))
            deleted += done.deleted
            if done.is_last:
                break
        return deleted

    def load_secret(self, name: str) -> bytes | None:
        """What is kept under a name."""
        return self._threads.perform(self._acts.load_secret(name))

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Keep a secret under a name, if it still has the expected value."""
        return self._threads.perform(self._acts.swap_secret(name, expected, new))

    def _on(self, loop: asyncio.AbstractEventLoop) -> AwaitedPostgres | None:
        if sys.platform == "win32" and isinstance(loop, asyncio.ProactorEventLoop):
            return None  # pragma: no cover  # psycopg can't await on it: threads can
        with self._adding:
            for ended in [known for known in self._loops if known.is_closed()]:
                self._loops.pop(ended).connections.close()
            connections = AwaitedConnections(self._target, self._most, self._patience)
            if self._threads.is_closed:
                connections.close()
            self._loops[loop] = awaited = AwaitedPostgres(self._acts, connections)
            return awaited
