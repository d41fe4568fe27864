"""Small worlds of sessions, whose every interleaving can be explored."""

from .model import Sessions
from .scenario import Scenario, small_policy

__all__ = ["Scenario", "Sessions", "small_policy"]
