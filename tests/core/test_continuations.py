"""The finite product of continuation and reply: every question, resumed with every answer.

From each operation on, every `Ask` is resumed with each kind of reply that its effect declares, and
so on to the end. Each step on the way must be a value that tells of this session and this moment,
and every continuation of the core must be met.
"""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import attrs
import pytest

import counterfoil.core
from counterfoil import (
    Announce,
    Ask,
    ClaimFetched,
    Done,
    Effect,
    Established,
    FetchClaim,
    HandleTaken,
    InvalidInput,
    Listed,
    Missing,
    PayloadTooLarge,
    Policy,
    PrimitiveClaim,
    Regenerate,
    Regenerated,
    Replaced,
    RequestFacts,
    Revoked,
    Rotated,
    Session,
    SessionRecord,
    Stale,
    Step,
    TokenTheftDetected,
    TooLarge,
    Transfer,
    TryRefreshToken,
    Unauthorised,
    attach_to_request_response,
    core,
)
from counterfoil.core.access_token import access_token_of, engine_claims
from counterfoil.core.candidates import refresh_with_one_of
from counterfoil.core.entropy import draw, new_handle
from counterfoil.core.examples import example_record, example_session
from counterfoil.core.keeping import told_to_keeper, untold
from counterfoil.core.keyset import Verification
from counterfoil.core.rotation import digest, mint, successor
from counterfoil.core.verifying import check_in_database
from counterfoil.effects import StoreEffect, descriptions

NOW = 1_700_000_000_500
ENTROPY = b"\x05" * 32
DEPTH = 10
CLAIM = PrimitiveClaim("plan")
POLICY = Policy("http://localhost:8000", claims=[CLAIM], validators=[CLAIM.has_value("pro")])
RECORD = attrs.evolve(example_record(), recipe_user_id="ada@mail", tenant_id="acme")
SALT = b"s" * 32
FIRST = draw(bytes(32), b"refresh secret")
SECOND = successor(FIRST, SALT)
ROTATED = attrs.evolve(
    RECORD,
    version=1,
    generation=1,
    current_digest=digest(SECOND),
    previous_digest=RECORD.current_digest,
    salt=SALT,
)
AGED = attrs.evolve(ROTATED, rotated_at=NOW - 60_000)
USED = attrs.evolve(ROTATED, generation=2, previous_digest=digest(SECOND), current_digest=SALT)
OVER = attrs.evolve(RECORD, absolute_expires_at=NOW)
ASKED = FetchClaim(key="plan", user_id="user-1", recipe_user_id="ada@mail", tenant_id="acme")
BORN = new_handle(NOW, ENTROPY)
REKEYING = attrs.evolve(ASKED, user_id="eve", recipe_user_id="eve")
LOGGING_IN = FetchClaim(key="plan", user_id="ada", recipe_user_id="ada", tenant_id="public")

REPLIES: dict[type[Any], tuple[Any, ...]] = {
    SessionRecord: (RECORD, ROTATED, AGED, USED, OVER),
    Missing: (Missing(),),
    Established: (Established("token"),),
    HandleTaken: (HandleTaken(),),
    Rotated: (Rotated("token"),),
    Stale: (Stale(ROTATED), Stale(Missing())),
    Regenerated: (Regenerated({"plan": {"v": "pro", "t": NOW}}, "token"), Regenerated({})),
    TooLarge: (TooLarge({"fat": 1}),),
    Replaced: (Replaced(),),
    Revoked: (Revoked((RECORD.handle,)), Revoked(())),
    Listed: (Listed((RECORD, OVER)), Listed()),
    ClaimFetched: (ClaimFetched("pro"), ClaimFetched(None)),
}


def token(generation: int, secret: bytes, handle: str = RECORD.handle) -> str:
    """A refresh token of the example's session, or of another with its key."""
    return mint(handle=handle, generation=generation, secret=secret, mac_key=RECORD.mac_key)


def verify(shown: str, /) -> Verification:
    """Takes any token for the example's access token."""
    claims = engine_claims(RECORD, POLICY, now=NOW)
    return access_token_of(shown, claims)


def session() -> Session:
    """The record's session, attached, under this file's policy."""
    claims = engine_claims(RECORD, POLICY, now=NOW)
    access = access_token_of("t", {**RECORD.payload, **claims})
    example = attrs.evolve(example_session(), access=access, policy=POLICY)
    attached = attach_to_request_response(example, Transfer.COOKIE, now=NOW).state
    assert isinstance(attached, Session)
    return attached


def operations() -> Iterator[Step[Any]]:
    """The first step of every operation that asks anything."""
    here, handle = session(), RECORD.handle
    now: dict[str, Any] = {"now": NOW}
    ruled: dict[str, Any] = {"policy": POLICY, **now}
    drawn: dict[str, Any] = {"entropy": ENTROPY, **ruled}
    yield core.create_session("ada", **drawn)
    yield core.get_session("t", verify=verify, check_database=True, **ruled)
    yield core.get_session("t", verify=verify, **ruled)
    yield core.refresh_session(token(0, FIRST), **drawn)
    yield core.rekey_session(here, entropy=ENTROPY, user_id="eve", **now)
    yield core.merge_into_access_token_payload(here, {"a": 1}, **now)
    yield core.fetch_and_set_claim(here, CLAIM, **now)
    yield core.assert_claims(here, POLICY.validators, **now)
    yield core.validate_claims("ada", {}, POLICY.validators, **now)
    yield core.revoke_session(here, **now)
    yield core.revoke_other_sessions(here, **now)
    yield core.revoke_multiple_sessions([handle], **now)
    yield core.get_session_information(handle, **now)
    yield core.get_all_session_handles_for_user("ada", **now)
    yield core.get_session_data_from_database(here, **now)
    yield core.get_time_created(here, **now)
    yield core.get_expiry(here, **now)
    yield core.update_session_data_in_database(here, {}, **now)
    yield core.merge_into_access_token_payload_by_handle(handle, {"a": 1}, **ruled)
    yield core.fetch_and_set_claim_by_handle(handle, CLAIM, **ruled)
    yield core.get_claim_value_by_handle(handle, CLAIM, **now)
    yield core.update_session_data_in_database_by_handle(handle, {})
    cookies = ("Cookie", f"sAccessToken=t; sRefreshToken={token(0, FIRST)}; "
                         f"sRefreshToken={token(1, SECOND)}")  # fmt: skip
    request = RequestFacts("POST", [cookies, ("Origin", "http://localhost:8000")])
    yield core.get_session_from_request(request, verify=verify, check_database=True, **ruled)
    yield core.create_session_in_request(request, "ada", verify=verify, **drawn)
    yield core.refresh_session_in_request(request, **drawn)
    yield refresh_with_one_of(
        (token(0, FIRST), token(1, SECOND, BORN)),
        anti_csrf_token=None,
        check_anti_csrf=False,
        **drawn,
    )
    yield untold(core.revoke_session(here, **now))
    yield told_to_keeper(core.rekey_session(here, entropy=ENTROPY, **now), BORN)
    strict = attrs.evolve(POLICY, clear_site_data=True)
    yield core.sign_out(request, policy=strict, verify=verify, now=NOW)


def replies(effect: Effect[Any]) -> list[Any]:
    """A reply of each kind that the effect declares."""
    (declared,) = get_args(type(effect).__orig_bases__[0])  # type: ignore[attr-defined]  # generic
    return [reply for kind in get_args(declared) or (declared,) for reply in REPLIES[kind]]


def met(continuation: object) -> Iterator[type[Any]]:
    """The classes that a continuation is made of."""
    kind: Any = type(continuation)
    yield kind
    for field in attrs.fields(kind):
        inner = getattr(continuation, field.name)
        if callable(inner) and attrs.has(type(inner)):
            yield from met(inner)


def check(step: Step[Any]) -> None:
    """A step is a value; what it announces happened now, and it asks for claims of the user."""
    assert isinstance(step, Ask | Done)
    for effect in step.effects:
        if isinstance(effect, Announce):
            event = effect.event
            assert event.at == NOW
            assert getattr(event, "handle", RECORD.handle) in (RECORD.handle, BORN)
        if isinstance(effect, FetchClaim):
            assert effect in (ASKED, attrs.evolve(ASKED, user_id="eve"), LOGGING_IN, REKEYING)
    if isinstance(step.state, Unauthorised | TryRefreshToken | TokenTheftDetected):
        assert step.state.handle in (RECORD.handle, BORN)
    assert hash(step) == hash(pickle.loads(pickle.dumps(step)))  # noqa: S301  # our own bytes
    assert pickle.loads(pickle.dumps(step)) == step  # noqa: S301  # our own bytes


def check_refusal(effect: Effect[Any], reply: object, problem: InvalidInput) -> None:
    """Only what the store does not take is refused, by the limit that the store was told."""
    assert isinstance(reply, TooLarge | HandleTaken)
    if isinstance(reply, TooLarge):
        assert isinstance(effect, Regenerate)
        assert isinstance(problem, PayloadTooLarge)
        assert problem.limit == effect.limit


def explore(step: Step[Any], seen: dict[Step[Any], int], classes: set[type[Any]]) -> None:
    """Resume with every reply, and each result again; what is known to this depth is passed."""
    stack = [(step, DEPTH)]
    while stack:
        here, left = stack.pop()
        if seen.get(here, -1) >= left:
            continue
        if here not in seen:
            check(here)
        seen[here] = left
        if isinstance(here, Done) or left == 0:
            continue
        classes.update(met(here.resume))
        for reply in replies(here.effect):
            try:
                there = here.resume(reply)
            except InvalidInput as problem:
                check_refusal(here.effect, reply, problem)
                continue
            assert here.resume(reply) == there
            stack.append((there, left - 1))


def continuations() -> set[type[Any]]:
    """Every continuation that the core defines."""
    modules = [
        importlib.import_module(f"counterfoil.core.{module.name}")
        for module in pkgutil.iter_modules(counterfoil.core.__path__)
    ]
    return {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and "__call__" in vars(value)
        and "Step" in str(vars(value)["__call__"].__annotations__.get("return"))
    }


def test_every_continuation_takes_every_reply_that_its_effect_declares() -> None:
    seen: dict[Step[Any], int] = {}
    classes: set[type[Any]] = set()
    for step in operations():
        explore(step, seen, classes)
    assert len(seen) > 100
    # What follows an end that is there at once: no reply is waited for before these.
    at_once = {"Answer", "Attach", "CheckInDatabase", "EndSessions"}
    assert {kind.__name__ for kind in continuations() - classes} == at_once


def test_while_the_store_is_asked_of_a_session_it_is_there_to_see() -> None:
    here = session()
    for step in (
        core.merge_into_access_token_payload(here, {"a": 1}, now=NOW),
        core.fetch_and_set_claim(here, CLAIM, now=NOW),
        core.update_session_data_in_database(here, {}, now=NOW),
        core.rekey_session(here, now=NOW, entropy=ENTROPY),
        check_in_database(here, now=NOW),
    ):
        assert isinstance(step, Ask)
        assert step.state == here


def test_a_continuation_is_frozen() -> None:
    for kind in continuations():
        assert attrs.has(kind)
        assert kind.__setattr__ is not object.__setattr__, kind


@pytest.mark.parametrize("effect", get_args(StoreEffect))
def test_every_reply_that_an_effect_declares_is_tried(effect: type[Any]) -> None:
    (declared,) = get_args(effect.__orig_bases__[0])
    assert set(get_args(declared) or (declared,)) <= REPLIES.keys()
    assert getattr(descriptions, effect.__name__) is effect
