"""What may still happen in a schedule: how often each act of a scenario is left."""

from __future__ import annotations

from typing import TypeAlias

from ...core.lifetime import ms
from .scenario import Scenario

Left: TypeAlias = tuple[int, ...]


class Budget:
    """The acts of a scenario, each with a place among the numbers of a state."""

    def __init__(self, scenario: Scenario) -> None:
        acts = {
            **{wait: times for wait, (times, _) in _waits(scenario).items()},
            "loss": scenario.losses,
            "duplicate": scenario.duplicates,
            "crash": scenario.crashes,
            "abort": scenario.aborts,
            **{f"merge {patch!r}": 1 for patch in scenario.merges},
            **{f"merge {patch!r} at hand": 1 for patch in scenario.merges_at_hand},
            "revoke one": scenario.revokes,
            "revoke all": scenario.revokes_all,
            "revoke others": scenario.revokes_others,
            "sign out": scenario.sign_outs,
            "rekey": scenario.rekeys,
            "theft": scenario.thefts,
            "stolen refresh": scenario.stolen_refreshes,
        }
        self._times = {act: times for act, times in acts.items() if times}
        self._places = {act: place for place, act in enumerate(self._times)}
        self.waits = {w: wait for w, (times, wait) in _waits(scenario).items() if times}
        """How long each wait is that may happen, ms."""

    @property
    def whole(self) -> Left:
        """Nothing has happened yet."""
        return tuple(self._times.values())

    def allows(self, left: Left, act: str) -> bool:
        """Whether an act may happen once more."""
        place = self._places.get(act)
        return place is not None and left[place] > 0

    def without(self, left: Left, act: str) -> Left:
        """What is left after an act."""
        place = self._places[act]
        return (*left[:place], left[place] - 1, *left[place + 1 :])

    def name(self, left: Left, act: str) -> str:
        """The act's name, numbered if it may happen more than once."""
        times = self._times[act]
        return act if times == 1 else f"{act} ({times - left[self._places[act]] + 1})"


def _waits(scenario: Scenario) -> dict[str, tuple[int, int]]:
    life, leeway = scenario.policy.lifetime, ms(scenario.policy.leeway)
    return {
        "half the leeway goes by": (scenario.short_waits, leeway // 2),
        "the leeway goes by": (scenario.long_waits, leeway + 1),
        "the access token's life goes by": (scenario.access_expiries, ms(life.access)),
        "the idle life goes by": (scenario.idle_expiries, ms(life.idle)),
        "the absolute life goes by": (scenario.absolute_expiries, ms(life.absolute)),
    }
