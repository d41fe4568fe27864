"""The PostgreSQL store for callers on an asyncio loop: `AsyncStore`, over the same acts."""

from __future__ import annotations

import attrs

from ..effects import FrozenDict, HandleTaken, Missing, SessionRecord, Stale, TooLarge
from .postgres_acts import Acts
from .postgres_connections import AwaitedConnections
from .postgres_sweeps import PASSES, oldest_first, unfinished


@attrs.frozen(eq=False)
class AwaitedPostgres:
    """The async form of `PostgresStore` for one event loop. `PostgresStore.awaited` gives it."""

    acts: Acts
    connections: AwaitedConnections

    async def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert a record."""
        return await self.connections.perform(self.acts.create(record))

    async def load(self, handle: str) -> SessionRecord | Missing:
        """Read a record."""
        return await self.connections.perform(self.acts.load(handle))

    async def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace a record by compare-and-swap."""
        if await self.connections.perform(self.acts.swap(record, expected_version)):
            return None
        return Stale(await self.connections.perform(self.acts.load(record.handle)))

    async def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Merge a patch into a payload."""
        return await self.connections.perform(self.acts.merge_payload(handle, patch, limit))

    async def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace a session's data."""
        return await self.connections.perform(self.acts.replace_data(handle, data))

    async def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete records."""
        return await self.connections.perform(self.acts.delete(handles))

    async def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records, and what was made of them by re-keying meanwhile."""
        act = self.acts.delete_for_user(user_id, tenant_id, keep)
        ended: list[tuple[int, str]] = []
        for _ in range(PASSES):
            done = await self.connections.perform(act)
            ended += done.records
            if done.is_last:
                return oldest_first(ended)
        raise unfinished()

    async def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """Read a user's records."""
        return await self.connections.perform(self.acts.list_for_user(user_id, tenant_id))

    async def purge(self, now: int, limit: int) -> int:
        """Delete records that are over, in batches."""
        deleted = 0
        while deleted < limit:
            done = await self.connections.perform(self.acts.purge(now, limit - deleted))
            deleted += done.deleted
            if done.is_last:
                break
        return deleted

    async def load_secret(self, name: str) -> bytes | None:
        """What is kept under a name."""
        return await self.connections.perform(self.acts.load_secret(name))

    async def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Keep a secret under a name, if it still has the expected value."""
        return await self.connections.perform(self.acts.swap_secret(name, expected, new))
