"""The explorer on toy models: shortest counterexamples, counts of schedules, seeds, shortening."""

from collections.abc import Hashable, Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.effects import InvalidInput, Mismatch
from counterfoil.effects.schedules import breach
from counterfoil.effects.simulation import (
    Counterexample,
    Law,
    Transition,
    explore,
    replay,
    sample,
    schedule,
    story,
    walk,
)

Pair = tuple[int, int]


@attrs.frozen
class TooFar:
    limit: int

    def __call__(self, before: Pair, transition: Transition[Pair]) -> str | None:
        return "too far" if sum(transition.state) >= self.limit else None


@attrs.frozen
class Steps:
    """Two counters up to a size, each counted on its own; `folded` takes them for alike."""

    size: int
    limit: int = 1000
    folded: bool = False
    endless: bool = False

    @property
    def laws(self) -> tuple[Law[Pair], ...]:
        return (
            Law("7 Never this: not looked at", TooFar(0), on=(str,)),
            Law("1 Not too far", TooFar(self.limit)),
        )

    def start(self) -> Pair:
        return 0, 0

    def moves(self, state: Pair) -> Iterator[Transition[Pair]]:
        left, right = state
        if left < self.size:
            yield Transition("left", (left + 1, right), (1,))
        if right < self.size:
            yield Transition("right", (left, right + 1))
        if self.endless and state != (0, 0):
            yield Transition("back", (0, 0))

    def key(self, state: Pair) -> Hashable:
        return tuple(sorted(state)) if self.folded else state

    def tell(self, before: Pair, transition: Transition[Pair]) -> str:
        return f"{transition.move}\nnow {transition.state}"


def test_every_state_is_walked_once_and_every_schedule_counted() -> None:
    found = explore(Steps(2))
    assert (found.states, found.transitions, found.schedules) == (9, 12, 6)  # 4 over 2
    assert found.complete
    assert found.broken is None
    assert found.longest == 4


@given(st.integers(0, 4))
def test_folding_what_differs_in_names_only_leaves_fewer_states(size: int) -> None:
    whole, folded = explore(Steps(size)), explore(Steps(size, folded=True))
    assert folded.states == (size + 1) * (size + 2) // 2
    assert whole.states == (size + 1) ** 2


@attrs.frozen
class Stays:
    """A state that its one move leads back to."""

    laws: tuple[Law[int], ...] = ()

    def start(self) -> int:
        return 0

    def moves(self, state: int) -> Iterator[Transition[int]]:
        yield Transition("stay", state)

    def key(self, state: int) -> Hashable:
        return state

    def tell(self, before: int, transition: Transition[int]) -> str:
        return transition.move


def test_a_move_back_to_the_start_is_one_move() -> None:
    found = explore(Stays())
    assert (found.states, found.transitions, found.schedules) == (1, 1, None)


def test_chance_does_not_repeat_itself() -> None:
    moves = schedule(Steps(60), seed=1)  # 16 of them are drawn at once
    assert moves[16:32] != moves[32:48]


@given(st.booleans())
def test_a_law_has_a_say_where_what_it_is_about_happens(on_left: bool) -> None:
    @attrs.frozen
    class Watched(Steps):
        @property
        def laws(self) -> tuple[Law[Pair], ...]:
            return (Law("No int", TooFar(0), on=(int,) if on_left else (str,)),)

    assert (explore(Watched(1)).broken is not None) is on_left


def test_outcomes_are_counted_by_schedules() -> None:
    assert explore(Steps(1), outcome=sum).outcomes == {2: 2}


@given(st.integers(1, 6))
def test_a_broken_law_is_told_by_a_shortest_schedule(limit: int) -> None:
    found = explore(Steps(3, limit=limit))
    assert found.broken is not None
    assert found.broken.law == "1 Not too far"
    assert len(found.broken.moves) == limit
    assert not found.complete
    assert found.schedules is None
    assert replay(Steps(3, limit=limit), found.broken.moves) == found.broken


@attrs.frozen
class Ends3:
    """Three ends, one of them to be had at once: schedules of odd and of even length."""

    laws: tuple[Law[str], ...] = ()

    def start(self) -> str:
        return ""

    def moves(self, state: str) -> Iterator[Transition[str]]:
        for move in {"": ("win", "on"), "on": ("win", "lose")}.get(state, ()):
            yield Transition(move, move if move == "on" else state + move)

    def key(self, state: str) -> Hashable:
        return state

    def tell(self, before: str, transition: Transition[str]) -> str:
        return f"from {before!r}: {transition.move}"


def test_ends_of_one_outcome_are_counted_together() -> None:
    found = explore(Ends3(), outcome=lambda state: state.endswith("win"))
    assert (found.schedules, found.outcomes) == (3, {True: 2, False: 1})


@attrs.frozen
class Leaves:
    """Told of the state before and of the move, not of what the move leads to."""

    state: str
    move: str

    def __call__(self, before: str, transition: Transition[str]) -> str | None:
        return "so it was" if (before, transition.move) == (self.state, self.move) else None


LOSING = Ends3(laws=(Law("2 Don't lose", Leaves("on", "lose")),))
LOST = Counterexample("2 Don't lose", "so it was", ("on", "lose"))


def test_a_law_is_told_the_state_before() -> None:
    found = explore(LOSING)
    assert found.broken == LOST
    assert (found.complete, found.longest) == (False, 2)
    assert replay(LOSING, LOST.moves) == LOST
    assert story(LOSING, LOST).splitlines()[3:] == ["  1  from '': on", "  2  from 'on': lose"]
    assert sample(LOSING, seed=0, schedules=99).broken == LOST
    [*_, (state, last)] = walk(LOSING, LOST.moves)
    assert breach(LOSING, state, last) == attrs.evolve(LOST, moves=("lose",))


def test_schedules_without_end_are_not_counted() -> None:
    found = explore(Steps(1, endless=True))
    assert found.complete
    assert found.schedules is None


def test_a_walk_can_be_cut_short() -> None:
    found = explore(Steps(9), most=5)
    assert not found.complete
    assert found.complete is False
    assert (found.states, found.longest) == (5, 1)
    assert explore(Steps(9), most=1).states == 3  # the moves of a state are looked at together
    assert explore(Steps(1), most=99).complete


def test_a_seed_chooses_schedules_and_what_breaks_is_shortened() -> None:
    found = sample(Steps(9, limit=4), seed=3, schedules=10)
    assert found.broken is not None
    assert len(found.broken.moves) == 4
    assert found == sample(Steps(9, limit=4), seed=3, schedules=10)


def test_what_no_move_can_be_left_out_of_is_left_as_it_is() -> None:
    found = sample(Steps(2), seed=1, schedules=3)
    assert found.broken is None
    assert (found.schedules, found.transitions, found.longest) == (3, 12, 4)
    assert found.complete is False


def test_the_states_of_a_sample_are_counted_once() -> None:
    assert sample(Steps(1), seed=1, schedules=1).states == 2
    assert sample(Steps(1), seed=1, schedules=99).states == 3
    assert sample(Steps(1, folded=True), seed=1, schedules=99).states == 2


def test_a_seed_gives_the_same_schedule_everywhere() -> None:
    letters = "".join(move[0] for move in schedule(Steps(20), seed=7))
    assert letters == "lrllllrrllrrrllrlllrrllllrllrlrlrrrrrrrr"
    other = "".join(move[0] for move in schedule(Steps(20), seed=8))
    assert other != letters


@given(st.integers(0, 99))
def test_the_first_schedule_of_a_sample_is_that_of_its_seed(seed: int) -> None:
    model = Steps(3, limit=6)
    found = sample(model, seed=seed, schedules=1)
    assert found.broken is not None
    assert found.broken.moves == schedule(model, seed=seed)


def test_each_schedule_of_a_sample_is_another() -> None:
    assert sample(Steps(9), seed=7, schedules=20).states > 60


def test_long_schedules_have_chance_enough() -> None:
    found = sample(Steps(30), seed=1, schedules=2)
    assert found.longest == 60


@attrs.frozen
class Detour:
    """`b` counts only after `a`; `idle` changes nothing but can't come twice."""

    @property
    def laws(self) -> tuple[Law[str], ...]:
        return (Law("1 Never ab", Ends()),)

    def start(self) -> str:
        return ""

    def moves(self, state: str) -> Iterator[Transition[str]]:
        for letter in "cab":
            if letter not in state and (letter != "b" or "a" in state):
                yield Transition(letter, state + letter)

    def key(self, state: str) -> Hashable:
        return state

    def tell(self, before: str, transition: Transition[str]) -> str:
        return transition.move


@attrs.frozen
class Ends:
    def __call__(self, before: str, transition: Transition[str]) -> str | None:
        return "ab" if {"a", "b"} <= set(transition.state) else None


@given(st.integers(0, 20))
def test_shortening_leaves_only_what_is_needed(seed: int) -> None:
    found = sample(Detour(), seed=seed, schedules=1)
    assert found.broken is not None
    assert found.broken.moves == ("a", "b")


def test_a_schedule_is_followed_and_told() -> None:
    model = Steps(2, limit=2)
    assert [t.state for _, t in walk(model, ["left", "right"])] == [(1, 0), (1, 1)]
    told = story(model, Counterexample("1 Not too far", "too far", ("left", "right")))
    assert told.splitlines() == [
        "Broken: 1 Not too far",
        "  too far",
        "",
        "  1  left",
        "     now (1, 0)",
        "  2  right",
        "     now (1, 1)",
    ]
    assert replay(Steps(2), ["left", "right"]) is None


def test_a_move_that_is_not_possible_is_refused_with_those_that_are() -> None:
    with pytest.raises(Mismatch, match=r"move 2, 'up', isn't possible here; what is:\n  left"):
        replay(Steps(2), ["left", "up"])
    with pytest.raises(Mismatch, match=r"what is:\n  left\n  right$"):
        replay(Steps(2), ["up"])
    with pytest.raises(Mismatch, match=r"what is: nothing: it is over$"):
        replay(Steps(0), ["left"])


def test_bounds_must_be_positive() -> None:
    with pytest.raises(InvalidInput, match="most must be at least 1, not 0"):
        explore(Steps(1), most=0)
    with pytest.raises(InvalidInput, match="schedules must be at least 1, not 0"):
        sample(Steps(1), seed=0, schedules=0)


def test_a_counterexample_is_a_test_to_paste() -> None:
    text = Counterexample("1 Not too-far!", "too far", ("left", "right")).as_test("MODEL")
    assert '"links ↔"' in Counterexample("a", "b", ("links ↔",)).as_test("MODEL")
    names: dict[str, object] = {"MODEL": Steps(3, limit=2)}
    exec(text, names)  # noqa: S102  # the text that a person would paste
    test = names["test_not_too_far"]
    assert callable(test)
    with pytest.raises(AssertionError):
        test()
