"""Refresh tokens: rows B1-B10 of the security checklist."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import (
    AnnouncementEffect,
    Ask,
    Backend,
    ByFamily,
    InvalidPolicy,
    Lifetime,
    MemoryStore,
    Missing,
    Policy,
    Reason,
    RefreshForked,
    RefreshReplayed,
    Rejection,
    RequestFacts,
    Session,
    SessionRecord,
    Step,
    StoreEffect,
    StoreUnavailable,
    Theft,
    TheftDetected,
    TokenTheftDetected,
    Transfer,
    Unauthorised,
    create_session,
    refresh_session,
    revoke_all_sessions_for_user,
    run,
)
from counterfoil.adapters.memory import UnsignedTokens, interpret
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.core.access_token import application_payload
from counterfoil.core.rotation import mint, parse

SECOND, MINUTE = 1000, 60_000
SITE = ("Origin", "https://example.com")
POLICY = Policy("https://api.example.com")
NOW = 1_700_000_000_000


def refreshed(engine: Any, token: str | None) -> Session:
    """The session that a refresh ends in."""
    outcome = engine.refresh(token)
    assert isinstance(outcome, Session), outcome
    return outcome


def assert_dead(engine: Any, *sessions: Session) -> None:
    """None of these sessions' tokens is good for anything where the store is asked."""
    for session in sessions:
        assert isinstance(engine.refresh(session.refresh_token), Unauthorised)
        assert isinstance(engine.get(session.access_token, check_database=True), Rejection)


# --- B1: opaque, and kept as digests -----------------------------------------------------------


def test_b1_a_token_holds_256_bits_of_the_given_entropy_and_nothing_of_the_user(
    engine: Any,
) -> None:
    tokens = [parse(engine.login("ada-the-user").refresh_token) for _ in range(100)]
    assert {len(token.secret) for token in tokens if token} == {32}
    assert len({token.secret for token in tokens if token}) == 100
    session = engine.login("ada-the-user", payload={"plan": "a-plan"})
    raw = urlsafe_b64decode(session.refresh_token)
    assert b"ada" not in raw
    assert b"plan" not in raw


def test_b1_a_dump_of_the_store_holds_no_token_and_nothing_that_can_be_presented(
    engine: Any,
) -> None:
    first = engine.login()
    second = refreshed(engine, first.refresh_token)
    record = engine.store.load(first.handle)
    assert isinstance(record, SessionRecord)
    kept = [value for value in attrs.asdict(record).values() if isinstance(value, bytes)]
    assert len(kept) == 4  # two digests, the salt and the MAC's key
    dump = b"\n".join(kept) + str(attrs.asdict(record)).encode()
    for token in (first.refresh_token, second.refresh_token):
        taken = parse(str(token))
        assert taken is not None
        for secret in (taken.secret, taken.mac, str(token).encode(), taken.secret.hex().encode()):
            assert secret not in dump

    world = engine.store.world
    for secret in kept:
        for key in kept:
            for generation in range(3):
                engine.store = MemoryStore(world)
                forged = mint(
                    handle=record.handle, generation=generation, secret=secret, mac_key=key
                )
                assert isinstance(engine.refresh(forged), Rejection)


# --- B2, B5: a copy is betrayed ----------------------------------------------------------------


def test_b2_a_superseded_token_ends_the_whole_family(engine: Any) -> None:
    a = engine.login()
    b = refreshed(engine, a.refresh_token)
    c = refreshed(engine, b.refresh_token)
    outcome = engine.refresh(a.refresh_token)
    assert isinstance(outcome, TokenTheftDetected)
    assert engine.events[-1] == TheftDetected(
        handle=a.handle,
        user_id="ada",
        tenant_id="public",
        kind=Theft.RECENT,
        generation=0,
        at=engine.now,
    )
    assert_dead(engine, a, b, c)


def test_b2_a_family_of_another_session_is_left_alone(engine: Any) -> None:
    other = engine.login()
    a = engine.login()
    b = refreshed(engine, a.refresh_token)
    refreshed(engine, b.refresh_token)
    assert isinstance(engine.refresh(a.refresh_token), TokenTheftDetected)
    refreshed(engine, other.refresh_token)


@pytest.mark.parametrize("thief_is_ahead_by", [2, 3, 10])
def test_b5_a_victims_replay_ends_the_thiefs_session_at_once(
    engine: Any, thief_is_ahead_by: int
) -> None:
    victim = engine.login()
    thief = victim
    for _ in range(thief_is_ahead_by):
        engine.now += MINUTE
        thief = refreshed(engine, thief.refresh_token)
    assert isinstance(engine.refresh(victim.refresh_token), TokenTheftDetected)
    assert_dead(engine, thief, victim)
    # Who doesn't ask the store is bounded by the access token's own life.
    assert isinstance(engine.get(thief.access_token), Session)
    engine.now = thief.access.expires_at
    assert isinstance(engine.get(thief.access_token), Rejection)
    assert thief.access.expires_at <= NOW + thief_is_ahead_by * MINUTE + 15 * MINUTE


def test_b5_a_thief_who_replays_ends_the_session_as_well(engine: Any) -> None:
    stolen = engine.login()
    victim = refreshed(engine, stolen.refresh_token)
    victim = refreshed(engine, victim.refresh_token)
    assert isinstance(engine.refresh(stolen.refresh_token), TokenTheftDetected)
    assert_dead(engine, victim, stolen)


class Unheard:
    """An audience that keeps nothing."""

    def perform(self, effect: AnnouncementEffect) -> None:
        """Take an event."""


def quiet(backend: Backend) -> ByFamily:
    """A backend whose events nobody keeps."""
    return ByFamily(((StoreEffect, backend), (AnnouncementEffect, Unheard())))


# --- B3: one successor -------------------------------------------------------------------------


def presentation(token: str, which: int) -> Step[Session]:
    """One client's refresh request."""
    return refresh_session(token, policy=POLICY, now=NOW + SECOND, entropy=bytes([which + 1]) * 32)


@pytest.mark.parametrize("clients", [2, 3])
def test_b3_in_every_interleaving_there_is_one_successor(clients: int) -> None:
    store = MemoryStore()
    backend = Backend(store, UnsignedTokens())
    login = create_session("ada", policy=POLICY, now=NOW, entropy=bytes(32))
    token = str(run(login, quiet(backend)).refresh_token)
    start = tuple(presentation(token, which) for which in range(clients))
    queue: deque[Any] = deque([(store.world, start)])
    ends = 0
    while queue:
        world, steps = queue.popleft()
        waiting = [at for at, step in enumerate(steps) if isinstance(step, Ask)]
        for at in waiting:
            after, reply = interpret(world, steps[at].effect, UnsignedTokens())
            queue.append((after, (*steps[:at], steps[at].resume(reply), *steps[at + 1 :])))
        if not waiting:
            ends += 1
            assert all(isinstance(step.state, Session) for step in steps)
            assert len({step.state.refresh_token for step in steps}) == 1
            assert world.load(steps[0].state.handle).generation == 1
    assert ends >= {2: 6, 3: 90}[clients]  # of 2 acts each, a lost race has one more


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("clients", [2, 16, 64])
def test_b3_of_many_threads_all_get_one_successor(tmp_path: Path, kind: str, clients: int) -> None:
    store: MemoryStore | SqliteStore
    store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "sessions.db")
    interpreter = quiet(Backend(store, UnsignedTokens()))
    login = create_session("ada", policy=POLICY, now=NOW, entropy=bytes(32))
    session = run(login, interpreter)
    barrier = Barrier(clients)

    def present(which: int) -> Session:
        barrier.wait()
        return run(presentation(str(session.refresh_token), which), interpreter)

    with ThreadPoolExecutor(clients) as pool:
        outcomes = list(pool.map(present, range(clients)))
    assert len({outcome.refresh_token for outcome in outcomes}) == 1
    record = store.load(session.handle)
    assert isinstance(record, SessionRecord)
    assert (record.generation, record.version) == (1, 1)
    store.close()


# --- B4: benign races --------------------------------------------------------------------------


def test_b4_two_tabs_and_a_double_submit_get_the_same_successor(engine: Any) -> None:
    first = engine.login().refresh_token
    outcomes: list[Session] = []
    for _ in range(5):
        outcomes.append(refreshed(engine, first))
        engine.now += 2 * SECOND
    assert len({outcome.refresh_token for outcome in outcomes}) == 1
    assert [type(event) for event in engine.events[-4:]] == [RefreshReplayed] * 4
    for outcome in outcomes:
        assert isinstance(engine.get(outcome.access_token, check_database=True), Session)


def test_b4_a_replay_does_not_extend_the_grace(engine: Any) -> None:
    first = engine.login().refresh_token
    second = refreshed(engine, first)
    kept = engine.store.load(second.handle)
    engine.now += 10 * SECOND
    assert refreshed(engine, first).refresh_token == second.refresh_token
    assert engine.store.load(second.handle) == kept
    engine.now += 1
    assert refreshed(engine, first).refresh_token != second.refresh_token
    assert isinstance(engine.events[-1], RefreshForked)


@pytest.mark.parametrize("later", [0, 9 * SECOND, 10 * SECOND + 1, 60 * MINUTE])
def test_b4_a_lost_response_costs_no_session(engine: Any, later: int) -> None:
    first = engine.login().refresh_token
    refreshed(engine, first)  # its response never arrives
    engine.now += later
    again = refreshed(engine, first)
    assert isinstance(refreshed(engine, again.refresh_token), Session)


@pytest.mark.parametrize("used_after", [0, 5 * SECOND, 60 * MINUTE])
def test_b4_once_the_successor_was_used_there_is_no_grace(engine: Any, used_after: int) -> None:
    first = engine.login()
    second = refreshed(engine, first.refresh_token)
    engine.now += used_after
    third = refreshed(engine, second.refresh_token)
    assert isinstance(engine.refresh(first.refresh_token), TokenTheftDetected)
    assert_dead(engine, first, second, third)


def test_b4_a_replay_sends_the_successors_cookie_again(engine: Any) -> None:
    token = engine.login().refresh_token
    sent: list[dict[str, str]] = []
    for _ in range(2):
        request = RequestFacts("POST", [SITE, ("Cookie", f"sRefreshToken={token}")])
        assert isinstance(engine.refresh_by(request), Session)
        sent.append({cookie.name: str(cookie.value) for cookie in engine.cookies})
    assert sent[0].keys() == {"sAccessToken", "sRefreshToken"}
    assert sent[0]["sRefreshToken"] == sent[1]["sRefreshToken"] != token


# --- B6: the absolute end ----------------------------------------------------------------------


def test_b6_a_thousand_rotations_never_pass_the_absolute_end(engine: Any) -> None:
    lifetime = Lifetime(
        access=timedelta(minutes=1), idle=timedelta(minutes=10), absolute=timedelta(minutes=1000)
    )
    end = engine.now + 1000 * MINUTE
    session = engine.login(lifetime=lifetime)
    for _ in range(999):
        engine.now += MINUTE
        session = refreshed(engine, session.refresh_token)
        assert session.refresh_expires_at is not None
        assert session.access.expires_at <= end
        assert session.refresh_expires_at == min(engine.now + 10 * MINUTE, end)
    engine.now = end - 1
    session = refreshed(engine, session.refresh_token)
    assert session.refresh_expires_at == end
    engine.now = end
    outcome = engine.refresh(session.refresh_token)
    assert isinstance(outcome, Unauthorised)
    assert outcome.reason is Reason.SESSION_EXPIRED


@settings(max_examples=50)
@given(pauses=st.lists(st.integers(1, 11 * MINUTE), max_size=30))
def test_b6_a_session_lives_while_it_is_used_and_never_beyond_its_end(pauses: list[int]) -> None:
    store = MemoryStore()
    interpreter = quiet(Backend(store, UnsignedTokens()))
    lifetime = Lifetime(
        access=timedelta(minutes=1), idle=timedelta(minutes=10), absolute=timedelta(minutes=60)
    )
    now, alive = NOW, True
    login = create_session("ada", policy=POLICY, now=now, entropy=bytes(32), lifetime=lifetime)
    token = run(login, interpreter).refresh_token
    for at, pause in enumerate(pauses, 1):
        now += pause
        alive = alive and pause < 10 * MINUTE and now < NOW + 60 * MINUTE
        step = refresh_session(token, policy=POLICY, now=now, entropy=at.to_bytes(32))
        if not alive:
            with pytest.raises(Unauthorised):
                run(step, interpreter)
            return
        token = run(step, interpreter).refresh_token


# --- B7: what a user may do --------------------------------------------------------------------


def test_b7_a_disabled_users_sessions_end_within_an_access_tokens_life(engine: Any) -> None:
    sessions = [engine.login("ada") for _ in range(3)]
    other = engine.login("bob")
    engine.run(revoke_all_sessions_for_user("ada", now=engine.now))
    assert_dead(engine, *sessions)
    engine.now += 15 * MINUTE
    for session in sessions:
        assert isinstance(engine.get(session.access_token), Rejection)
    refreshed(engine, other.refresh_token)


def test_b7_a_refresh_widens_no_claim(engine: Any) -> None:
    session = first = engine.login(payload={"roles": ["reader"], "plan": "free"})
    for _ in range(20):
        engine.now += MINUTE
        session = refreshed(engine, session.refresh_token)
        assert application_payload(session.payload) == {"roles": ("reader",), "plan": "free"}
        for name in ("sub", "rsub", "tId", "iss", "sessionHandle"):
            assert session.payload[name] == first.payload[name]


# --- B8: each token at its own place -----------------------------------------------------------


def test_b8_neither_token_is_taken_for_the_other(engine: Any) -> None:
    session = engine.login()
    access, refresh = session.access_token, session.refresh_token
    world = engine.store.world
    assert engine.get(refresh) == Unauthorised(Reason.NOT_OURS)
    assert engine.refresh(access) == Unauthorised(Reason.NOT_OURS, clear_tokens=True)
    for headers in (
        [("Authorization", f"Bearer {refresh}")],
        [("Cookie", f"sAccessToken={refresh}")],
        [("Cookie", f"sRefreshToken={refresh}")],
    ):
        assert isinstance(engine.get_by(RequestFacts("GET", headers)), Unauthorised)
    for headers in (
        [("Authorization", f"Bearer {access}")],
        [SITE, ("Cookie", f"sRefreshToken={access}")],
        [SITE, ("Cookie", f"sAccessToken={refresh}")],
    ):
        assert isinstance(engine.refresh_by(RequestFacts("POST", headers)), Unauthorised)
    assert engine.store.world == world


def test_b8_the_refresh_cookie_goes_to_its_route_or_has_the_host_prefix() -> None:
    assert POLICY.refresh_cookie_path == "/auth/session/refresh"
    strict = POLICY.strict()
    assert (strict.refresh_cookie, strict.refresh_cookie_path) == ("__Host-sRefreshToken", "/")
    with pytest.raises(InvalidPolicy):
        attrs.evolve(strict, refresh_cookie_path="/auth/session/refresh")
    secure = attrs.evolve(POLICY, refresh_cookie="__Secure-sRefreshToken")
    assert secure.refresh_cookie_path == "/auth/session/refresh"


# --- B9: responses with tokens -----------------------------------------------------------------


def test_b9_what_carries_tokens_is_stored_by_no_cache(engine: Any) -> None:
    login = engine.login_by(RequestFacts("POST", [SITE, ("st-auth-mode", "cookie")]))
    assert ("Cache-Control", "no-store") in engine.response.headers
    cookies = f"sAccessToken={login.access_token}; sRefreshToken={login.refresh_token}"
    request = RequestFacts("POST", [SITE, ("Cookie", cookies)])
    for act in (engine.refresh_by, engine.sign_out_by):
        act(request)
        assert ("Cache-Control", "no-store") in engine.response.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_b9_only_a_post_refreshes(engine: Any, method: str) -> None:
    token = engine.login().refresh_token
    world = engine.store.world
    for header in (("Cookie", f"sRefreshToken={token}"), ("Authorization", f"Bearer {token}")):
        outcome = engine.refresh_by(RequestFacts(method, [SITE, header]))
        assert outcome == Unauthorised(Reason.WRONG_METHOD)
        assert not engine.cookies
    assert engine.store.world == world


# --- B10: a crash at any point -----------------------------------------------------------------


class Crash:
    """A store that fails at the n-th moment: before or after an act."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __call__(self, effect: object, when: str) -> None:
        if self.left == 0:
            self.left = -1
            raise StoreUnavailable(f"cut off {when} {type(effect).__name__}")
        self.left -= 1


STATES = ["current", "predecessor", "predecessor, late"]


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("late", [0, 5 * SECOND, 11 * SECOND, 60 * MINUTE])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("transfer", Transfer)
def test_b10_after_a_crash_the_old_token_still_refreshes(
    engine: Any, state: str, late: int, moment: int, transfer: Transfer
) -> None:
    token = engine.login().refresh_token
    if state != "current":
        refreshed(engine, token)
        engine.now += 20 * SECOND if state.endswith("late") else SECOND
    header = ("Authorization", f"Bearer {token}")
    if transfer is Transfer.COOKIE:
        header = ("Cookie", f"sRefreshToken={token}")
    request = RequestFacts("POST", [SITE, header])
    events = list(engine.events)
    engine.fault = Crash(moment)
    with pytest.raises(StoreUnavailable):
        engine.refresh_by(request)
    # Nothing was told to anybody: no cookie set or cleared, no verdict.
    assert engine.response.headers == []
    assert engine.events == events

    engine.now += late
    outcome = engine.refresh_by(request)
    assert isinstance(outcome, Session), outcome
    assert isinstance(engine.get(outcome.access_token, check_database=True), Session)
    assert isinstance(engine.refresh(outcome.refresh_token), Session)


@pytest.mark.parametrize("moment", range(4))
def test_b10_a_crash_while_a_copy_is_betrayed_saves_no_thief(engine: Any, moment: int) -> None:
    victim = engine.login()
    thief = refreshed(engine, refreshed(engine, victim.refresh_token).refresh_token)
    engine.fault = Crash(moment)
    with pytest.raises(StoreUnavailable):
        engine.refresh(victim.refresh_token)
    assert engine.response.headers == []
    assert isinstance(engine.refresh(victim.refresh_token), Unauthorised | TokenTheftDetected)
    assert engine.store.load(victim.handle) == Missing()
    assert_dead(engine, thief, victim)
