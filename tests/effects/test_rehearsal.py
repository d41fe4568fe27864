"""A dry run predicts what a run would do, and does none of it."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterfoil.effects import (
    Announce,
    Backend,
    ByFamily,
    ClaimEffect,
    ClaimFetched,
    Done,
    DryRun,
    Effect,
    Establish,
    Established,
    FetchClaim,
    FrozenDict,
    InThread,
    Listed,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    Rejection,
    RemoveHeader,
    ReplaceData,
    Revoke,
    RevokeUser,
    Rotate,
    SessionRecord,
    SessionsRevoked,
    Step,
    StoreEffect,
    TooLarge,
    UnknownEffect,
    arun,
    dry_run,
    play,
    rehearse,
    run,
)

MakeRecord = Callable[..., SessionRecord]
MakeBackend = Callable[..., Backend]

HANDLES = st.sampled_from(["h1", "h2", "h3"])
USERS = st.sampled_from(["ada", "eve"])
TENANTS = st.sampled_from(["public", "blue"])
MEMBERS = st.none() | st.integers(0, 9) | st.just("long" * 9)
OBJECTS = st.dictionaries(st.sampled_from("abc"), MEMBERS, max_size=3).map(FrozenDict)
LISTED = st.lists(HANDLES, max_size=4).map(tuple)


@attrs.frozen
class Keep:
    """Ends with the reply, whatever it is, and tells two effects."""

    def __call__(self, reply: Any) -> Step[Any]:
        event = SessionsRevoked(handles=("h1",), at=7)
        return Done(reply, (Announce(event), RemoveHeader("x")))


TOLD = play(Done(None).then(Keep())).effects


@attrs.frozen
class AfterFirst:
    """Goes on with another effect."""

    next: Effect[Any]

    def __call__(self, reply: Any) -> Step[Any]:
        return self.next.then(Keep())


@attrs.frozen(auto_exc=False)
class Gone(Rejection):
    """A rejection of this file."""


@attrs.frozen
class AfterGone:
    """Ends in a rejection."""

    def __call__(self, reply: Any) -> Step[Any]:
        return Done(Gone(), TOLD)


@attrs.frozen
class ReadsOnly:
    """Lets reads through to another interpreter; a write fails the test."""

    inner: Backend

    def perform(self, effect: Effect[Any]) -> Any:
        if isinstance(effect, FetchClaim):
            return ClaimFetched(effect.key)
        assert isinstance(effect, Load | ListSessions), f"{effect!r} was carried out"
        return self.inner.perform(effect)


def without_token(reply: Any) -> Any:
    if getattr(reply, "access_token", None) is None:
        return reply
    return attrs.evolve(reply, access_token="a token")


WRITES: st.SearchStrategy[StoreEffect] = st.one_of(
    st.builds(Load, HANDLES),
    st.builds(ListSessions, USERS, st.none() | TENANTS),
    st.builds(Regenerate, HANDLES, OBJECTS, st.none() | st.just(FrozenDict()), st.integers(0, 60)),
    st.builds(ReplaceData, HANDLES, OBJECTS),
    st.builds(Revoke, LISTED),
    st.builds(RevokeUser, USERS, st.none() | TENANTS, LISTED),
)
OWNERS = st.dictionaries(HANDLES, st.tuples(USERS, TENANTS, OBJECTS, st.integers(0, 2)))


ONE = {"h1": ("ada", "public", FrozenDict(), 0)}


@given(OWNERS, WRITES)
@example(ONE, ReplaceData("h1", {}))
@example(ONE, ReplaceData("h2", {}))
@example(ONE, Revoke(("h2", "h1", "h1")))
@example(ONE, RevokeUser("ada"))
@example(ONE, RevokeUser("ada", keep=("h1",)))
def test_the_prediction_is_what_the_run_then_gives(
    make_record: MakeRecord,
    make_backend: MakeBackend,
    owners: dict[str, tuple[str, str, FrozenDict, int]],
    effect: StoreEffect,
) -> None:
    records = [
        make_record(handle, user_id=user, tenant_id=tenant, payload=payload, created_at=at)
        for handle, (user, tenant, payload, at) in owners.items()
    ]
    backend = make_backend(*records)
    predicted = dry_run(effect.then(Keep()), ReadsOnly(backend))
    assert predicted.effects == (effect, *TOLD)
    outcome: Any = predicted.outcome
    assert {backend.store.load(record.handle) for record in records} == set(records)
    assert without_token(outcome) == without_token(backend.perform(effect))


@pytest.mark.parametrize(
    ("patch", "claims", "limit", "expected"),
    [
        ({"b": 2}, None, 13, Regenerated({"a": 1, "b": 2})),
        ({"b": 2}, {}, 13, Regenerated({"a": 1, "b": 2}, "placeholder")),
        ({"b": 2}, {}, 12, TooLarge({"a": 1, "b": 2})),
        ({}, {}, 0, Regenerated({"a": 1}, "placeholder")),
    ],
)
def test_a_merge_is_predicted_from_the_record(
    patch: dict[str, int],
    claims: dict[str, int] | None,
    limit: int,
    expected: object,
    make_record: MakeRecord,
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(make_record(payload=FrozenDict({"a": 1})))
    effect = Regenerate("h1", patch, claims, limit)
    assert dry_run(effect.then(Keep()), ReadsOnly(backend)).outcome == expected


@pytest.mark.parametrize("kind", ["establish", "rotate"])
def test_a_new_token_is_a_placeholder(
    kind: str, make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    backend, record = make_backend(), make_record(version=1)
    effect = Establish(record, {}) if kind == "establish" else Rotate(record, 0, {})
    predicted: Any = dry_run(effect.then(Keep()), ReadsOnly(backend))
    assert predicted.effects == (effect, *TOLD)
    assert predicted.outcome.access_token == "placeholder"
    assert repr(predicted.outcome).endswith("(access_token=<secret, 11 characters>)")
    assert backend.store.load("h1") == Missing()


def test_effects_come_in_their_order_and_none_is_carried_out(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    backend = make_backend(make_record("h1"))
    first, second = RevokeUser("ada"), ReplaceData("h1", {"a": 1})
    predicted = dry_run(first.then(AfterFirst(second)), ReadsOnly(backend))
    assert predicted.effects == (first, second, *TOLD)
    assert backend.store.load("h1") == make_record("h1")


def test_a_claim_is_really_fetched(make_backend: MakeBackend) -> None:
    effect = FetchClaim(key="plan", user_id="a", recipe_user_id="a", tenant_id="t")
    predicted = dry_run(effect.then(Keep()), ReadsOnly(make_backend()))
    assert predicted == DryRun(ClaimFetched("plan"), (effect, *TOLD))


def test_a_rejection_is_the_outcome_and_is_not_raised(make_backend: MakeBackend) -> None:
    predicted = dry_run(Load("h1").then(AfterGone()), make_backend())
    assert predicted == DryRun(Gone(), (Load("h1"), *TOLD))


def test_a_step_that_asks_nothing_needs_no_world() -> None:
    assert dry_run(Done("over", TOLD), ByFamily()) == DryRun("over", TOLD)


def test_a_write_whose_reply_depends_on_nothing_is_not_read_for(
    make_record: MakeRecord,
) -> None:
    step = Establish(make_record(), {}).then(Keep())
    assert rehearse(step) == Done(
        DryRun(Established("placeholder"), (Establish(make_record(), {}), *TOLD))
    )


def test_a_rehearsal_is_a_step_that_asks_for_reads(make_record: MakeRecord) -> None:
    step = Revoke(("h1", "h2")).then(AfterFirst(RevokeUser("ada", "blue", keep=("h1",))))
    script: list[tuple[Effect[Any], Any]] = [
        (Load("h1"), Missing()),
        (Load("h2"), make_record("h2")),
        (ListSessions("ada", "blue"), Listed((make_record("h1"), make_record("h3")))),
    ]
    rehearsed: Any = play(rehearse(step), *script).state
    assert rehearsed.effects[:2] == (Revoke(("h1", "h2")), RevokeUser("ada", "blue", keep=("h1",)))
    assert rehearsed.outcome.handles == ("h3",)
    assert rehearse(step) == rehearse(step)
    assert hash(rehearse(step)) == hash(rehearse(step))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_rehearsal_runs_on_any_loop(
    make_record: MakeRecord, make_backend: MakeBackend, anyio_backend: str
) -> None:
    backend = make_backend(make_record("h1"))
    step = RevokeUser("ada").then(Keep())
    world = ByFamily(((StoreEffect | ClaimEffect, InThread(ReadsOnly(backend))),))
    assert await arun(rehearse(step), world) == dry_run(step, backend)
    assert run(Load("h1").then(Keep()), ByFamily(((Load, backend), (Effect, Nowhere()))))


@attrs.frozen
class Nowhere:
    """Takes what is told."""

    def perform(self, effect: Effect[Any]) -> None:
        return None


@attrs.frozen
class Custom(Effect[Missing]):
    """An effect of an application's own."""


def test_what_cannot_be_predicted_is_an_error(make_backend: MakeBackend) -> None:
    with pytest.raises(UnknownEffect, match="can't tell what Custom would be answered"):
        dry_run(Custom().then(Keep()), make_backend())
    with pytest.raises(UnknownEffect):
        dry_run(Load("h1").then(AfterFirst(Custom())), make_backend())
