"""Steps are values, and `then` and `always` obey the laws of composition.

A law is observed: two steps are the same if they ask the same, tell the same, and end the same.
"""

import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.effects import PENDING, Ask, Done, Effect, Mismatch, Rejection, Step, play


@attrs.frozen
class Ping(Effect[int]):
    """Expects an int."""

    number: int


@attrs.frozen
class Tell(Effect[None]):
    """Expects nothing."""

    word: str


@attrs.frozen(auto_exc=False)
class Refused(Rejection):
    """A rejection of this file."""

    number: int


@attrs.frozen
class AfterPing:
    """Ends with the reply plus `add`."""

    add: int = 0

    def __call__(self, reply: int) -> Step[int]:
        return Done(reply + self.add, (Tell(f"pong {reply}"),))


@attrs.frozen
class Return:
    """The unit: ends with what it is given."""

    def __call__(self, state: Any) -> Step[Any]:
        return Done(state)


@attrs.frozen
class Add:
    """Ends with the state plus a number, telling a word."""

    number: int
    told: tuple[Effect[None], ...]

    def __call__(self, state: int) -> Step[int]:
        return Done(state + self.number, self.told)


@attrs.frozen
class AskMore:
    """Asks with the state, which is there to see, and adds the reply."""

    add: int

    def __call__(self, state: int) -> Step[int]:
        return Ping(state).then(AfterPing(self.add), state=state)


@attrs.frozen
class Refuse:
    """Ends in a rejection."""

    told: tuple[Effect[None], ...]

    def __call__(self, state: int) -> Step[int]:
        return Done(Refused(state), self.told)


@attrs.frozen
class AfterBoth:
    """`first`, and then `second`: what `step.then(first).then(second)` must equal."""

    first: Callable[[Any], Step[Any]]
    second: Callable[[Any], Step[Any]]

    def __call__(self, state: Any) -> Step[Any]:
        return self.first(state).then(self.second)


@attrs.frozen
class AlwaysBoth:
    """`first`, and `second` always."""

    first: Callable[[Any], Step[Any]]
    second: Callable[[Any], Step[Any]]

    def __call__(self, state: Any) -> Step[Any]:
        return self.first(state).always(self.second)


@attrs.frozen
class Recover:
    """Takes a rejection for its number, then goes on with `next`."""

    next: Callable[[int], Step[int]]

    def __call__(self, state: int | Rejection) -> Step[int]:
        return self.next(state if isinstance(state, int) else attrs.astuple(state)[-1])


NUMBERS = st.integers(0, 9)
TOLD = st.lists(st.builds(Tell, st.sampled_from("abc")), max_size=2).map(tuple)
AFTERS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Add, NUMBERS, TOLD), st.builds(AskMore, NUMBERS), st.builds(Refuse, TOLD)
)


def ping(number: int, add: int) -> Step[int]:
    return Ping(number).then(AfterPing(add))


def followed(step: Step[int], after: Callable[[int], Step[int]]) -> Step[int]:
    return step.then(after)


STEPS: st.SearchStrategy[Step[int]] = st.recursive(
    st.builds(Done[int], NUMBERS | st.builds(Refused, NUMBERS), TOLD)
    | st.builds(ping, NUMBERS, NUMBERS),
    lambda inner: st.builds(followed, inner, AFTERS),
    max_leaves=4,
)
Story: TypeAlias = tuple[list[tuple[Effect[Any], int]], Any]


def story(step: Step[Any]) -> Story:
    """All that can be observed: the questions (each answered by a fixed rule), and the end."""
    script: list[tuple[Effect[Any], int]] = []
    here = step
    while isinstance(here, Ask):
        assert isinstance(here.effect, Ping)
        script.append((here.effect, here.effect.number * 3 + 1))
        here = here.resume(script[-1][1])
    return script, play(step, *script)


def test_a_step_unpacks_as_state_and_effects() -> None:
    state, effects = Done("over", (Tell("a"),))
    assert (state, effects) == ("over", (Tell("a"),))
    state, effects = Ping(1).then(AfterPing())
    assert (state, effects) == (PENDING, (Ping(1),))
    state, effects = Ping(1).then(AfterPing(), state=5)
    assert (state, effects) == (5, (Ping(1),))
    assert repr(PENDING) == "PENDING"


@given(STEPS, AFTERS)
def test_equal_inputs_give_equal_steps(step: Step[int], after: Any) -> None:
    twin = pickle.loads(pickle.dumps((step, after)))  # noqa: S301  # what we pickled just now
    assert twin == (step, after)
    assert hash(twin) == hash((step, after))
    assert step.then(after) == twin[0].then(twin[1])
    assert step.always(Recover(after)) == twin[0].always(Recover(twin[1]))
    assert repr(twin) == repr((step, after))


@given(STEPS, AFTERS)
def test_while_a_step_waits_nothing_is_known_of_what_follows_it(
    step: Step[int], after: Any
) -> None:
    if isinstance(step, Ask):
        assert step.then(after).state is PENDING
        assert step.always(Recover(after)).state is PENDING


@given(NUMBERS, TOLD, AFTERS)
def test_what_was_told_before_hides_no_state(
    number: int, told: tuple[Effect[None], ...], after: Any
) -> None:
    assert Done(number, told).then(after).state == after(number).state
    assert Done(number, told).always(after).state == after(number).state


@given(NUMBERS, AFTERS)
def test_left_identity(number: int, after: Any) -> None:
    assert Done(number).then(after) == after(number)
    assert Done(number).always(after) == after(number)


@given(STEPS)
def test_right_identity(step: Step[int]) -> None:
    assert story(step.then(Return())) == story(step)
    assert story(step.always(Return())) == story(step)


@given(STEPS, AFTERS, AFTERS)
def test_then_is_associative(step: Step[int], first: Any, second: Any) -> None:
    assert story(step.then(first).then(second)) == story(step.then(AfterBoth(first, second)))


@given(STEPS, AFTERS, AFTERS)
def test_always_is_associative(step: Step[int], first: Any, second: Any) -> None:
    one, two = Recover(first), Recover(second)
    assert story(step.always(one).always(two)) == story(step.always(AlwaysBoth(one, two)))


@given(STEPS, AFTERS)
def test_effects_are_kept_in_order(step: Step[int], after: Any) -> None:
    asked, end = story(step)
    asked_after, end_after = story(step.then(after))
    assert asked_after[: len(asked)] == asked
    assert end_after.effects[: len(end.effects)] == end.effects


@given(NUMBERS, TOLD, AFTERS)
def test_a_rejection_ends_the_chain_and_keeps_what_was_told(
    number: int, told: tuple[Effect[None], ...], after: Any
) -> None:
    rejected: Done[int] = Done(Refused(number), told)
    assert rejected.then(after) == rejected


@given(NUMBERS, TOLD)
def test_always_goes_on_after_a_rejection(number: int, told: tuple[Effect[None], ...]) -> None:
    rejected: Done[int] = Done(Refused(number), told)
    assert rejected.always(Recover(Add(1, (Tell("z"),)))) == Done(number + 1, (*told, Tell("z")))


def test_what_was_told_before_a_question_is_told_after_its_answer() -> None:
    step = Done(1, (Tell("first"),)).then(AskMore(10))
    assert isinstance(step, Ask)
    assert step.effects == (Ping(1),)
    assert play(step, (Ping(1), 5)) == Done(15, (Tell("first"), Tell("pong 5")))


@given(STEPS)
def test_play_walks_a_true_transcript_to_the_end(step: Step[int]) -> None:
    script, end = story(step)
    assert play(step, *script) == end
    for line in range(len(script)):
        with pytest.raises(Mismatch, match="the script is at its end"):
            play(step, *script[:line])


def test_play_says_where_another_effect_is_asked() -> None:
    step = Ping(1).then(AskMore(0))
    with pytest.raises(Mismatch) as caught:
        play(step, (Ping(1), 2), (Ping(3), 0))
    assert str(caught.value) == (
        "line 2 of the script\n  expects  Ping(number=3)\n  but asks Ping(number=2)"
    )


def test_play_says_what_else_is_asked_at_the_end_of_the_script() -> None:
    with pytest.raises(Mismatch) as caught:
        play(Ping(1).then(AfterPing()))
    assert str(caught.value) == "the script is at its end, but the step asks Ping(number=1)"


def test_play_says_what_is_left_of_the_script() -> None:
    with pytest.raises(Mismatch) as caught:
        play(Done("over"), (Ping(1), 2))
    assert str(caught.value) == (
        "the step is over before line 1, Ping(number=1); it is Done(state='over', effects=())"
    )
    assert isinstance(caught.value, AssertionError)
