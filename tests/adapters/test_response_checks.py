"""What an operation tells the client needs a response: without one it is refused, undone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import attrs
import pytest

from counterfoil import (
    BlockingSessions,
    InvalidInput,
    MemoryStore,
    Policy,
    PrimitiveClaim,
    RequestFacts,
    ResponseHeaders,
    Session,
    Sessions,
    Transfer,
    Unauthorised,
)
from counterfoil.adapters.held import RESPONSE_CHECKS
from counterfoil.adapters.memory import World
from counterfoil.adapters.operations import Operations

from ..listening import quiet

POLICY = Policy("https://api.example.com", anti_csrf="NONE")
PLAN = PrimitiveClaim("plan")
LOGIN = RequestFacts("POST", [("st-auth-mode", "cookie")])

ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    "rekey_session": (),
    "revoke_session": (),
    "revoke_other_sessions": (),
    "merge_into_access_token_payload": ({"a": 1},),
    "set_claim_value": (PLAN, "pro"),
    "fetch_and_set_claim": (PLAN,),
    "remove_claim": (PLAN,),
    "assert_claims": ([PLAN.has_value("pro")],),
    "get_session_data_from_database": (),
    "update_session_data_in_database": ({"cart": []},),
    "get_time_created": (),
    "get_expiry": (),
    "attach_to_request_response": (Transfer.COOKIE,),
}
"""Every operation on a session, with its other arguments."""

TELLING = sorted(ARGUMENTS.keys() - {"revoke_other_sessions"})


def pro(question: object, context: object) -> str:
    return "pro"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(params=[BlockingSessions, Sessions])
def perform(request: pytest.FixtureRequest, store: MemoryStore) -> Callable[..., Any]:
    """Performs an operation by its name, with a response or without."""
    sessions = request.param(POLICY, store, fetchers={"plan": pro}, listener=quiet)

    def act(name: str, *args: Any, response: ResponseHeaders | None = None, **more: Any) -> Any:
        operation = getattr(sessions.using(response=response), name)
        if isinstance(sessions, BlockingSessions):
            return operation(*args, **more)

        async def awaited() -> Any:
            return await operation(*args, **more)

        return anyio.run(awaited)

    return act


@pytest.fixture
def attached(perform: Callable[..., Any]) -> Session:
    """A session as the next request finds it."""
    session = perform("create_session_in_request", LOGIN, "ada", response=ResponseHeaders())
    cookie = f"sAccessToken={str.__str__(session.access_token)}"
    request = RequestFacts("POST", [("Cookie", cookie)])
    found: Session = perform("get_session_from_request", request, response=ResponseHeaders())
    return found


def test_every_operation_on_a_session_is_here() -> None:
    methods = inspect.getmembers(Operations, inspect.isfunction)
    on_sessions = {n for n, m in methods if "session" in inspect.signature(m).parameters}
    assert on_sessions == ARGUMENTS.keys()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", TELLING)
def test_without_a_response_it_is_refused_and_nothing_is_done(
    perform: Callable[..., Any], store: MemoryStore, attached: Session, name: str, named: bool
) -> None:
    before: World = store.world
    parameters = list(inspect.signature(getattr(Operations, name)).parameters)[1:]
    given: tuple[Any, ...] = (attached, *ARGUMENTS[name])
    by_name = dict(zip(parameters, given, strict=False)) if named else {}
    with pytest.raises(InvalidInput, match=r"exchange\.sessions.*ExchangeDep.*exchange_of.*using"):
        perform(name, *(() if named else given), **by_name)
    assert store.world == before


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_session_of_no_request_needs_none(perform: Callable[..., Any], name: str) -> None:
    session = perform("create_session", "ada")
    if name == "attach_to_request_response":  # which is what needs one
        return
    perform(name, session, *ARGUMENTS[name])


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_is_refused_is_what_may_tell_the_client_something(
    perform: Callable[..., Any], attached: Session, name: str
) -> None:
    there, gone = ResponseHeaders(), ResponseHeaders()
    fresh = attrs.evolve(attached, access_token_updated=True)  # or attaching it again says nothing
    perform(name, fresh, *ARGUMENTS[name], response=there)
    perform("revoke_all_sessions_for_user", "ada")
    with suppress(Unauthorised):
        perform(name, attached, *ARGUMENTS[name], response=gone)
    tells = bool(there.headers or gone.headers)
    assert tells == (getattr(Operations, name) in RESPONSE_CHECKS) == (name in TELLING)


def test_what_names_no_session_at_hand_needs_none(
    perform: Callable[..., Any], attached: Session
) -> None:
    handle = attached.handle
    assert perform("merge_into_access_token_payload_by_handle", handle, {"a": 1}) is True
    assert perform("revoke_other_sessions", attached) == ()
    assert perform("revoke_multiple_sessions", [handle]) == (handle,)


def test_re_keying_a_session_of_no_request_waits_for_no_response(
    perform: Callable[..., Any], attached: Session
) -> None:
    begun = ResponseHeaders()
    begun.has_begun = True
    with pytest.raises(InvalidInput, match="has begun"):
        perform("rekey_session", attached, response=begun)
    perform("merge_into_access_token_payload", attached, {"a": 1}, response=begun)
    perform("rekey_session", perform("create_session", "bob"), response=begun)
