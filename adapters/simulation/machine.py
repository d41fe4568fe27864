"""The real operations, advanced one effect at a time, and each advance made only once.

Operations, effects and worlds are values, so what an effect does to a world, and how the operation
goes on, is the same whenever the two meet. A schedule mostly brings together what others already
did: the machine remembers. It keeps one object for equal values, so that states of a simulation
are compared and hashed by identity.
"""

from __future__ import annotations

import pickle
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import attrs

from ...core import AccessToken, Session, Unverified, Verification
from ...core.access_token import access_token_of
from ...core.rotation import parse
from ...effects import Ask, Effect, Establish, Reason, Rotate, from_json
from ..memory import UnsignedTokens, World, interpret

T = TypeVar("T", bound=Hashable)

Interpret: TypeAlias = Callable[[World, Any], tuple[World, Any]]
"""Carries out an effect of the store family: the next world, and the reply. Pure."""


def unsigned(world: World, effect: Any) -> tuple[World, Any]:
    """Carry out an effect in the memory world, with tokens that nobody signs."""
    return interpret(world, effect, UnsignedTokens())


def verify_unsigned(token: str) -> Verification:
    """Take a token of `UnsignedTokens` for what it says."""
    _, mark, text = token.partition("unsigned:")
    claims = from_json(text) if mark else None
    if not isinstance(claims, dict):
        return Unverified(Reason.NOT_OURS)
    access: AccessToken = access_token_of(token, claims)
    return access


class Kept(Generic[T]):
    """The one object of a value: equal only to itself. `number` is its rank by first sight."""

    __slots__ = ("number", "value")

    def __init__(self, value: T, number: int) -> None:
        self.value, self.number = value, number


class Keeper(Generic[T]):
    """Gives the one object of each value."""

    def __init__(self) -> None:
        self._kept: dict[T, Kept[T]] = {}

    def __call__(self, value: T) -> Kept[T]:
        kept = self._kept.get(value)
        if kept is None:
            kept = self._kept[value] = Kept(value, len(self._kept))
        return kept


class Advance(NamedTuple):
    """An effect carried out, and the operation resumed with its reply.

    `flaw` says what was found wrong with the values themselves: a step that isn't the same again,
    or that shows a secret.
    """

    step: Kept[Any]
    world: Kept[World]
    effect: Effect[Any]
    reply: Any
    flaw: str | None


@attrs.frozen
class Raised:
    """The end of an operation that raised instead of ending in a value: the error's class and text.

    It is the reply too, where what carries out effects raised.
    """

    error: str
    state: None = None
    effects: tuple[()] = ()


class Machine:
    """Advances operations over worlds, and keeps what it saw."""

    def __init__(self, interpret: Interpret) -> None:
        self.interpret = interpret
        self.steps: Keeper[Any] = Keeper()
        self.worlds: Keeper[World] = Keeper()
        self.secrets: set[str] = set()
        self._advances: dict[tuple[Kept[Any], Kept[World]], Advance] = {}
        self._begun: dict[Hashable, tuple[Kept[Any], str | None]] = {}
        self._ends: dict[Hashable, tuple[Any, Kept[World]]] = {}

    def begin(self, key: Hashable, operation: Callable[[], Any]) -> tuple[Kept[Any], str | None]:
        """The step that an operation begins with, and its flaw, if any.

        `key` is what the operation follows from: equal for equal operations.
        """
        begun = self._begun.get(key)
        if begun is None:
            step = _caught(operation)
            flaw = None if isinstance(step, Raised) else self._flaw(step, operation())
            begun = self._begun[key] = self.steps(step), flaw
        return begun

    def advance(self, step: Kept[Any], world: Kept[World]) -> Advance:
        """Carry out the effect that a step asks for, and resume it."""
        advance = self._advances.get((step, world))
        if advance is None:
            advance = self._advances[step, world] = self._advanced(step.value, world.value)
        return advance

    def finish(
        self, key: Hashable, operation: Callable[[], Any], world: Kept[World]
    ) -> tuple[Any, Kept[World]]:
        """Carry out an operation at once and undisturbed: its end, and the world after it."""
        end = self._ends.get((key, world))
        if end is None:
            step, after = self.steps(_caught(operation)), world
            while isinstance(step.value, Ask):
                advance = self.advance(step, after)
                step, after = advance.step, advance.world
            end = self._ends[key, world] = step.value, after
        return end

    def _advanced(self, step: Ask[Any], world: World) -> Advance:
        carried_out = _caught(lambda: self.interpret(world, step.effect))
        if isinstance(carried_out, Raised):
            told = f"{carried_out.error} (interpret, at {type(step.effect).__name__})"
            raised = Raised(told)
            return Advance(self.steps(raised), self.worlds(world), step.effect, raised, None)
        after, reply = carried_out
        resumed = _caught(lambda: step.resume(reply))
        flaw = None
        if not isinstance(resumed, Raised):
            again = pickle.loads(pickle.dumps(step)).resume(reply)  # noqa: S301  # our own pickle
            flaw = self._flaw(resumed, again)
        return Advance(self.steps(resumed), self.worlds(after), step.effect, reply, flaw)

    def _flaw(self, step: Any, again: Any) -> str | None:
        if step != again or hash(step) != hash(again):
            if repr(step) == repr(again):
                return (
                    "equal inputs don't give an equal step: what it holds must compare by value "
                    f"(is a rule of rotation without __eq__?): {step!r}"
                )
            return f"not the same step again: {step!r} and {again!r}"
        self._learn(step)
        told = step.state if isinstance(step.state, Exception) else ""
        shown = f"{step!r} {told}"
        if any(secret in shown for secret in self.secrets):
            return "a token or a key is shown by the repr of a step, or by what it would raise"
        return None

    def _learn(self, step: Any) -> None:
        session, effect = step.state, getattr(step, "effect", None)
        if isinstance(session, Session):
            known = (session.refresh_token, session.access.token, session.anti_csrf_token)
            self.secrets.update(str(token) for token in known if token)
            refresh = parse(str(session.refresh_token or ""))
            if refresh is not None:
                self.secrets.update(_spellings(refresh.secret))
        if isinstance(effect, Establish | Rotate):
            record = effect.record
            for key in (record.mac_key, record.salt):
                self.secrets.update(() if key is None else _spellings(key))


def _caught(advance: Callable[[], Any]) -> Any:
    # Whatever it is, no operation may raise for what clients and stores say; nor may a rule or an
    # interpreter of the user's own.
    try:
        return advance()
    except Exception as error:
        return Raised(f"{type(error).__name__}: {error}")


def _spellings(key: bytes) -> tuple[str, ...]:
    return repr(key)[2:-1], key.hex(), b64encode(key).decode(), urlsafe_b64encode(key).decode()
