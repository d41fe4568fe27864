"""A dry run: every effect that a step would carry out, while none is.

What is read is really read; what would be written gets the reply that it would get, predicted
from a read where it depends on one. A rehearsal is itself a step, which asks for reads only:
so any interpreter can carry it out, under `run` or `arun`.

Reads see the world as it is: what an earlier effect of the same step would have written isn't
there. A compare-and-swap is taken to succeed, and a new handle to be free.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import attrs

from .descriptions import (
    Establish,
    Established,
    FetchClaim,
    Listed,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    Replaced,
    ReplaceData,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Rotated,
    TooLarge,
)
from .errors import UnknownEffect
from .frozen import Secret, apply_patch, json_size
from .interpreter import Interpreter, run
from .record import SessionRecord
from .rejection import Rejection
from .step import Ask, Done, Effect, Step

S = TypeVar("S")

PLACEHOLDER = Secret("placeholder")
"""The access token of every reply that would hold one."""


@attrs.frozen
class DryRun(Generic[S]):
    """Where a step would end, a rejection included, and all effects that it would carry out."""

    outcome: S | Rejection
    effects: tuple[Effect[Any], ...]


def dry_run(step: Step[S], reads: Interpreter) -> DryRun[S]:
    """Walk a step to its end and carry out nothing.

    `reads` is asked for `Load`, `ListSessions` and `FetchClaim` only. For an asynchronous one:
    `await arun(rehearse(step), reads)`.

    Raises:
        UnknownEffect: an effect whose reply can't be predicted: none of this language.

    >>> from counterfoil.effects import Done, Revoke
    >>> dry_run(Done("over", (Revoke(("h",)),)), reads=None)
    DryRun(outcome='over', effects=(Revoke(handles=('h',)),))
    """
    return run(rehearse(step), reads)


def rehearse(step: Step[S]) -> Step[DryRun[S]]:
    """The dry run of a step, as a step that asks for reads only.

    Raises as `dry_run` does, here or when resumed.
    """
    return _rehearsed(step, ())


def _rehearsed(step: Step[S], before: tuple[Effect[Any], ...]) -> Step[DryRun[S]]:
    if isinstance(step, Done):
        return Done(DryRun(step.state, before + step.effects))
    return _informed(step, before, ())


def _informed(
    step: Ask[S], before: tuple[Effect[Any], ...], answers: tuple[Any, ...]
) -> Step[DryRun[S]]:
    questions = _questions(step.effect)
    if len(answers) < len(questions):
        return questions[len(answers)].then(_AfterRead(step, before, answers))
    reply = _predicted(step.effect, answers)
    return _rehearsed(step.resume(reply), (*before, step.effect))


@attrs.frozen
class _AfterRead(Generic[S]):
    step: Ask[S]
    before: tuple[Effect[Any], ...]
    answers: tuple[Any, ...]

    def __call__(self, answer: Any) -> Step[DryRun[S]]:
        return _informed(self.step, self.before, (*self.answers, answer))


def _questions(effect: Effect[Any]) -> tuple[Effect[Any], ...]:
    # What must be read before the reply to the effect is known.
    match effect:
        case Load() | ListSessions() | FetchClaim():
            return (effect,)
        case Establish() | Rotate():
            return ()
        case Regenerate(handle=handle) | ReplaceData(handle=handle):
            return (Load(handle),)
        case Revoke(handles):
            return tuple(Load(handle) for handle in handles)
        case RevokeUser(user_id, tenant_id):
            return (ListSessions(user_id, tenant_id),)
        case _:
            kind = type(effect).__name__
            raise UnknownEffect(f"a dry run can't tell what {kind} would be answered")


def _predicted(effect: Effect[Any], answers: tuple[Any, ...]) -> Any:
    match effect, answers:
        case Establish(), ():
            return Established(PLACEHOLDER)
        case Rotate(), ():
            return Rotated(PLACEHOLDER)
        case Regenerate(), (SessionRecord() as record,):
            return _regenerated(effect, record)
        case ReplaceData(), (SessionRecord(),):
            return Replaced()
        case Revoke(handles), _:
            found = zip(handles, answers, strict=True)
            there = [handle for handle, answer in found if not isinstance(answer, Missing)]
            return Revoked(tuple(dict.fromkeys(there)))
        case RevokeUser(keep=keep), (Listed(records),):
            return Revoked(tuple(r.handle for r in records if r.handle not in keep))
        case _:
            return answers[0]  # what a read found, or that the record is Missing


def _regenerated(effect: Regenerate, record: SessionRecord) -> Regenerated | TooLarge:
    payload = record.payload
    if effect.patch:  # an empty one writes nothing, so the limit can't refuse it
        payload = apply_patch(payload, effect.patch)
        if json_size(payload) > effect.limit:
            return TooLarge(payload)
    return Regenerated(payload, None if effect.claims is None else PLACEHOLDER)
