"""Scenarios that can't be are refused, and what can't be compared is told apart."""

from datetime import timedelta
from typing import Any

import pytest

from counterfoil import SameSuccessor
from counterfoil.adapters.simulation import Scenario, Sessions, explore, small_policy
from counterfoil.effects import InvalidInput

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
