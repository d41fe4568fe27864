"""Small worlds of sessions, whose every interleaving can be explored.

model = Sessions(Scenario(tabs=3, access_expiries=2, losses=1))
found = explore(model)
if found.broken:
    print(story(model, found.broken))
"""

from ...effects.simulation import Counterexample, Exploration, explore, replay, sample, story
from .laws import LAWS
from .machine import Interpret, unsigned
from .model import Sessions
from .scenario import Scenario, small_policy
from .scenarios import SCENARIOS, deeper

__all__ = [
    "LAWS",
    "SCENARIOS",
    "Counterexample",
    "Exploration",
    "Interpret",
    "Scenario",
    "Sessions",
    "deeper",
    "explore",
    "replay",
    "sample",
    "small_policy",
    "story",
    "unsigned",
]
