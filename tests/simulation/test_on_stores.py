"""Schedules on real stores, with real threads: the store answers what the memory world answered."""

from functools import partial
from threading import Event

import attrs
import pytest

from counterfoil.adapters import MemoryStore
from counterfoil.adapters.simulation import REVEALING, Scenario, Sessions, schedule
from counterfoil.adapters.simulation.on_stores import Script, Turn, run_on, script
from counterfoil.effects import (
    FrozenDict,
    InvalidInput,
    Load,
    Mismatch,
    Missing,
    SessionRecord,
    Stale,
    Store,
    StoreUnavailable,
    TooLarge,
)

# --- stores that are caught --------------------------------------------------------------------


class WithoutCompare(MemoryStore):
    """Swaps whatever the version."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        held = self.load(record.handle)
        found = expected_version if isinstance(held, Missing) else held.version
        return super().swap(record, found)


class Replacing(MemoryStore):
    """Forgets the payload that was there."""

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        held = self.load(handle)
        if isinstance(held, SessionRecord) and patch:
            super().swap(attrs.evolve(held, payload=FrozenDict()), held.version)
        return super().merge_payload(handle, patch, limit)


class Unreachable(MemoryStore):
    """Is not there."""

    def load(self, handle: str) -> SessionRecord | Missing:
        raise StoreUnavailable("no route")


class Forgetful(MemoryStore):
    """Says that it rotated, and did not."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        return None


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (WithoutCompare, "swaps whatever is there"),
        (Replacing, "merge replaces"),
        (Forgetful, "lost race is ignored"),
    ],
)
def test_a_broken_store_is_caught(broken: type[MemoryStore], fault: str) -> None:
    (revealing,) = (one for one in REVEALING if fault in one.faults)
    store = broken()
    with pytest.raises(Mismatch):
        run_on(partial(same, store), script(Sessions(revealing.scenario), revealing.moves))


def same(store: Store) -> Store:
    return store


def test_what_a_store_raises_is_told() -> None:
    model = Sessions(Scenario(tabs=1))
    store = Unreachable()
    with pytest.raises(StoreUnavailable, match="no route"):
        run_on(lambda: store, script(model, schedule(model, seed=1)))


class Stuck(MemoryStore):
    """Waits for what never comes."""

    def load(self, handle: str) -> SessionRecord | Missing:
        Event().wait(5)
        return super().load(handle)


def test_a_store_that_hangs_does_not_pass() -> None:
    model = Sessions(Scenario(tabs=1))
    store = Stuck()
    with pytest.raises(Mismatch, match=r"of refresh 1: Load.*\n  was not answered within 0.05 s"):
        run_on(lambda: store, script(model, schedule(model, seed=1)), patience=0.05)


class Doubling(MemoryStore):
    """Keeps another record beside each that it rotates."""

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        self.create(attrs.evolve(record, handle=f"{record.handle}-{record.version}"))
        return super().swap(record, expected_version)


def test_a_store_that_holds_more_does_not_pass() -> None:
    model = Sessions(Scenario(tabs=1))
    store = Doubling()
    with pytest.raises(Mismatch, match="holds sessions of 'user-1' that it was never given"):
        run_on(lambda: store, script(model, schedule(model, seed=1)))


def test_an_async_store_is_told_from_a_blocking_one() -> None:
    class Awaited:
        async def load(self, handle: str) -> SessionRecord | Missing:
            return Missing()

    model = Sessions(Scenario(tabs=1))
    with pytest.raises(InvalidInput, match="a blocking store, not Awaited, which is async"):
        run_on(lambda: Awaited(), script(model, schedule(model, seed=1)))  # type: ignore[arg-type,return-value]  # what is tested


def test_a_wrong_answer_is_told_with_its_turn() -> None:
    start = Sessions(Scenario()).start().world.value
    (handle,) = start.records
    wrong = Script(start, (Turn("refresh 1", Load(handle), Missing()),), start)
    store = MemoryStore()
    with pytest.raises(Mismatch, match="turn 1, of refresh 1: Load") as caught:
        run_on(lambda: store, wrong)
    assert "must be answered  Missing()" in str(caught.value)
