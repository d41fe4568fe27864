"""Small worlds of sessions, whose every interleaving can be explored.

model = Sessions(Scenario(tabs=3, access_expiries=2, losses=1))
found = explore(model)
if found.broken:
    print(story(model, found.broken))
"""

from ...effects.simulation import (
    Counterexample,
    Exploration,
    explore,
    replay,
    sample,
    schedule,
    story,
    walk,
)
from .laws import LAWS
from .machine import Interpret, unsigned
from .model import Sessions
from .on_stores import Script, run_on, script
from .revealing import REVEALING, Revealing
from .scenario import Scenario, small_policy
from .scenarios import SCENARIOS, deeper

__all__ = [
    "LAWS",
    "REVEALING",
    "SCENARIOS",
    "Counterexample",
    "Exploration",
    "Interpret",
    "Revealing",
    "Scenario",
    "Script",
    "Sessions",
    "deeper",
    "explore",
    "replay",
    "run_on",
    "sample",
    "schedule",
    "script",
    "small_policy",
    "story",
    "unsigned",
    "walk",
]
