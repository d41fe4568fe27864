"""What a simulation is made of: a model and its laws, schedules of moves, and their stories."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import attrs

from .errors import Mismatch

S = TypeVar("S")


class Transition(NamedTuple, Generic[S]):
    """One move: its name, unique among the moves of its state; where it leads; what happened.

    `happened` is for the laws and the story: whatever the model tells of the move.
    """

    move: str
    state: S
    happened: tuple[Any, ...] = ()


@attrs.frozen
class Law(Generic[S]):
    """What must hold on every move.

    Attributes:
        name: what it says.
        breach: gives why a move breaks it, or None; it is told the state before, and the move.
        on: the types of what must have happened in a move for the law to have a say; None for any.
    """

    name: str
    breach: Callable[[S, Transition[S]], str | None] = attrs.field(repr=False)
    on: tuple[type[Any], ...] | None = None


class Model(Protocol[S]):
    """A small world, its moves and its laws."""

    @property
    def laws(self) -> tuple[Law[S], ...]:
        """What must hold on every move."""
        ...

    def start(self) -> S:
        """Where every schedule begins."""
        ...

    def moves(self, state: S) -> Iterable[Transition[S]]:
        """All that can happen next; none where a schedule ends."""
        ...

    def key(self, state: S) -> Hashable:
        """What makes two states one: equal for states that differ in names only."""
        ...

    def tell(self, before: S, transition: Transition[S]) -> str:
        """A move in words, for a story."""
        ...


@attrs.frozen
class Counterexample:
    """A schedule that breaks a law.

    Attributes:
        law: the law's name.
        why: what was wrong.
        moves: the schedule; the last move breaks the law.
    """

    law: str
    why: str
    moves: tuple[str, ...]

    def as_test(self, model: str) -> str:
        """The schedule as the text of a test that fails as long as the law breaks.

        `model` is the expression that gives the model in the test; import what it needs above.

        >>> print(Counterexample("1 All is well", "it isn't", ("a", "b")).as_test("MODEL"))
        from counterfoil.effects.simulation import replay
        <BLANKLINE>
        <BLANKLINE>
        def test_all_is_well() -> None:
            moves = (
                "a",
                "b",
            )
            assert replay(MODEL, moves) is None
        """
        words = "".join(c if c.isalnum() else " " for c in self.law.lower()).split()
        name = "_".join(word for word in words if not word.isdigit())
        # A JSON string is a Python one too, and in the quotes that formatters want.
        lines = "".join(f"        {json.dumps(move, ensure_ascii=False)},\n" for move in self.moves)
        return (
            "from counterfoil.effects.simulation import replay\n\n\n"
            f"def test_{name}() -> None:\n    moves = (\n{lines}    )\n"
            f"    assert replay({model}, moves) is None"
        )


def breach(model: Model[S], state: S, transition: Transition[S]) -> Counterexample | None:
    """The first law that a move breaks, without the way there."""
    happened: set[type[object]] = {type(one) for one in transition.happened}
    for law in model.laws:
        if law.on is not None and happened.isdisjoint(law.on):
            continue
        why = law.breach(state, transition)
        if why is not None:
            return Counterexample(law.name, why, (transition.move,))
    return None


def walk(model: Model[S], moves: Iterable[str]) -> Iterator[tuple[S, Transition[S]]]:
    """Follow a schedule: each state, and the move from it.

    Raises:
        Mismatch: a move isn't possible where the schedule has it; says which are.
    """
    state = model.start()
    for number, move in enumerate(moves, start=1):
        possible = list(model.moves(state))
        transition = next((one for one in possible if one.move == move), None)
        if transition is None:
            others = "".join(f"\n  {one.move}" for one in possible) or " nothing: it is over"
            raise Mismatch(f"move {number}, {move!r}, isn't possible here; what is:{others}")
        yield state, transition
        state = transition.state


def replay(model: Model[S], moves: Iterable[str]) -> Counterexample | None:
    """Follow a schedule again: the first law that breaks on the way, or None.

    Raises:
        Mismatch: a move isn't possible where the schedule has it.
    """
    followed: list[str] = []
    for state, transition in walk(model, moves):
        followed.append(transition.move)
        broken = breach(model, state, transition)
        if broken is not None:
            return attrs.evolve(broken, moves=tuple(followed))
    return None


def shortened(model: Model[S], broken: Counterexample) -> Counterexample:
    """The same law broken by a schedule that no move can be left out of."""
    for number in range(len(broken.moves)):
        fewer = broken.moves[:number] + broken.moves[number + 1 :]
        try:
            again = replay(model, fewer)
        except Mismatch:
            continue
        if again is not None and again.law == broken.law:
            return shortened(model, again)
    return broken


def story(model: Model[S], broken: Counterexample) -> str:
    """A counterexample as a person can read it: every move, and the law that it came to break."""
    lines = [f"Broken: {broken.law}", f"  {broken.why}", ""]
    for number, (state, transition) in enumerate(walk(model, broken.moves), start=1):
        first, *others = model.tell(state, transition).splitlines()
        lines.append(f"{number:>3}  {first}")
        lines += [f"     {line}" for line in others]
    return "\n".join(lines)
