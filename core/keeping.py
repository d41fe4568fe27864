"""Of several sessions in one request, the one that the client keeps: whose tokens it got last.

A handler may log somebody in or re-key a session, and then do something with the session that the
request came with. It is done, but the client isn't told: to have it forget that session's tokens
would have it forget the new ones, which took their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..effects import Done, ResponseEffect, Step
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


def told_to_keeper(step: Step[S], handle: str) -> Step[S]:
    """What a client is told of a step, when it keeps the session of this handle.

    All, if the step ends in that session. Else nothing, and a session that it ends in isn't
    attached any more.

    >>> session = attrs.evolve(example_session(), attachment=Attachment(Transfer.HEADER))
    >>> told_to_keeper(Done(session, (SetHeader("front-token", "remove"),)), "another").effects
    ()
    """
    if not isinstance(step, Done):
        return step.effect.then(_ToldToKeeper(step.resume, handle))
    state = step.state
    if isinstance(state, Session):
        if state.handle == handle:
            return step
        state = attrs.evolve(state, attachment=None)
    kept = tuple(effect for effect in step.effects if not isinstance(effect, ResponseEffect))
    return Done(state, kept)


@attrs.frozen
class _ToldToKeeper(Generic[S]):
    resume: Callable[[Any], Step[S]]
    handle: str

    def __call__(self, reply: Any) -> Step[S]:
        return told_to_keeper(self.resume(reply), self.handle)
