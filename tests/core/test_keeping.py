"""A client that was given another session's tokens is told of that session alone."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import Ask, Done, Effect, ResponseEffect, Session, Step
from counterfoil.core import strategies
from counterfoil.core.keeping import kept_by_client, told_to_keeper
from counterfoil.effects.strategies import steps

SESSIONS = strategies.sessions()


@attrs.frozen
class EndingIn:
    """A continuation that gives this session."""

    session: Session

    def __call__(self, _: object) -> Step[Session]:
        return Done(self.session)


def walked(step: Step[Any]) -> tuple[list[Effect[Any]], Done[Any]]:
    """What a step asks, whatever it is answered, and its end."""
    asked: list[Effect[Any]] = []
    while isinstance(step, Ask):
        asked.append(step.effect)
        step = step.resume(None)
    return asked, step


@given(steps(SESSIONS | st.booleans()), st.uuids().map(str))
def test_what_is_of_another_session_is_done_and_not_told(step: Step[Any], kept: str) -> None:
    asked, end = walked(step)
    still, untold = walked(told_to_keeper(step, kept))
    assert still == asked
    assert untold.effects == tuple(e for e in end.effects if not isinstance(e, ResponseEffect))
    if isinstance(end.state, Session):
        assert untold.state == attrs.evolve(end.state, attachment=None)
    else:
        assert untold.state == end.state


@given(steps(SESSIONS), SESSIONS)
def test_what_ends_in_the_kept_session_is_told(step: Step[Any], session: Session) -> None:
    ending = step.always(EndingIn(session))
    assert walked(told_to_keeper(ending, session.handle)) == walked(ending)


@given(SESSIONS)
def test_a_client_keeps_the_session_whose_refresh_token_it_was_given(session: Session) -> None:
    given_one = session.attachment is not None and session.refresh_token is not None
    assert kept_by_client(session) == (session.handle if given_one else None)


@given(SESSIONS.map(lambda session: session.handle) | st.none() | st.booleans())
def test_what_is_no_session_gives_none_to_keep(outcome: object) -> None:
    assert kept_by_client(outcome) is None
