"""A client that was given another session's tokens is told of that session alone."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import Ask, Done, Effect, Rejection, ResponseEffect, Session, Step
from counterfoil.core import strategies
from counterfoil.core.keeping import kept_by_client, told_to_keeper, untold
from counterfoil.effects.strategies import steps

SESSIONS = strategies.sessions()
OUTCOMES = SESSIONS | strategies.rejections() | st.booleans()


@attrs.frozen
class EndingIn:
    """A continuation that gives this state."""

    state: Any

    def __call__(self, _: object) -> Step[Any]:
        return Done(self.state)


def walked(step: Step[Any]) -> tuple[list[Effect[Any]], Done[Any]]:
    """What a step asks, whatever it is answered, and its end."""
    asked: list[Effect[Any]] = []
    while isinstance(step, Ask):
        asked.append(step.effect)
        step = step.resume(None)
    return asked, step


def without_response(end: Done[Any]) -> tuple[Effect[None], ...]:
    """What is told at an end to others than the client."""
    return tuple(effect for effect in end.effects if not isinstance(effect, ResponseEffect))


@given(steps(SESSIONS | st.booleans()))
def test_what_is_untold_is_done_all_the_same(step: Step[Any]) -> None:
    asked, end = walked(step)
    still, silent = walked(untold(step))
    assert still == asked
    assert silent.effects == without_response(end)
    if isinstance(end.state, Session):
        assert silent.state == attrs.evolve(end.state, attachment=None)
    else:
        assert silent.state == end.state


@given(steps(), OUTCOMES, st.uuids().map(str))
def test_a_keeper_is_told_what_gives_tokens_and_what_is_of_no_other_session(
    step: Step[Any], outcome: Any, kept: str
) -> None:
    ending = step.always(EndingIn(outcome))
    asked, end = walked(ending)
    still, told = walked(told_to_keeper(ending, kept))
    assert (still, told.state) == (asked, end.state)
    of_another = isinstance(outcome, Session | Rejection) and kept_by_client(outcome) is None
    assert told.effects == (without_response(end) if of_another else end.effects)


@given(steps(), OUTCOMES.filter(lambda outcome: getattr(outcome, "handle", None) is not None))
def test_a_keeper_is_told_all_of_its_own_session(step: Step[Any], outcome: Any) -> None:
    ending = step.always(EndingIn(outcome))
    assert walked(told_to_keeper(ending, outcome.handle)) == walked(ending)


@given(SESSIONS)
def test_a_client_keeps_the_session_whose_refresh_token_it_was_given(session: Session) -> None:
    given_one = session.attachment is not None and session.refresh_token is not None
    assert kept_by_client(session) == (session.handle if given_one else None)


@given(SESSIONS.map(lambda session: session.handle) | st.none() | st.booleans())
def test_what_is_no_session_gives_none_to_keep(outcome: object) -> None:
    assert kept_by_client(outcome) is None
