"""The laws of DESIGN section 7 as predicates: each gives why a move breaks it, or None.

They speak of what clients and applications can see: tokens, answers, what a retry would give. None
knows how the engine decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from ...core import Session, TokenTheftDetected, Unauthorised
from ...core.lifetime import ms
from ...core.rotation import mint, parse
from ...effects import Rotate
from ...effects.simulation import Transition
from .endings import ends, ends_the_session, is_over, of_kind
from .machine import Raised
from .state import Finished, Performed, Sent, State, handle_of
from .telling import end_name

if TYPE_CHECKING:
    from .model import Sessions

T = TypeVar("T")


def nothing_raises(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """No operation raises for anything that clients, servers and the network can do.

    A rule and an interpreter of the user's own may not either; nor in a client's next refresh,
    where the first law looks at it.
    """
    for finished in of_kind(transition, Finished):
        if isinstance(finished.done, Raised):
            return f"{finished.flight.name} raised {finished.done.error}"
    state = transition.state
    if state.history.value.theft_used or not model.scenario.punctual:
        return None
    for browser in state.browsers:
        if browser.is_honest and model.held(browser.jar)[0]:
            end = model.refreshed(browser.jar, state)
            if isinstance(end, Raised):
                return f"{browser.name}'s next refresh would raise {end.error}"
    return None


def clients_stay_logged_in(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """An honest browser can refresh as long as its session lives, and is not logged out.

    Not once a thief has used what he copied; nor where responses may be later than the leeway.
    """
    state = transition.state
    if state.history.value.theft_used or not model.scenario.punctual:
        return None
    for finished in ends(transition):
        if isinstance(finished.done.state, TokenTheftDetected):
            return f"{finished.flight.name}, an honest one, is taken for a theft"
    for earlier, browser in zip(before.browsers, state.browsers, strict=False):
        if not browser.is_honest:
            continue
        had, token = model.held(earlier.jar)[0], model.held(browser.jar)[0]
        end = model.refreshed(browser.jar, state).state if token else None
        if token and not isinstance(end, Session) and not is_over(model, token, state):
            told = f"{browser.name}'s session lives, and its next refresh would be refused"
            return f"{told} ({end_name(model, end)})"
        if had and token is None and not is_over(model, had, before):
            return f"{browser.name} is logged out, and its session lives"
    return None


def same_token_same_answer(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """All who present one token within the leeway of its rotation get equal refresh tokens."""
    history = transition.state.history.value
    for new in history.issued - before.history.value.issued:
        answers = history.successors(new.presented)
        end = min(one.at for one in answers) + model.leeway
        if len({one.successor for one in answers if one.at <= end}) > 1:
            return "one refresh token was answered with two different ones within the leeway"
    return None


def late_answers_differ(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """After the leeway a token's first successor is not given again: it may be another's by now."""
    longest = model.leeway + 2 * ms(model.scenario.clock_skew)
    for finished in ends(transition):
        flight, session = finished.flight, finished.done.state
        if flight.presented is None or not isinstance(session, Session):
            continue
        for one in before.history.value.successors(flight.presented):
            if one.successor == session.refresh_token and flight.sent_at > one.at + longest:
                return f"{flight.name} was given what another was given before the leeway"
    return None


def rotations_make_new_tokens(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """What a rotation or a fork gives was nobody's before."""
    if not any(isinstance(one.effect, Rotate) for one in of_kind(transition, Performed)):
        return None
    known = {one.successor for one in before.history.value.issued}
    for finished in ends(transition):
        session = finished.done.state
        if isinstance(session, Session) and session.refresh_token in known:
            return f"{finished.flight.name} made a refresh token that was issued before"
    return None


COPIES = ("its successor was used", "another successor displaced it")


def copies_betray(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """Who shows a token that isn't its line's last any more has a copy: it ends the session."""
    for finished in ends(transition):
        flight, end = finished.flight, finished.done.state
        if flight.doomed not in COPIES:
            continue
        shown = f"{flight.name} showed a copy ({flight.doomed})"
        if isinstance(end, Session):
            return f"{shown}, and was answered"
        if not ends_the_session(end):
            return f"{shown}: nobody noticed"
        if flight.handle in transition.state.world.value.records:
            return f"{shown}, and the session lives"
    return None


def one_line_of_tokens(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """Two holders of different tokens can't both go on: those that were used form one line."""
    history = transition.state.history.value
    for token in history.used - before.history.value.used:
        line = history.ancestors(token) | {token}
        for other in history.used - line:
            if handle_of(other) == handle_of(token) and token not in history.ancestors(other):
                return "two refresh tokens were accepted, and neither descends from the other"
    return None


def forgeries_change_nothing(
    model: Sessions, before: State, transition: Transition[State]
) -> str | None:
    """A token that was not issued is refused, and changes no record."""
    state = transition.state
    if state.world is before.world:
        return None
    for browser in state.browsers:
        for forged in _forgeries(model.held(browser.jar)[0] or ""):
            done, after = model.probe(forged, state)
            if isinstance(done, Raised):
                return f"a forged refresh token raised {done.error}"
            if after is not state.world:
                return "a forged refresh token changed the store"
            if not isinstance(done.state, Unauthorised):
                return "a forged refresh token was not refused"
    return None


def merges_are_kept(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """What was merged is in the payload; of one key, what was acknowledged last.

    A store merges in one act, so of two merges the one that it did later is the later one, also
    where they overlap. Re-keying takes it along; what it has retired doesn't count any more.
    """
    records = transition.state.world.value.records
    history = transition.state.history.value
    heirs = {
        finished.done.state.handle
        for finished in ends(transition)
        if finished.flight.kind == "rekey" and isinstance(finished.done.state, Session)
    }
    for handle, key, value in history.merged:
        for holder in {handle, *heirs} - history.rekeyed:
            record = records.get(holder)
            if record is not None and record.payload.get(key) != value:
                return f"the merge of {key!r} was acknowledged, and is not in the payload"
    return None


def values_are_values(model: Sessions, before: State, transition: Transition[State]) -> str | None:
    """Equal inputs give equal steps, after a round trip through pickle too; no secret is shown."""
    flaws = (one.flaw for one in transition.happened if isinstance(one, Sent | Performed))
    return next((flaw for flaw in flaws if flaw is not None), None)


@lru_cache(maxsize=4096)
def _forgeries(token: str) -> tuple[str, ...]:
    genuine = parse(token)
    if genuine is None:
        return ()
    return tuple(
        mint(handle=genuine.handle, generation=generation, secret=secret, mac_key=bytes(32))
        for generation, secret in (
            (genuine.generation, bytes(32)),
            (genuine.generation + 1, genuine.secret),
            (0, genuine.secret),
        )
    )
