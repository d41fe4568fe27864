"""A store that awaits, as one that blocks: each call is a task on one event loop.

Threads that call at once make tasks that run at once: where a store's act awaits between what it
reads and what it writes, another's comes between, on the same loop and the same connections.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

if TYPE_CHECKING:
    from ..async_store import AsyncStore
    from ..descriptions import HandleTaken, Missing, Stale, TooLarge
    from ..frozen import FrozenDict
    from ..record import SessionRecord

T = TypeVar("T")


class EventLoop:
    """An event loop of asyncio in a thread of its own, once it is needed, until a stack unwinds."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._portal: BlockingPortal | None = None

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a coroutine function there; its answer."""
        if self._portal is None:
            self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
        return self._portal.call(function, *arguments)


class Awaiting:
    """An `AsyncStore` as a `Store`."""

    def __init__(self, store: AsyncStore, loop: EventLoop) -> None:
        self._store = store
        self._call = loop.call

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """As `Store.create`."""
        return self._call(self._store.create, record)

    def load(self, handle: str) -> SessionRecord | Missing:
        """As `Store.load`."""
        return self._call(self._store.load, handle)

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """As `Store.swap`."""
        return self._call(self._store.swap, record, expected_version)

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """As `Store.merge_payload`."""
        return self._call(self._store.merge_payload, handle, patch, limit)

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """As `Store.replace_data`."""
        return self._call(self._store.replace_data, handle, data)

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """As `Store.delete`."""
        return self._call(self._store.delete, handles)

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """As `Store.delete_for_user`."""
        return self._call(self._store.delete_for_user, user_id, tenant_id, keep)

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """As `Store.list_for_user`."""
        return self._call(self._store.list_for_user, user_id, tenant_id)

    def purge(self, now: int, limit: int) -> int:
        """As `Store.purge`."""
        return self._call(self._store.purge, now, limit)
