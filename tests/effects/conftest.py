"""A whole backend of one's own: a store on a plain dict and a signer that signs nothing.

It imports `counterfoil.effects` alone, as any third-party backend may.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

import attrs
import pytest

from counterfoil.effects import (
    Backend,
    FrozenDict,
    HandleTaken,
    Missing,
    PublicKey,
    SessionRecord,
    Stale,
    TooLarge,
    apply_patch,
    json_size,
    to_json,
)


class DictStore:
    """Records by handle; a lock makes each method one act."""

    def __init__(self) -> None:
        self.records: dict[str, SessionRecord] = {}
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: object) -> Self:
        apart = type(self)()
        apart.records.update(self.records)
        return apart

    def create(self, record: SessionRecord) -> HandleTaken | None:
        with self.lock:
            if record.handle in self.records:
                return HandleTaken()
            self.records[record.handle] = record
            return None

    def load(self, handle: str) -> SessionRecord | Missing:
        return self.records.get(handle, Missing())

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        with self.lock:
            current = self.load(record.handle)
            if isinstance(current, Missing) or current.version != expected_version:
                return Stale(current)
            self.records[record.handle] = record
            return None

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        with self.lock:
            current = self.load(handle)
            if isinstance(current, Missing):
                return current
            if not patch:
                return current.payload
            merged = apply_patch(current.payload, patch)
            if json_size(merged) > limit:
                return TooLarge(merged)
            self._write(current, payload=merged)
            return merged

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        with self.lock:
            current = self.load(handle)
            if isinstance(current, Missing):
                return current
            self._write(current, data=data)
            return None

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        with self.lock:
            return tuple(handle for handle in handles if self.records.pop(handle, None))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        listed = self.list_for_user(user_id, tenant_id)
        return self.delete(tuple(r.handle for r in listed if r.handle not in keep))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        theirs = [r for r in self.records.values() if r.user_id == user_id]
        here = [r for r in theirs if tenant_id in (None, r.tenant_id)]
        return tuple(sorted(here, key=lambda r: (r.created_at, r.handle)))

    def purge(self, now: int, limit: int) -> int:
        over = [r.handle for r in self.records.values() if r.expires_at <= now]
        return len(self.delete(tuple(over[:limit])))

    def _write(self, current: SessionRecord, **changes: Any) -> None:
        written = attrs.evolve(current, version=current.version + 1, **changes)
        self.records[current.handle] = written


class PlainSigner:
    """A token that shows its claims, so that a test can read them."""

    def sign(self, claims: FrozenDict) -> str:
        return "signed:" + to_json(claims)

    def public_keys(self) -> tuple[PublicKey, ...]:
        return ()


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


def _backend(*records: SessionRecord) -> Backend:
    store = DictStore()
    for record in records:
        store.create(record)
    return Backend(store, PlainSigner())


@pytest.fixture(scope="session")
def make_record() -> Callable[..., SessionRecord]:
    """Builds a record of the handle given; other fields as keywords."""
    return _record


@pytest.fixture(scope="session")
def make_backend() -> Callable[..., Backend]:
    """Builds a backend that holds the records given."""
    return _backend
