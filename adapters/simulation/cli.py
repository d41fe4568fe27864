"""`counterfoil simulate`: walk every interleaving of small worlds, and say what was found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from . import SCENARIOS, Counterexample, Scenario, Sessions, deeper, explore, sample, story


def add_simulate(commands: Any) -> None:
    """Add the command to the parser's commands."""
    simulate: argparse.ArgumentParser = commands.add_parser(
        "simulate",
        help="walk every interleaving of small worlds of sessions",
        description="Walks every schedule of small worlds (tabs, losses, crashes, merges, thieves) "
        "through the real engine and checks every law on every move.",
    )
    simulate.add_argument("scenario", nargs="*", help="one or more of: " + ", ".join(SCENARIOS))
    simulate.add_argument("--deeper", action="store_true", help="larger worlds; takes long")
    simulate.add_argument(
        "--schedules", type=int, metavar="N", help="follow N schedules that a seed chooses instead"
    )
    simulate.add_argument("--seed", type=int, metavar="N", help="of --schedules; 0 by default")
    simulate.set_defaults(run=simulated)


def simulated(options: argparse.Namespace) -> int:
    """Run the command: 0 if every law holds, 1 if one breaks, 2 for usage."""
    unknown = [name for name in options.scenario if name not in SCENARIOS]
    if unknown:
        known = ", ".join(repr(name) for name in SCENARIOS)
        print(f"counterfoil: no scenario {unknown[0]!r}; there are {known}.", file=sys.stderr)
        return 2
    if options.schedules is not None and options.schedules < 1:
        print("counterfoil: --schedules must be at least 1.", file=sys.stderr)
        return 2
    if options.seed is not None and options.schedules is None:
        print("counterfoil: --seed chooses --schedules: give their number too.", file=sys.stderr)
        return 2
    print(f"{'scenario':26} {'states':>11} {'moves':>11} {'schedules':>24}  laws")
    return max(_simulated(name, options) for name in options.scenario or SCENARIOS)


def _simulated(name: str, options: argparse.Namespace) -> int:
    scenario: Scenario = SCENARIOS[name]
    model = Sessions(deeper(scenario) if options.deeper else scenario)
    print(f"{name:26}", end=" ", flush=True)  # it may take minutes
    if options.schedules is None:
        found = explore(model)
    else:
        found = sample(model, seed=options.seed or 0, schedules=options.schedules)
    schedules = "without end" if found.schedules is None else f"{found.schedules:,}"
    verdict = "hold" if found.broken is None else "BROKEN"
    counts = f"{found.states:>11,} {found.transitions:>11,} {schedules:>24}"
    print(f"{counts}  {verdict}", flush=True)
    if found.broken is None:
        return 0
    _print_all(["", story(model, found.broken), "", "As a test:", ""])
    _print_all(_as_test(found.broken, name, is_deeper=options.deeper))
    return 1


def _as_test(broken: Counterexample, name: str, *, is_deeper: bool) -> list[str]:
    names = ["SCENARIOS", "Sessions", *(["deeper"] if is_deeper else [])]
    scenario = f'SCENARIOS["{name}"]'
    model = f"Sessions(deeper({scenario}))" if is_deeper else f"Sessions({scenario})"
    needed = f"from counterfoil.adapters.simulation import {', '.join(names)}"
    return [needed, broken.as_test(model)]


def _print_all(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
