"""The store for several machines that lives in memory: Redis 7 or Valkey, one server or a cluster.

Each act on a session is one script in one round trip. What Redis does otherwise than a database:

*It forgets what is over.* The key of a record expires by itself, at a moment of its own between
once and twice `keep_after_expiry` after its end: so not all that end together are deleted together.
`purge`, which must look at every key, isn't needed; it is there for who wants records gone sooner.

*A user's sessions are on many servers.* Their list is a hint that is verified when it is read; it
may be too long, never too short. Listing and `delete_for_user` are not one moment: each record is
read or deleted at its own. What was there when the act began, and what was made of it by re-keying
meanwhile, is gone when `delete_for_user` returns; a login during the act may survive it. If it
fails half-way some are gone: do it again.

*What it has acknowledged it may lose.* A server that stops loses what its append-only file hasn't
on disk: set `appendonly yes`, and `appendfsync always` to lose nothing, or `everysec` to lose the
last second. A replica that takes over lacks what it hadn't received, usually less than a second:

- a login: the user logs in again;
- a merge, which is taken back;
- a rotation: its client has a token that the store never heard of, which looks like a thief's, so
  *the session ends with the next refresh* and its user logs in again;
- a revocation: *the session lives again*;
- in a cluster, a hint: *a session is missing from its user's list and from `delete_for_user`*.

With `durability=RedisDurability(replicas=1)` no write is acknowledged before so many replicas have
it; then a failover to one of them loses nothing, and a write that they don't confirm in time raises
`StoreUnavailable`. Reads don't wait: a refresh that is tried again after such an error is answered
by what the primary has. Two faults in a row, its replicas cut off and then itself lost, take that
rotation back. Redis's own `min-replicas-to-write 1` and `min-replicas-max-lag 10` stop a
primary that is cut off from its replicas from taking writes that its successor won't have.

A server that is silent is waited for `socket_timeout` (5 s), twice if an act may be asked again.

Set `maxmemory-policy noeviction`: or Redis logs users out to make room, and forgets hints.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from ..effects import FrozenDict, HandleTaken, InvalidInput, Missing, SessionRecord, Stale, TooLarge
from .redis_acts import Acts
from .redis_async_line import AsyncLine
from .redis_line import Line
from .redis_record import Names
from .redis_routes import RedisDurability
from .redis_server import RedisServer

__all__ = ["AsyncRedisStore", "RedisDurability", "RedisServer", "RedisStore"]

_MILLISECOND = timedelta(milliseconds=1)


class RedisStore:
    """A store on Redis. Implements `Store`, `HasAsyncForm` on asyncio, and `SecretStore` for keys.

    One object may be shared by all threads of a process and used again after a fork: the child
    opens connections of its own, as they are needed.

    Raises:
        InvalidInput: a prefix or a time that can't be.
    """

    def __init__(
        self,
        server: RedisServer,
        *,
        prefix: str = "counterfoil",
        durability: RedisDurability | None = None,
        keep_after_expiry: timedelta = timedelta(hours=1),
    ) -> None:
        """Nothing is connected to yet.

        Arguments:
            server: where Redis is.
            prefix: what all keys begin with, so that others may use the server too.
            durability: how many replicas must have a write before it counts.
            keep_after_expiry: how long records that are over are kept, at least; at most twice as
                long. Must exceed what the clocks of the application's servers differ by.
        """
        if keep_after_expiry < timedelta(seconds=1):
            raise InvalidInput("keep_after_expiry must be at least a second.")
        _check_patience(server, durability)
        self._server = server
        self._durability = durability
        self._acts = Acts(Names(prefix), keep_after_expiry // _MILLISECOND)
        self._line = Line(server, durability)
        self._forms: dict[asyncio.AbstractEventLoop, AsyncRedisStore] = {}
        self._closed = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        prefix: str = "counterfoil",
        durability: RedisDurability | None = None,
        keep_after_expiry: timedelta = timedelta(hours=1),
        **options: Any,
    ) -> Self:
        """The store at a URL, as `RedisServer.from_url` reads it; checks that it answers.

        Raises:
            InvalidInput: the URL or another argument can't be.
            StoreUnavailable: no such server answers.
        """
        store = cls(
            RedisServer.from_url(url, **options),
            prefix=prefix,
            durability=durability,
            keep_after_expiry=keep_after_expiry,
        )
        try:
            store.load("")
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RedisStore({self._server!r}, prefix={self._acts.names.prefix!r})"

    @property
    def awaited(self) -> AsyncRedisStore | None:
        """Its async form for the asyncio loop that runs here; None under trio or without a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        with self._line.lock:
            if loop not in self._forms:
                for ended in [known for known in self._forms if known.is_closed()]:
                    del self._forms[ended]
                form = AsyncRedisStore(self._acts, AsyncLine(self._server, self._durability))
                if self._closed:
                    form.close()
                self._forms[loop] = form
            return self._forms[loop]

    def close(self) -> None:
        """Close the connections; later calls raise `StoreUnavailable`.

        Those of an async form are closed when its loop ends, or by `aclose` of the form.
        """
        with self._line.lock:
            self._closed = True
            forms = list(self._forms.values())
        for form in forms:
            form.close()
        self._line.close()

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert a record."""
        return self._line.carry_out(self._acts.create(record))

    def load(self, handle: str) -> SessionRecord | Missing:
        """Read a record."""
        return self._line.carry_out(self._acts.load(handle))

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace a record by compare-and-swap."""
        return self._line.carry_out(self._acts.swap(record, expected_version))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Merge a patch into a payload."""
        return self._line.carry_out(self._acts.merge_payload(handle, patch, limit))

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace a session's data."""
        return self._line.carry_out(self._acts.replace_data(handle, data))

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete records, each at its own moment."""
        return self._line.carry_out(self._acts.delete(handles))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records, each at its own moment; a login meanwhile may survive."""
        return self._line.carry_out(self._acts.delete_for_user(user_id, tenant_id, keep))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """Read a user's records, each at its own moment."""
        return self._line.carry_out(self._acts.list_for_user(user_id, tenant_id))

    def purge(self, now: int, limit: int) -> int:
        """Delete records that are over, those that ended first. Looks at every key."""
        return self._line.carry_out(self._acts.purge(now, limit))

    def load_secret(self, name: str) -> bytes | None:
        """What is kept under a name."""
        return self._line.carry_out(self._acts.load_secret(name))

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Keep a secret under a name, if it still has the expected value."""
        return self._line.carry_out(self._acts.swap_secret(name, expected, new))


class AsyncRedisStore:
    """The async form of a `RedisStore`, for one asyncio loop. Implements `AsyncStore`."""

    def __init__(self, acts: Acts, line: AsyncLine) -> None:
        self._acts = acts
        self._line = line

    def close(self) -> None:
        """Later calls raise `StoreUnavailable`."""
        self._line.close()

    async def aclose(self) -> None:
        """Close the connections; later calls raise `StoreUnavailable`."""
        await self._line.aclose()

    async def create(self, record: SessionRecord) -> HandleTaken | None:
        """As `RedisStore.create`."""
        return await self._line.carry_out(self._acts.create(record))

    async def load(self, handle: str) -> SessionRecord | Missing:
        """As `RedisStore.load`."""
        return await self._line.carry_out(self._acts.load(handle))

    async def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """As `RedisStore.swap`."""
        return await self._line.carry_out(self._acts.swap(record, expected_version))

    async def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """As `RedisStore.merge_payload`."""
        return await self._line.carry_out(self._acts.merge_payload(handle, patch, limit))

    async def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """As `RedisStore.replace_data`."""
        return await self._line.carry_out(self._acts.replace_data(handle, data))

    async def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """As `RedisStore.delete`."""
        return await self._line.carry_out(self._acts.delete(handles))

    async def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """As `RedisStore.delete_for_user`."""
        return await self._line.carry_out(self._acts.delete_for_user(user_id, tenant_id, keep))

    async def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """As `RedisStore.list_for_user`."""
        return await self._line.carry_out(self._acts.list_for_user(user_id, tenant_id))

    async def purge(self, now: int, limit: int) -> int:
        """As `RedisStore.purge`."""
        return await self._line.carry_out(self._acts.purge(now, limit))


def _check_patience(server: RedisServer, durability: RedisDurability | None) -> None:
    patience = server.options["socket_timeout"]
    if durability and patience and durability.timeout >= timedelta(seconds=patience):
        raise InvalidInput(
            f"the durability's timeout, {durability.timeout}, must be less than socket_timeout, "
            f"{patience} s, or the connection ends first."
        )
