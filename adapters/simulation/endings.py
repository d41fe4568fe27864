"""The laws of how sessions end: only when asked to, then for good, and the client is told.

An end is judged by what was asked and by what the policy promises, never by the record's own word:
a store that loses a session, or an expiry that moves, is a breach and no excuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ...core import Session, TokenTheftDetected, Unauthorised
from ...core.lifetime import ms
from ...effects import Reason, Rejection, Revoke, RevokeUser, SessionRecord, SetCookie, SetHeader
from ...effects.simulation import Transition
from .machine import Raised
from .state import Delivered, Finished, Performed, State, handle_of

if TYPE_CHECKING:
    from .model import Sessions

T = TypeVar("T")


def only_who_may_ends(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """No session ends but by what was asked to end it."""
    there, left = before.world.value.records, transition.state.world.value.records
    if there is left:
        return None
    for performed in of_kind(transition, Performed):
        for handle in there:
            if handle not in left and not _may_end(model, performed, there[handle]):
                return f"{performed.flight.name} ended a session that it was not asked to end"
    return None


def expiry_is_as_promised(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """A refresh puts off the idle end and never the absolute one; nothing else moves either."""
    state = transition.state
    if state.world is before.world:
        return None
    there, skew = before.world.value.records, ms(model.scenario.clock_skew)
    for handle, record in state.world.value.records.items():
        if record is there.get(handle) or handle in state.history.value.rekeyed:
            continue
        promised = model.expiry(handle, state)
        if not promised <= record.expires_at <= promised + skew:
            return "a session does not end when its policy says"
    return None


def over_is_over(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """What was revoked or has expired is over for good; so is what it was re-keyed into."""
    state = transition.state
    history, records = state.history.value, state.world.value.records
    if any(handle in records for handle in history.ended):
        return "a session that was revoked is there again"
    for finished in ends(transition):
        flight, end = finished.flight, finished.done.state
        told: Any = end if flight.kind.startswith("revoke") else ()
        if any(handle in records for handle in told):
            return f"{flight.name} says that it revoked the session, and it is there"
        if flight.doomed == "its session had ended" and isinstance(end, Session):
            return f"{flight.name} was answered, and its session was over before it was sent"
        if flight.kind == "rekey" and isinstance(end, Session) and history.revoked:
            return "a re-keying outlived the revocation of the session that it began with"
        if not any(one.kind == "rekey" for one in state.flights) and any(
            _must_be_gone(model, finished, record) for record in records.values()
        ):
            return f"{flight.name} is done, and a session that it had to end is there"
    return None


def only_the_end_clears(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """A rejection that a retry could cure clears no token; one that ends the session clears all."""
    state = transition.state
    for finished in ends(transition):
        flight, done = finished.flight, finished.done
        if flight.kind == "sign out" and isinstance(done.state, bool) and not _clears(done.effects):
            return f"{flight.name} is done, and the browser is told to keep its tokens"
        if flight.presented is not None and isinstance(done.state, Rejection):
            if _clears(done.effects) and model.usable(flight.presented, state):
                return f"{flight.name} is told to forget a token that a retry could use"
            if not _clears(done.effects) and is_over(model, flight.presented, state):
                return (
                    f"{flight.name} came to a session that is over, and is told to keep its tokens"
                )
        elif isinstance(done.state, Rejection) and flight.tab >= 0:
            if _clears(done.effects) is not ends_the_session(done.state):
                return f"{flight.name} is told to keep its tokens, or to forget them, for no reason"
            if ends_the_session(done.state) and _is_alive(flight.handle, state):
                return f"{flight.name} is told that its session is over, and it lives"
    for delivered in of_kind(transition, Delivered):
        done = delivered.flight.step.value
        if _clears(done.effects) and not delivered.after.value.is_empty:
            return f"the response to {delivered.flight.name} clears some of the tokens, not all"
    return None


def is_over(model: Sessions, token: str, state: State) -> bool:
    """Whether the session of a refresh token may be over: it ended, was re-keyed, or expired.

    A session that was re-keyed is over for whoever still has its old tokens: that is its point.
    """
    handle = handle_of(token)
    history = state.history.value
    gone = handle in history.ended or handle in history.rekeyed
    return gone or state.now + ms(model.scenario.clock_skew) >= model.expiry(handle, state)


def ends(transition: Transition[State]) -> list[Finished]:
    """The requests that came to their end."""
    return [f for f in of_kind(transition, Finished) if not isinstance(f.done, Raised)]


def of_kind(transition: Transition[State], kind: type[T]) -> Iterator[T]:
    """What happened of one kind."""
    return (one for one in transition.happened if isinstance(one, kind))


def ends_the_session(end: Any) -> bool:
    """Whether an answer says that the session is over."""
    if isinstance(end, Unauthorised):
        return end.reason in (Reason.SESSION_GONE, Reason.SESSION_EXPIRED)
    return isinstance(end, TokenTheftDetected)


def _may_end(model: Sessions, performed: Performed, record: SessionRecord) -> bool:
    flight = performed.flight
    if not isinstance(performed.effect, Revoke | RevokeUser):
        return False
    match flight.kind:
        case "revoke all":
            return True
        case "revoke others":
            return record.handle != flight.handle
        case "rekey":
            # The session that it began with, or the one that it made, revoked meanwhile.
            firsts = {login.handle for login in model.logins}
            return record.handle == flight.handle or record.handle not in firsts
        case "revoke one" | "sign out" | "refresh":
            return record.handle == flight.handle
        case _:
            return False


def _must_be_gone(model: Sessions, finished: Finished, record: SessionRecord) -> bool:
    flight = finished.flight
    match flight.kind:
        case "revoke all":
            return record.user_id == model.logins[0].user_id
        case "revoke others":
            return record.user_id == model.logins[0].user_id and record.handle != flight.handle
        case "revoke one":
            return record.handle == flight.handle
        case "sign out":
            return isinstance(finished.done.state, bool) and record.handle == flight.handle
        case _:
            return False


def _is_alive(handle: str, state: State) -> bool:
    record = state.world.value.records.get(handle)
    is_rekeyed = handle in state.history.value.rekeyed
    return record is not None and not is_rekeyed and state.now < record.expires_at


def _clears(effects: tuple[Any, ...]) -> bool:
    return any(
        (isinstance(effect, SetCookie) and effect.max_age == 0)
        or (isinstance(effect, SetHeader) and effect.value in ("", "remove"))
        for effect in effects
    )
