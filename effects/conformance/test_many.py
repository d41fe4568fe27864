"""Acts on many records: deleting them, a user's, and listing them in their order."""

from __future__ import annotations

import attrs
import pytest

from ..backend import Store
from ..descriptions import Missing
from ..frozen import FrozenDict
from ..record import SessionRecord
from .records import NO_LIMIT, THEN, household, record


def a_household(store: Store) -> dict[str, SessionRecord]:
    """Four sessions of ada's and one of eve's, stored."""
    kept = household()
    for one in kept.values():
        store.create(one)
    return kept


# --- delete ------------------------------------------------------------------------------------


def test_delete_answers_what_was_there_in_the_order_given(store: Store) -> None:
    for handle in ("h1", "h2", "h3", "h4"):
        store.create(record(handle))
    assert store.delete(("h3", "nobody's", "h1", "h3", "h1", "h4")) == ("h3", "h1", "h4")
    assert [store.load(h) for h in ("h1", "h3", "h4")] == [Missing()] * 3
    assert store.list_for_user("ada", None) == (record("h2"),)
    assert store.delete(("h3", "h1")) == ()


def test_delete_of_nothing_is_nothing(store: Store) -> None:
    store.create(record())
    assert store.delete(()) == ()
    assert store.load("h1") == record()


def test_delete_takes_two_thousand_handles(store: Store) -> None:
    handles = tuple(f"h{n}" for n in range(0, 2_000, 2))
    for handle in handles[:50]:
        store.create(record(handle))
    assert store.delete(tuple(f"h{n}" for n in range(2_000))) == handles[:50]
    assert store.list_for_user("ada", None) == ()


@pytest.mark.parametrize(
    ("tenant_id", "keep", "deleted"),
    [
        (None, (), ("h9", "h2", "h5", "h1")),
        (None, ("h2", "h1"), ("h9", "h5")),
        ("public", (), ("h9", "h2", "h1")),
        ("public", ("h9", "h5", "h3", "nobody's"), ("h2", "h1")),
        ("blue", ("h5",), ()),
        ("green", (), ()),
        ("", (), ()),
    ],
)
def test_delete_for_user_takes_all_of_a_tenant_but_those_kept(
    store: Store, tenant_id: str | None, keep: tuple[str, ...], deleted: tuple[str, ...]
) -> None:
    kept = a_household(store)
    assert store.delete_for_user("ada", tenant_id, keep) == deleted
    left = {handle for handle in kept if store.load(handle) != Missing()}
    assert left == kept.keys() - set(deleted)
    assert store.delete_for_user("ada", tenant_id, keep) == ()


def test_delete_for_a_user_of_none_is_nothing(store: Store) -> None:
    a_household(store)
    assert store.delete_for_user("nobody", None, ()) == ()
    assert len(store.list_for_user("ada", None)) == 4


# --- list --------------------------------------------------------------------------------------


def test_a_users_records_are_listed_by_age_then_by_handle(store: Store) -> None:
    kept = a_household(store)
    ages = ("h9", "h2", "h5", "h1")
    assert store.list_for_user("ada", None) == tuple(kept[h] for h in ages)
    assert store.list_for_user("ada", "public") == tuple(kept[h] for h in ages if h != "h5")
    assert store.list_for_user("ada", "blue") == (kept["h5"],)
    assert store.list_for_user("ada", "") == ()
    assert store.list_for_user("nobody", None) == ()


def test_a_list_is_whole_however_long_it_is(store: Store) -> None:
    # Not in the order of age, nor of handles, and more than a page: some give a thousand at most.
    for number in range(1100):
        store.create(record(f"h{number * 7 % 1100:04}", at=number * 3 % 40))
    listed = store.list_for_user("ada", None)
    assert len(listed) == 1100
    assert list(listed) == sorted(listed, key=lambda r: (r.created_at, r.handle))
    assert len(store.delete_for_user("ada", None, ("h0007",))) == 1099
    assert [r.handle for r in store.list_for_user("ada", None)] == ["h0007"]


def test_handles_of_one_age_are_in_the_order_of_their_characters(store: Store) -> None:
    handles = ("B", "a", "b", "A", "a-", "aa", "0", "_")
    for handle in handles:
        store.create(record(handle))
    assert [r.handle for r in store.list_for_user("ada", None)] == sorted(handles)


def test_a_list_shows_what_was_written_last(store: Store) -> None:
    a_household(store)
    store.merge_payload("h5", FrozenDict({"a": 1}), NO_LIMIT)
    store.replace_data("h5", FrozenDict({"b": 1}))
    (listed,) = store.list_for_user("ada", "blue")
    assert listed == store.load("h5")
    store.swap(attrs.evolve(listed, version=3, created_at=THEN + 9), 2)
    assert [r.handle for r in store.list_for_user("ada", None)] == ["h9", "h2", "h1", "h5"]
