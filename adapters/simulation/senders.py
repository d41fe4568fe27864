"""Who sends requests: tabs whose access token has expired, the application, and a thief."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from ...core.lifetime import ms
from ...effects import Ask, FrozenDict
from ...effects.simulation import Transition
from . import requests
from .journeys import answered, goes_on
from .state import APPLICATION, NOBODY, Browser, Flight, History, Sent, State, handle_of

if TYPE_CHECKING:
    from .model import Sessions

Moves = Iterator[Transition[State]]


def sent_by_browsers(model: Sessions, state: State) -> Moves:
    """Each browser's next request, by the first of its tabs that waits for nothing.

    An honest tab refreshes when the access token in its jar has expired, as the frontend SDK does:
    it looks whether another tab has refreshed meanwhile. A thief refreshes whenever he likes.
    """
    for client, browser in enumerate(state.browsers):
        token, expires_at = model.held(browser.jar)
        tab = _idle_tab(model, state, client)
        if token is None or expires_at is None or tab is None:
            continue
        if not browser.is_honest:
            if model.budget.allows(state.left, "stolen refresh"):
                yield from _refreshes(model, _stolen(model, state), client, tab, token)
        elif state.now >= expires_at:
            yield from _refreshes(model, state, client, tab, token)
        elif client == 0:
            yield from _calls(model, state, tab)


def sent_by_application(model: Sessions, state: State) -> Moves:
    """What the application does by itself.

    A task reads nothing but the clock before its first effect, so it begins with that.
    """
    login, policy, now = model.logins[0], model.policy, state.now
    for patch in model.scenario.merges:
        merge = partial(requests.merge, login.handle, patch, policy, now)
        yield from _task(model, state, f"merge {patch!r}", merge, patch)
    yield from _task(model, state, "revoke one", partial(requests.revoke_one, login.handle, now))
    yield from _task(model, state, "revoke all", partial(requests.revoke_all, now))
    yield from _task(model, state, "revoke others", partial(requests.revoke_others, login, now))


def thefts(model: Sessions, state: State) -> Moves:
    """Somebody copies the first browser's jar."""
    victim = state.browsers[0]
    if model.budget.allows(state.left, "theft") and model.held(victim.jar)[0]:
        left = model.budget.without(state.left, "theft")
        thief = Browser("the thief", victim.jar, is_honest=False)
        stolen = state._replace(browsers=(*state.browsers, thief), left=left)
        yield Transition("somebody copies the browser's jar", stolen)


def _stolen(model: Sessions, state: State) -> State:
    history = state.history
    if not history.value.theft_used:
        history = model.histories(attrs.evolve(history.value, theft_used=True))
    return state._replace(history=history, left=model.budget.without(state.left, "stolen refresh"))


def _idle_tab(model: Sessions, state: State, client: int) -> int | None:
    busy = {flight.tab for flight in state.flights if flight.client == client}
    tabs = model.scenario.tabs if state.browsers[client].is_honest else 1
    return next((tab for tab in range(tabs) if tab not in busy), None)


def _refreshes(model: Sessions, state: State, client: int, tab: int, token: str) -> Moves:
    jar, policy = state.browsers[client].jar, model.policy
    sent = state.sent + 1
    number = _free_number(state, token)
    fresh = requests.entropy(f"{token} {number}")
    doomed = _doom(model, state, token)
    for server, now in _servers(model, state.now):
        flight = Flight(
            name=f"refresh {sent}",
            kind="refresh",
            client=client,
            tab=tab,
            step=state.world,
            sent_at=state.now,
            presented=token,
            handle=handle_of(token),
            number=number,
            doomed=doomed,
        )
        move = f"{_who(model, state, client, tab)} sends refresh {sent}{server}"
        begin = requests.Refresh(jar.value, policy, now, fresh)
        key = ("refresh", jar, now, number)
        yield _sent(model, state._replace(sent=sent), move, flight, key, begin)


def _calls(model: Sessions, state: State, tab: int) -> Moves:
    jar, policy, now = state.browsers[0].jar.value, model.policy, state.now
    for patch in model.scenario.merges_at_hand:
        merge = requests.MergeAtHand(jar, policy, now, patch)
        yield from _call(model, state, tab, f"merge {patch!r} at hand", merge, patch)
    yield from _call(model, state, tab, "sign out", requests.SignOut(jar, policy, now))
    rekey = requests.Rekey(jar, policy, now, requests.entropy("rekey"))
    yield from _call(model, state, tab, "rekey", rekey)


def _call(
    model: Sessions,
    state: State,
    tab: int,
    act: str,
    begin: Callable[[], Any],
    patch: FrozenDict | None = None,
) -> Moves:
    if model.budget.allows(state.left, act):
        name = model.budget.name(state.left, act)
        flight = Flight(
            name=name,
            kind=act,
            client=0,
            tab=tab,
            step=state.world,
            sent_at=state.now,
            handle=handle_of(model.held(state.browsers[0].jar)[0] or ""),
            patch=patch,
        )
        before = state._replace(left=model.budget.without(state.left, act))
        key = (act, state.browsers[0].jar, state.now)
        move = f"{_who(model, state, 0, tab)} asks to {name}"
        yield _sent(model, before, move, flight, key, begin)


def _task(
    model: Sessions,
    state: State,
    act: str,
    begin: Callable[[], Any],
    patch: FrozenDict | None = None,
) -> Moves:
    if not model.budget.allows(state.left, act):
        return
    name = model.budget.name(state.left, act)
    task = Flight(
        name=name,
        kind=act,
        client=APPLICATION,
        tab=NOBODY,
        step=state.world,
        sent_at=state.now,
        handle=model.logins[0].handle,
        patch=patch,
    )
    before = state._replace(left=model.budget.without(state.left, act))
    sent = _sent(model, before, "", task, (act, state.now), begin)
    for first in goes_on(model, sent.state, sent.state.flights[-1]):
        move = f"the application begins to {name}"
        yield Transition(move, first.state, sent.happened + first.happened)


def _sent(
    model: Sessions,
    state: State,
    move: str,
    flight: Flight,
    key: tuple[object, ...],
    begin: Callable[[], Any],
) -> Transition[State]:
    step, flaw = model.machine.begin(key, begin)
    flight = attrs.evolve(flight, step=step)
    sent = Sent(flight, flaw)
    if isinstance(step.value, Ask):
        return Transition(move, state._replace(flights=(*state.flights, flight)), (sent,))
    answer, finished = answered(model, state, flight, step)
    flights = state.flights if answer is None else (*state.flights, answer)
    return Transition(move, state._replace(flights=flights), (sent, finished))


def _free_number(state: State, token: str) -> int:
    # Its entropy must differ from that of whoever shows the same token now, or made its successor.
    # Otherwise the smallest will do: so that equal situations are equal states.
    taken = {one.number for one in state.history.value.successors(token)}
    taken |= {flight.number for flight in state.flights if flight.presented == token}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _doom(model: Sessions, state: State, token: str) -> str:
    history: History = state.history.value
    if history.is_superseded(token):
        return "its successor was used"
    handle = handle_of(token)
    if handle in history.ended or state.now >= model.expiry(handle, state):
        return "its session had ended"
    if history.is_displaced(token):
        return "another successor displaced it"
    return ""


def _servers(model: Sessions, now: int) -> Iterator[tuple[str, int]]:
    skew = ms(model.scenario.clock_skew)
    yield (" to server 1" if skew else ""), now
    if skew:
        yield " to server 2", now + skew


def _who(model: Sessions, state: State, client: int, tab: int) -> str:
    browser = state.browsers[client]
    if not browser.is_honest:
        return browser.name
    return f"tab {tab + 1}" + ("" if model.scenario.browsers == 1 else f" of {browser.name}")
