"""Swaps, merges and data: each writes all or nothing, and counts the version by one."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given

from ..backend import Store
from ..descriptions import Missing, Stale, TooLarge
from ..frozen import EMPTY, FrozenDict, apply_patch, freeze_object, json_size
from ..record import SessionRecord
from ..strategies import payload_patches
from .drawing import one_store, records
from .records import NO_LIMIT, record, shown, sort

# --- swap --------------------------------------------------------------------------------------


@one_store
@given(before=records, after=records)
def test_swap_replaces_the_whole_record(
    store: Store, before: SessionRecord, after: SessionRecord
) -> None:
    store.delete(("h1",))
    store.create(before)
    assert store.swap(after, before.version) is None
    assert shown(store.load("h1")) == shown(after)
    assert store.list_for_user(after.user_id, after.tenant_id) == (after,)
    if before.user_id != after.user_id:
        assert store.list_for_user(before.user_id, None) == ()


@pytest.mark.parametrize("expected", [0, 3, 5, -1])
def test_swap_of_another_version_changes_nothing_and_shows_what_is_there(
    store: Store, expected: int
) -> None:
    held = record(version=4)
    store.create(held)
    other = record(version=expected + 1, user_id="eve", generation=9)
    assert store.swap(other, expected) == Stale(held)
    assert store.load("h1") == held
    assert store.list_for_user("eve", None) == ()


def test_swap_brings_no_record_back(store: Store) -> None:
    assert store.swap(record(version=1), 0) == Stale(Missing())
    store.create(record())
    store.delete(("h1",))
    assert store.swap(record(version=1), 0) == Stale(Missing())
    assert store.load("h1") == Missing()
    assert store.list_for_user("ada", None) == ()


def test_of_two_swaps_of_one_version_the_second_is_stale(store: Store) -> None:
    store.create(record())
    first, second = record(version=1, generation=1), record(version=1, generation=2)
    assert store.swap(first, 0) is None
    assert store.swap(second, 0) == Stale(first)
    assert store.load("h1") == first


def test_a_swap_may_move_a_record_to_another_user_and_tenant(store: Store) -> None:
    store.create(record())
    moved = record(version=1, user_id="eve", tenant_id="blue")
    assert store.swap(moved, 0) is None
    assert store.list_for_user("ada", None) == ()
    assert store.list_for_user("eve", "public") == ()
    assert store.list_for_user("eve", "blue") == (moved,)
    assert store.delete_for_user("ada", None, ()) == ()
    assert store.delete_for_user("eve", None, ()) == ("h1",)


# --- merge -------------------------------------------------------------------------------------


@one_store
@given(held=records, patch=payload_patches())
def test_merge_applies_the_patch_and_counts_the_version(
    store: Store, held: SessionRecord, patch: FrozenDict
) -> None:
    store.delete(("h1",))
    store.create(held)
    merged = store.merge_payload("h1", patch, NO_LIMIT)
    assert isinstance(merged, FrozenDict)
    expected = apply_patch(held.payload, patch) if patch else held.payload
    assert sort(merged) == sort(expected)
    version = held.version + bool(patch)
    assert shown(store.load("h1")) == shown(attrs.evolve(held, payload=expected, version=version))


def test_merge_sets_and_deletes_keys_and_goes_no_deeper(store: Store) -> None:
    store.create(record(payload=freeze_object({"a": 1, "b": 2, "c": {"d": 1}})))
    patch = freeze_object({"b": None, "c": {"e": None}, "f": [], "never": None})
    merged = freeze_object({"a": 1, "c": {"e": None}, "f": []})
    assert store.merge_payload("h1", patch, NO_LIMIT) == merged
    assert store.load("h1") == record(payload=merged, version=1)


def test_a_merge_leaves_everything_else_as_it_was(store: Store) -> None:
    held = record(
        payload=FrozenDict({"a": 1}), data=FrozenDict({"d": None}), previous_digest=b"p" * 32
    )
    store.create(held)
    store.merge_payload("h1", FrozenDict({"b": 2}), NO_LIMIT)
    merged = FrozenDict({"a": 1, "b": 2})
    assert shown(store.load("h1")) == shown(attrs.evolve(held, payload=merged, version=1))


def test_a_merge_of_what_is_there_already_is_a_write(store: Store) -> None:
    held = record(payload=FrozenDict({"a": 1}))
    store.create(held)
    store.merge_payload("h1", held.payload, NO_LIMIT)
    assert store.load("h1") == attrs.evolve(held, version=1)


def test_a_merge_that_exceeds_the_limit_changes_nothing(store: Store) -> None:
    held = record(payload=FrozenDict({"a": 1}))
    store.create(held)
    merged = FrozenDict({"a": 1, "b": "é\N{PINEAPPLE}"})
    patch, limit = FrozenDict({"b": "é\N{PINEAPPLE}"}), json_size(merged)  # bytes, not characters
    assert store.merge_payload("h1", patch, limit - 1) == TooLarge(merged)
    assert store.load("h1") == held
    assert store.merge_payload("h1", patch, limit) == merged
    assert store.load("h1") == attrs.evolve(held, payload=merged, version=1)


def test_a_merge_that_shrinks_a_payload_may_still_exceed_the_limit(store: Store) -> None:
    held = record(payload=FrozenDict({"a": "x" * 99, "b": "x" * 99}))
    store.create(held)
    assert store.merge_payload("h1", FrozenDict({"b": None}), 50) == TooLarge({"a": "x" * 99})
    assert store.load("h1") == held


def test_an_empty_patch_writes_nothing_and_ignores_the_limit(store: Store) -> None:
    held = record(payload=FrozenDict({"a": 1, "none": None}))
    store.create(held)
    assert store.merge_payload("h1", EMPTY, 0) == held.payload
    assert store.load("h1") == held


def test_merge_of_an_unknown_handle_is_missing_and_creates_nothing(store: Store) -> None:
    assert store.merge_payload("h1", FrozenDict({"a": 1}), NO_LIMIT) == Missing()
    assert store.merge_payload("h1", FrozenDict({"a": 1}), 0) == Missing()
    assert store.merge_payload("h1", EMPTY, 0) == Missing()
    assert store.load("h1") == Missing()
    assert store.list_for_user("ada", None) == ()


# --- data --------------------------------------------------------------------------------------


def test_replace_data_writes_and_counts_the_version(store: Store) -> None:
    held = record(payload=FrozenDict({"a": 1}), data=FrozenDict({"old": 1}))
    store.create(held)
    data = freeze_object({"new": [1, {"city": "Zürich"}]})
    assert store.replace_data("h1", data) is None
    assert store.load("h1") == attrs.evolve(held, data=data, version=1)
    assert store.replace_data("h1", EMPTY) is None
    assert store.load("h1") == attrs.evolve(held, data=EMPTY, version=2)


def test_replace_data_never_creates(store: Store) -> None:
    assert store.replace_data("h1", FrozenDict({"a": 1})) == Missing()
    assert store.load("h1") == Missing()
    assert store.list_for_user("ada", None) == ()
