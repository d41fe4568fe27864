"""Stores with one fault each, and the kit's tests that find it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio.lowlevel
import attrs

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import (
    FrozenDict,
    HandleTaken,
    Json,
    Missing,
    SessionRecord,
    Stale,
    TooLarge,
    apply_patch,
)

from .stores import Coroutines, TwoForms

Merged = FrozenDict | TooLarge | Missing


def yielded() -> None:
    """Another thread's turn."""
    time.sleep(0)


class WithoutCompare(MemoryStore):
    """Swaps whatever the version."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        held = self.load(record.handle)
        found = expected_version if isinstance(held, Missing) else held.version
        return super().swap(record, found)


class SwapThatCreates(MemoryStore):
    """Brings a record back that was revoked."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        if isinstance(self.load(record.handle), Missing):
            self.create(record)
            return None
        return super().swap(record, expected_version)


class SwapThatTellsNothing(MemoryStore):
    """Says that a swap is stale, and not what is there."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        return Stale(Missing()) if super().swap(record, expected_version) else None


class MergeThatCreates(MemoryStore):
    """Makes a session of a patch."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        if isinstance(self.load(handle), Missing) and patch:
            from counterfoil.core.examples import example_record

            record = attrs.evolve(example_record(), handle=handle, payload=FrozenDict())
            self.create(record)
        return super().merge_payload(handle, patch, limit)


class MergeThatReplaces(MemoryStore):
    """Forgets the payload that was there."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        held = self.load(handle)
        if isinstance(held, SessionRecord) and patch:
            super().swap(attrs.evolve(held, payload=FrozenDict()), held.version)
        return super().merge_payload(handle, patch, limit)


class MergeThatKeepsNulls(MemoryStore):
    """Sets a key to null that it should delete."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        merged = super().merge_payload(handle, patch, limit)
        held = self.load(handle)
        if isinstance(merged, FrozenDict) and isinstance(held, SessionRecord):
            merged = FrozenDict({**held.payload, **patch})
            super().swap(attrs.evolve(held, payload=merged), held.version)
        return merged


class MergeThatIsNotCounted(MemoryStore):
    """Writes a payload under the version that was there."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        merged = super().merge_payload(handle, patch, limit)
        held = self.load(handle)
        if isinstance(merged, FrozenDict) and isinstance(held, SessionRecord) and patch:
            super().swap(attrs.evolve(held, version=held.version - 1), held.version)
        return merged


class MergeInTwoSteps(MemoryStore):
    """Reads, and then writes: a write of another's that comes between is lost."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        held = self.load(handle)
        if isinstance(held, Missing) or not patch:
            return super().merge_payload(handle, patch, limit)
        merged = apply_patch(held.payload, patch)
        checked = MemoryStore(self.world).merge_payload(handle, patch, limit)
        yielded()
        if isinstance(checked, FrozenDict):
            now = self.load(handle)
            version = held.version if isinstance(now, Missing) else now.version
            super().swap(attrs.evolve(held, payload=merged, version=held.version + 1), version)
        return checked


class WithoutLock(MemoryStore):
    """Leaves each act to Python, which may let another thread in anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = nullcontext()  # type: ignore[assignment]  # what is planted


class EmptyPatchThatWrites(MemoryStore):
    """Counts a version for nothing."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        held = self.load(handle)
        if not patch and isinstance(held, SessionRecord):
            super().swap(attrs.evolve(held, version=held.version + 1), held.version)
        return super().merge_payload(handle, patch, limit)


class WithoutLimit(MemoryStore):
    """Merges what doesn't fit."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        return super().merge_payload(handle, patch, 1 << 60)


class LimitInCharacters(MemoryStore):
    """Measures a payload in characters, not in bytes."""

    def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        extra = sum(len(str(v).encode()) - len(str(v)) for v in patch.values())
        return super().merge_payload(handle, patch, limit + extra)


class CreateThatOverwrites(MemoryStore):
    """Gives another's handle away."""

    def create(self, record: SessionRecord) -> HandleTaken | None:
        self.delete((record.handle,))
        return super().create(record)


class CreateInTwoSteps(MemoryStore):
    """Looks whether a handle is free, and then takes it."""

    def create(self, record: SessionRecord) -> HandleTaken | None:
        if isinstance(self.load(record.handle), SessionRecord):
            return HandleTaken()
        yielded()
        self.delete((record.handle,))
        return super().create(record)


class ReplaceThatIsNotCounted(MemoryStore):
    """Writes data under the version that was there."""

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        held = self.load(handle)
        if isinstance(held, Missing):
            return held
        self.swap(attrs.evolve(held, data=data), held.version)
        return None


class DeleteInAnyOrder(MemoryStore):
    """Answers the handles in its own order."""

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(super().delete(handles)))


class DeleteThatSaysWhatItWasAsked(MemoryStore):
    """Answers the handles that were never there."""

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        super().delete(handles)
        return handles


class DeleteThatKeepsNone(MemoryStore):
    """Revokes the session that was to be kept."""

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        return super().delete_for_user(user_id, tenant_id, ())


class WithoutTenants(MemoryStore):
    """Lists a user's sessions of all tenants."""

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        return super().list_for_user(user_id, None)


class DeleteOfEveryTenant(MemoryStore):
    """Revokes a user's sessions of all tenants."""

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        return super().delete_for_user(user_id, None, keep)


class DeleteOfWhatWasListed(MemoryStore):
    """Revokes a user's sessions in two steps, and misses what was re-keyed between them."""

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        listed = [one.handle for one in self.list_for_user(user_id, tenant_id)]
        yielded()
        return self.delete(tuple(handle for handle in listed if handle not in keep))


class NewestFirst(MemoryStore):
    """Lists in the order of nobody's asking."""

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        return super().list_for_user(user_id, tenant_id)[::-1]


class OnePage(MemoryStore):
    """Lists no more than a page."""

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        return super().list_for_user(user_id, tenant_id)[:1000]


class LossyText(MemoryStore):
    """Takes names for the same that differ by how their letters are composed, or by case."""

    def load(self, handle: str) -> SessionRecord | Missing:
        return super().load(handle.partition("\x00")[0])


class LossyNumbers(MemoryStore):
    """Keeps numbers as doubles, as JavaScript and Lua do."""

    def create(self, record: SessionRecord) -> HandleTaken | None:
        payload = {k: _double(v) for k, v in record.payload.items()}
        return super().create(attrs.evolve(record, payload=FrozenDict(payload)))


def _double(value: Json) -> Json:
    if isinstance(value, tuple):
        return tuple(map(_double, value))
    return float(value) if type(value) is int else value


class EmptyArraysThatAreObjects(MemoryStore):
    """Keeps [] as {}, as Lua's tables do."""

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        kept = {key: FrozenDict() if value == () else value for key, value in data.items()}
        return super().replace_data(handle, FrozenDict(kept))


class PurgeWithoutBound(MemoryStore):
    """Purges all at once."""

    def purge(self, now: int, limit: int) -> int:
        return super().purge(now, 1 << 60)


class PurgeTooEarly(MemoryStore):
    """Takes what ends in a millisecond."""

    def purge(self, now: int, limit: int) -> int:
        return super().purge(now + 1, limit)


class PurgeByTheFirstEnd(MemoryStore):
    """Goes by the end that a record had when it was created."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, int] = {}

    def create(self, record: SessionRecord) -> HandleTaken | None:
        self.ends[record.handle] = record.expires_at
        return super().create(record)

    def purge(self, now: int, limit: int) -> int:
        over = [handle for handle, end in self.ends.items() if end <= now]
        gone = self.delete(tuple(over[: max(limit, 0)]))
        return len(gone)


class StaleList(MemoryStore):
    """Keeps listing a record for the user that had it first."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        held = self.load(record.handle)
        if isinstance(held, SessionRecord):
            record = attrs.evolve(record, user_id=held.user_id)
        return super().swap(record, expected_version)


class SecretsWithoutCompare(MemoryStore):
    """Replaces a secret whatever it is."""

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        return super().swap_secret(name, self.load_secret(name), new)


class MergeAcrossAnAwait(Coroutines):
    """Atomic in threads, and torn where it awaits."""

    async def merge_payload(self, handle: str, patch: FrozenDict, limit: int) -> Merged:
        held = self._store.load(handle)
        await anyio.lowlevel.checkpoint()
        merged = self._store.merge_payload(handle, patch, limit)
        if isinstance(held, SessionRecord) and isinstance(merged, FrozenDict) and patch:
            now = self._store.load(handle)
            assert isinstance(now, SessionRecord)
            merged = apply_patch(held.payload, patch)
            self._store.swap(attrs.evolve(now, payload=merged), now.version)
        return merged


class TornWhereItAwaits(TwoForms):
    """Its async form alone is broken."""

    @property
    def awaited(self) -> Any:
        return MergeAcrossAnAwait(self)


class Buffered(SqliteStore):
    """Keeps what it creates to itself until it is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.kept: dict[str, SessionRecord] = {}

    def create(self, record: SessionRecord) -> HandleTaken | None:
        if record.handle in self.kept:
            return HandleTaken()
        self.kept[record.handle] = record
        return None

    def load(self, handle: str) -> SessionRecord | Missing:
        return self.kept.get(handle) or super().load(handle)

    def close(self) -> None:
        for record in self.kept.values():
            super().create(record)
        self.kept.clear()
        super().close()


def buffered() -> Iterator[tuple[Buffered, partial[Buffered]]]:
    """A store that says too early that it has written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sessions.db")
        with Buffered(path) as store:
            yield store, partial(Buffered, path)


# The factory of each, the part of the kit that is asked, and a test of it that must fail.
FOUND: list[tuple[str, str, str]] = [
    ("WithoutCompare", "test_writing", "swap_of_another_version_changes_nothing"),
    ("WithoutCompare", "test_races", "who_swap_one_version_exactly_one_wins"),
    ("SwapThatCreates", "test_writing", "swap_brings_no_record_back"),
    ("SwapThatCreates", "test_races", "revoked_among_refreshes_and_merges_stays_so"),
    ("SwapThatTellsNothing", "test_writing", "of_two_swaps_of_one_version_the_second_is_stale"),
    ("MergeThatCreates", "test_writing", "merge_of_an_unknown_handle_is_missing"),
    ("MergeThatReplaces", "test_writing", "merge_sets_and_deletes_keys"),
    ("MergeThatKeepsNulls", "test_writing", "merge_sets_and_deletes_keys"),
    ("MergeThatIsNotCounted", "test_writing", "a_merge_of_what_is_there_already_is_a_write"),
    ("MergeInTwoSteps", "test_races", "concurrent_merges_of_different_keys_all_survive"),
    ("WithoutLock", "test_races", "concurrent_merges_of_different_keys_all_survive[threads]"),
    ("EmptyPatchThatWrites", "test_writing", "empty_patch_writes_nothing"),
    ("WithoutLimit", "test_writing", "merge_that_exceeds_the_limit_changes_nothing"),
    ("LimitInCharacters", "test_writing", "merge_that_exceeds_the_limit_changes_nothing"),
    ("CreateThatOverwrites", "test_values", "create_changes_nothing_if_the_handle_is_taken"),
    ("CreateInTwoSteps", "test_races", "who_create_one_handle_exactly_one_does"),
    ("ReplaceThatIsNotCounted", "test_writing", "replace_data_writes_and_counts_the_version"),
    ("DeleteInAnyOrder", "test_many", "delete_answers_what_was_there_in_the_order_given"),
    ("DeleteThatSaysWhatItWasAsked", "test_races", "delete_one_record_exactly_one_is_told_so"),
    ("DeleteThatKeepsNone", "test_many", "delete_for_user_takes_all_of_a_tenant_but_those_kept"),
    ("WithoutTenants", "test_many", "records_are_listed_by_age_then_by_handle"),
    ("DeleteOfEveryTenant", "test_many", "delete_for_user_takes_all_of_a_tenant"),
    ("DeleteOfWhatWasListed", "test_races", "rekeyed_while_all_are_revoked_does_not_survive"),
    ("NewestFirst", "test_many", "records_are_listed_by_age_then_by_handle"),
    ("OnePage", "test_many", "list_is_whole_however_long_it_is"),
    ("LossyText", "test_values", "names_that_look_alike_are_different_names"),
    ("LossyNumbers", "test_values", "json_comes_back_as_it_was"),
    ("EmptyArraysThatAreObjects", "test_values", "json_comes_back_as_it_was"),
    ("PurgeWithoutBound", "test_expiry", "purge_is_bounded"),
    ("PurgeTooEarly", "test_expiry", "purge_takes_what_is_over"),
    ("PurgeByTheFirstEnd", "test_expiry", "purge_goes_by_the_end_that_a_record_has_now"),
    ("CreateThatOverwrites", "test_lockstep", "a_store_answers_as_the_protocol_says"),
    ("MergeThatIsNotCounted", "test_lockstep", "a_store_answers_as_the_protocol_says"),
    ("ReplaceThatIsNotCounted", "test_lockstep", "a_store_answers_as_the_protocol_says"),
    ("StaleList", "test_writing", "swap_may_move_a_record_to_another_user"),
    ("SecretsWithoutCompare", "test_secrets", "secret_is_kept_by_compare_and_swap"),
    ("SecretsWithoutCompare", "test_races", "who_swap_a_secret_exactly_one_wins"),
    ("TornWhereItAwaits", "test_races", "concurrent_merges_of_different_keys_all_survive[tasks]"),
    ("buffered", "test_durability", "what_one_store_wrote_another_reads"),
]


# --- what makes no store -----------------------------------------------------------------------


def cannot() -> None:
    """A store that can't be made."""
    raise OSError("no disk")


def local() -> tuple[MemoryStore, Any]:
    """A store that this process alone can open again."""
    store = MemoryStore()
    return store, lambda: store
