"""A session's life through `BlockingSessions` and `Sessions`, on both stores."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from counterfoil import (
    BlockingSessions,
    Done,
    FetchClaim,
    InvalidClaims,
    InvalidInput,
    Lifetime,
    LocalKeys,
    MemoryStore,
    Policy,
    PolicyConcern,
    PrimitiveArrayClaim,
    PrimitiveClaim,
    Reason,
    RequestFacts,
    ResponseHeaders,
    Session,
    SessionDoesNotExist,
    Sessions,
    SqliteStore,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    UnknownEffect,
    core,
)
from counterfoil.adapters.memo import Memo
from counterfoil.effects import AppendHeader, RemoveHeader, SetHeader

from ..listening import quiet
from .awaited import Awaited

POLICY = Policy("https://api.example.com", site_origin="https://example.com")
ROLES, PLAN = PrimitiveArrayClaim("roles"), PrimitiveClaim("plan")
INJECTED = {"policy", "verify", "now", "entropy"}
BY_HAND = {"get_session", "get_session_from_request"}
START = 1_795_000_000_000


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TwoForms(MemoryStore):
    """A store with an async form, for asyncio alone."""

    @property
    def awaited(self) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        return Coroutines(self)


class Coroutines:
    """The async form, which must be awaited on the loop's own thread."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        act: Callable[..., Any] = getattr(self.store, name)

        async def awaited(*arguments: Any) -> Any:
            assert threading.current_thread() is threading.main_thread()
            await asyncio.sleep(0)
            return act(*arguments)

        return awaited


@pytest.fixture(params=["memory", "sqlite", "two forms"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param != "sqlite":
        yield MemoryStore() if request.param == "memory" else TwoForms()
        return
    with SqliteStore(tmp_path / "sessions.db") as sqlite:
        yield sqlite


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def sessions(request: pytest.FixtureRequest, store: Any, clock: Clock) -> Any:
    """A facade; `roles` is fetched."""
    heard: list[Any] = []

    def listen(event: object, context: object) -> None:
        heard.append((event, context))

    def roles(question: FetchClaim, context: object) -> list[str]:
        return [question.user_id, str(context)]

    options: Any = {"fetchers": {"roles": roles}, "listener": listen, "clock": clock}
    if request.param == "blocking":
        return BlockingSessions(POLICY, store, **options)
    return Awaited(Sessions(POLICY, store, **options), request.param)


def test_a_life(sessions: Any, clock: Clock) -> None:
    session = sessions.create_session("ada", payload={"a": 1}, data={"cart": []}, claims=[ROLES])
    assert sessions.get_session(session.access_token, check_database=True).user_id == "ada"
    assert sessions.get_session(None, required=False) is None
    session = sessions.merge_into_access_token_payload(session, {"b": 2})
    session = sessions.set_claim_value(session, PLAN, "pro")
    session = sessions.fetch_and_set_claim(session, ROLES)
    session = sessions.assert_claims(session, [PLAN.has_value("pro"), ROLES.includes("ada")])
    session = sessions.remove_claim(session, PLAN)
    with pytest.raises(InvalidClaims):
        sessions.assert_claims(session, [ROLES.includes("nobody")])
    found = sessions.validate_claims("ada", {}, [ROLES.includes("ada")])
    assert (found.failures, set(found.update)) == ((), {"roles"})

    assert sessions.update_session_data_in_database(session, {"cart": [1]}) == session
    assert sessions.get_session_data_from_database(session) == {"cart": (1,)}
    assert sessions.get_time_created(session) == START
    assert sessions.get_expiry(session) == START + 14 * 86_400_000
    assert sessions.get_session_information(session.handle).payload["b"] == 2
    assert sessions.get_all_session_handles_for_user("ada") == (session.handle,)

    rekeyed = sessions.rekey_session(session, lifetime=Lifetime(idle=timedelta(days=1)))
    with pytest.raises(Unauthorised):
        sessions.get_session(session.access_token, check_database=True)
    first = rekeyed.refresh_token
    second = sessions.refresh_session(first).refresh_token
    assert sessions.refresh_session(first).refresh_token == second
    clock.now += 11_000
    third = sessions.refresh_session(first).refresh_token
    assert third != second
    with pytest.raises(TokenTheftDetected):
        sessions.refresh_session(second)
    with pytest.raises(Unauthorised):
        sessions.refresh_session(third)


def test_by_handle_and_ends(sessions: Any) -> None:
    session, other = sessions.create_session("ada"), sessions.create_session("ada")
    handle = session.handle
    assert sessions.merge_into_access_token_payload_by_handle(handle, {"a": 1}) is True
    assert sessions.set_claim_value_by_handle(handle, PLAN, "pro") is True
    assert sessions.get_claim_value_by_handle(handle, PLAN) == "pro"
    assert sessions.fetch_and_set_claim_by_handle(handle, ROLES) is True
    assert sessions.remove_claim_by_handle(handle, PLAN) is True
    assert sessions.update_session_data_in_database_by_handle(handle, {"x": 1}) is True
    assert sessions.revoke_other_sessions(session) == (other.handle,)
    assert sessions.revoke_session(session) is True
    assert sessions.get_claim_value_by_handle(handle, PLAN) == SessionDoesNotExist()
    third = sessions.create_session("ada").handle
    assert sessions.revoke_multiple_sessions([handle, third]) == (third,)
    fourth = sessions.create_session("ada").handle
    assert sessions.revoke_all_sessions_for_user("ada") == (fourth,)
    assert sessions.run(Done("any step")) == "any step"


def test_purging(sessions: Any, clock: Clock) -> None:
    for _ in range(3):
        sessions.create_session("ada")
    assert sessions.purge() == 0
    clock.now += 14 * 86_400_000
    assert [sessions.purge(limit=2), sessions.purge(limit=2), sessions.purge()] == [2, 1, 0]


def test_a_request_and_its_response(sessions: Any) -> None:
    def spoken(operation: str, request: RequestFacts, *args: Any) -> tuple[Any, dict[str, str]]:
        response = ResponseHeaders()
        outcome = getattr(sessions.using(response=response), operation)(request, *args)
        names = [name for name, _ in response.headers]
        assert len(set(names)) == len(names) - max(names.count("Set-Cookie") - 1, 0)
        cookies = (value.partition(";")[0] for name, value in response.headers
                   if name == "Set-Cookie")  # fmt: skip
        return outcome, dict(cookie.split("=", 1) for cookie in cookies)

    site = ("Origin", "https://example.com")
    login = RequestFacts("POST", [("st-auth-mode", "cookie"), site])
    session, jar = spoken("create_session_in_request", login, "ada")
    assert jar == {
        "sAccessToken": session.access_token,
        "sRefreshToken": session.refresh_token,
    }

    def by(name: str) -> RequestFacts:
        return RequestFacts("POST", [("Cookie", f"{name}={jar[name]}"), site])

    found, nothing = spoken("get_session_from_request", by("sAccessToken"))
    assert (found.handle, nothing) == (session.handle, {})
    assert (
        sessions.using(response=ResponseHeaders()).get_session_from_request(
            RequestFacts("GET"), required=False
        )
        is None
    )
    for operation in ("get_session_from_request", "refresh_session_in_request", "sign_out"):
        with pytest.raises(InvalidInput, match="using"):
            getattr(sessions, operation)(by("sAccessToken"))
    with pytest.raises(InvalidInput, match="using"):
        sessions.create_session_in_request(by("sAccessToken"), "ada")
    _, jar = spoken("refresh_session_in_request", by("sRefreshToken"))
    ended, cleared = spoken("sign_out", by("sAccessToken"))
    assert ended is True
    assert set(cleared.values()) == {""}


def test_the_context_reaches_the_application(store: Any) -> None:
    heard: list[Any] = []
    sessions = BlockingSessions(
        POLICY,
        store,
        fetchers={"roles": lambda question, context: [context]},
        listener=lambda event, context: heard.append(context),
    )
    session = sessions.using(context="request 7").create_session("ada", claims=[ROLES])
    assert ROLES.value_in(session.payload) == ("request 7",)
    assert heard == ["request 7"]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_fetchers_and_listeners_may_be_coroutine_functions(loop: str) -> None:
    heard: list[Any] = []

    async def roles(question: FetchClaim, context: object) -> list[str]:
        await anyio.lowlevel.checkpoint()
        return ["editor"]

    async def listen(event: object, context: object) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(event)

    async def act() -> Session:
        sessions = Sessions(POLICY, MemoryStore(), fetchers={"roles": roles}, listener=listen)
        return await sessions.create_session("ada", claims=[ROLES])

    assert ROLES.value_in(anyio.run(act, backend=loop).payload) == ("editor",)
    assert len(heard) == 1


def test_a_claim_that_nobody_fetches_says_what_to_do() -> None:
    sessions = BlockingSessions(POLICY, MemoryStore(), listener=quiet)
    with pytest.raises(UnknownEffect, match="nothing fetches the claim 'roles'"):
        sessions.create_session("ada", claims=[ROLES])


def test_both_facades_have_every_operation_as_the_core_has_it() -> None:
    operations = {
        name: value
        for name, value in vars(core).items()
        if inspect.isfunction(value) and "Step[" in str(inspect.signature(value).return_annotation)
    }
    reads = {name for name, op in operations.items()
             if set(inspect.signature(op).parameters) <= {"session", "claim"}}  # fmt: skip
    assert len(operations) > 35
    for name in operations.keys() - reads - BY_HAND:
        own = inspect.signature(operations[name]).parameters
        wanted = {n: (p.kind, p.default) for n, p in own.items() if n not in INJECTED}
        for facade in (BlockingSessions, Sessions):
            given = inspect.signature(getattr(facade, name)).parameters
            found = {n: (p.kind, p.default) for n, p in given.items() if n != "self"}
            assert found == wanted, f"{facade.__name__}.{name}"


class Untouchable:
    """A store and signer that must be left alone."""

    awaited = None

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was touched")


def test_verifying_asks_nobody_and_stays_in_its_thread() -> None:
    sessions = BlockingSessions(POLICY, MemoryStore(), listener=quiet)
    token = sessions.create_session("ada").access_token
    unseen = sessions.create_session("bob").access_token
    threads: list[int] = []

    def clock() -> int:
        threads.append(threading.get_ident())
        return sessions.operations.clock()

    store: Any = Untouchable()
    aloof: Any = Sessions(POLICY, store, Fixed(sessions), clock=clock, listener=quiet)
    aloof.memo._signer = store
    aloof = aloof.using()
    for shown in (token, token, unseen):
        verifying = aloof.get_session(shown)
        with pytest.raises(StopIteration) as done:
            verifying.send(None)  # a coroutine that awaits nothing ends at once
        assert isinstance(done.value.value, Session)
    assert set(threads) == {threading.get_ident()}


class Fixed:
    """A signer with another facade's keys, that signs nothing."""

    def __init__(self, sessions: BlockingSessions) -> None:
        self.keys = sessions.keys.keys

    def public_keys(self) -> Any:
        """The other's keys."""
        return self.keys

    def sign(self, claims: object) -> str:
        """Nothing is signed here."""
        raise AssertionError("nothing is signed here")


def test_the_memory_of_tokens_is_bounded_and_forgets_with_the_keys() -> None:
    keys = LocalKeys.in_memory(clock=lambda: START)
    sessions = BlockingSessions(POLICY, MemoryStore(), keys, listener=quiet, clock=lambda: START)
    tokens = [sessions.create_session("ada").access_token for _ in range(3)]
    memo: Any = Memo(keys, lambda: START, size=2)
    assert [memo(token) for token in tokens] == [memo(token) for token in tokens]
    assert memo._verified.cache_info().currsize == 2
    assert memo("garbage") == memo("garbage")
    assert memo._verified.cache_info().currsize == 2
    known = memo.keys
    memo.learn()
    assert memo.keys is known


def test_a_remembered_token_still_expires(clock: Clock) -> None:
    sessions = BlockingSessions(POLICY, MemoryStore(), clock=clock, listener=quiet)
    session = sessions.create_session("ada")
    sessions.get_session(session.access_token)
    clock.now = session.access.expires_at
    with pytest.raises(TryRefreshToken) as refused:
        sessions.get_session(session.access_token)
    assert refused.value.reason is Reason.EXPIRED


@pytest.mark.parametrize("loop", ["", "asyncio", "trio"])
def test_a_key_that_is_not_known_is_learnt_for_the_next_time(loop: str, clock: Clock) -> None:
    here, there = LocalKeys.in_memory(clock=clock), LocalKeys.in_memory(clock=clock)
    signer = Changing(here)
    verifying: Any = BlockingSessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    if loop:
        verifying = Awaited(
            Sessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet), loop
        )
    issuing = BlockingSessions(POLICY, MemoryStore(), there, clock=clock, listener=quiet)
    token = issuing.create_session("ada").access_token
    signer.keys = there
    with pytest.raises(TryRefreshToken) as refused:
        verifying.get_session(token)
    assert refused.value.reason is Reason.UNKNOWN_KEY
    clock.now += 1000  # no garbage makes it ask more often
    assert verifying.get_session(token).user_id == "ada"


class Changing:
    """A signer whose keys another process changes."""

    def __init__(self, keys: LocalKeys) -> None:
        self.keys = keys
        self.gives_keys = True

    def sign(self, claims: Any) -> str:
        """Sign with the keys of now."""
        return self.keys.sign(claims)

    def public_keys(self) -> Any:
        """The keys of now."""
        if not self.gives_keys:
            raise StoreUnavailable("the keys are away.")
        return self.keys.public_keys()


@pytest.mark.parametrize("loop", ["", "asyncio", "trio"])
def test_a_key_that_was_withdrawn_verifies_no_longer_than_a_minute(loop: str, clock: Clock) -> None:
    signer = Changing(LocalKeys.in_memory(clock=clock))
    held = Sessions if loop else BlockingSessions
    plain = held(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    sessions: Any = Awaited(plain, loop) if isinstance(plain, Sessions) else plain
    token = sessions.create_session("ada").access_token
    signer.keys = LocalKeys.in_memory(clock=clock)
    clock.now += 59_999
    assert sessions.get_session(token).user_id == "ada"
    clock.now += 1
    facts = RequestFacts("GET", [("Authorization", f"Bearer {token}")])
    answering = plain.using(response=ResponseHeaders())
    asked: Any = Awaited(answering, loop) if isinstance(answering, Sessions) else answering
    with pytest.raises(TryRefreshToken) as refused:
        asked.get_session_from_request(facts)
    assert refused.value.reason is Reason.UNKNOWN_KEY
    assert plain.jwks()["keys"][0]["kid"] == signer.public_keys()[0].kid


class Counting(Changing):
    """A signer that counts how often it is asked, and fails when told to."""

    asked = 0
    fails = False

    def public_keys(self) -> Any:
        """The keys of now, if it answers at all."""
        self.asked += 1
        if self.fails:
            raise OSError("the passphrase is swordfish")
        return super().public_keys()


def test_garbage_makes_the_signer_be_asked_once_a_second(clock: Clock) -> None:
    signer = Counting(LocalKeys.in_memory(clock=clock))
    sessions = BlockingSessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    strangers = BlockingSessions(POLICY, MemoryStore(), clock=clock, listener=quiet)
    unknown = strangers.create_session("ada").access_token
    clock.now += 1000
    signer.asked = 0
    for _ in range(100):
        with pytest.raises(TryRefreshToken):
            sessions.get_session(unknown)
    assert signer.asked == 1
    clock.now += 1000
    with pytest.raises(TryRefreshToken):
        sessions.get_session(unknown)
    assert signer.asked == 2


def test_a_signer_that_gives_no_keys_stops_nobody(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    signer = Counting(LocalKeys.in_memory(clock=clock))
    sessions = BlockingSessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    session = sessions.create_session("ada")
    signer.fails = True
    clock.now += 60_000
    assert sessions.get_session(session.access_token).user_id == "ada"
    assert sessions.refresh_session(session.refresh_token).user_id == "ada"
    assert "gave no keys (OSError)" in caplog.text
    assert "swordfish" not in caplog.text
    signer.fails, signer.keys = False, LocalKeys.in_memory(clock=clock)
    clock.now += 1000
    with pytest.raises(TryRefreshToken):
        sessions.get_session(session.access_token)


def test_signing_with_a_new_key_is_noticed_at_once(clock: Clock) -> None:
    signer = Changing(LocalKeys.in_memory(clock=clock))
    sessions = BlockingSessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    before = sessions.create_session("ada").access_token
    signer.keys = LocalKeys.in_memory(clock=clock)
    after = sessions.create_session("ada").access_token
    assert sessions.get_session(after).user_id == "ada"
    with pytest.raises(TryRefreshToken):
        sessions.get_session(before)
    assert sessions.memo.public_keys() == sessions.keys.keys


def test_a_new_key_is_asked_for_again_if_the_signer_gave_none(clock: Clock) -> None:
    signer = Changing(LocalKeys.in_memory(clock=clock))
    sessions = BlockingSessions(POLICY, MemoryStore(), signer, clock=clock, listener=quiet)
    sessions.create_session("ada")
    signer.keys = LocalKeys.in_memory(clock=clock)
    signer.gives_keys = False
    unknown = sessions.create_session("ada").access_token
    with pytest.raises(TryRefreshToken):
        sessions.get_session(unknown)
    signer.gives_keys = True
    known = sessions.create_session("ada").access_token
    assert sessions.get_session(known).user_id == "ada"


def test_the_log_hears_what_no_listener_does(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="counterfoil")
    clock = Clock()
    sessions = BlockingSessions(POLICY, MemoryStore(), clock=clock)
    session = sessions.create_session("ada")
    second = sessions.refresh_session(session.refresh_token)
    sessions.refresh_session(second.refresh_token)
    with pytest.raises(TokenTheftDetected):
        sessions.refresh_session(session.refresh_token)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "INFO", "INFO", "WARNING"]
    for token in (session.refresh_token, session.access_token, second.refresh_token):
        assert token is not None
        assert token not in caplog.text


def test_a_policy_that_may_hurt_warns_where_it_is_used() -> None:
    late = Policy("https://api.example.com", leeway=timedelta(minutes=14))
    with pytest.warns(PolicyConcern, match="leeway") as warned:
        BlockingSessions(late, MemoryStore(), listener=quiet)
    assert warned[0].filename == __file__


class Keyless:
    """A store that keeps records, and nothing else."""


def test_a_store_that_keeps_no_keys_needs_a_signer() -> None:
    with pytest.raises(InvalidInput, match=r"Keyless can't keep keys; give signer="):
        BlockingSessions(POLICY, Keyless())  # type: ignore[arg-type]  # it is refused before use


def test_an_outage_is_no_rejection(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    sessions = BlockingSessions(POLICY, store, LocalKeys.in_memory(), listener=quiet)
    token = sessions.create_session("ada").refresh_token
    store.close()
    with pytest.raises(StoreUnavailable):
        sessions.refresh_session(token)


def test_response_headers() -> None:
    response = ResponseHeaders()
    for effect in (
        SetHeader("Anti-CSRF", "x"),
        AppendHeader("Vary", "Cookie"),
        AppendHeader("vary", "cookie"),
        AppendHeader("Vary", "Authorization"),
        RemoveHeader("anti-csrf"),
    ):
        response.perform(effect)
    assert response.headers == [("Vary", "Cookie, Authorization")]
    assert response.removed == {"anti-csrf"}
    response.perform(SetHeader("anti-csrf", "y"))
    assert response.removed == set()


def test_a_signer_that_does_not_fit_the_policy_is_refused() -> None:
    rsa = LocalKeys.in_memory(algorithm="RS256")
    with pytest.raises(InvalidInput, match="longer signatures than the policy's EdDSA"):
        BlockingSessions(POLICY, MemoryStore(), rsa)
    forgetful = LocalKeys.in_memory(longest_token=timedelta(minutes=1))
    with pytest.raises(InvalidInput, match="drops keys"):
        BlockingSessions(POLICY, MemoryStore(), forgetful)
    fitting = attrs.evolve(POLICY, algorithm="RS256")
    assert BlockingSessions(fitting, MemoryStore(), rsa).jwks()["keys"][0]["alg"] == "RS256"


@pytest.mark.parametrize(
    ("policy", "store", "problem"),
    [
        ("https://api.example.com", MemoryStore(), "policy must be a Policy, not str"),
        (POLICY, "sessions.db", r"write SqliteStore\(path\)"),
    ],
)
def test_what_is_no_policy_or_no_store(policy: Any, store: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        BlockingSessions(policy, store)


def test_blocking_callers_await_nothing() -> None:
    async def roles(question: FetchClaim, context: object) -> list[str]:
        return ["editor"]

    with pytest.raises(InvalidInput, match="roles is a coroutine function"):
        BlockingSessions(POLICY, MemoryStore(), fetchers={"roles": roles})


@pytest.mark.parametrize("loop", ["", "asyncio", "trio"])
def test_a_listener_that_fails_changes_nothing(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: object, context: object) -> None:
        raise RuntimeError("no disk")

    async def fail_later(event: object, context: object) -> None:
        raise RuntimeError("no disk")

    sessions: Any = BlockingSessions(POLICY, MemoryStore(), listener=fail)
    if loop:
        sessions = Awaited(Sessions(POLICY, MemoryStore(), listener=fail_later), loop)
    session = sessions.create_session("ada")
    assert sessions.revoke_session(session) is True
    assert caplog.text.count("the listener failed on Session") == 2


@pytest.mark.parametrize("bad", ["\ud800", 2**70, b"a", None, {"handle": "a"}])
@pytest.mark.parametrize(
    "act",
    [
        "revoke_all_sessions_for_user",
        "get_session_information",
        "get_all_session_handles_for_user",
        "revoke_multiple_sessions",
    ],
)
def test_what_names_nothing_is_refused_before_a_store_sees_it(act: str, bad: Any) -> None:
    sessions = BlockingSessions(POLICY, MemoryStore(), listener=quiet)
    with pytest.raises(InvalidInput, match=r"user_id|handle") as problem:
        getattr(sessions, act)([bad] if act == "revoke_multiple_sessions" else bad)
    assert "1180591620717411303424" not in str(problem.value)


def test_a_refresh_token_of_another_type_is_refused() -> None:
    sessions = BlockingSessions(POLICY, MemoryStore(), listener=quiet)
    with pytest.raises(InvalidInput, match="refresh_token must be a str, not bytes"):
        sessions.refresh_session(b"x" * 116)  # type: ignore[arg-type]  # what is tested
