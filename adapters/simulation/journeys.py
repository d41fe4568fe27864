"""What becomes of a request: effect by effect on the server, and then on its way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from ...core import Session
from ...effects import Ask, Established, Regenerated, Revoked, Rotate, Rotated
from ...effects.simulation import Transition
from .machine import Kept
from .state import (
    APPLICATION,
    NOBODY,
    Browser,
    Delivered,
    Finished,
    Flight,
    History,
    Issued,
    Performed,
    Phase,
    State,
    Waited,
)

if TYPE_CHECKING:
    from .model import Sessions

Moves = Iterator[Transition[State]]

_ACKNOWLEDGEMENTS = (Established, Regenerated, Revoked, Rotated)


def journeys(model: Sessions, state: State) -> Moves:
    """The next move of every request that is on its way; of equal ones, of the first only."""
    seen: set[tuple[object, ...]] = set()
    for flight in state.flights:
        if flight.key in seen:
            continue
        seen.add(flight.key)
        if flight.phase is Phase.RUNNING:
            yield from goes_on(model, state, flight)
            yield from _crashes(model, state, flight)
        else:
            yield from _comes_back(model, state, flight)
        if flight.tab != NOBODY and model.budget.allows(state.left, "abort"):
            left = model.budget.without(state.left, "abort")
            alone = _with(state, flight, attrs.evolve(flight, tab=NOBODY))
            move = f"nobody waits for {flight.name} any more"
            yield Transition(move, alone._replace(left=left))


def goes_on(model: Sessions, state: State, flight: Flight) -> Moves:
    """The server carries out the effect that a request asks for, and resumes it."""
    step, world, effect, reply, flaw = model.machine.advance(flight.step, state.world)
    move = f"the server goes on with {flight.name}"
    performed = Performed(flight, effect, reply, flaw)
    after = state
    # What was acknowledged counts, whether or not the store did it.
    if world is not state.world or isinstance(reply, _ACKNOWLEDGEMENTS):
        after = _after_reply(model, state, world, performed)
    resumed = model.resumed.get((flight, step))
    if resumed is None:
        resumed = attrs.evolve(flight, step=step, is_under_way=True)
        model.resumed[flight, step] = resumed
    if isinstance(step.value, Ask):
        yield Transition(move, _with(after, flight, resumed), (performed,))
        return
    after = _after_end(model, after, resumed, performed)
    answer, finished = answered(model, after, resumed, step)
    yield Transition(move, _with(after, flight, answer), (performed, finished))


def answered(
    model: Sessions, state: State, flight: Flight, step: Kept[Any]
) -> tuple[Flight | None, Finished]:
    """The response on its way; or None if nobody waits, or it is too late already."""
    finished = Finished(flight, step.value)
    if flight.client == APPLICATION:
        return None, finished
    until = _until(model, state, flight, step.value)
    if model.scenario.punctual and state.now > until:
        return None, finished
    return attrs.evolve(flight, phase=Phase.ANSWERED, until=until), finished


def waits(model: Sessions, state: State) -> Moves:
    """Time goes by, over no request that would be late by it; over late responses it may."""
    for wait, length in model.budget.waits.items():
        if not model.budget.allows(state.left, wait):
            continue
        now, flights = state.now + length, state.flights
        if model.scenario.punctual:
            running = [f for f in flights if f.phase is Phase.RUNNING]
            if any(now > flight.sent_at + model.leeway for flight in running):
                continue
            flights = tuple([f for f in flights if f.phase is Phase.RUNNING or now <= f.until])
        left = model.budget.without(state.left, wait)
        yield Transition(wait, state._replace(now=now, flights=flights, left=left), (Waited(now),))


def _crashes(model: Sessions, state: State, flight: Flight) -> Moves:
    # Before the first effect nothing has happened yet: then it is as if it were never sent.
    if flight.is_under_way and model.budget.allows(state.left, "crash"):
        left = model.budget.without(state.left, "crash")
        crashed = _with(state, flight, None)._replace(left=left)
        yield Transition(f"the server of {flight.name} crashes", crashed)


def _comes_back(model: Sessions, state: State, flight: Flight) -> Moves:
    after, delivered = _delivered(model, state, flight)
    if flight.phase is Phase.COPY:
        move = f"the response to {flight.name} arrives once more"
        yield Transition(move, _with(after, flight, None), (delivered,))
        return
    move = f"the response to {flight.name} arrives"
    yield Transition(move, _with(after, flight, None), (delivered,))
    if model.budget.allows(state.left, "duplicate"):
        copy = attrs.evolve(flight, phase=Phase.COPY, tab=NOBODY)
        left = model.budget.without(state.left, "duplicate")
        doubled = _with(after, flight, copy)._replace(left=left)
        yield Transition(f"{move}, and will once more", doubled, (delivered,))
    if model.budget.allows(state.left, "loss"):
        left = model.budget.without(state.left, "loss")
        lost = _with(state, flight, None)._replace(left=left)
        yield Transition(f"the response to {flight.name} is lost", lost)


def _delivered(model: Sessions, state: State, flight: Flight) -> tuple[State, Delivered]:
    browser = state.browsers[flight.client]
    jar = model.received.get((browser.jar, flight.step))
    if jar is None:
        jar = model.jars(browser.jar.value.receive(flight.step.value.effects))
        model.received[browser.jar, flight.step] = jar
    changed = Browser(browser.name, jar, browser.is_honest)
    before, after = state.browsers[: flight.client], state.browsers[flight.client + 1 :]
    delivered = Delivered(flight, browser.jar, jar)
    return state._replace(browsers=(*before, changed, *after)), delivered


def _until(model: Sessions, state: State, flight: Flight, done: Any) -> int:
    # A refresh's response is late when the leeway of the rotation that made its token is over.
    session = done.state
    sent_at = flight.sent_at
    if flight.presented and isinstance(session, Session):
        issued = state.history.value.issued
        made = [one.at for one in issued if one.successor == session.refresh_token]
        sent_at = min(made, default=sent_at)
    return sent_at + model.leeway


def _after_reply(model: Sessions, state: State, world: Kept[Any], performed: Performed) -> State:
    flight, effect, reply, _ = performed
    history: History = state.history.value
    gone = {handle for handle in state.world.value.records if handle not in world.value.records}
    if gone:
        history = attrs.evolve(history, ended=history.ended | gone)
    match reply:
        case Revoked(handles) if flight.client == APPLICATION:
            history = attrs.evolve(history, revoked=history.revoked | set(handles))
        case Rotated() if flight.kind == "rekey":
            history = attrs.evolve(history, rekeyed=history.rekeyed | {effect.record.handle})
        case Rotated() if flight.presented:
            others = {one for one in history.last_used if one[0] != flight.handle}
            history = attrs.evolve(
                history,
                used=history.used | {flight.presented},
                last_used=frozenset(others | {(flight.handle, flight.sent_at)}),
            )
        case Established():
            born = {(effect.record.handle, flight.sent_at)}
            history = attrs.evolve(history, last_used=history.last_used | born)
        case Regenerated() if flight.patch and effect.handle not in history.rekeyed:
            history = history.with_merge(effect.handle, flight.patch)
        case _:
            pass
    return state._replace(world=world, history=model.histories(history))


def _after_end(model: Sessions, state: State, flight: Flight, performed: Performed) -> State:
    session = getattr(flight.step.value, "state", None)
    if not isinstance(session, Session) or not flight.presented or not session.refresh_token:
        return state
    history: History = state.history.value
    rotated = isinstance(performed.effect, Rotate)
    issued = Issued(
        presented=flight.presented,
        successor=str(session.refresh_token),
        at=flight.sent_at,
        number=flight.number,
    )
    known = {one.successor for one in history.successors(issued.presented)}
    if not rotated and issued.successor in known:
        return state  # the same again, nothing new
    changed = attrs.evolve(history, issued=history.issued | {issued})
    return state._replace(history=model.histories(changed))


def _with(state: State, flight: Flight, after: Flight | None) -> State:
    # The state with one request in the place of another, or without it.
    if after is None:
        flights = tuple([one for one in state.flights if one is not flight])
    else:
        flights = tuple([after if one is flight else one for one in state.flights])
    return state._replace(flights=flights)
