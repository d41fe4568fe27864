"""A scenario: who there is, what they may do, and how often what may go wrong does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from ...core import Policy, Transfer
from ...effects import FrozenDict, InvalidInput, freeze_object
from .machine import Interpret, unsigned


def _patches(patches: Iterable[Mapping[str, object]]) -> tuple[FrozenDict, ...]:
    return tuple(freeze_object(patch) for patch in patches)


def small_policy(**settings: object) -> Policy:
    """A policy without jitter, so that equal moments give equal tokens."""
    return Policy("https://api.example.com", access_jitter=0.0, **settings)  # type: ignore[arg-type]  # a policy checks its settings itself


def _at_least(least: int) -> Callable[[Any, attrs.Attribute[Any], object], None]:
    def check(_: Any, field: attrs.Attribute[Any], value: object) -> None:
        if type(value) is not int or value < least:
            told = value if type(value) is int else type(value).__name__
            raise InvalidInput(f"{field.name} must be an int of at least {least}, not {told}.")

    return check


def _transfer(value: object) -> Transfer:
    if value not in tuple(Transfer):
        raise InvalidInput(f"transfer must be 'cookie' or 'header', not {value!r}.")
    return Transfer(str(value))


def _times() -> Any:
    return attrs.field(default=0, validator=_at_least(0))


def _different(_: Any, field: attrs.Attribute[Any], patches: tuple[FrozenDict, ...]) -> None:
    if len(set(patches)) != len(patches):
        raise InvalidInput(f"{field.name} must be different patches: each is merged once.")


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

    Raises:
        InvalidInput: what can't be: a negative number, no tab, a skew beyond the leeway, stolen
            refreshes without a theft.
    """

    policy: Policy = attrs.field(factory=small_policy)
    browsers: int = attrs.field(default=1, validator=_at_least(1))
    tabs: int = attrs.field(default=2, validator=_at_least(1))
    access_expiries: int = attrs.field(default=1, validator=_at_least(0))
    short_waits: int = _times()
    long_waits: int = _times()
    idle_expiries: int = _times()
    absolute_expiries: int = _times()
    losses: int = _times()
    duplicates: int = _times()
    crashes: int = _times()
    aborts: int = _times()
    merges: tuple[FrozenDict, ...] = attrs.field(
        default=(), converter=_patches, validator=_different
    )
    merges_at_hand: tuple[FrozenDict, ...] = attrs.field(
        default=(), converter=_patches, validator=_different
    )
    revokes: int = _times()
    revokes_all: int = _times()
    revokes_others: int = _times()
    sign_outs: int = _times()
    rekeys: int = _times()
    thefts: int = _times()
    stolen_refreshes: int = _times()
    transfer: Transfer = attrs.field(default=Transfer.COOKIE, converter=_transfer)
    clock_skew: timedelta = timedelta()
    punctual: bool = True
    interpret: Interpret = attrs.field(default=unsigned, repr=False)

    def __attrs_post_init__(self) -> None:
        if not timedelta() <= self.clock_skew < self.policy.leeway:
            raise InvalidInput(
                f"clock_skew must be less than the policy's leeway, {self.policy.leeway}, and not "
                f"negative; it is {self.clock_skew}."
            )
        if self.thefts > 1:
            raise InvalidInput(f"thefts must be 0 or 1, not {self.thefts}: there is one thief.")
        if self.stolen_refreshes and not self.thefts:
            raise InvalidInput("stolen_refreshes need a thief: give thefts=1.")
