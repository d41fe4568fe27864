"""A scenario: who there is, what they may do, and how often what may go wrong does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import attrs

from ...core import Policy
from ...effects import FrozenDict, freeze_object
from .machine import Interpret, unsigned


def _patches(patches: Iterable[Mapping[str, object]]) -> tuple[FrozenDict, ...]:
    return tuple(freeze_object(patch) for patch in patches)


def small_policy(**settings: object) -> Policy:
    """A policy without jitter, so that equal moments give equal tokens."""
    return Policy("https://api.example.com", access_jitter=0.0, **settings)  # type: ignore[arg-type]  # a policy checks its settings itself


@attrs.frozen(kw_only=True)
class Scenario:
    """The bounds of a small world. Every number is how often a thing may happen in a schedule.

    Attributes:
        policy: the rules of its sessions.
        browsers: honest browsers, each with a session of its own, of one user.
        tabs: of each browser.
        access_expiries, short_waits, long_waits: times that the access lifetime goes by, half the
            leeway, and just more than the leeway.
        idle_expiries, absolute_expiries: times that a session's idle or whole life goes by.
        losses, duplicates, crashes, aborts: responses lost; responses that come twice; servers that
            stop between two effects; requests whose tab doesn't wait for them any more.
        merges: patches that the application merges by handle, each once.
        merges_at_hand: patches that a tab's own request merges, each once.
        revokes, revokes_all, revokes_others: acts of the application: the first browser's session,
            all of the user's, all but the first browser's.
        sign_outs, rekeys: requests of the first browser.
        thefts: copies of the first browser's jar that somebody takes.
        stolen_refreshes: refreshes with such a copy, whenever they like.
        transfer: how tokens travel, `cookie` or `header`.
        clock_skew: how far the second of two servers is ahead; zero for one server.
        punctual: whether a response that arrives at all arrives within the leeway.
        interpret: what carries out the effects of the store family.
    """

    policy: Policy = attrs.field(factory=small_policy)
    browsers: int = 1
    tabs: int = 2
    access_expiries: int = 1
    short_waits: int = 0
    long_waits: int = 0
    idle_expiries: int = 0
    absolute_expiries: int = 0
    losses: int = 0
    duplicates: int = 0
    crashes: int = 0
    aborts: int = 0
    merges: tuple[FrozenDict, ...] = attrs.field(default=(), converter=_patches)
    merges_at_hand: tuple[FrozenDict, ...] = attrs.field(default=(), converter=_patches)
    revokes: int = 0
    revokes_all: int = 0
    revokes_others: int = 0
    sign_outs: int = 0
    rekeys: int = 0
    thefts: int = 0
    stolen_refreshes: int = 0
    transfer: str = "cookie"
    clock_skew: timedelta = timedelta()
    punctual: bool = True
    interpret: Interpret = attrs.field(default=unsigned, repr=False)
