"""The memory world: all that a store holds, as one immutable value.

The store's acts are pure functions from a world to the next one and an answer, so worlds can be
compared, hashed, kept and gone back to. `MemoryStore` is a thin mutable holder of one: real
enough for tests and for a single process whose sessions may end with it.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from threading import Lock
from typing import Any, TypeVar

import attrs
from rpds import HashTrieMap

from ..effects import (
    Backend,
    FrozenDict,
    HandleTaken,
    Missing,
    PublicKey,
    SessionRecord,
    Signer,
    Stale,
    StoreEffect,
    TooLarge,
    apply_patch,
    json_size,
    to_json,
)

T = TypeVar("T")


@attrs.frozen
class World:
    """What a store holds.

    Attributes:
        records: by handle.
        users: the handles of each user's sessions, so that listing one's needs no search. They
            follow from the records, so they aren't compared.
        secrets: what is kept under a name, such as a key ring; not shown.
    """

    records: HashTrieMap[str, SessionRecord] = attrs.field(default=HashTrieMap())
    users: HashTrieMap[str, tuple[str, ...]] = attrs.field(
        default=HashTrieMap(), eq=False, repr=False
    )
    secrets: HashTrieMap[str, bytes] = attrs.field(default=HashTrieMap(), repr=False)

    def create(self, record: SessionRecord) -> tuple[World, HandleTaken | None]:
        """The world with a new record, unless its handle is taken."""
        if record.handle in self.records:
            return self, HandleTaken()
        theirs = self.users.get(record.user_id, ())
        users = self.users.insert(record.user_id, (*theirs, record.handle))
        return attrs.evolve(self._with(record), users=users), None

    def load(self, handle: str) -> SessionRecord | Missing:
        """A record."""
        return self.records.get(handle) or Missing()

    def swap(self, record: SessionRecord, expected_version: int) -> tuple[World, Stale | None]:
        """The world with the record replaced, if it still has this version."""
        held = self.load(record.handle)
        if isinstance(held, Missing) or held.version != expected_version:
            return self, Stale(held)
        if held.user_id != record.user_id:  # another's from now on: so it's in another's list
            return self._without((record.handle,)).create(record)[0], None
        return self._with(record), None

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> tuple[World, FrozenDict | TooLarge | Missing]:
        """The world with the patch merged, unless the result is too large."""
        held = self.load(handle)
        if isinstance(held, Missing):
            return self, held
        if not patch:
            return self, held.payload
        payload = apply_patch(held.payload, patch)
        if json_size(payload) > limit:
            return self, TooLarge(payload)
        return self._with(attrs.evolve(held, payload=payload, version=held.version + 1)), payload

    def replace_data(self, handle: str, data: FrozenDict) -> tuple[World, Missing | None]:
        """The world with the session's data replaced."""
        held = self.load(handle)
        if isinstance(held, Missing):
            return self, held
        return self._with(attrs.evolve(held, data=data, version=held.version + 1)), None

    def delete(self, handles: tuple[str, ...]) -> tuple[World, tuple[str, ...]]:
        """The world without these records, and those that were there."""
        there = tuple(dict.fromkeys(handle for handle in handles if handle in self.records))
        return self._without(there), there

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[World, tuple[str, ...]]:
        """The world without a user's records, but for some."""
        theirs = self.list_for_user(user_id, tenant_id)
        return self.delete(tuple(r.handle for r in theirs if r.handle not in keep))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """A user's records, oldest first."""
        records = (self.records[handle] for handle in self.users.get(user_id) or ())
        found = (r for r in records if tenant_id is None or r.tenant_id == tenant_id)
        return tuple(sorted(found, key=_age))

    def purge(self, now: int, limit: int) -> tuple[World, int]:
        """The world without `limit` of the records that are over, and how many they were."""
        over = (record for record in self.records.values() if record.expires_at <= now)
        first = nsmallest(limit, over, key=_end)
        return self._without(tuple(record.handle for record in first)), len(first)

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> tuple[World, bool]:
        """The world with a secret replaced, if it still has this value."""
        if self.secrets.get(name) != expected:
            return self, False
        return attrs.evolve(self, secrets=self.secrets.insert(name, new)), True

    def _with(self, record: SessionRecord) -> World:
        return attrs.evolve(self, records=self.records.insert(record.handle, record))

    def _without(self, handles: tuple[str, ...]) -> World:
        records, users, gone = self.records, self.users, frozenset(handles)
        for user_id in {records[handle].user_id for handle in handles}:
            left = tuple(handle for handle in users[user_id] if handle not in gone)
            users = users.insert(user_id, left) if left else users.remove(user_id)
        for handle in handles:
            records = records.remove(handle)
        return attrs.evolve(self, records=records, users=users)


EMPTY_WORLD = World()


class MemoryStore:
    """A store that holds one world at a time. Implements the `Store` protocol.

    >>> MemoryStore().load("nobody's")
    Missing()
    """

    def __init__(self, world: World = EMPTY_WORLD) -> None:
        self._world = world
        self._lock = Lock()

    @property
    def world(self) -> World:
        """What the store holds now: a value that no later act changes."""
        return self._world

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert a record."""
        return self._act(lambda world: world.create(record))

    def load(self, handle: str) -> SessionRecord | Missing:
        """Read a record."""
        return self._world.load(handle)

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace a record by compare-and-swap."""
        return self._act(lambda world: world.swap(record, expected_version))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Merge a patch into a payload."""
        return self._act(lambda world: world.merge_payload(handle, patch, limit))

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace a session's data."""
        return self._act(lambda world: world.replace_data(handle, data))

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete records."""
        return self._act(lambda world: world.delete(handles))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records."""
        return self._act(lambda world: world.delete_for_user(user_id, tenant_id, keep))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """Read a user's records."""
        return self._world.list_for_user(user_id, tenant_id)

    def purge(self, now: int, limit: int) -> int:
        """Delete records that are over, those that ended first."""
        return self._act(lambda world: world.purge(now, limit))

    def load_secret(self, name: str) -> bytes | None:
        """What is kept under a name."""
        return self._world.secrets.get(name)

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Keep a secret under a name, if it still has the expected value."""
        return self._act(lambda world: world.swap_secret(name, expected, new))

    def close(self) -> None:
        """Nothing to release; every store has it."""

    def _act(self, act: Callable[[World], tuple[World, T]]) -> T:
        with self._lock:
            self._world, answer = act(self._world)
        return answer


def interpret(world: World, effect: StoreEffect, signer: Signer) -> tuple[World, Any]:
    """Carry out one effect of the store family: the next world, and the reply.

    Pure, if the signer is.

    >>> from counterfoil.effects import Load
    >>> interpret(EMPTY_WORLD, Load("nobody's"), UnsignedTokens())[1]
    Missing()
    """
    store = MemoryStore(world)
    reply = Backend(store, signer).perform(effect)
    return store.world, reply


@attrs.frozen
class UnsignedTokens:
    """A signer for simulations: its tokens are readable, deterministic and signed by nobody."""

    def sign(self, claims: FrozenDict) -> str:
        """The claims themselves, under the name of a token."""
        return f"unsigned:{to_json(claims)}"

    def public_keys(self) -> tuple[PublicKey, ...]:
        """None: nothing verifies these."""
        return ()


def _age(record: SessionRecord) -> tuple[int, str]:
    return record.created_at, record.handle


def _end(record: SessionRecord) -> tuple[int, str]:
    return record.expires_at, record.handle
