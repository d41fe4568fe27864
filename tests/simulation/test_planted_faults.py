"""The simulator bites: every fault that is planted is found, by the law that it breaks."""

from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.adapters.simulation import Scenario, Sessions, explore, replay, story

from .planted import CORE, RULE, STORE, planted

FAULTS = [*STORE, *RULE, *CORE]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(
    fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, law = planted(fault, monkeypatch)
    model = Sessions(scenario)
    broken = explore(model).broken
    assert broken is not None, "nothing was found"
    assert broken.law.startswith(law), story(model, broken)
    again = replay(Sessions(scenario), broken.moves)
    assert again is not None
    assert (again.law, again.moves) == (broken.law, broken.moves)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_without_the_fault_the_same_world_is_sound(fault: Callable[..., Any]) -> None:
    scenario: Scenario
    scenario, _ = {**STORE, **RULE, **CORE}[fault]
    found = _sound(scenario)
    assert found is None


_explored: dict[str, Any] = {}


def _sound(scenario: Scenario) -> Any:
    key = repr(scenario)
    if key not in _explored:
        _explored[key] = explore(Sessions(scenario)).broken
    return _explored[key]
