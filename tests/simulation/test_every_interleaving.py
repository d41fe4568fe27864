"""The laws hold on every state that the shipped scenarios can reach."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from counterfoil.adapters.simulation import (
    SCENARIOS,
    Scenario,
    Sessions,
    deeper,
    explore,
    replay,
    sample,
    story,
    walk,
)
from counterfoil.adapters.simulation.state import Finished
from counterfoil.core import TokenTheftDetected
from counterfoil.effects import Mismatch

from .planted import rotation_loses_the_record

Runs = dict[str, Future[subprocess.CompletedProcess[str]]]


def simulated(name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "counterfoil", "simulate", name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """Every scenario walked by the command, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(simulated, name) for name in SCENARIOS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_laws_hold_in_every_interleaving(name: str, runs: Runs) -> None:
    run = runs[name].result()
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith("hold")
    print(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_laws_hold_in_chosen_schedules_of_a_larger_world(name: str) -> None:
    model = Sessions(deeper(SCENARIOS[name]))
    found = sample(model, seed=1, schedules=25)
    assert found.broken is None, story(model, found.broken)
    assert found.schedules == 25


def test_the_bounds_are_those_that_are_promised() -> None:
    tabs, thief = SCENARIOS["tabs"], SCENARIOS["thief"]
    assert (tabs.tabs, tabs.access_expiries) == (3, 2)
    assert tabs.merges
    assert all((tabs.revokes, tabs.losses, tabs.duplicates, tabs.crashes))
    assert (thief.thefts, thief.access_expiries, thief.stolen_refreshes) == (1, 4, 4)


def test_a_small_world_is_walked_whole() -> None:
    found = explore(Sessions(Scenario(tabs=2)))
    assert found.complete
    assert found.schedules == 41
    assert found.states < found.transitions


def test_who_of_several_equals_does_what_makes_no_other_state() -> None:
    model = Sessions(Scenario(tabs=2))
    expired = next(iter(model.moves(model.start()))).state
    (sent,) = [t.state for t in model.moves(expired) if "sends" in t.move]
    assert [t.move for t in model.moves(sent) if "sends" in t.move] == ["tab 2 sends refresh 2"]


def test_a_seed_gives_the_same_schedules_again() -> None:
    scenario = Scenario(tabs=3, access_expiries=2, losses=2)
    runs = [sample(Sessions(scenario), seed=7, schedules=20) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != sample(Sessions(scenario), seed=8, schedules=20)


def test_a_schedule_that_is_not_possible_says_what_is() -> None:
    with pytest.raises(Mismatch, match="the access token's life goes by"):
        replay(Sessions(Scenario()), ["tab 1 sends refresh 1"])


def test_a_story_tells_what_a_thief_holds() -> None:
    faulty = Scenario(tabs=1, thefts=1, stolen_refreshes=1, interpret=rotation_loses_the_record)
    model = Sessions(faulty)
    moves = (
        "somebody copies the browser's jar",
        "the thief sends refresh 1",
        "the server goes on with refresh 1",
        "the server goes on with refresh 1",
    )
    broken = replay(model, moves)
    assert broken is not None
    told = story(model, broken)
    assert "copies the browser's jar\n     the thief holds r0\n" in told
    assert "the thief sends refresh 1\n     it shows r0\n" in told


def test_responses_that_may_be_late_can_log_a_client_out() -> None:
    # Why law 1 has a premise: a late response can't be told from a copy of its token.
    late = Scenario(tabs=2, access_expiries=2, punctual=False)
    model = Sessions(late)
    moves = (
        "the access token's life goes by",
        "tab 1 sends refresh 1",
        "tab 2 sends refresh 2",
        "the server goes on with refresh 1",
        "the server goes on with refresh 1",
        "the response to refresh 1 arrives",
        "the access token's life goes by",
        "tab 1 sends refresh 3",
        "the server goes on with refresh 3",
        "the server goes on with refresh 3",
        "the server goes on with refresh 2",
        "the server goes on with refresh 2",
    )
    assert replay(model, moves) is None
    *_, (_, last) = walk(model, moves)
    (end,) = [one.done.state for one in last.happened if isinstance(one, Finished)]
    assert isinstance(end, TokenTheftDetected)
    strict = Sessions(Scenario(tabs=2, access_expiries=2))
    with pytest.raises(Mismatch):
        replay(strict, moves)
