"""The policy lab: what each rule of refresh-token rotation costs honest clients and thieves."""

from .counterfactual import Verdicts, under_leeway
from .measures import Measures, Settings, measure
from .rules import RULES

__all__ = ["RULES", "Measures", "Settings", "Verdicts", "measure", "under_leeway"]
