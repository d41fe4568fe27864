"""A store knows no clock: what is over stays until it is purged, and what is not, whatever happens.

Or until it is over by the clock on the wall, too: then it may go by itself, and stay gone.
"""

from __future__ import annotations

import attrs
import pytest

from ..backend import Store
from ..descriptions import Missing, Stale
from ..frozen import FrozenDict
from .records import LATER, NO_LIMIT, THEN, record


def test_a_record_that_is_over_is_there_or_gone_for_good(store: Store) -> None:
    over = record(created_at=0, rotated_at=0, absolute_expires_at=0, idle_lifetime=0)
    assert store.create(over) is None
    held = store.load("h1")
    if held == Missing():
        assert store.merge_payload("h1", FrozenDict({"a": 1}), NO_LIMIT) == Missing()
        assert store.replace_data("h1", FrozenDict({"b": 1})) == Missing()
        assert store.swap(attrs.evolve(over, version=1), 0) == Stale(Missing())
        assert store.list_for_user("ada", None) == ()
        assert store.delete(("h1",)) == ()
        return
    assert held == over
    assert store.list_for_user("ada", None) == (over,)
    payload, data = FrozenDict({"a": 1}), FrozenDict({"b": 1})
    assert store.merge_payload("h1", payload, NO_LIMIT) == payload
    assert store.replace_data("h1", data) is None
    written = attrs.evolve(over, version=2, payload=payload, data=data)
    assert store.swap(attrs.evolve(written, version=3), 2) is None
    assert store.delete(("h1",)) == ("h1",)


def test_purge_takes_what_is_over_at_its_idle_or_absolute_end(store: Store) -> None:
    store.create(record("idle", rotated_at=THEN + 90, idle_lifetime=10))
    store.create(record("absolute", absolute_expires_at=THEN + 100))
    store.create(record("alive", rotated_at=THEN + 91, idle_lifetime=10))
    assert store.purge(THEN + 99, NO_LIMIT) == 0
    assert store.purge(THEN + 100, NO_LIMIT) == 2
    assert [r.handle for r in store.list_for_user("ada", None)] == ["alive"]
    assert store.load("idle") == store.load("absolute") == Missing()
    assert store.purge(THEN + 100, NO_LIMIT) == 0


@pytest.mark.parametrize(("limit", "purged"), [(-1, 0), (0, 0), (1, 1), (2, 2), (5, 5), (9, 5)])
def test_purge_is_bounded(store: Store, limit: int, purged: int) -> None:
    for n in (3, 1, 4, 0, 2):
        store.create(record(f"h{n}", absolute_expires_at=THEN + n))
    store.create(record("alive"))
    assert store.purge(THEN + 5, limit) == purged
    assert len(store.list_for_user("ada", None)) == 6 - purged
    assert store.load("alive") == record("alive")


def test_purges_in_portions_come_to_an_end(store: Store) -> None:
    for n in range(7):
        store.create(record(f"h{n}", absolute_expires_at=THEN + n))
    assert [store.purge(LATER, 3) for _ in range(4)] == [3, 3, 1, 0]


def test_purge_goes_by_the_end_that_a_record_has_now(store: Store) -> None:
    refreshed, ended = record("refreshed"), record("ended")
    for one in (refreshed, ended):
        store.create(one)
    store.swap(attrs.evolve(refreshed, rotated_at=THEN + 50_000, version=1), 0)
    store.swap(attrs.evolve(ended, absolute_expires_at=THEN + 5, version=1), 0)
    store.merge_payload("refreshed", FrozenDict({"a": 1}), NO_LIMIT)
    assert store.purge(THEN + 11_000, NO_LIMIT) == 1
    assert [r.handle for r in store.list_for_user("ada", None)] == ["refreshed"]
