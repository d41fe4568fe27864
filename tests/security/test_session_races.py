"""Rows C1, C3, C7 and C8 of the security checklist, act by act: every order, every failure."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from counterfoil import (
    Ask,
    MemoryStore,
    Missing,
    PrimitiveClaim,
    Rejection,
    RequestFacts,
    Session,
    SessionRecord,
    Step,
    StoreUnavailable,
    TheftDetected,
    Unauthorised,
    World,
    create_session,
    fetch_and_set_claim,
    get_all_session_handles_for_user,
    get_session_data_from_database,
    get_session_information,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    rekey_session,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    revoke_other_sessions,
    revoke_session,
    update_session_data_in_database,
)
from counterfoil.adapters.memory import UnsignedTokens, interpret
from counterfoil.core.entropy import new_handle

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
SITE = ("Origin", "https://example.com")


def cookies_of(session: Session) -> tuple[str, str]:
    """The cookie header of a browser that holds a session."""
    return (
        "Cookie",
        f"sAccessToken={session.access_token}; sRefreshToken={session.refresh_token}",
    )


def alive(engine: Any, session: Session) -> bool:
    """Whether the store still has the session, by all three doors alike."""
    known = isinstance(engine.store.load(session.handle), SessionRecord)
    checked = engine.get(session.access_token, check_database=True)
    assert isinstance(checked, Session) is known
    world = engine.store.world
    refreshed = engine.refresh(session.refresh_token)
    assert isinstance(refreshed, Session) is known
    engine.store = MemoryStore(world)
    return known


# --- C1: another name --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cookie", "header"])
@pytest.mark.parametrize("held", ["cookie", "header"])
def test_c1_a_login_ends_the_session_that_the_client_had(engine: Any, held: str, way: str) -> None:
    planted = engine.login("eve")
    header = cookies_of(planted)
    if held == "header":
        header = ("Authorization", f"Bearer {planted.access_token}")
    session = engine.login_by(RequestFacts("POST", [SITE, header, ("st-auth-mode", way)]))
    assert session.user_id == "ada"
    assert session.handle != planted.handle
    assert session.access_token != planted.access_token
    assert session.refresh_token != planted.refresh_token
    assert not alive(engine, planted)
    assert alive(engine, session)


def test_c1_an_expired_access_token_names_the_old_session_as_well(engine: Any) -> None:
    planted = engine.login("eve")
    engine.now = planted.access.expires_at + 1
    engine.login_by(RequestFacts("POST", [SITE, cookies_of(planted), ("st-auth-mode", "cookie")]))
    assert engine.store.load(planted.handle) == Missing()


# --- C3: revocations ---------------------------------------------------------------------------


RACES: dict[str, Callable[[Any, Session], Step[Any]]] = {
    "refresh": lambda engine, session: refresh_session(
        session.refresh_token, policy=engine.policy, now=engine.now, entropy=engine.entropy()
    ),
    "rekey": lambda engine, session: rekey_session(
        session, now=engine.now, entropy=engine.entropy()
    ),
    "merge": lambda engine, session: merge_into_access_token_payload(
        session, {"plan": "pro"}, now=engine.now
    ),
    "data": lambda engine, session: update_session_data_in_database(
        session, {"cart": 1}, now=engine.now
    ),
}

REVOCATIONS: dict[str, Callable[[Any, Session], Step[Any]]] = {
    "one": lambda engine, session: revoke_session(session, now=engine.now),
    "all": lambda engine, session: revoke_all_sessions_for_user("ada", now=engine.now),
    "theft": lambda engine, session: refresh_session(
        engine.copied, policy=engine.policy, now=engine.now, entropy=engine.entropy()
    ),
}


Moment = tuple[World, tuple[Step[Any], ...]]


def interleavings(world: World, *steps: Step[Any]) -> Iterator[tuple[Moment, ...]]:
    """Every order in which the acts of these steps can come, each as all its moments."""
    queue: deque[tuple[Moment, ...]] = deque([((world, steps),)])
    while queue:
        history = queue.popleft()
        world, steps = history[-1]
        over = True
        for at, step in enumerate(steps):
            if isinstance(step, Ask):
                over = False
                effect: Any = step.effect
                after, reply = interpret(world, effect, UnsignedTokens())
                resumed = (*steps[:at], step.resume(reply), *steps[at + 1 :])
                queue.append((*history, (after, resumed)))
        if over:
            yield history


PAIRS = [
    (racer, revocation)
    for racer in RACES
    for revocation in REVOCATIONS
    if (racer, revocation) not in {("rekey", "one"), ("rekey", "theft")}
]


@pytest.mark.parametrize(("racer", "revocation"), PAIRS)
def test_c3_a_revocation_beats_whatever_is_in_flight(
    engine: Any, racer: str, revocation: str
) -> None:
    first = engine.login()
    engine.copied = first.refresh_token
    session = engine.refresh(engine.refresh(first.refresh_token).refresh_token)
    steps = RACES[racer](engine, session), REVOCATIONS[revocation](engine, session)
    ends = [history[-1] for history in interleavings(engine.store.world, *steps)]
    assert len(ends) > 1
    for world, _ in ends:
        assert world.list_for_user("ada", None) == ()


@pytest.mark.parametrize("revocation", ["one", "theft"])
def test_c3_only_a_rekeying_that_was_over_escapes_what_is_done_to_the_old_name(
    engine: Any, revocation: str
) -> None:
    first = engine.login()
    engine.copied = first.refresh_token
    session = engine.refresh(engine.refresh(first.refresh_token).refresh_token)
    steps = RACES["rekey"](engine, session), REVOCATIONS[revocation](engine, session)
    survived = 0
    for history in interleavings(engine.store.world, *steps):
        world, (rekeyed, revoked) = history[-1]
        left = world.list_for_user("ada", None)
        if left:
            survived += 1
            # The new session alone, and nobody was told that the old one was revoked by them.
            assert isinstance(rekeyed.state, Session)
            assert [record.handle for record in left] == [rekeyed.state.handle]
            assert world.load(session.handle) == Missing()
            assert revoked.state is False or isinstance(revoked.state, Rejection)
        else:
            assert isinstance(rekeyed.state, Unauthorised)
    assert survived


def test_c3_two_refreshes_against_a_revocation_of_all(engine: Any) -> None:
    steps = [RACES["refresh"](engine, engine.login()) for _ in range(2)]
    steps.append(revoke_all_sessions_for_user("ada", now=engine.now))
    for history in interleavings(engine.store.world, *steps):
        assert history[-1][0].list_for_user("ada", None) == ()


# --- C7: names are no credentials --------------------------------------------------------------


def test_c7_a_handle_is_a_uuid7_and_opens_nothing(engine: Any) -> None:
    session = engine.login()
    assert uuid.UUID(session.handle).version == 7
    for token in (session.handle, session.handle.replace("-", "")):
        assert isinstance(engine.get(token), Unauthorised)
        assert isinstance(engine.refresh(token), Unauthorised)
        for header in (("Authorization", f"Bearer {token}"), ("Cookie", f"sAccessToken={token}")):
            assert isinstance(engine.get_by(RequestFacts("GET", [header])), Unauthorised)


def test_c7_names_of_one_moment_and_of_a_clock_set_back_are_unique() -> None:
    moments = [1_700_000_000_000] * 10_000 + [1_699_999_999_999] * 10_000
    names = {new_handle(now, at.to_bytes(32)) for at, now in enumerate(moments)}
    assert len(names) == len(moments)


# --- C8: a store that fails --------------------------------------------------------------------

ACTS: dict[str, Callable[[Any, Session], Step[Any]]] = {
    **RACES,
    **REVOCATIONS,
    "login": lambda engine, session: create_session(
        "ada", policy=engine.policy, now=engine.now, entropy=engine.entropy()
    ),
    "others": lambda engine, session: revoke_other_sessions(session, now=engine.now),
    "some": lambda engine, session: revoke_multiple_sessions([session.handle], now=engine.now),
    "list": lambda engine, session: get_all_session_handles_for_user("ada", now=engine.now),
    "claim": lambda engine, session: fetch_and_set_claim(
        session, PrimitiveClaim("plan"), now=engine.now
    ),
    "read": lambda engine, session: get_session_data_from_database(session, now=engine.now),
    "information": lambda engine, session: get_session_information(session.handle, now=engine.now),
    "away": lambda engine, session: merge_into_access_token_payload_by_handle(
        session.handle, {"plan": "pro"}, policy=engine.policy, now=engine.now
    ),
}


class Failing:
    """A store whose n-th act fails, before or after it was done."""

    def __init__(self, turn: int, when: str) -> None:
        self.turn, self.when, self.seen = turn, when, 0

    def __call__(self, effect: object, when: str) -> None:
        if when == self.when:
            self.seen += 1
            if self.seen == self.turn:
                raise StoreUnavailable(f"lost {when} {type(effect).__name__}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("turn", range(1, 5))
@pytest.mark.parametrize("act", ACTS)
def test_c8_a_failure_is_no_verdict_and_clears_nothing(
    engine: Any, act: str, turn: int, when: str
) -> None:
    engine.claims = {"plan": "pro"}
    first = engine.login()
    engine.copied = first.refresh_token
    request = RequestFacts("POST", [SITE, ("Cookie", f"sRefreshToken={first.refresh_token}")])
    session = engine.refresh(engine.refresh_by(request).refresh_token)
    events, world = list(engine.events), engine.store.world
    engine.response.headers.clear()
    engine.fault = fault = Failing(turn, when)
    try:
        engine.run(ACTS[act](engine, session))
    except StoreUnavailable:
        assert engine.events == events
        assert engine.response.headers == []
        if turn == 1 and when == "before":
            assert engine.store.world == world
    else:
        assert fault.seen < turn  # the act was over before
    betrayed = any(isinstance(event, TheftDetected) for event in engine.events)
    assert not betrayed or act == "theft"
