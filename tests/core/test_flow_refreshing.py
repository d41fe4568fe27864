"""Refreshing, verdict by verdict, on a real memory world."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from counterfoil import (
    InvalidInput,
    KeySet,
    Lifetime,
    Load,
    MemoryStore,
    Missing,
    Reason,
    RefreshForked,
    RefreshReplayed,
    Rejection,
    RequestRejected,
    Session,
    SessionRefreshed,
    Stale,
    Theft,
    TheftDetected,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    get_session,
    refresh_session,
)
from counterfoil.core.candidates import refresh_with_one_of
from counterfoil.core.rotation import mint
from counterfoil.effects import Ask, Regenerate, Regenerated, Rotate, Step

MINUTE = 60_000


def refreshed(engine: Any, token: str | None) -> Session:
    """The session that a refresh ends in."""
    outcome = engine.refresh(token)
    assert isinstance(outcome, Session)
    return outcome


def test_the_current_token_rotates(engine: Any) -> None:
    session = engine.login(payload={"plan": "pro"}, data={"cart": [1]})
    engine.now += MINUTE
    after = refreshed(engine, session.refresh_token)

    record = engine.world.load(session.handle)
    assert (record.generation, record.version, record.rotated_at) == (1, 1, engine.now)
    assert (record.payload, record.data) == ({"plan": "pro"}, {"cart": (1,)})
    assert after.payload["plan"] == "pro"
    assert after.payload["parentRefreshTokenHash1"] == session.payload["refreshTokenHash1"]
    assert after.access_token_updated
    assert after.refresh_expires_at == record.expires_at
    assert engine.events[-1] == SessionRefreshed(handle=session.handle, generation=1, at=engine.now)


@pytest.mark.parametrize("late", [0, 1, 10_000])
def test_the_predecessor_within_the_leeway_gets_the_same_successor(engine: Any, late: int) -> None:
    first = engine.login().refresh_token
    winner = refreshed(engine, first)
    world = engine.world
    engine.now += late
    loser = refreshed(engine, first)
    assert loser.refresh_token == winner.refresh_token
    assert engine.world == world
    assert engine.events[-1] == RefreshReplayed(handle=loser.handle, generation=1, at=engine.now)


def test_the_predecessor_later_displaces_the_unused_successor(engine: Any) -> None:
    first = engine.login().refresh_token
    lost = refreshed(engine, first)
    engine.now += 10_001
    found = refreshed(engine, first)
    assert found.refresh_token != lost.refresh_token
    assert isinstance(engine.events[-1], RefreshForked)
    assert engine.world.load(found.handle).generation == 1

    outcome = engine.refresh(lost.refresh_token)
    assert outcome == TokenTheftDetected(
        handle=found.handle, user_id="ada", tenant_id="public", kind=Theft.ORPHANED
    )
    assert engine.world.load(found.handle) == Missing()


def test_a_used_token_reveals_a_copy_by_its_age(engine: Any) -> None:
    tokens = [engine.login().refresh_token]
    for _ in range(4):
        tokens.append(refreshed(engine, tokens[-1]).refresh_token)
    world = engine.world
    for token, kind in zip(tokens, (Theft.STALE, Theft.STALE, Theft.RECENT), strict=False):
        engine.store = MemoryStore(world)
        outcome = engine.refresh(token)
        assert isinstance(outcome, TokenTheftDetected)
        assert (outcome.kind, outcome.clear_tokens) == (kind, True)
        assert engine.events[-1] == TheftDetected(
            handle=outcome.handle,
            user_id="ada",
            tenant_id="public",
            kind=kind,
            generation=tokens.index(token),
            at=engine.now,
        )
        # Both holders are out: the newest token is worth nothing now.
        dead = engine.refresh(tokens[-1])
        assert isinstance(dead, Unauthorised)
        assert dead.reason is Reason.SESSION_GONE


def test_a_forged_token_hurts_nobody(engine: Any) -> None:
    session = engine.login()
    world = engine.world
    forged = mint(handle=session.handle, generation=0, secret=b"x" * 32, mac_key=b"y" * 32)
    outcome = engine.refresh(forged)
    assert isinstance(outcome, Unauthorised)
    assert outcome.reason is Reason.FORGED
    assert engine.world == world
    refreshed(engine, session.refresh_token)


@pytest.mark.parametrize(
    ("token", "reason"),
    [(None, Reason.NO_TOKEN), ("", Reason.NO_TOKEN), ("garbage", Reason.NOT_OURS)],
)
def test_what_is_no_token_of_ours(engine: Any, token: str | None, reason: Reason) -> None:
    assert engine.refresh(token) == Unauthorised(reason, clear_tokens=True)
    assert engine.events[-1] == RequestRejected(reason=reason, at=engine.now)


@pytest.mark.parametrize(
    ("idle", "absolute", "refreshes", "ends"),
    [(10, 100, [], 10), (10, 100, [9], 19), (10, 15, [9], 15), (10, 10, [9], 10)],
)
def test_a_session_ends_idle_or_at_its_absolute_end(
    engine: Any, idle: int, absolute: int, refreshes: list[int], ends: int
) -> None:
    lifetime = Lifetime(
        access=timedelta(minutes=1),
        idle=timedelta(minutes=idle),
        absolute=timedelta(minutes=absolute),
    )
    start = engine.now
    token = engine.login(lifetime=lifetime).refresh_token
    for minute in refreshes:
        engine.now = start + minute * MINUTE
        token = refreshed(engine, token).refresh_token
    engine.now = start + ends * MINUTE
    outcome = engine.refresh(token)
    assert isinstance(outcome, Unauthorised)
    assert (outcome.reason, outcome.clear_tokens) == (Reason.SESSION_EXPIRED, True)
    engine.now -= 1
    refreshed(engine, token)


def test_an_access_token_never_outlives_the_absolute_end(engine: Any) -> None:
    lifetime = Lifetime(
        access=timedelta(minutes=9), idle=timedelta(minutes=10), absolute=timedelta(minutes=10)
    )
    session = engine.login(lifetime=lifetime)
    engine.now += 9 * MINUTE
    after = refreshed(engine, session.refresh_token)
    assert after.access.expires_at == session.payload["iat"] * 1000 + 10 * MINUTE


def test_one_candidate_is_as_a_refresh_of_it(engine: Any) -> None:
    token = engine.login().refresh_token
    given: dict[str, Any] = {
        "policy": engine.policy,
        "now": engine.now,
        "entropy": engine.entropy(),
        "anti_csrf_token": "guard",
        "check_anti_csrf": False,
    }
    assert refresh_with_one_of((token,), **given) == refresh_session(token, **given)
    assert refresh_with_one_of(("x", token), **given) == refresh_session(token, **given)


def test_a_lost_race_is_judged_again(engine: Any) -> None:
    session = engine.login()
    slow: Step[Session] = refresh_session(
        session.refresh_token, policy=engine.policy, now=engine.now, entropy=engine.entropy()
    )
    assert isinstance(slow, Ask)
    assert slow.effect == Load(session.handle)
    slow = slow.resume(engine.world.load(session.handle))
    assert isinstance(slow, Ask)
    assert isinstance(slow.effect, Rotate)

    fast = refreshed(engine, session.refresh_token)
    again = slow.resume(Stale(engine.world.load(session.handle)))
    assert isinstance(again, Ask)
    assert isinstance(again.effect, Regenerate)
    assert engine.run(again).refresh_token == fast.refresh_token

    gone = slow.resume(Stale(Missing()))
    assert isinstance(gone.state, Unauthorised)


def test_a_replay_tells_what_the_store_holds_by_then(engine: Any) -> None:
    session = engine.login()
    refreshed(engine, session.refresh_token)
    step: Step[Session] = refresh_session(
        session.refresh_token, policy=engine.policy, now=engine.now, entropy=engine.entropy()
    )
    assert isinstance(step, Ask)
    step = step.resume(engine.world.load(session.handle))
    assert isinstance(step, Ask)
    assert isinstance(step.effect, Regenerate)
    merged = step.resume(Regenerated({"plan": "pro"}, "a.new.token")).state
    assert isinstance(merged, Session)
    assert (merged.payload["plan"], merged.access_token) == ("pro", "a.new.token")
    end = step.resume(Missing())
    assert isinstance(end.state, Unauthorised)
    assert end.state.reason is Reason.SESSION_GONE


def test_via_token_the_anti_csrf_token_is_asked_for(engine_with: Callable[..., Any]) -> None:
    engine = engine_with(anti_csrf="VIA_TOKEN")
    session = engine.login()
    token, guard = session.refresh_token, session.anti_csrf_token
    for wrong in (None, "", "another"):
        outcome = engine.refresh(token, anti_csrf_token=wrong)
        assert isinstance(outcome, Unauthorised)
        assert (outcome.reason, outcome.clear_tokens) == (Reason.CSRF, False)
    assert engine.world.load(session.handle).version == 0
    after = engine.refresh(token, anti_csrf_token=guard)
    assert isinstance(after, Session)
    assert after.anti_csrf_token == guard
    assert isinstance(engine.refresh(after.refresh_token, check_anti_csrf=False), Session)


def test_a_displaced_line_is_refused_where_the_store_is_asked(engine: Any) -> None:
    first = engine.login()
    lost = refreshed(engine, first.refresh_token)
    engine.now += 11_000
    found = refreshed(engine, first.refresh_token)

    def reason(session: Session) -> Reason | None:
        step = get_session(
            session.access_token,
            policy=engine.policy,
            verify=engine.verify,
            now=engine.now,
            check_database=True,
        )
        outcome = engine.outcome(step)
        return getattr(outcome, "reason", None) if isinstance(outcome, Rejection) else None

    assert reason(found) is None
    assert reason(first) is None
    assert reason(lost) is Reason.DISPLACED


def test_a_clock_that_is_behind_moves_no_rotation_back(engine: Any) -> None:
    first = engine.login().refresh_token
    second = refreshed(engine, first).refresh_token
    rotated_at = engine.now
    engine.now -= 5_000
    third = refreshed(engine, second)
    assert engine.world.load(third.handle).rotated_at == rotated_at


def test_entropy_and_time_of_the_wrong_kind_are_refused(engine: Any) -> None:
    token = engine.login().refresh_token
    for now, entropy in ((1.5, bytes(32)), (engine.now, bytes(31)), (engine.now, "x" * 32)):
        with pytest.raises(InvalidInput):
            refresh_session(token, policy=engine.policy, now=now, entropy=entropy)  # type: ignore[arg-type]  # that is the point


def test_a_token_that_is_no_text_is_refused(engine: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^refresh_token must be a str, not bytes"):
        engine.refresh(b"x" * 116)


def test_a_key_set_without_keys_knows_nobody(engine: Any) -> None:
    step = get_session(
        engine.login().access_token, policy=engine.policy, verify=KeySet(()), now=engine.now
    )
    assert isinstance(step.state, TryRefreshToken)
    assert step.state.reason is Reason.UNKNOWN_KEY
