"""The loops that carry a step out, and the composition of interpreters by effect family.

`run` and `arun` are the only places that loop. An interpreter has one method, `perform(effect)`,
which gives the effect's reply; under `arun` it may give an awaitable of it instead.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs
from anyio import to_thread

from .errors import UnknownEffect
from .rejection import Rejection
from .step import Ask, Effect, Step

S = TypeVar("S")

Family: TypeAlias = type[Any] | UnionType


class Interpreter(Protocol):
    """Carries out effects. Called with one of its family, gives that effect's reply."""

    def perform(self, effect: Any, /) -> Any:
        """Carry the effect out and give its reply; under `arun`, perhaps an awaitable of it."""
        ...


def run(step: Step[S], interpreter: Interpreter) -> S:
    """Carry a step out and give its final state.

    Raises:
        Rejection: the step ended in one; raised after its effects were carried out.
        UnknownEffect: an effect that the interpreter doesn't take.
        StoreUnavailable: the store failed.

    >>> from counterfoil.effects import Done, run
    >>> run(Done("over"), interpreter=None)
    'over'
    """
    while isinstance(step, Ask):
        step = step.resume(interpreter.perform(step.effect))
    for effect in step.effects:
        interpreter.perform(effect)
    return _outcome(step.state)


async def arun(step: Step[S], interpreter: Interpreter) -> S:
    """Carry a step out on any event loop (asyncio, trio) and give its final state.

    Raises as `run` does.
    """
    while isinstance(step, Ask):
        step = step.resume(await _reply(interpreter.perform(step.effect)))
    for effect in step.effects:
        told = interpreter.perform(effect)
        if told is not None:
            await _reply(told)
    return _outcome(step.state)


@attrs.frozen
class ByFamily:
    """Several interpreters as one: each effect goes to the first whose family it belongs to.

    >>> from counterfoil.effects import Announce, ByFamily, ResponseEffect
    >>> ByFamily().perform(Announce(None))
    Traceback (most recent call last):
    counterfoil.effects.errors.UnknownEffect: no interpreter for Announce; give one for its family
    """

    routes: tuple[tuple[Family, Interpreter], ...] = ()

    def perform(self, effect: Effect[Any]) -> Any:
        """Hand the effect to the interpreter of its family.

        Raises:
            UnknownEffect: no family takes it.
        """
        for family, interpreter in self.routes:
            if isinstance(effect, family):
                return interpreter.perform(effect)
        kind = type(effect).__name__
        raise UnknownEffect(f"no interpreter for {kind}; give one for its family")


@attrs.frozen
class InThread:
    """A blocking interpreter for async callers: each effect runs in a worker thread.

    A cancelled caller still waits for the act under way, so none is left half observed.
    """

    blocking: Interpreter

    async def perform(self, effect: Effect[Any]) -> Any:
        """Carry the effect out in a worker thread."""
        return await to_thread.run_sync(self.blocking.perform, effect)


def _outcome(state: S | Rejection) -> S:
    if isinstance(state, Rejection):
        raise state.raised()
    return state


async def _reply(reply: Any) -> Any:
    return await reply if hasattr(reply, "__await__") else reply
