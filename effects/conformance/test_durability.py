"""What was acknowledged is kept: for whoever opens the store, and when its writer is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

import pytest

from ..backend import Store
from ..descriptions import Missing
from ..frozen import FrozenDict
from ..record import SessionRecord
from .making import Judged, Survey
from .processes import answer, process
from .records import NO_LIMIT, household, record, shown
from .secret_keeping import KeepsSecrets
from .works import write_until_killed

if TYPE_CHECKING:
    from .making import Form

Open = Callable[[], AbstractContextManager[Store]]


def test_what_one_store_wrote_another_reads(store: Store, reopen: Open) -> None:
    for one in household().values():
        store.create(one)
    store.merge_payload("h1", FrozenDict({"a": 1}), NO_LIMIT)
    store.replace_data("h2", FrozenDict({"b": 1}))
    store.delete(("h9",))
    with reopen() as other:
        for handle in household():
            assert other.load(handle) == store.load(handle)
        assert other.list_for_user("ada", None) == store.list_for_user("ada", None)
        assert shown(other.load("h1")) == shown(store.load("h1"))
        other.delete_for_user("ada", "public", ())
        assert [r.handle for r in store.list_for_user("ada", None)] == ["h5"]


def test_a_secret_is_kept_for_whoever_opens_the_store(keeper: KeepsSecrets, reopen: Open) -> None:
    assert keeper.swap_secret("ring", None, b"one")
    with reopen() as other:
        assert isinstance(other, KeepsSecrets)
        assert other.swap_secret("ring", b"one", b"two")
    assert keeper.load_secret("ring") == b"two"


def test_a_store_that_is_closed_takes_nothing_along(store: Store, reopen: Open) -> None:
    with reopen() as other:
        other.create(record())
    assert store.load("h1") == record()
    with reopen() as another:
        assert another.load("h1") == record()


@pytest.mark.skipif(os.name == "nt", reason="needs a signal that no process survives")
def test_what_was_acknowledged_outlives_a_process_that_is_killed(
    judged: Judged, form: Form
) -> None:
    if judged.again is None or not Survey((form,), judged.again).is_picklable:
        pytest.skip("needs a function, which can be pickled, to open the store again")
    store, begin = judged.store, 0
    acknowledged: set[str] = set()
    under_way: set[str] = set()
    store.create(record())
    for told in (1, 7, 40, 13):
        numbers = killed_after(judged, told, begin=begin)
        last = max(numbers)
        # What was under way when the signal came may have been written, and not been told; a server
        # may even write it after this. So the next process begins behind it.
        begin = last + 2
        acknowledged |= {f"session-{number}" for number in numbers}
        under_way.add(f"session-{last + 1}")
        counted = counted_in(store)
        assert counted in (last, last + 1)
        names = {r.handle for r in store.list_for_user("ada", None)} - {"h1"}
        assert acknowledged <= names <= acknowledged | under_way
        assert f"session-{counted}" in names
    assert store.create(record("next")) is None
    assert store.load("nobody's") == Missing()


def counted_in(store: Store) -> int:
    """The number that the killed process counted last."""
    held = store.load("h1")
    assert isinstance(held, SessionRecord)
    counted = held.payload["last"]
    assert isinstance(counted, int)
    return counted


def killed_after(judged: Judged, told: int, *, begin: int) -> list[int]:
    """Kill a process in the middle of its writing; answers the numbers that it has told."""
    assert judged.again is not None
    with process() as (pipe, kill):
        pipe.send((judged.again, write_until_killed, begin))
        assert answer(pipe) == "ready"
        pipe.send("go")
        numbers: list[int] = [answer(pipe) for _ in range(told)]
        kill()
        with suppress(EOFError):  # once all that it told before is read
            while True:
                numbers.append(answer(pipe))
    return numbers
