"""Schedules that reveal a fault, each a shortest one: what any store must get right.

Found by planting faults in the store, the rule and the core, one at a time (`tests/simulation`
plants them again, and compares). Between them they break every law.
"""

from __future__ import annotations

from textwrap import dedent

import attrs

from .revealing_worlds import (
    ENDS,
    GUARDED,
    IDLE,
    MERGES,
    OTHERS,
    PLANS,
    REKEYS,
    REVOKES,
    SIGN_OUT,
    TABS,
    THIEF,
    WAITS,
)
from .scenario import Scenario


@attrs.frozen
class Revealing:
    """A schedule of a small world.

    Attributes:
        faults: what it reveals, in words.
        scenario: the world; it is sound.
        moves: the schedule, as far as it is possible where nothing is wrong.
    """

    faults: tuple[str, ...]
    scenario: Scenario
    moves: tuple[str, ...]

    @classmethod
    def of(cls, scenario: Scenario, *faults: str, moves: str) -> Revealing:
        """A schedule written with one move a line."""
        return cls(faults, scenario, tuple(dedent(moves).strip().splitlines()))


# A line for each move, and none for brackets.
# fmt: off
REVEALING: tuple[Revealing, ...] = (
    Revealing.of(
        TABS,
        "swaps whatever is there",
        "lost race is the end",
        "lost race is ignored",
        "an operation raises",
        moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        tab 2 sends refresh 2
        the server goes on with refresh 1
        the server goes on with refresh 2
        the server goes on with refresh 1
        the server goes on with refresh 2
        """,
    ),
    Revealing.of(REVOKES, "swap inserts", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the application begins to revoke one
        the server goes on with refresh 1
    """),
    Revealing.of(MERGES, "merge inserts", moves="""
        the application begins to merge {'plan': 'pro'}
        the application begins to revoke one
        the server goes on with merge {'plan': 'pro'}
    """),
    Revealing.of(MERGES, "merge replaces", moves="""
        the application begins to merge {'plan': 'pro'}
        the application begins to merge {'role': 'admin'}
        the server goes on with merge {'plan': 'pro'}
        the server goes on with merge {'role': 'admin'}
    """),
    Revealing.of(PLANS, "first merge wins", moves="""
        the application begins to merge {'plan': 'pro'}
        the application begins to merge {'plan': 'free'}
        the server goes on with merge {'plan': 'pro'}
        the server goes on with merge {'plan': 'free'}
    """),
    Revealing.of(MERGES, "merge keeps the version", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the application begins to merge {'plan': 'pro'}
        the server goes on with refresh 1
        the server goes on with merge {'plan': 'pro'}
        the server goes on with refresh 1
    """),
    Revealing.of(REVOKES, "revoke only says so", moves="""
        the application begins to revoke one
    """),
    Revealing.of(REVOKES, "revoke user forgets one", moves="""
        the application begins to revoke all
    """),
    Revealing.of(
        TABS,
        "rotation loses the record",
        "looks at no mac",
        "retry is refused",
        "a step shows its token",
        moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        """,
    ),
    Revealing.of(MERGES, "merge loses the record", "merge only says so", moves="""
        the application begins to merge {'plan': 'pro'}
        the server goes on with merge {'plan': 'pro'}
    """),
    Revealing.of(OTHERS, "revoke others keeps none", "revoke others ends none", moves="""
        the application begins to revoke others
    """),
    Revealing.of(OTHERS, "revoke one ends all", moves="""
        the application begins to revoke one
    """),
    Revealing.of(ENDS, "absolute end is put off", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
    """),
    Revealing.of(TABS, "forks inside the leeway", "replay writes", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        tab 2 sends refresh 2
        the server goes on with refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 2
        the server goes on with refresh 2
    """),
    Revealing.of(WAITS, "never forks", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the leeway goes by
    """),
    Revealing.of(THIEF, "always replays", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the leeway goes by
        tab 1 sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
    """),
    Revealing.of(THIEF, "accepts the grandparent", "theft keeps the tokens", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        somebody copies the browser's jar
        the thief sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
        the response to refresh 2 arrives
        the thief sends refresh 3
        the server goes on with refresh 3
        the server goes on with refresh 3
        the server goes on with refresh 1
        the server goes on with refresh 1
    """),
    Revealing.of(THIEF, "accepts displaced tokens", moves="""
        somebody copies the browser's jar
        the thief sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the response to refresh 1 arrives
        the access token's life goes by
        tab 1 sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
        the thief sends refresh 3
        the server goes on with refresh 3
        the server goes on with refresh 3
    """),
    Revealing.of(THIEF, "overlooks displaced tokens", moves="""
        somebody copies the browser's jar
        the thief sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the response to refresh 1 arrives
        the access token's life goes by
        tab 1 sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
        the thief sends refresh 3
        the server goes on with refresh 3
    """),
    Revealing.of(WAITS, "salt is reused", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the leeway goes by
        tab 1 sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
    """),
    Revealing.of(THIEF, "theft revokes nothing", moves="""
        the access token's life goes by
        somebody copies the browser's jar
        the thief sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the response to refresh 1 arrives
        the thief sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
        tab 1 sends refresh 3
        the server goes on with refresh 3
    """),
    Revealing.of(IDLE, "expiry is not looked at", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
    """),
    Revealing.of(TABS, "entropy is hidden", "a record shows its key", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
    """),
    Revealing.of(REKEYS, "rekeying ignores revocation", moves="""
        tab 1 asks to rekey
        the server goes on with rekey
        the application begins to revoke one
        the server goes on with rekey
        the server goes on with rekey
    """),
    Revealing.of(REKEYS, "rekeying loses merges", moves="""
        tab 1 asks to rekey
        the application begins to merge {'plan': 'pro'}
        the server goes on with rekey
        the server goes on with rekey
        the server goes on with merge {'plan': 'pro'}
        the server goes on with rekey
        the server goes on with rekey
        the server goes on with rekey
    """),
    Revealing.of(SIGN_OUT, "a request raises", "sign out does nothing", moves="""
        tab 1 asks to sign out
    """),
    Revealing.of(GUARDED, "no csrf token matches", moves="""
        the access token's life goes by
    """),
    Revealing.of(GUARDED, "csrf token changes", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
        the server goes on with refresh 1
        the server goes on with refresh 1
        the response to refresh 1 is lost
        tab 1 sends refresh 2
        the server goes on with refresh 2
        the server goes on with refresh 2
        the response to refresh 2 arrives
    """),
    Revealing.of(SIGN_OUT, "sign out keeps the tokens", moves="""
        tab 1 asks to sign out
        the server goes on with sign out
    """),
    Revealing.of(TABS, "a token shows its secret", moves="""
        the access token's life goes by
        tab 1 sends refresh 1
    """),
)
# fmt: on
