"""The laws of the design, as properties of operations that interleave at effect boundaries.

Each example draws who acts, in which order, and which responses get lost or come twice. The world
is the immutable memory world, the core is the real one, the clock is drawn too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    Ask,
    Backend,
    Done,
    Entry,
    InvalidClaims,
    Journal,
    MemoryStore,
    Policy,
    RequestFacts,
    Revoke,
    Secret,
    Session,
    SessionRecord,
    SetCookie,
    SetHeader,
    Step,
    Theft,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    World,
    create_session,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    refresh_session_in_request,
    rekey_session,
    replay,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
)
from counterfoil.adapters.memory import EMPTY_WORLD, UnsignedTokens, interpret
from counterfoil.core.rotation import mint
from counterfoil.effects import Effect, Reason

POLICY = Policy("https://api.example.com")
LOGIN = 1_700_000_000_000
LEEWAY = 10_000
SIGNER = UnsignedTokens()
MOMENTS = st.integers(0, LEEWAY)
ORDERS = st.lists(st.integers(0, 5), max_size=30)


class Lab:
    """A world, a clock and fresh entropy; steps advance one effect at a time."""

    def __init__(self) -> None:
        self.world: World = EMPTY_WORLD
        self.now = LOGIN
        self.told: list[Effect[Any]] = []
        self._draws = itertools.count(1)

    def entropy(self) -> bytes:
        """Bytes that were not drawn before."""
        return next(self._draws).to_bytes(32)

    def login(self, **options: Any) -> Session:
        """A new session."""
        drawn: dict[str, Any] = {"policy": POLICY, "now": self.now, "entropy": self.entropy()}
        session = self.end(create_session("ada", **drawn, **options))
        assert isinstance(session, Session)
        return session

    def refreshing(self, token: str | None) -> Step[Session]:
        """The first step of a refresh."""
        return refresh_session(token, policy=POLICY, now=self.now, entropy=self.entropy())

    def refresh(self, token: str | None) -> Any:
        """A refresh without interruption."""
        return self.end(self.refreshing(token))

    def advance(self, step: Step[Any]) -> Step[Any]:
        """Carry one effect out."""
        assert isinstance(step, Ask)
        effect: Any = step.effect
        self.world, reply = interpret(self.world, effect, SIGNER)
        return step.resume(reply)

    def end(self, step: Step[Any]) -> Any:
        """Carry a step out to its end."""
        while isinstance(step, Ask):
            step = self.advance(step)
        self.told.extend(step.effects)
        return step.state

    def interleave(self, steps: list[Step[Any]], order: list[int]) -> list[Any]:
        """Carry several steps out, one effect at a time, in this order; then the rest."""
        running = list(steps)
        for turn in itertools.chain(order, itertools.cycle(range(len(running)))):
            asking = [n for n, step in enumerate(running) if isinstance(step, Ask)]
            if not asking:
                break
            chosen = asking[turn % len(asking)]
            running[chosen] = self.advance(running[chosen])
        return [self.end(step) for step in running]


# --- 1 and 2: honest clients stay logged in, and racers get the same successor ------------------


@given(
    st.lists(
        st.tuples(st.integers(1, 3), ORDERS, st.booleans(), st.sampled_from([0, LEEWAY, 10**6])),
        max_size=6,
    )
)
def test_law_1_and_2_honest_clients_are_never_logged_out(rounds: list[Any]) -> None:
    lab = Lab()
    jar = lab.login().refresh_token
    for tabs, order, lost, later in rounds:
        outcomes = lab.interleave([lab.refreshing(jar) for _ in range(tabs)], order)
        assert all(isinstance(outcome, Session) for outcome in outcomes), outcomes
        tokens = {outcome.refresh_token for outcome in outcomes}
        assert len(tokens) == 1
        if not lost:
            (jar,) = tokens
        lab.now += later
    assert isinstance(lab.refresh(jar), Session)


# --- 3: a used token that comes again ends the session ------------------------------------------


@given(st.integers(2, 6), st.data(), MOMENTS)
def test_law_3_a_used_token_reveals_a_copy(count: int, data: st.DataObject, late: int) -> None:
    lab = Lab()
    tokens = [lab.login().refresh_token]
    for _ in range(count):
        tokens.append(lab.refresh(tokens[-1]).refresh_token)
    lab.now += late
    copied = data.draw(st.integers(0, count - 2))
    outcome = lab.refresh(tokens[copied])
    assert isinstance(outcome, TokenTheftDetected)
    assert outcome.kind in (Theft.RECENT, Theft.STALE)
    assert len(lab.world.records) == 0
    assert isinstance(lab.refresh(tokens[-1]), Unauthorised)


@given(st.booleans(), st.integers(LEEWAY + 1, 10**7))
def test_law_3_a_copy_is_noticed_once_both_have_used_what_they_hold(
    thief_first: bool, pause: int
) -> None:
    lab = Lab()
    jars = {"browser": lab.login().refresh_token}
    jars["thief"] = jars["browser"]
    turns = itertools.cycle(["thief", "browser"] if thief_first else ["browser", "thief"])
    for _, who in zip(range(4), turns, strict=False):
        outcome = lab.refresh(jars[who])
        if isinstance(outcome, TokenTheftDetected):
            return
        jars[who] = outcome.refresh_token
        lab.now += pause
    raise AssertionError("both hold the session, and nobody noticed")


# --- 4: what was never issued changes nothing ---------------------------------------------------


@given(st.integers(0, 3), st.binary(min_size=32, max_size=32), st.integers(0, 10**9))
def test_law_4_a_token_that_was_not_issued_changes_no_record(
    generation: int, noise: bytes, late: int
) -> None:
    lab = Lab()
    session = lab.login()
    lab.refresh(session.refresh_token)
    world = lab.world
    lab.now += late
    forged = mint(handle=session.handle, generation=generation, secret=noise, mac_key=noise)
    outcome = lab.refresh(forged)
    assert isinstance(outcome, Unauthorised)
    assert lab.world == world


# --- 5: patches at once -------------------------------------------------------------------------


@given(ORDERS, st.integers(2, 4), st.booleans())
def test_law_5_patches_of_different_keys_are_all_kept(
    order: list[int], writers: int, refreshed: bool
) -> None:
    lab = Lab()
    session = lab.login(payload={"seed": 0})
    steps: list[Step[Any]] = []
    for n in range(writers):
        update = {f"key{n}": n, "shared": n}
        steps.append(
            merge_into_access_token_payload(session, update, now=lab.now)
            if n % 2
            else merge_into_access_token_payload_by_handle(
                session.handle, update, policy=POLICY, now=lab.now
            )
        )
    if refreshed:
        steps.append(lab.refreshing(session.refresh_token))
    lab.interleave(steps, order)
    payload = dict(lab.world.records[session.handle].payload)
    assert payload.pop("shared") in range(writers)
    assert payload == {"seed": 0, **{f"key{n}": n for n in range(writers)}}


@given(st.lists(st.integers(0, 4), max_size=4))
def test_law_5_patches_before_the_old_name_is_retired_survive_a_rekey(moments: list[int]) -> None:
    lab = Lab()
    session = lab.login()
    step: Step[Any] = rekey_session(session, now=lab.now, entropy=lab.entropy())
    merged: set[str] = set()
    for turn in itertools.count():
        retiring = isinstance(step, Ask) and isinstance(step.effect, Revoke)
        if retiring or not isinstance(step, Ask):
            break
        for n, moment in enumerate(moments):
            if moment == turn:
                update = {f"key{n}": n}
                lab.end(merge_into_access_token_payload(session, update, now=lab.now))
                merged |= update.keys()
        step = lab.advance(step)
    rekeyed = lab.end(step)
    assert isinstance(rekeyed, Session)
    assert lab.world.records.keys() == {rekeyed.handle}
    assert lab.world.records[rekeyed.handle].payload.keys() == merged
    assert rekeyed.payload.keys() >= merged


# --- 6: what is revoked stays revoked -----------------------------------------------------------


@given(ORDERS, st.booleans(), st.booleans())
def test_law_6_nothing_brings_a_revoked_session_back(
    order: list[int], all_of_user: bool, rekeyed: bool
) -> None:
    lab = Lab()
    session = lab.login()
    lab.refresh(session.refresh_token)
    steps: list[Step[Any]] = [
        lab.refreshing(session.refresh_token),
        merge_into_access_token_payload(session, {"a": 1}, now=lab.now),
        revoke_all_sessions_for_user("ada", now=lab.now)
        if all_of_user
        else revoke_multiple_sessions([session.handle], now=lab.now),
    ]
    if rekeyed:
        steps.append(rekey_session(session, now=lab.now, entropy=lab.entropy()))
    outcomes = lab.interleave(steps, order)
    revoked, last = outcomes[2], outcomes[-1]
    alive = set(lab.world.records)
    if all_of_user or not rekeyed or session.handle in revoked:
        assert alive == set()
    else:  # it had another name by then
        assert alive == {last.handle}


@pytest.mark.parametrize("all_of_user", [True, False])
@pytest.mark.parametrize("moment", range(5))
def test_law_6_a_revocation_at_each_moment_of_a_rekey(moment: int, all_of_user: bool) -> None:
    lab = Lab()
    session = lab.login()
    step: Step[Any] = rekey_session(session, now=lab.now, entropy=lab.entropy())
    for _ in range(moment):
        step = lab.advance(step) if isinstance(step, Ask) else step
    if all_of_user:
        revoked = lab.end(revoke_all_sessions_for_user("ada", now=lab.now))
    else:
        revoked = lab.end(revoke_multiple_sessions([session.handle], now=lab.now))
    last = lab.end(step)
    if all_of_user or session.handle in revoked:
        assert lab.world.records.keys() == set()
    else:
        assert lab.world.records.keys() == {last.handle}


# --- 7: what clears tokens, and what does not ---------------------------------------------------


@given(st.sampled_from(list(Reason)), st.sampled_from(["cookie", "header", "both"]))
def test_law_7_only_the_end_of_a_session_clears_and_then_all(reason: Reason, used: str) -> None:
    lab = Lab()
    session = lab.login()
    pairs = [("Origin", str(POLICY.api_origin))]
    if used != "header":
        pairs.append(("Cookie", f"sRefreshToken={session.refresh_token}; sAccessToken=x"))
    if used != "cookie":
        pairs.append(("Authorization", f"Bearer {session.refresh_token}"))
    request = RequestFacts("POST", pairs)
    lab.world = EMPTY_WORLD  # revoked by another
    lab.told.clear()
    outcome = lab.end(
        refresh_session_in_request(request, policy=POLICY, now=lab.now, entropy=lab.entropy())
    )
    assert isinstance(outcome, Unauthorised)
    assert outcome.clear_tokens
    cleared = {e.name for e in lab.told if isinstance(e, SetCookie | SetHeader) and not e.value}
    cookies = {"sAccessToken", "sRefreshToken"} if used != "header" else set[str]()
    headers = {"st-access-token", "st-refresh-token"} if used != "cookie" else set[str]()
    assert cleared == cookies | headers
    assert SetHeader("front-token", "remove") in lab.told
    assert not TryRefreshToken(reason).clear_tokens
    assert not InvalidClaims(()).clear_tokens


# --- 8: equal inputs, equal steps; a journal replayed -------------------------------------------


@given(ORDERS, MOMENTS)
def test_law_8_equal_inputs_give_equal_steps_and_a_journal_the_same_states(
    order: list[int], late: int
) -> None:
    def tell() -> tuple[list[Any], list[tuple[Step[Any], Journal]]]:
        lab = Lab()
        session = lab.login(payload={"plan": "free"})
        lab.now += late
        steps: list[Step[Any]] = [
            lab.refreshing(session.refresh_token),
            lab.refreshing(session.refresh_token),
            merge_into_access_token_payload(session, {"plan": "pro"}, now=lab.now),
        ]
        entries: list[list[Entry]] = [[] for _ in steps]
        running = list(steps)
        for turn in itertools.chain(order, itertools.cycle(range(3))):
            asking = [n for n, step in enumerate(running) if isinstance(step, Ask)]
            if not asking:
                break
            n = asking[turn % len(asking)]
            asked = running[n]
            assert isinstance(asked, Ask)
            effect: Any = asked.effect
            lab.world, reply = interpret(lab.world, effect, SIGNER)
            entries[n].append(Entry(asked.effect, reply))
            running[n] = asked.resume(reply)
        for n, step in enumerate(running):
            entries[n].extend(Entry(effect, None) for effect in step.effects)
        journals = [Journal(tuple(kept)) for kept in entries]
        return [step.state for step in running], list(zip(steps, journals, strict=True))

    states, recorded = tell()
    assert (states, recorded) == tell()
    for state, (step, journal) in zip(states, recorded, strict=True):
        again = Journal.from_json(journal.to_json(secrets=True))
        assert again == journal
        assert replay(step, again) == state


# --- 9: nothing shows a secret ------------------------------------------------------------------


def test_law_9_no_effect_event_or_value_shows_a_secret() -> None:
    policy = attrs.evolve(POLICY, anti_csrf="VIA_TOKEN", transfer="cookie")
    lab, shown, secrets = Lab(), list[object](), set[str]()

    def keep(value: object) -> None:
        shown.append(value)
        secrets.update(_secrets(value))

    def walk(step: Step[Any]) -> Any:
        while isinstance(step, Ask):
            keep(step)
            effect: Any = step.effect
            lab.world, reply = interpret(lab.world, effect, SIGNER)
            keep(reply)
            step = step.resume(reply)
        for value in (step, step.state, lab.world):
            keep(value)
        return step.state

    session = walk(create_session("ada", policy=policy, now=lab.now, entropy=lab.entropy()))
    guard = f"anti-csrf: {session.anti_csrf_token}".split(": ")
    pairs = [("Cookie", f"sRefreshToken={session.refresh_token}"), (guard[0], guard[1])]
    request = RequestFacts("POST", pairs)
    for now in (lab.now, lab.now + 1000):
        walk(refresh_session_in_request(request, policy=policy, now=now, entropy=lab.entropy()))
    record = next(iter(lab.world.records.values()))
    secrets.update(_secrets(record))
    text = "\n".join(map(repr, shown)) + "\n".join(map(str, (s for s in shown if s != secrets)))
    long = {secret for secret in secrets if len(secret) > 15}
    assert len(long) > 8
    assert [secret[:6] for secret in long if secret in text] == []


def _secrets(value: object) -> set[str]:
    found: set[str] = set()
    if isinstance(value, Secret):
        found.add(str(value))
    elif isinstance(value, SessionRecord):
        found |= {repr(value.mac_key)[2:-1], *_secrets(value.anti_csrf_token)}
    elif isinstance(value, dict):
        found |= {secret for item in value.values() for secret in _secrets(item)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # any dict
    elif isinstance(value, tuple):
        found |= {secret for item in value for secret in _secrets(item)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # any tuple
    elif attrs.has(type(value)):
        fields: Any = attrs.fields(type(value))  # type: ignore[arg-type]  # attrs.has says so
        for field in fields:
            found |= _secrets(getattr(value, field.name))
    return found


# --- broken stores are noticed ------------------------------------------------------------------


@attrs.frozen
class WithoutCompare:
    """A store that swaps whatever version it finds: the laws must notice."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def swap(self, record: SessionRecord, expected_version: int) -> None:
        """No compare-and-swap."""
        held = self.inner.load(record.handle)
        self.inner.swap(record, held.version if isinstance(held, SessionRecord) else 0)


def test_a_store_without_compare_and_swap_breaks_law_2() -> None:
    store = MemoryStore()
    careless: Any = WithoutCompare(store)
    backend = Backend(careless, SIGNER)
    perform: Callable[[Any], Any] = backend.perform
    lab = Lab()
    session = lab.login()
    for record in lab.world.records.values():
        store.create(record)
    steps: list[Any] = [lab.refreshing(session.refresh_token) for _ in range(2)]
    steps = [step.resume(perform(step.effect)) for step in steps]
    ends = [step.resume(perform(step.effect)) for step in steps]
    assert all(isinstance(end, Done) for end in ends)
    first, second = (end.state.refresh_token for end in ends)
    assert first != second
