"""A request seen before is answered as if it had not been: with the same session or refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil import (
    BooleanClaim,
    Lifetime,
    LocalKeys,
    MemoryStore,
    Policy,
    RequestFacts,
    Session,
    Sessions,
    TryRefreshToken,
    get_session_from_request,
)
from counterfoil.adapters.web.exchange import Exchange
from counterfoil.effects import Rejection

from ...listening import quiet
from .conftest import ORIGIN, START, Clock

POLICY = Policy(
    ORIGIN,
    access_jitter=0,
    lifetime=Lifetime(access=timedelta(seconds=10)),
    clock_skew=timedelta(seconds=5),
    leeway=timedelta(seconds=1),
)

FACTS = st.fixed_dictionaries(
    {},
    optional={
        "sec-fetch-site": st.sampled_from(["same-origin", "cross-site"]),
        "user-agent": st.sampled_from(["one", "another"]),
        "rid": st.just("anti-csrf"),
    },
)
CARRIED = st.sampled_from(
    ["bearer", "cookie", "both", "two cookies", "another's", "garbage", "none"]
)


def sessions_of(policy: Policy, clock: Any, **options: Any) -> Sessions:
    options.setdefault("listener", quiet)
    return Sessions(policy, MemoryStore(), clock=clock, **options)


def ended(awaitable: Any) -> Any:
    """What a coroutine that awaits nothing ends in."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value
    except Rejection as rejection:
        return rejection
    raise AssertionError("it waits")


def logged_in(sessions: Sessions) -> str:
    async def create() -> Session:
        return await sessions.create_session("ada")

    token = anyio.run(create).access_token
    sessions.memo.current = range(2**53)  # asking for keys anew is another matter, and awaits
    return str.__str__(token)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST"]), CARRIED, FACTS, st.integers(-20_000, 20_000)),
        max_size=30,
    ),
    st.integers(0, 3),
)
def test_what_is_remembered_is_what_would_be_decided(asked: list[Any], size: int) -> None:
    clock = Clock()
    sessions = sessions_of(POLICY, clock, remembered_tokens=size)
    ada, bob = logged_in(sessions), logged_in(sessions)
    clock.now += 3_000
    newer = logged_in(sessions)
    shown = {
        "bearer": {"authorization": f"Bearer {ada}"},
        "cookie": {"cookie": f"theme=dark; sAccessToken={ada}"},
        "both": {"authorization": f"Bearer {ada}", "cookie": f"sAccessToken={bob}"},
        "two cookies": {"cookie": f"sAccessToken={ada}; sAccessToken={newer}"},
        "another's": {"authorization": f"Bearer {bob}"},
        "garbage": {"authorization": "Bearer x"},
        "none": {},
    }
    for method, carried, facts, at in asked:
        clock.now = START + at
        headers = [(n.encode(), v.encode()) for n, v in {**facts, **shown[carried]}.items()]
        exchange = Exchange(sessions, {"type": "http", "method": method, "headers": headers})
        pure = get_session_from_request(
            RequestFacts(method, headers), policy=POLICY, verify=sessions.keys, now=clock.now
        )
        assert ended(exchange.get_session()) == pure.state
        assert exchange.response.headers == [
            ("Cache-Control", "no-store"),
            ("Vary", "Cookie, Authorization"),
        ]


def test_a_request_seen_before_asks_for_no_verification() -> None:
    clock = Clock()
    sessions = sessions_of(POLICY, clock)
    headers = [(b"authorization", f"Bearer {logged_in(sessions)}".encode())]
    scope = {"type": "http", "method": "GET", "headers": headers}
    first = ended(Exchange(sessions, dict(scope)).get_session())
    sessions.operations = None  # type: ignore[assignment]  # nothing can be decided any more
    sessions.recognised.recall(("GET", tuple(headers)), clock.now)
    assert sessions.recognised.recall(("GET", tuple(headers)), clock.now) is first


def test_it_is_forgotten_with_the_keys() -> None:
    clock = Clock()
    keys = LocalKeys.in_memory(clock=clock)
    sessions = sessions_of(POLICY, clock, signer=keys)
    headers = [(b"authorization", f"Bearer {logged_in(sessions)}".encode())]
    scope = {"type": "http", "method": "GET", "headers": headers}
    assert isinstance(ended(Exchange(sessions, dict(scope)).get_session()), Session)
    memo: Any = sessions.memo
    memo._take(LocalKeys.in_memory(clock=clock).public_keys())
    with pytest.raises(TryRefreshToken):
        anyio.run(Exchange(sessions, dict(scope)).get_session)


def test_what_was_verified_by_other_keys_is_not_remembered() -> None:
    clock = Clock()
    sessions = sessions_of(POLICY, clock)
    headers = ((b"authorization", f"Bearer {logged_in(sessions)}".encode()),)
    request = RequestFacts("GET", headers)
    session = ended(Exchange(sessions, {"method": "GET", "headers": headers}).get_session())
    before = sessions.memo.keys
    memo: Any = sessions.memo
    memo._take(LocalKeys.in_memory(clock=clock).public_keys())
    for keys, is_known in ((before, False), (sessions.memo.keys, True)):
        sessions.recognised.remember(request, session, keys)
        assert (sessions.recognised.recall(("GET", headers), clock.now) is not None) is is_known


def test_it_is_not_recalled_when_it_is_time_to_ask_for_the_keys() -> None:
    clock = Clock()
    sessions = sessions_of(POLICY, clock)
    headers = ((b"authorization", f"Bearer {logged_in(sessions)}".encode()),)
    ended(Exchange(sessions, {"type": "http", "method": "GET", "headers": headers}).get_session())
    assert sessions.recognised.recall(("GET", headers), clock.now) is not None
    sessions.memo.current = range(clock.now)
    assert sessions.recognised.recall(("GET", headers), clock.now) is None


def test_nothing_is_remembered_where_claims_are_validated() -> None:
    clock = Clock()
    verified = BooleanClaim("verified", fetchable=False)
    policy = Policy(ORIGIN, access_jitter=0, validators=[verified.is_true()])
    sessions = sessions_of(policy, clock)
    headers = [(b"authorization", f"Bearer {logged_in(sessions)}".encode())]
    for _ in range(2):
        scope = {"type": "http", "method": "GET", "headers": headers}
        assert isinstance(ended(Exchange(sessions, scope).get_session()), Rejection)
        scope = {"type": "http", "method": "GET", "headers": headers}
        assert isinstance(ended(Exchange(sessions, scope).get_session(validators=())), Session)


@pytest.mark.parametrize("size", [1, 3])
def test_the_oldest_is_forgotten_first(size: int) -> None:
    clock = Clock()
    sessions = sessions_of(POLICY, clock, remembered_tokens=size)
    tokens = [logged_in(sessions) for _ in range(5)]
    keys = [("GET", ((b"authorization", f"Bearer {token}".encode()),)) for token in tokens]
    for method, headers in keys:
        scope = {"type": "http", "method": method, "headers": list(headers)}
        ended(Exchange(sessions, scope).get_session())
    known = [sessions.recognised.recall(key, clock.now) is not None for key in keys]
    assert known == [False] * (5 - size) + [True] * size


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie"])
def test_a_header_that_is_not_in_lower_case_belongs_to_its_request_alone(name: bytes) -> None:
    sessions = sessions_of(POLICY, Clock())
    token = logged_in(sessions)
    value = f"Bearer {token}" if name == b"Authorization" else f"sAccessToken={token}"
    scope = {"type": "http", "method": "GET", "headers": [(name, value.encode())]}
    for _ in range(2):
        assert isinstance(ended(Exchange(sessions, scope).get_session()), Session)
    nobody: Any = {"type": "http", "method": "GET", "headers": []}
    assert isinstance(ended(Exchange(sessions, nobody).get_session()), Rejection)


def test_a_server_may_have_headers_as_lists() -> None:
    sessions = sessions_of(POLICY, Clock())
    headers = [[b"authorization", f"Bearer {logged_in(sessions)}".encode()]]
    first, second = (
        Exchange(sessions, {"type": "http", "method": "GET", "headers": headers}) for _ in "12"
    )
    assert second.recall() is None
    assert ended(first.get_session()) is second.recall()


def test_what_is_large_is_not_remembered() -> None:
    sessions = sessions_of(POLICY, Clock())
    cookie = f"sAccessToken={logged_in(sessions)}; other={'x' * 8192}".encode()
    headers = [(b"cookie", cookie)]
    exchange = Exchange(sessions, {"type": "http", "method": "GET", "headers": headers})
    assert isinstance(ended(exchange.get_session()), Session)
    assert sessions.recognised.recall(("GET", tuple(headers)), START) is None
