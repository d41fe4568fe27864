"""Scenarios that can't be are refused, and what can't be compared is told apart."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil import SameSuccessor
from counterfoil.adapters.memory import World
from counterfoil.adapters.simulation import (
    Scenario,
    Sessions,
    explore,
    small_policy,
    story,
    unsigned,
)
from counterfoil.core import Verdict
from counterfoil.effects import InvalidInput, Regenerate, Rotate

IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"browsers": 0}, "browsers must be an int of at least 1, not 0"),
    ({"tabs": 0}, "tabs must be an int of at least 1, not 0"),
    ({"losses": -1}, "losses must be an int of at least 0, not -1"),
    ({"crashes": True}, "crashes must be an int of at least 0, not bool"),
    ({"rekeys": 1.5}, "rekeys must be an int of at least 0, not float"),
    ({"stolen_refreshes": 1}, "stolen_refreshes need a thief: give thefts=1"),
    ({"thefts": 2}, "thefts must be 0 or 1, not 2"),
    ({"transfer": "pigeon"}, "transfer must be 'cookie' or 'header', not 'pigeon'"),
    ({"clock_skew": timedelta(seconds=10)}, "clock_skew must be less than the policy's leeway"),
    ({"clock_skew": timedelta(seconds=-1)}, "clock_skew .* not negative; it is -1 day"),
    ({"merges": ({"a": 1}, {"a": 1})}, "merges must be different patches"),
    ({"merges_at_hand": ({}, {})}, "merges_at_hand must be different patches"),
]


@pytest.mark.parametrize(("settings", "told"), IMPOSSIBLE)
def test_a_world_that_can_not_be_is_refused(settings: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        Scenario(**settings)


class Plain:
    """counterfoil's rule in a class without `__eq__`."""

    def judge(self, *args: Any, **kwargs: Any) -> Any:
        return SameSuccessor().judge(*args, **kwargs)


def test_a_rule_that_does_not_compare_by_value_is_told_so() -> None:
    broken = explore(Sessions(Scenario(policy=small_policy(rotation=Plain())))).broken
    assert broken is not None
    assert "must compare by value (is a rule of rotation without __eq__?)" in broken.why


@attrs.frozen
class Raises:
    """A rule that raises."""

    def judge(self, *_: Any, **__: Any) -> Any:
        raise KeyError("generation 7")


@attrs.frozen
class Forgets:
    """A rule that forgets to return its verdict."""

    def judge(self, *_: Any, **__: Any) -> Any:
        return None


@attrs.frozen
class RaisesOnForgeries:
    """counterfoil's rule, which raises for a token that was not issued."""

    def judge(self, *args: Any, **kwargs: Any) -> Any:
        verdict = SameSuccessor().judge(*args, **kwargs)
        if verdict is Verdict.FORGED:
            raise ValueError("forged")
        return verdict


EXPIRED = "the access token's life goes by"


@pytest.mark.parametrize(("rule", "told"), [(Raises(), "KeyError"), (Forgets(), "AssertionError")])
def test_a_rule_that_raises_or_gives_no_verdict_is_told_with_the_schedule(
    rule: Any, told: str
) -> None:
    broken = explore(Sessions(Scenario(policy=small_policy(rotation=rule)))).broken
    assert broken is not None
    assert (broken.law, broken.moves) == ("0 No operation raises", (EXPIRED,))
    assert f"the browser's next refresh would raise {told}" in broken.why


def test_a_rule_that_raises_on_forgeries_is_told_by_its_error() -> None:
    rule = RaisesOnForgeries()
    broken = explore(Sessions(Scenario(policy=small_policy(rotation=rule)))).broken
    assert broken is not None
    assert broken.why == "a forged refresh token raised ValueError: forged"


def rotation_raises(world: World, effect: Any) -> tuple[World, Any]:
    if isinstance(effect, Rotate):
        raise LookupError("no such column")
    return unsigned(world, effect)


def merge_raises(world: World, effect: Any) -> tuple[World, Any]:
    if isinstance(effect, Regenerate):
        raise LookupError("no such column")
    return unsigned(world, effect)


def login_raises(world: World, effect: Any) -> tuple[World, Any]:
    raise LookupError("no such table")


def test_an_interpreter_that_raises_is_told_with_the_schedule() -> None:
    broken = explore(Sessions(Scenario(interpret=rotation_raises))).broken
    assert broken is not None
    assert (broken.law, broken.moves) == ("0 No operation raises", (EXPIRED,))
    assert broken.why.endswith("raise LookupError: no such column (interpret, at Rotate)")


def test_the_story_tells_where_an_interpreter_raised() -> None:
    model = Sessions(Scenario(merges=({"plan": "pro"},), interpret=merge_raises))
    broken = explore(model).broken
    assert broken is not None
    assert broken.law == "0 No operation raises"
    assert story(model, broken).splitlines()[-2:] == [
        "     Regenerate with {'plan': 'pro'}  ->  Raised",
        "     raises LookupError: no such column (interpret, at Regenerate)",
    ]


def test_an_interpreter_that_raises_at_the_login_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"login, and that raised LookupError: no such table"):
        Sessions(Scenario(interpret=login_raises))
