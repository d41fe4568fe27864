"""Of several sessions in one request, the one that the client keeps: whose tokens it got last.

A handler may log somebody in or re-key a session, and then do something with the session that the
request came with. It is done, but the client isn't told: to have it forget that session's tokens
would have it forget the new ones, which took their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..effects import Done, Effect, Rejection, ResponseEffect, Step
from .session import Session

S = TypeVar("S")


def kept_by_client(outcome: object) -> str | None:
    """The handle of the session that an operation ended in, if it gave the client its tokens.

    >>> kept_by_client(example_session()) is None
    True
    """
    if not isinstance(outcome, Session) or outcome.attachment is None:
        return None
    return None if outcome.refresh_token is None else outcome.handle


def told_to_keeper(step: Step[S], kept: str) -> Step[S]:
    """A step as a client is told of it that keeps the session of this handle.

    All, unless it ends in a refusal or in a session, neither of that one, and gives no tokens.

    >>> cleared = (SetHeader("front-token", "remove"),)
    >>> over = Unauthorised(Reason.SESSION_GONE, handle="its own", clear_tokens=True)
    >>> len(told_to_keeper(Done(over, cleared), "its own").effects)
    1
    >>> told_to_keeper(Done(over, cleared), "another's").effects
    ()
    """
    if not isinstance(step, Done):
        return step.effect.then(_ToldToKeeper(step.resume, kept))
    state = step.state
    of_one = isinstance(state, Session | Rejection)
    if of_one and getattr(state, "handle", None) != kept and kept_by_client(state) is None:
        return Done(state, _without_response(step))
    return step


def untold(step: Step[S]) -> Step[S]:
    """A step as a client is told of it that keeps another session: not at all.

    A session that it ends in isn't attached any more.

    >>> untold(Done(None, (SetHeader("front-token", "remove"),))).effects
    ()
    """
    if not isinstance(step, Done):
        return step.effect.then(_Untold(step.resume))
    state = step.state
    if isinstance(state, Session):
        state = attrs.evolve(state, attachment=None)
    return Done(state, _without_response(step))


@attrs.frozen
class _ToldToKeeper(Generic[S]):
    resume: Callable[[Any], Step[S]]
    kept: str

    def __call__(self, reply: Any) -> Step[S]:
        return told_to_keeper(self.resume(reply), self.kept)


@attrs.frozen
class _Untold(Generic[S]):
    resume: Callable[[Any], Step[S]]

    def __call__(self, reply: Any) -> Step[S]:
        return untold(self.resume(reply))


def _without_response(step: Done[Any]) -> tuple[Effect[None], ...]:
    return tuple(effect for effect in step.effects if not isinstance(effect, ResponseEffect))
