"""The simulator bites: every fault that is planted is found, by the law that it breaks."""

from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.adapters.simulation import (
    LAWS,
    REVEALING,
    Scenario,
    Sessions,
    explore,
    replay,
    story,
    walk,
)
from counterfoil.adapters.simulation.state import State
from counterfoil.effects import Mismatch
from counterfoil.effects.simulation import Law

from .planted import CORE, RULE, STORE, accepts_displaced_tokens, planted

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
    sound: Scenario = {**STORE, **RULE, **CORE}[fault][0]
    monkeypatch.undo()
    shipped = [one for one in REVEALING if fault.__name__.replace("_", " ") in one.faults]
    possible = as_far_as_possible(Sessions(sound), broken.moves)
    assert [(one.scenario, one.moves) for one in shipped] == [(sound, possible)]


def as_far_as_possible(model: Sessions, moves: tuple[str, ...]) -> tuple[str, ...]:
    """A fault may have made moves possible that are not, without it."""
    followed: list[str] = []
    try:
        for _, transition in walk(model, moves):
            followed.append(transition.move)
    except Mismatch:
        pass
    return tuple(followed)


def test_what_reveals_the_faults_breaks_every_law() -> None:
    broken = {law for _, law in [*STORE.values(), *RULE.values(), *CORE.values()]}
    assert {law.partition(" ")[0] for law in LAWS} == broken
    assert len(FAULTS) == sum(len(one.faults) for one in REVEALING)


def test_the_line_of_used_tokens_is_a_law_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # What breaks it breaks another one sooner, if that is looked at.
    scenario, _ = planted(accepts_displaced_tokens, monkeypatch)
    broken = explore(OneLine(scenario)).broken
    assert broken is not None
    assert broken.moves[-1] == "the server goes on with refresh 4"


class OneLine(Sessions):
    """A world that is looked at for this law alone."""

    @property
    def laws(self) -> tuple[Law[State], ...]:
        return tuple(law for law in super().laws if "form one line" in law.name)


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
