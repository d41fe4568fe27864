"""The engine on both stores and a plain model, given the same operations, always agree.

The model is written from the rules (what presenting a refresh token means, when a session is
over, what an operation answers and when), on dicts and numbers: it knows no record, no digest and
no effect. Both engines get the same entropy and sign with one key, so that they must agree to the
last character; with the model they must agree on all but the random parts.
"""

import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from counterfoil.adapters.keys import LocalKeys
from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.core import (
    RESERVED_CLAIMS,
    AntiCsrf,
    KeySet,
    Lifetime,
    Policy,
    Session,
    SessionInformation,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    create_session,
    get_all_session_handles_for_user,
    get_session,
    get_session_information,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    rekey_session,
    revoke_all_sessions_for_user,
    revoke_other_sessions,
    revoke_session,
    update_session_data_in_database,
)
from counterfoil.effects import (
    Announce,
    Backend,
    Event,
    Missing,
    PayloadTooLarge,
    Reason,
    Rejection,
    SessionRecord,
    Step,
    Theft,
    freeze_object,
    run,
    thaw,
)

Json = dict[str, Any]

SECOND, MINUTE = 1_000, 60_000  # ms
LOGIN = 1_800_000_000_000  # ms
LEEWAY = 10 * SECOND
COOKIE = 4_096  # bytes
POLICY = Policy("https://api.example.com", anti_csrf=AntiCsrf.VIA_TOKEN, access_jitter=0)
KEYS = LocalKeys.in_memory(clock=lambda: LOGIN)
VERIFY = KeySet(KEYS.public_keys())
MOST_SESSIONS = 6

users = st.sampled_from(["ada", "eve"])
tenants = st.sampled_from(["public", "blue"])
values = st.none() | st.integers(0, 3) | st.just("é") | st.just(["x", {"y": None}])
fat = st.just("x" * 1_500)  # two of these don't fit in a cookie
patches = st.dictionaries(st.sampled_from("abc"), values | fat, max_size=2)
behind = st.sampled_from([0, 0, 0, 4 * SECOND])  # by how much the clock of this server is
minutes = st.sampled_from([(1, 5, 12), (2, 20, 30)])  # access, idle and absolute lifetime
waits = st.sampled_from([0, 0, 3 * SECOND, 11 * SECOND, 2 * MINUTE])
csrf_tokens = st.sampled_from(["right"] * 8 + ["wrong", None])


# --- the model ---------------------------------------------------------------------------------


@attrs.define(kw_only=True)
class Kept:
    """A session as the rules see it. Refresh tokens are numbers: who they are, not what."""

    user: str
    tenant: str
    created: int
    rotated: int
    access: int
    idle: int
    ends: int
    csrf: str
    payload: Json
    data: Json
    current: int
    generations: dict[int, int]  # of each refresh token that was ever made for it
    previous: int | None = None

    @property
    def over_at(self) -> int:
        return min(self.rotated + self.idle, self.ends)

    def meaning(self, token: int, now: int) -> str | Theft:
        """What it means to present a genuine refresh token of this session."""
        if token == self.current:
            return "rotate"
        if token == self.previous:
            return "replay" if now - self.rotated <= LEEWAY else "fork"
        behind = self.generations[self.current] - self.generations[token]
        if behind <= 1:  # as young as the current or the previous one, and yet neither of them
            return Theft.ORPHANED
        return Theft.RECENT if behind == 2 else Theft.STALE

    def follow(self, presented: int, made: int, now: int) -> None:
        """A successor was made for the token that was presented."""
        self.generations[made] = self.generations[presented] + 1
        self.previous, self.current = presented, made
        self.rotated = max(self.rotated, now)

    def merge(self, patch: Json) -> None:
        gone = {key for key, value in patch.items() if value is None}
        merged = {**self.payload, **patch}
        self.payload = {key: value for key, value in merged.items() if key not in gone}


@attrs.define(kw_only=True)
class Held:
    """What a client holds of a session, and what its access token says."""

    session: Session
    handle: str
    named: int  # the refresh token that the access token was issued with
    expires: int
    payload: Json


Outcome = tuple[Any, tuple[str, ...]]


@attrs.define
class Engine:
    """One store under the engine, and what it announced."""

    store: MemoryStore | SqliteStore
    events: list[Event] = attrs.Factory(list[Event])

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Announce):
            return self.events.append(effect.event)
        return Backend(self.store, KEYS).perform(effect)

    def outcome(self, step: Step[Any]) -> tuple[Any, list[Event]]:
        """Where the step ends, a rejection or a refusal included, and what it announces."""
        self.events = []
        try:
            return run(step, self), self.events
        except Rejection as rejection:
            return rejection, self.events
        except PayloadTooLarge as refusal:
            return str(refusal), self.events


class Lockstep(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.on_disk = SqliteStore(Path(self.folder.name) / "sessions.db")
        self.engines = (Engine(MemoryStore()), Engine(self.on_disk))
        self.now = LOGIN
        self.calls = 0
        self.kept: dict[str, Kept] = {}
        self.tokens: list[str] = []  # every refresh token, by its number
        self.owners: list[str] = []  # the handle of each
        self.held: list[Held] = []
        self.handles: list[str] = []  # of all sessions that ever were

    def teardown(self) -> None:
        self.on_disk.close()
        self.folder.cleanup()

    # --- asking and comparing ------------------------------------------------------------------

    def both(self, make: Callable[[], Step[Any]]) -> Outcome:
        """What both engines end in, and the names of the events."""
        try:
            step = make()
        except PayloadTooLarge as refusal:
            return str(refusal), ()
        (end, events), other = [engine.outcome(step) for engine in self.engines]
        assert (end, events) == other
        return end, tuple(type(event).__name__ for event in events)

    def entropy(self) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(32)

    def new_token(self, session: Session) -> int:
        """The number of a refresh token that nobody has seen before."""
        token = str(session.refresh_token)
        assert token not in self.tokens
        self.tokens.append(token)
        self.owners.append(session.handle)
        return len(self.tokens) - 1

    def hold(self, session: Session, now: int) -> None:
        """Compare a session that was just issued with the model's, and give it to a client."""
        kept = self.kept[session.handle]
        expires = min(now + kept.access, kept.ends) // SECOND * SECOND
        assert session.access.expires_at == expires
        assert session.refresh_token == self.tokens[kept.current]
        assert session.refresh_expires_at == kept.over_at
        assert session.payload["iat"] == now // SECOND
        self.check(session, session.handle, kept.payload)
        held = Held(
            session=session,
            handle=session.handle,
            named=kept.current,
            expires=expires,
            payload=dict(kept.payload),
        )
        self.held = [*self.held[-7:], held]

    def check(self, session: Session, handle: str, payload: Json) -> None:
        assert session.handle == handle
        claims = {k: thaw(v) for k, v in session.payload.items() if k not in RESERVED_CLAIMS}
        assert claims == payload
        assert len(f"sAccessToken={session.access_token}") <= COOKIE
        kept = self.kept.get(handle)
        if kept is not None:
            assert (session.user_id, session.recipe_user_id) == (kept.user, kept.user)
            assert session.tenant_id == kept.tenant
            assert session.anti_csrf_token == kept.csrf

    def a_held_one(self, data: st.DataObject) -> Held:
        """What some client holds: of a session that is alive, if there is one, or of any."""
        alive = [held for held in self.held if not self.is_over(held.handle, self.now)]
        return data.draw(st.sampled_from(alive or self.held) | st.sampled_from(self.held), "held")

    def is_over(self, handle: str, now: int) -> bool:
        return handle not in self.kept or now >= self.kept[handle].over_at

    def gone(self, handle: str) -> Outcome:
        rejection = Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=handle)
        return rejection, ("RequestRejected",)

    def revoke(self, handles: list[str]) -> Outcome:
        """The model without these; what an operation answers that revoked them."""
        for handle in handles:
            del self.kept[handle]
        return tuple(handles), ("SessionsRevoked",) if handles else ()

    def of_user(self, user: str, tenant: str | None) -> list[str]:
        found = [
            (kept.created, handle)
            for handle, kept in self.kept.items()
            if kept.user == user and tenant in (None, kept.tenant)
        ]
        return [handle for _, handle in sorted(found)]

    # --- time ----------------------------------------------------------------------------------

    @rule(by=st.sampled_from([1, 4 * SECOND, 11 * SECOND, 30 * SECOND, MINUTE, 6 * MINUTE]))
    def pass_time(self, by: int) -> None:
        self.now += by

    @rule(limit=st.integers(0, 3))
    def purge(self, limit: int) -> None:
        over = sorted((k.over_at, h) for h, k in self.kept.items() if k.over_at <= self.now)
        for _, handle in over[:limit]:
            del self.kept[handle]
        for engine in self.engines:
            assert engine.store.purge(self.now, limit) == len(over[:limit])

    # --- the life of a session -----------------------------------------------------------------

    @initialize(lives=minutes)
    def begin(self, lives: tuple[int, int, int]) -> None:
        self.create("ada", "public", {"a": 1}, {}, lives, 0)
        self.create("ada", "blue", {}, {"b": 2}, lives, 0)

    @precondition(lambda self: len(self.handles) < MOST_SESSIONS)
    @rule(user=users, tenant=tenants, payload=patches, data=patches, lives=minutes, late=behind)
    def log_in(
        self,
        user: str,
        tenant: str,
        payload: Json,
        data: Json,
        lives: tuple[int, int, int],
        late: int,
    ) -> None:
        self.create(user, tenant, payload, data, lives, late)

    def create(
        self,
        user: str,
        tenant: str,
        payload: Json,
        data: Json,
        lives: tuple[int, int, int],
        late: int,
    ) -> None:
        now, entropy = self.now - late, self.entropy()
        access, idle, absolute = (timedelta(minutes=length) for length in lives)
        session, events = self.both(
            lambda: create_session(
                user,
                policy=POLICY,
                now=now,
                entropy=entropy,
                payload=payload,
                data=data,
                tenant_id=tenant,
                lifetime=Lifetime(access=access, idle=idle, absolute=absolute),
            )
        )
        if isinstance(session, str):
            assert sum(value == "x" * 1_500 for value in payload.values()) == 2
            return
        assert events == ("SessionCreated",)
        assert session.handle not in self.handles
        self.handles.append(session.handle)
        token = self.new_token(session)
        self.kept[session.handle] = Kept(
            user=user,
            tenant=tenant,
            created=now,
            rotated=now,
            access=lives[0] * MINUTE,
            idle=lives[1] * MINUTE,
            ends=now + lives[2] * MINUTE,
            csrf=str(session.anti_csrf_token),
            payload={key: value for key, value in payload.items() if value is not None},
            data=data,
            current=token,
            generations={token: 0},
        )
        self.hold(session, now)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), wait=waits, late=behind, csrf=csrf_tokens)
    def refresh_with_the_current_token(
        self, data: st.DataObject, wait: int, late: int, csrf: str | None
    ) -> None:
        self.now += wait
        kept = data.draw(st.sampled_from(list(self.kept.values())), "session")
        self.refresh(kept.current, late, csrf)

    @precondition(lambda self: any(kept.previous is not None for kept in self.kept.values()))
    @rule(data=st.data(), wait=waits, late=behind, csrf=csrf_tokens)
    def refresh_with_the_previous_token(
        self, data: st.DataObject, wait: int, late: int, csrf: str | None
    ) -> None:
        self.now += wait
        previous = [k.previous for k in self.kept.values() if k.previous is not None]
        self.refresh(data.draw(st.sampled_from(previous), "token"), late, csrf)

    @precondition(lambda self: self.older_tokens())
    @rule(data=st.data(), late=behind, csrf=csrf_tokens)
    def refresh_with_an_older_token(self, data: st.DataObject, late: int, csrf: str | None) -> None:
        self.refresh(data.draw(st.sampled_from(self.older_tokens()), "token"), late, csrf)

    @precondition(lambda self: len(self.kept) < len(self.handles))
    @rule(data=st.data(), late=behind)
    def refresh_a_session_that_is_no_more(self, data: st.DataObject, late: int) -> None:
        numbers = [n for n, handle in enumerate(self.owners) if handle not in self.kept]
        self.refresh(data.draw(st.sampled_from(numbers), "token"), late, "right")

    def older_tokens(self) -> list[int]:
        """Those of a session that is there which were displaced, or had successors' successors."""
        return [
            number
            for kept in self.kept.values()
            for number in kept.generations
            if number not in (kept.current, kept.previous)
        ]

    def refresh(self, number: int, late: int, csrf: str | None) -> None:
        now, handle = self.now - late, self.owners[number]
        kept = self.kept.get(handle)
        shown = kept.csrf if kept is not None and csrf == "right" else csrf
        end, events = self.refreshed(self.tokens[number], shown, now)
        if kept is None:
            assert (end, events) == self.gone(handle)
        elif now >= kept.over_at:
            over = Unauthorised(Reason.SESSION_EXPIRED, clear_tokens=True, handle=handle)
            assert (end, events) == (over, ("RequestRejected",))
        elif csrf != "right":
            forbidden = Unauthorised(Reason.CSRF, clear_tokens=False, handle=handle)
            assert (end, events) == (forbidden, ("RequestRejected",))
        else:
            self.follow(kept, number, now, end, events)

    def refreshed(self, token: str, csrf: str | None, now: int) -> Outcome:
        entropy = self.entropy()
        return self.both(
            lambda: refresh_session(
                token, policy=POLICY, now=now, entropy=entropy, anti_csrf_token=csrf
            )
        )

    def follow(self, kept: Kept, number: int, now: int, end: Any, events: tuple[str, ...]) -> None:
        meaning, handle = kept.meaning(number, now), self.owners[number]
        match meaning:
            case Theft():
                del self.kept[handle]
                theft = TokenTheftDetected(handle, kept.user, kept.tenant, meaning)
                assert (end, events) == (theft, ("TheftDetected",))
                return
            case "replay":
                assert events == ("RefreshReplayed",)
            case _:
                kept.follow(number, self.new_token(end), now)
                told = "SessionRefreshed" if meaning == "rotate" else "RefreshForked"
                assert events == (told,)
        self.hold(end, now)

    @precondition(lambda self: self.tokens)
    @rule(
        data=st.data(),
        part=st.sampled_from([range(24, 31), range(32, 73), range(75, 116)]),
        late=behind,
    )
    def refresh_with_a_forged_token(self, data: st.DataObject, part: range, late: int) -> None:
        """Another generation, another secret or another MAC than was ever issued."""
        number = data.draw(st.sampled_from(range(len(self.tokens))), "token")
        at = data.draw(st.sampled_from(part), "character")
        token, now, handle = self.tokens[number], self.now - late, self.owners[number]
        forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        kept = self.kept.get(handle)
        end, events = self.refreshed(forged, None if kept is None else kept.csrf, now)
        assert events == ("RequestRejected",)
        assert isinstance(end, Unauthorised)
        assert (end.clear_tokens, end.handle) == (True, handle)
        reasons = {Reason.FORGED}
        if self.is_over(handle, now):  # then either may be said
            reasons = {Reason.SESSION_GONE} if kept is None else {*reasons, Reason.SESSION_EXPIRED}
        assert end.reason in reasons

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        wait=waits,
        late=behind,
        csrf=csrf_tokens,
        check_database=st.booleans(),
    )
    def verify_an_access_token(
        self, data: st.DataObject, wait: int, late: int, csrf: str | None, check_database: bool
    ) -> None:
        self.now += wait
        self.verify(self.a_held_one(data), late, csrf, check_database=check_database)

    def verify(self, held: Held, late: int, csrf: str | None, *, check_database: bool) -> None:
        now = self.now - late
        handle, right = held.handle, held.session.anti_csrf_token
        end, events = self.both(
            lambda: get_session(
                held.session.access_token,
                policy=POLICY,
                verify=VERIFY,
                now=now,
                anti_csrf_token=right if csrf == "right" else csrf,
                check_database=check_database,
            )
        )
        rejection: Rejection | None = None
        kept = self.kept.get(handle)
        if now >= held.expires:
            rejection = TryRefreshToken(Reason.EXPIRED, handle)
        elif csrf != "right":
            rejection = TryRefreshToken(Reason.CSRF, handle)
        elif check_database and kept is None:
            rejection = Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=handle)
        elif check_database and kept is not None and now >= kept.over_at:
            rejection = Unauthorised(Reason.SESSION_EXPIRED, clear_tokens=True, handle=handle)
        elif check_database and kept and held.named not in (kept.current, kept.previous):
            rejection = TryRefreshToken(Reason.DISPLACED, handle)
        if rejection is None:
            assert events == ()
            assert end.access_token == held.session.access_token
            self.check(end, handle, held.payload)
        else:
            assert (end, events) == (rejection, ("RequestRejected",))

    @precondition(lambda self: self.held and len(self.handles) < MOST_SESSIONS)
    @rule(data=st.data(), user=st.none() | users, late=behind)
    def rekey(self, data: st.DataObject, user: str | None, late: int) -> None:
        held, now = self.a_held_one(data), self.now - late
        entropy = self.entropy()
        end, events = self.both(
            lambda: rekey_session(held.session, now=now, entropy=entropy, user_id=user)
        )
        if self.is_over(held.handle, now):
            assert (end, events) == self.gone(held.handle)
            return
        old = self.kept[held.handle]
        if held.named not in (old.current, old.previous):
            displaced = TryRefreshToken(Reason.DISPLACED, held.handle)
            assert (end, events) == (displaced, ("RequestRejected",))
            return
        assert events == ("SessionCreated", "SessionsRevoked")
        del self.kept[held.handle]
        assert end.handle not in self.handles
        assert end.anti_csrf_token != old.csrf
        self.handles.append(end.handle)
        token = self.new_token(end)
        self.kept[end.handle] = attrs.evolve(
            old,
            user=user or old.user,
            rotated=now,
            csrf=str(end.anti_csrf_token),
            current=token,
            previous=None,
            generations={token: 0},
        )
        self.hold(end, now)

    # --- what it says --------------------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(data=st.data(), patch=patches, late=behind)
    def merge(self, data: st.DataObject, patch: Json, late: int) -> None:
        held, now = self.a_held_one(data), self.now - late
        end, events = self.both(
            lambda: merge_into_access_token_payload(held.session, patch, now=now)
        )
        kept = self.kept.get(held.handle)
        if isinstance(end, str):
            self.check_too_large(patch, kept)
        elif kept is None:
            assert (end, events) == self.gone(held.handle)
        else:
            assert events == ()
            kept.merge(patch)
            self.check(end, held.handle, kept.payload)
            renewed = now < held.expires
            assert (end.access_token != held.session.access_token) <= renewed
            assert end.access_token_updated is (renewed or held.session.access_token_updated)
            assert end.access.expires_at == held.expires
            if renewed:
                merged = attrs.evolve(held, session=end, payload=dict(kept.payload))
                self.held = [*self.held[-7:], merged]

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), patch=patches, late=behind)
    def merge_away(self, data: st.DataObject, patch: Json, late: int) -> None:
        handle, now = data.draw(st.sampled_from(self.handles), "handle"), self.now - late
        end, events = self.both(
            lambda: merge_into_access_token_payload_by_handle(handle, patch, policy=POLICY, now=now)
        )
        if isinstance(end, str):
            self.check_too_large(patch, self.kept[handle])
            return
        assert (end, events) == (not self.is_over(handle, now), ())
        if end:
            self.kept[handle].merge(patch)

    def check_too_large(self, patch: Json, kept: Kept | None) -> None:
        """A refusal is right where there would be two fat values."""
        merged = {**(kept.payload if kept else {}), **patch}
        assert sum(value == "x" * 1_500 for value in merged.values()) >= 2

    @precondition(lambda self: self.held)
    @rule(data=st.data(), content=patches)
    def set_data(self, data: st.DataObject, content: Json) -> None:
        held = self.a_held_one(data)
        end, events = self.both(
            lambda: update_session_data_in_database(held.session, content, now=self.now)
        )
        kept = self.kept.get(held.handle)
        if kept is None:
            assert (end, events) == self.gone(held.handle)
        else:
            assert (end, events) == (held.session, ())
            kept.data = content

    # --- its end -------------------------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["here", "here", "elsewhere", "everywhere"]))
    def sign_out(self, data: st.DataObject, how: str) -> None:
        held = self.a_held_one(data)
        session, user = held.session, held.session.user_id
        tenant = data.draw(st.none() | st.just(session.tenant_id), "tenant")
        match how:
            case "here":
                end = self.both(lambda: revoke_session(session, now=self.now))
                handles, events = self.revoke([held.handle] if held.handle in self.kept else [])
                assert end == (bool(handles), events)
            case "elsewhere":
                end = self.both(
                    lambda: revoke_other_sessions(session, now=self.now, all_tenants=tenant is None)
                )
                theirs = self.of_user(user, tenant)
                assert end == self.revoke([h for h in theirs if h != held.handle])
            case _:
                end = self.both(
                    lambda: revoke_all_sessions_for_user(user, now=self.now, tenant_id=tenant)
                )
                assert end == self.revoke(self.of_user(user, tenant))

    # --- what is known of it -------------------------------------------------------------------

    @invariant()
    def those_alive_are_listed(self) -> None:
        self.list_alive("ada", None)
        self.list_alive("ada", "public")
        self.list_alive("eve", None)

    def list_alive(self, user: str, tenant: str | None) -> None:
        end = self.both(
            lambda: get_all_session_handles_for_user(user, now=self.now, tenant_id=tenant)
        )
        theirs = self.of_user(user, tenant)
        assert end == (tuple(h for h in theirs if not self.is_over(h, self.now)), ())

    @invariant()
    def each_is_known_as_the_model_knows_it(self) -> None:
        for handle in self.handles:
            self.inform(handle, self.kept.get(handle))

    def inform(self, handle: str, kept: Kept | None) -> None:
        end, _ = self.both(lambda: get_session_information(handle, now=self.now))
        assert end == (None if self.is_over(handle, self.now) else information(handle, kept))
        in_memory, on_disk = (engine.store.load(handle) for engine in self.engines)
        assert in_memory == on_disk
        assert isinstance(on_disk, Missing if kept is None else SessionRecord)


def information(handle: str, kept: Kept | None) -> SessionInformation:
    assert kept is not None
    return SessionInformation(
        handle=handle,
        user_id=kept.user,
        recipe_user_id=kept.user,
        tenant_id=kept.tenant,
        payload=freeze_object(kept.payload),
        data=freeze_object(kept.data),
        created_at=kept.created,
        expires_at=kept.over_at,
    )


TestLockstep = Lockstep.TestCase
TestLockstep.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@pytest.fixture
def life() -> Iterator[Lockstep]:
    """A machine that a test drives by hand, so that what chance seldom finds is surely met."""
    machine = Lockstep()
    machine.create("ada", "public", {"a": 1}, {"b": 2}, (2, 20, 30), 0)
    yield machine
    machine.teardown()


def meet(life: Lockstep, meaning: str | Theft, *, token: int, wait: int = 0) -> None:
    """Present a token after a wait: it means this to the model, and then to the engines."""
    life.now += wait
    kept = life.kept[life.owners[token]]
    assert kept.meaning(token, life.now) == meaning
    life.refresh(token, 0, "right")


def test_a_client_that_always_gets_its_answers(life: Lockstep) -> None:
    for number in range(6):
        meet(life, "rotate", token=number, wait=MINUTE)
        life.verify(life.held[-1], 0, "right", check_database=True)


def test_an_access_token_is_known_for_as_long_as_its_refresh_token(life: Lockstep) -> None:
    meet(life, "rotate", token=0)
    meet(life, "rotate", token=1)
    oldest, previous, current = life.held
    for held in (oldest, previous, current):
        life.verify(held, 0, "right", check_database=False)
        life.verify(held, 0, "right", check_database=True)  # the oldest is refused


def test_racing_tabs_get_the_same_successor(life: Lockstep) -> None:
    meet(life, "rotate", token=0)
    for _ in range(3):
        meet(life, "replay", token=0, wait=LEEWAY // 3)
    assert len(life.tokens) == 2
    meet(life, "rotate", token=1)


@pytest.mark.parametrize(("after", "meaning"), [(LEEWAY, "replay"), (LEEWAY + 1, "fork")])
def test_the_leeway_ends_after_its_last_millisecond(
    after: int, meaning: str, life: Lockstep
) -> None:
    meet(life, "rotate", token=0)
    meet(life, meaning, token=0, wait=after)


def test_a_displaced_token_betrays_a_copy(life: Lockstep) -> None:
    meet(life, "rotate", token=0)
    for _ in range(3):
        meet(life, "fork", token=0, wait=MINUTE // 2)
    first, *_, last = life.held[1:]
    life.verify(first, 0, "right", check_database=True)
    life.verify(first, 0, "right", check_database=False)
    life.verify(last, 0, "right", check_database=True)
    meet(life, Theft.ORPHANED, token=1)
    assert life.kept == {}


def test_a_displaced_token_betrays_a_copy_when_its_rival_was_used_too(life: Lockstep) -> None:
    meet(life, "rotate", token=0)
    meet(life, "fork", token=0, wait=MINUTE)
    meet(life, "rotate", token=2)
    meet(life, Theft.ORPHANED, token=1)


@pytest.mark.parametrize(("token", "kind"), [(2, Theft.RECENT), (1, Theft.STALE), (0, Theft.STALE)])
def test_a_used_token_betrays_a_copy(token: int, kind: Theft, life: Lockstep) -> None:
    for number in range(4):
        meet(life, "rotate", token=number)
    meet(life, kind, token=token)
    life.refresh(4, 0, "right")
    life.verify(life.held[-1], 0, "right", check_database=True)


@pytest.mark.parametrize("wait", [20 * MINUTE - 1, 20 * MINUTE])
def test_idle_sessions_end_to_the_millisecond(wait: int, life: Lockstep) -> None:
    life.now += wait
    life.refresh(0, 0, "right")
    assert len(life.tokens) == (1 if wait == 20 * MINUTE else 2)


def test_no_refresh_moves_the_absolute_end(life: Lockstep) -> None:
    for number in range(3):
        meet(life, "rotate", token=number, wait=9 * MINUTE)
    life.now += 3 * MINUTE - 1
    life.refresh(3, 0, "right")
    life.now += 1
    life.refresh(4, 0, "right")
    assert len(life.tokens) == 5


def test_a_wrong_anti_csrf_token_ends_nothing(life: Lockstep) -> None:
    meet(life, "rotate", token=0)
    meet(life, "rotate", token=1)
    for token in (0, 1, 2):
        life.refresh(token, 0, "wrong")
    meet(life, "rotate", token=2)
