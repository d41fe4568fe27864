"""The small worlds that CI walks whole, and larger ones for whoever has the time."""

from __future__ import annotations

from datetime import timedelta

import attrs

from ...core import AntiCsrf, Lifetime
from .scenario import Scenario, small_policy

_PRO, _FREE = {"plan": "pro"}, {"plan": "free"}

SCENARIOS: dict[str, Scenario] = {
    "tabs": Scenario(
        tabs=3,
        access_expiries=2,
        losses=1,
        duplicates=1,
        crashes=1,
        merges=(_PRO,),
        revokes=1,
    ),
    "merges": Scenario(
        tabs=2,
        access_expiries=1,
        aborts=1,
        merges=(_PRO, _FREE),
        merges_at_hand=({"theme": "dark"},),
    ),
    "waits": Scenario(tabs=2, access_expiries=2, short_waits=1, long_waits=1, losses=1),
    # The first law has nothing to say here: a response that is late can't be told from a copy.
    "late responses": Scenario(
        tabs=2, access_expiries=2, long_waits=1, losses=1, duplicates=1, punctual=False
    ),
    "thief": Scenario(tabs=1, access_expiries=4, thefts=1, stolen_refreshes=4),
    "quick thief": Scenario(
        tabs=1, access_expiries=2, short_waits=1, long_waits=1, thefts=1, stolen_refreshes=3
    ),
    "two servers": Scenario(
        tabs=2,
        access_expiries=1,
        short_waits=1,
        long_waits=1,
        losses=1,
        clock_skew=timedelta(seconds=3),
    ),
    "two browsers": Scenario(
        browsers=2, tabs=1, access_expiries=2, losses=1, revokes_others=1, revokes_all=1
    ),
    # One tab: a refresh that another one has on its way when its session is re-keyed finds it over.
    "re-keying": Scenario(
        tabs=1, access_expiries=1, crashes=1, losses=1, rekeys=1, revokes=1, merges=(_PRO,)
    ),
    "re-keying and revoke all": Scenario(
        tabs=1, access_expiries=1, crashes=1, rekeys=1, revokes_all=1, merges=(_PRO,)
    ),
    "sign-out": Scenario(tabs=2, access_expiries=1, losses=1, sign_outs=1, merges=(_PRO,)),
    "expiry": Scenario(tabs=2, access_expiries=1, losses=1, idle_expiries=1, absolute_expiries=1),
    "absolute end": Scenario(
        policy=small_policy(lifetime=Lifetime(idle=timedelta(days=1), absolute=timedelta(days=1))),
        tabs=2,
        access_expiries=1,
        losses=1,
        idle_expiries=1,
    ),
    "headers": Scenario(tabs=2, access_expiries=2, losses=1, duplicates=1, transfer="header"),
    "anti-CSRF tokens": Scenario(
        policy=small_policy(anti_csrf=AntiCsrf.VIA_TOKEN),
        tabs=2,
        access_expiries=2,
        losses=1,
        duplicates=1,
    ),
}
"""What CI explores exhaustively, by name."""

_MORE = ("tabs", "access_expiries", "losses", "stolen_refreshes")


def deeper(scenario: Scenario) -> Scenario:
    """The same world with one more of what it has: tabs, generations, losses, stolen refreshes.

    It may be too large to be walked whole; then sample it. Where a session is re-keyed the tabs
    stay as many, for what another has on its way then is lost.
    """
    names = _MORE[1:] if scenario.rekeys else _MORE
    more = {name: getattr(scenario, name) for name in names}
    return attrs.evolve(scenario, **{name: n + 1 for name, n in more.items() if n})
