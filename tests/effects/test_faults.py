"""Stores that fail as a plan says: what becomes of each act, in both forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.adapters import MemoryStore
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    FrozenDict,
    HasAsyncForm,
    InvalidInput,
    Missing,
    Store,
    StoreUnavailable,
)
from counterfoil.effects.faults import (
    AFTER,
    BEFORE,
    SOUND,
    AsyncFaulty,
    Fate,
    Faulty,
    Plan,
    Scripted,
    Seeded,
)

RECORD = example_record()
HANDLE, USER, TENANT = RECORD.handle, RECORD.user_id, RECORD.tenant_id
ELSEWHERE = attrs.evolve(RECORD, handle=f"{HANDLE[:-4]}ffff", tenant_id="elsewhere")
CHANGED = attrs.evolve(RECORD, data=FrozenDict({"b": 2}), version=RECORD.version + 1)
HISTORY = [("after", 3.197), (None, 7.356), ("before", 7.547), (None, 0.0), ("before", 3.525)]
shares = st.floats(0, 0.5)
plans = st.builds(
    Seeded, seed=st.integers(), before=shares, after=shares, delayed=shares, longest=shares
)


class Coroutines:
    """A store that is awaited."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        act: Callable[..., Any] = getattr(self.store, name)

        async def awaited(*arguments: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return act(*arguments)

        return awaited


class TwoForms(MemoryStore):
    """A store with an async form."""

    @property
    def awaited(self) -> Any:
        return Coroutines(self)


class Acts:
    """A faulty store over a world, called in one of its forms."""

    def __init__(self, form: str, plan: Plan) -> None:
        self.world = TwoForms()
        self.waited: list[float] = []
        self.faulty = Faulty(self.world, plan, wait=self.waited.append, sleep=self.sleep)
        self.form = form

    async def sleep(self, delay: float) -> None:
        """Waits for no time at all."""
        self.waited.append(delay)

    def do(self, act: str, *arguments: Any) -> Any:
        """Carries out an act."""
        if self.form == "blocking":
            return getattr(self.faulty, act)(*arguments)

        async def awaited() -> Any:
            return await getattr(self.faulty.awaited, act)(*arguments)

        return anyio.run(awaited)


both_forms = pytest.mark.parametrize("form", ["blocking", "awaited"])

ACTS: dict[str, tuple[Any, ...]] = {
    "create": (RECORD,),
    "load": (HANDLE,),
    "swap": (CHANGED, RECORD.version),
    "merge_payload": (HANDLE, FrozenDict({"a": 1}), 999),
    "replace_data": (HANDLE, FrozenDict({"a": 1})),
    "delete": ((HANDLE,),),
    "delete_for_user": (USER, TENANT, ()),
    "list_for_user": (USER, TENANT),
    "purge": (1 << 60, 9),
}
acts = pytest.mark.parametrize("act", ACTS)


def expected(act: str, world: Any) -> tuple[Any, Any]:
    """What a sound store answers, and holds then."""
    store = MemoryStore(world)
    return getattr(store, act)(*ACTS[act]), store.world


def begun(form: str, plan: Plan, act: str) -> tuple[Acts, Any]:
    asked = Acts(form, plan)
    if act != "create":
        for record in (RECORD, ELSEWHERE):
            asked.world.create(record)
    return asked, asked.world.world


@both_forms
@acts
def test_a_sound_act_is_done_and_answered(form: str, act: str) -> None:
    asked, before = begun(form, Scripted(()), act)
    answer, after = expected(act, before)
    assert asked.do(act, *ACTS[act]) == answer
    assert asked.world.world == after
    assert asked.faulty.turns.met == [(act, SOUND)]


@both_forms
@acts
def test_an_act_that_fails_before_it_is_done_changes_nothing(form: str, act: str) -> None:
    asked, before = begun(form, Scripted((BEFORE,)), act)
    with pytest.raises(StoreUnavailable, match=f"^{act} failed before it was done, as act 0"):
        asked.do(act, *ACTS[act])
    assert asked.world.world == before


@both_forms
@acts
def test_an_act_that_fails_after_it_was_done_was_done(form: str, act: str) -> None:
    asked, before = begun(form, Scripted((AFTER,)), act)
    with pytest.raises(StoreUnavailable, match=f"^{act} failed after it was done, as act 0"):
        asked.do(act, *ACTS[act])
    assert asked.world.world == expected(act, before)[1]


@both_forms
@acts
def test_a_delayed_act_waits_first(form: str, act: str) -> None:
    asked, before = begun(form, Scripted((Fate("before", 0.5), Fate(None, 2.0))), act)
    with pytest.raises(StoreUnavailable):
        asked.do(act, *ACTS[act])
    assert asked.waited == [0.5]
    assert asked.do(act, *ACTS[act]) == expected(act, before)[0]
    assert asked.waited == [0.5, 2.0]


@both_forms
def test_a_delay_that_nobody_can_carry_out_is_refused(form: str) -> None:
    asked = Acts(form, Scripted((Fate(None, 1.0),)))
    asked.faulty = Faulty(asked.world, asked.faulty.turns.plan)
    with pytest.raises(InvalidInput, match=r"the plan delays load: give (wait|sleep), which waits"):
        asked.do("load", HANDLE)


def test_both_forms_number_their_acts_in_one_row() -> None:
    asked = Acts("blocking", Scripted((SOUND, AFTER, BEFORE)))
    asked.do("create", RECORD)
    asked.form = "awaited"
    with pytest.raises(StoreUnavailable):
        asked.do("delete", (HANDLE,))
    asked.form = "blocking"
    with pytest.raises(StoreUnavailable):
        asked.do("load", HANDLE)
    assert asked.do("load", HANDLE) == Missing()
    fates = [("create", SOUND), ("delete", AFTER), ("load", BEFORE), ("load", SOUND)]
    assert asked.faulty.turns.met == fates


def test_an_outage_begins_and_ends_with_another_plan() -> None:
    faulty = Faulty(MemoryStore(), Scripted(()))
    assert faulty.load(HANDLE) == Missing()
    faulty.turns.plan = Seeded(seed=1, before=1)
    for _ in range(9):
        with pytest.raises(StoreUnavailable):
            faulty.load(HANDLE)
    faulty.turns.plan = Scripted(())
    assert faulty.load(HANDLE) == Missing()


def test_a_plan_is_asked_by_the_name_of_the_act() -> None:
    faulty = Faulty(MemoryStore(), Seeded(seed=1, before=1, acts={"load"}))
    faulty.delete((HANDLE,))
    with pytest.raises(StoreUnavailable):
        faulty.load(HANDLE)


def test_a_seed_stands_for_the_same_history_in_every_version() -> None:
    plan = Seeded(seed=7, before=0.25, after=0.25, delayed=0.5, longest=8.0)
    fates = [plan.fate(number, "swap") for number in range(len(HISTORY))]
    assert [(fate.fails, round(fate.delay, 3)) for fate in fates] == HISTORY


def test_a_store_without_an_async_form_has_none_when_it_fails() -> None:
    faulty = Faulty(MemoryStore(), Scripted(()))
    assert faulty.awaited is None
    assert isinstance(faulty, HasAsyncForm)


def test_a_store_that_is_awaited_needs_no_other_form() -> None:
    async def asked() -> object:
        return await AsyncFaulty(cast("Any", Coroutines(MemoryStore())), Scripted(())).load(HANDLE)

    assert anyio.run(asked) == Missing()


# --- plans -------------------------------------------------------------------------------------


@given(plans, st.integers(0, 10**6), st.sampled_from(sorted(ACTS)))
def test_a_plan_answers_the_same_when_it_is_asked_again(
    plan: Seeded, number: int, act: str
) -> None:
    fate = plan.fate(number, act)
    assert plan.fate(number, act) == fate
    assert 0 <= fate.delay <= plan.longest
    assert {"before": plan.before, "after": plan.after, None: 1}[fate.fails] > 0


def test_shares_are_of_all_acts() -> None:
    plan = Seeded(seed=3, before=0.3, after=0.2, delayed=0.5, longest=2)
    fates = [plan.fate(number, "swap") for number in range(2_000)]
    counted = [[fate.fails for fate in fates].count(kind) for kind in ("before", "after", None)]
    delays = [fate.delay for fate in fates if fate.delay]
    for found, share in zip((*counted, len(delays)), (0.3, 0.2, 0.5, 0.5), strict=True):
        assert abs(found / 2_000 - share) < 0.05
    assert abs(sum(delays) / len(delays) - 1) < 0.1
    assert {fate.fails for fate in fates if fate.delay} == {"before", "after", None}


def test_seeds_and_acts_differ() -> None:
    def history(seed: int, act: str) -> list[Fate]:
        plan = Seeded(seed=seed, before=0.5)
        return [plan.fate(number, act) for number in range(64)]

    assert len({*map(tuple, (history(1, "load"), history(2, "load"), history(1, "swap")))}) == 3


def test_a_plan_may_be_about_some_acts_alone() -> None:
    plan = Seeded(seed=1, before=1, acts=["swap"])
    assert plan.fate(0, "swap") == BEFORE
    assert plan.fate(0, "load") == SOUND


@pytest.mark.parametrize(
    "shares",
    [{"before": -0.1}, {"after": 1.1}, {"before": 0.6, "after": 0.6}, {"delayed": 2}],
)
def test_what_is_no_share_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=r"^before, after and delayed are shares of all acts"):
        Seeded(seed=1, **cast("Any", shares))


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longest is a time in seconds, not -1"):
        Seeded(seed=1, longest=-1)


def test_a_plan_is_a_value(check_value: Callable[[object], None]) -> None:
    for plan in (Scripted([SOUND, AFTER]), Seeded(seed=1, acts=["swap"]), BEFORE):
        check_value(plan)


def test_a_faulty_store_is_a_store() -> None:
    store: Store = Faulty(MemoryStore(), Scripted(()))
    assert store.purge(0, 1) == 0
