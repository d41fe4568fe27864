"""Every interleaving of a small world, or as many as chance finds.

A `Model` says where a world begins, which moves are possible in a state and what each leads to.
`explore` walks all of them, each state once, breadth first: the first law that breaks is broken by
a shortest schedule. Past what can be walked, `sample` follows schedules that a seed chooses, and
shortens what it finds. Both are deterministic: a seed or a schedule gives the same run again.

Nothing here knows of sessions. A model of them, which drives the real operations over a store's
immutable world, is in `counterfoil.adapters.simulation`.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

import attrs

from .errors import InvalidInput
from .schedules import (
    Counterexample,
    Law,
    Model,
    Transition,
    breach,
    replay,
    shortened,
    story,
    walk,
)

__all__ = [
    "Counterexample",
    "Exploration",
    "Law",
    "Model",
    "Transition",
    "explore",
    "replay",
    "sample",
    "story",
    "walk",
]

S = TypeVar("S")


@attrs.frozen
class Exploration:
    """What was walked.

    Attributes:
        states: distinct states, those that differ in names only taken as one.
        transitions: moves between them.
        schedules: ways from the start to an end; None if a law broke, the walk was cut short, or
            there is no end to them.
        outcomes: by what the caller's `outcome` said of the ends, how many schedules lead there.
        longest: moves of the longest of the shortest ways to a state.
        broken: the law that broke first, if any.
        complete: whether everything that can be reached was.
    """

    states: int
    transitions: int
    schedules: int | None
    longest: int
    complete: bool
    outcomes: dict[Hashable, int] = attrs.field(factory=dict[Hashable, int], eq=False)
    broken: Counterexample | None = None


def explore(
    model: Model[S], *, most: int | None = None, outcome: Callable[[S], Hashable] | None = None
) -> Exploration:
    """Walk every schedule, each state once; stop at the first law that breaks, or at `most` states.

    Raises:
        InvalidInput: `most` is not positive.
    """
    if most is not None and most < 1:
        raise InvalidInput(f"most must be at least 1, not {most}.")
    return _Walk(model, most, outcome).all()


class _Walk(Generic[S]):
    """A walk over all states, in the order of their distance from the start.

    A state is forgotten once its moves are known; its number, and the move that first led to it,
    stay. The edges are kept as plain numbers, to count the schedules in the end.
    """

    def __init__(
        self, model: Model[S], most: int | None, outcome: Callable[[S], Hashable] | None
    ) -> None:
        self.model, self.most, self.outcome = model, most, outcome
        start = model.start()
        self.numbers: dict[Hashable, int] = {model.key(start): 0}
        self.level: list[tuple[int, S]] = [(0, start)]
        self.parents = array("q", [0])
        self.moves = [""]
        self.degrees = array("q")  # how many edges leave each state, in the order of numbers
        self.targets = array("q")
        self.ends: dict[int, Hashable] = {}

    def all(self) -> Exploration:
        """Walk level by level."""
        longest = 0
        while self.level:
            found: list[tuple[int, S]] = []
            for number, state in self.level:
                broken = self._step(number, state, found)
                if broken is not None:
                    return self._result(longest + 1, complete=False, broken=broken)
                if self.most is not None and len(self.numbers) >= self.most:
                    return self._result(longest, complete=False)
            self.level = found
            longest += bool(found)
        return self._result(longest, complete=True)

    def _step(self, number: int, state: S, found: list[tuple[int, S]]) -> Counterexample | None:
        model, numbers, before = self.model, self.numbers, len(self.targets)
        for transition in model.moves(state):
            broken = breach(model, state, transition)
            if broken is not None:
                return attrs.evolve(broken, moves=(*self._path(number), transition.move))
            key = model.key(transition.state)
            target = numbers.setdefault(key, len(numbers))
            if target == len(self.parents):
                self.parents.append(number)
                self.moves.append(transition.move)
                found.append((target, transition.state))
            self.targets.append(target)
        self.degrees.append(len(self.targets) - before)
        if len(self.targets) == before:
            self.ends[number] = self.outcome(state) if self.outcome else None
        return None

    def _path(self, number: int) -> tuple[str, ...]:
        moves: list[str] = []
        while number:
            moves.append(self.moves[number])
            number = self.parents[number]
        return tuple(reversed(moves))

    def _result(
        self, longest: int, *, complete: bool, broken: Counterexample | None = None
    ) -> Exploration:
        ways = self._ways() if complete else None
        outcomes: Counter[Hashable] = Counter()
        if ways is not None:
            for number, what in self.ends.items():
                outcomes[what] += ways[number]
        return Exploration(
            states=len(self.numbers),
            transitions=len(self.targets),
            schedules=None if ways is None else outcomes.total(),
            outcomes=dict(outcomes),
            longest=longest,
            broken=broken,
            complete=complete,
        )

    def _ways(self) -> list[int] | None:
        # How many schedules lead to each state: topologically, each after all that lead to it.
        count = len(self.parents)
        waiting = array("q", bytes(8 * count))
        for target in self.targets:
            waiting[target] += 1
        first = array("q", [0])
        for degree in self.degrees:
            first.append(first[-1] + degree)
        ways = [0] * count
        ways[0] = 1
        ready, done = [0], 0
        while ready:
            number = ready.pop()
            done += 1
            for edge in range(first[number], first[number + 1]):
                target = self.targets[edge]
                ways[target] += ways[number]
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
        return ways if done == count else None


def sample(model: Model[S], *, seed: int, schedules: int) -> Exploration:
    """Follow schedules that a seed chooses, each to its end or to the first law that breaks.

    What breaks one is shortened: no move can be left out of it. For a model whose schedules end.

    Raises:
        InvalidInput: `schedules` is not positive.
    """
    if schedules < 1:
        raise InvalidInput(f"schedules must be at least 1, not {schedules}.")
    seen: set[Hashable] = set()
    transitions = longest = followed = 0
    broken: Counterexample | None = None
    while broken is None and followed < schedules:
        moves: list[str] = []
        for state, transition in _chosen(model, seed, followed):
            moves.append(transition.move)
            broken = breach(model, state, transition)
            seen.add(model.key(transition.state))
            if broken is not None:
                break
        transitions, longest = transitions + len(moves), max(longest, len(moves))
        if broken is not None:
            broken = shortened(model, attrs.evolve(broken, moves=tuple(moves)))
        followed += 1
    return Exploration(
        states=len(seen),
        transitions=transitions,
        schedules=followed,
        longest=longest,
        broken=broken,
        complete=False,
    )


def schedule(model: Model[S], *, seed: int) -> tuple[str, ...]:
    """The moves of one whole schedule, the first that `sample` follows; whatever the laws say."""
    return tuple(transition.move for _, transition in _chosen(model, seed, 0))


def _chosen(model: Model[S], seed: int, number: int) -> Iterator[tuple[S, Transition[S]]]:
    chance = _chance(seed, number)
    state = model.start()
    while possible := list(model.moves(state)):
        transition = possible[next(chance) % len(possible)]
        yield state, transition
        state = transition.state


def _chance(seed: int, number: int) -> Iterator[int]:
    # A stream of numbers that is the same on every machine and version of Python.
    block = 0
    while True:
        bits = hashlib.blake2b(f"{seed}/{number}/{block}".encode()).digest()
        yield from (int.from_bytes(bits[at : at + 4]) for at in range(0, len(bits), 4))
        block += 1
