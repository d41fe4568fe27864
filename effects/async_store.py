"""A store whose driver awaits, and the interpreter that makes one backend of it and a signer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from .backend import Signer, answer_of, ask

if TYPE_CHECKING:
    from .descriptions import HandleTaken, Missing, Stale, StoreEffect, TooLarge
    from .frozen import FrozenDict
    from .record import SessionRecord


class AsyncStore(Protocol):
    """The acts of `Store`, one by one, as coroutines. What each must do is said there."""

    async def create(self, record: SessionRecord) -> HandleTaken | None:
        """As `Store.create`."""
        ...

    async def load(self, handle: str) -> SessionRecord | Missing:
        """As `Store.load`."""
        ...

    async def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """As `Store.swap`."""
        ...

    async def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """As `Store.merge_payload`."""
        ...

    async def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """As `Store.replace_data`."""
        ...

    async def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """As `Store.delete`."""
        ...

    async def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """As `Store.delete_for_user`."""
        ...

    async def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """As `Store.list_for_user`."""
        ...

    async def purge(self, now: int, limit: int) -> int:
        """As `Store.purge`."""
        ...


@runtime_checkable
class HasAsyncForm(Protocol):
    """A blocking store that can be awaited too, over the same records."""

    @property
    def awaited(self) -> AsyncStore | None:
        """Its async form for the event loop that runs here; None if it knows no such loop."""
        ...


@attrs.frozen
class AsyncBackend:
    """The store family, carried out against a store that is awaited and a signer, under `arun`."""

    store: AsyncStore
    signer: Signer

    async def perform(self, effect: StoreEffect) -> Any:
        """As `Backend.perform`, awaited."""
        return answer_of(effect, await ask(self.store, effect), self.signer)
