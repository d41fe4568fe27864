"""The smallest worlds that show what can go wrong: one for each way in which requests meet."""

from __future__ import annotations

from datetime import timedelta

from ...core import AntiCsrf, Lifetime
from .scenario import Scenario, small_policy

_PRO, _FREE, _ADMIN = {"plan": "pro"}, {"plan": "free"}, {"role": "admin"}

TABS = Scenario(tabs=2, access_expiries=2, losses=1)
WAITS = Scenario(tabs=2, access_expiries=1, short_waits=1, long_waits=1, losses=1)
THIEF = Scenario(tabs=1, access_expiries=2, long_waits=1, thefts=1, stolen_refreshes=2)
MERGES = Scenario(tabs=1, access_expiries=1, merges=(_PRO, _ADMIN), revokes=1)
PLANS = Scenario(tabs=1, access_expiries=0, merges=(_PRO, _FREE))
REVOKES = Scenario(tabs=2, access_expiries=1, revokes=1, revokes_all=1)
REKEYS = Scenario(tabs=1, rekeys=1, revokes=1, merges=(_PRO,), crashes=1)
IDLE = Scenario(tabs=1, idle_expiries=1)
OTHERS = Scenario(browsers=2, tabs=1, access_expiries=1, revokes=1, revokes_others=1)
ENDS = Scenario(
    policy=small_policy(lifetime=Lifetime(idle=timedelta(days=1), absolute=timedelta(days=1))),
    tabs=1,
    access_expiries=1,
    idle_expiries=1,
)
GUARDED = Scenario(
    policy=small_policy(anti_csrf=AntiCsrf.VIA_TOKEN), tabs=1, access_expiries=2, losses=1
)
SIGN_OUT = Scenario(tabs=2, access_expiries=1, losses=1, sign_outs=1, transfer="header")
