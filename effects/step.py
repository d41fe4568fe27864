"""The shape of a computation: what is known so far, and what the world is asked next.

A `Step` is an `Ask` (one effect that expects a reply, and the frozen continuation that takes it)
or a `Done` (the final state, and the effects that expect no reply). Both unpack as
`state, effects`. An `Ask` is built only by `effect.then(continuation)`: that is what lets a type
checker refuse a continuation wired to the wrong reply.

A continuation is a frozen class with `__call__(reply) -> Step`. Never a lambda, a partial or a
bound method: none of those compares equal to its twin, and a step must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from .errors import Mismatch
from .rejection import Rejection

R = TypeVar("R")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")


class Pending(Enum):
    """The state of an `Ask` whose outcome nothing is known of yet."""

    PENDING = "pending"

    def __repr__(self) -> str:
        return "PENDING"


PENDING = Pending.PENDING


class Effect(Generic[R]):
    """Something asked of the world, as a value. `R` is the reply that it expects.

    Subclass it with `attrs.frozen` and name the replies, as in
    `class Load(Effect[SessionRecord | Missing])`.
    """

    __slots__ = ()

    def then(
        self, resume: Callable[[R], Step[S]], *, state: S | Rejection | Pending = PENDING
    ) -> Ask[S]:
        """Ask for this effect; `resume` is given its reply. `state` is what is known so far."""
        return Ask(state=state, effect=self, resume=resume)


@attrs.frozen
class Done(Generic[S_co]):
    """The end: the final state, and the effects that expect no reply, in order."""

    state: S_co | Rejection
    effects: tuple[Effect[None], ...] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.state, self.effects))

    def then(self, after: Callable[[S_co], Step[T]]) -> Step[T]:
        """Go on with the state, unless it is a rejection. Keeps the effects told so far."""
        if isinstance(self.state, Rejection):
            return Done(self.state, self.effects)
        return _preceded(self.effects, after(self.state))

    def always(self, after: Callable[[S_co | Rejection], Step[T]]) -> Step[T]:
        """Go on with the state, whatever it is. Keeps the effects told so far."""
        return _preceded(self.effects, after(self.state))


@attrs.frozen
class Ask(Generic[S_co]):
    """One question: an effect that expects a reply, and who takes it. Built by `Effect.then`."""

    state: S_co | Rejection | Pending
    effect: Effect[Any]
    resume: Callable[[Any], Step[S_co]]

    @property
    def effects(self) -> tuple[Effect[Any], ...]:
        """The one effect that is asked for."""
        return (self.effect,)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.state, self.effects))

    def then(self, after: Callable[[S_co], Step[T]]) -> Step[T]:
        """Go on with the final state once it is there, unless it is a rejection."""
        return Ask(PENDING, self.effect, _Then(self.resume, after))

    def always(self, after: Callable[[S_co | Rejection], Step[T]]) -> Step[T]:
        """Go on with the final state once it is there, whatever it is."""
        return Ask(PENDING, self.effect, _Always(self.resume, after))


Step: TypeAlias = Ask[S] | Done[S]


def play(step: Step[S], *script: tuple[Effect[Any], Any]) -> Done[S]:
    """Walk a step through a transcript of (effect, reply) pairs and give its end.

    Raises:
        Mismatch: the step asks for another effect than the script has next, asks for more, or
            ends before the script does.

    >>> from counterfoil.effects import Done, Effect, play
    >>> play(Done("over")).state
    'over'
    """
    for number, (expected, reply) in enumerate(script, start=1):
        if isinstance(step, Done):
            raise Mismatch(f"the step is over before line {number}, {expected!r}; it is {step!r}")
        if step.effect != expected:
            raise Mismatch(
                f"line {number} of the script\n  expects  {expected!r}\n  but asks {step.effect!r}"
            )
        step = step.resume(reply)
    if isinstance(step, Ask):
        raise Mismatch(f"the script is at its end, but the step asks {step.effect!r}")
    return step


@attrs.frozen
class _Then(Generic[S, T]):
    resume: Callable[[Any], Step[S]]
    after: Callable[[S], Step[T]]

    def __call__(self, reply: Any) -> Step[T]:
        return self.resume(reply).then(self.after)


@attrs.frozen
class _Always(Generic[S, T]):
    resume: Callable[[Any], Step[S]]
    after: Callable[[S | Rejection], Step[T]]

    def __call__(self, reply: Any) -> Step[T]:
        return self.resume(reply).always(self.after)


@attrs.frozen
class _Preceded(Generic[S]):
    effects: tuple[Effect[None], ...]
    resume: Callable[[Any], Step[S]]

    def __call__(self, reply: Any) -> Step[S]:
        return _preceded(self.effects, self.resume(reply))


def _preceded(effects: tuple[Effect[None], ...], step: Step[S]) -> Step[S]:
    if not effects:
        return step
    if isinstance(step, Done):
        return Done(step.state, effects + step.effects)
    return Ask(step.state, step.effect, _Preceded(effects, step.resume))
