"""What is measured of a rule: false logouts, thieves who are never noticed, and writes.

False logouts are counted over schedules, all of them: several tabs present one refresh token, the
server answers in turn, and the responses reach the one cookie jar in any order or are lost; after
each that arrives, the application may or may not be called with the new access token. Then an
access lifetime goes by, and the jar's token is presented. Counts are interleavings, not
probabilities; the share at a loss rate weighs each schedule by what is lost in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from statistics import mean

import attrs

from ...core import Lifetime, Policy, RotationRule
from ...core.lifetime import ms
from ...effects import InvalidInput, Rejection
from .life import Life

_STEP = 100  # ms between two things that happen at about the same time


@attrs.frozen
class Settings:
    """What is chosen of the world in which rules are compared.

    Attributes:
        leeway: every rule's window.
        access: the access lifetime: how often a client refreshes.
        tabs: how many refreshes overlap, 1 to 4.
        loss_rate: the share of responses that are lost, 0 to 1.
        hours: for how long a thief goes on.
        phases: how many moments of the theft are tried, evenly spread over an access lifetime.
    """

    leeway: timedelta = timedelta(seconds=10)
    access: timedelta = timedelta(hours=1)
    tabs: int = 3
    loss_rate: float = 0.01
    hours: int = 12
    phases: int = 515

    def __attrs_post_init__(self) -> None:
        checks = {
            "leeway must be longer than nothing": self.leeway > timedelta(),
            "access must be longer than nothing, and a day at most": (
                timedelta() < self.access <= timedelta(days=1)
            ),
            "tabs must be 1 to 4 (more have too many schedules)": 1 <= self.tabs <= 4,
            "loss_rate must be 0 to 1": 0 <= self.loss_rate <= 1,
            "hours must be 1 to 1000": 1 <= self.hours <= 1000,
            "phases must be 1 to 100000": 1 <= self.phases <= 100_000,
        }
        for what, holds in checks.items():
            if not holds:
                field = what.partition(" ")[0]
                raise InvalidInput(f"{what}, not {getattr(self, field)}.")

    def policy(self, rule: RotationRule) -> Policy:
        """A policy under a rule, whose sessions outlive what is measured."""
        return Policy(
            "https://api.example.com",
            lifetime=Lifetime(
                access=self.access, idle=timedelta(days=900), absolute=timedelta(days=1000)
            ),
            leeway=self.leeway,
            access_jitter=0.0,
            rotation=rule,
        )


@attrs.frozen
class Share:
    """So many of so many."""

    bad: int
    all: int

    def __str__(self) -> str:
        return f"{self.bad}/{self.all}"


def percent(share: float, digits: int) -> str:
    """A share in per cent; what is not quite nothing, or not quite all, is never called so.

    >>> percent(0, 2), percent(0.000001, 2), percent(0.5, 1), percent(0.999999, 2)
    ('0.00%', '<0.01%', '50.0%', '>99.99%')
    """
    told, least = f"{share:.{digits}%}", 10.0**-digits
    if 0 < share < 1 and told in (f"{0:.{digits}%}", f"{1:.{digits}%}"):
        return f"<{least:.{digits}f}%" if share < 0.5 else f">{100 - least:.{digits}f}%"
    return told


@attrs.frozen
class Measures:
    """What a rule costs.

    Attributes:
        two, three: false logouts among the schedules of 2 and 3 overlapping refreshes.
        lossy: of 2 of which any may be lost.
        late_retry: whether a client is logged out that lost its response and tries again later.
        at_loss_rate: the share of false logouts with as many tabs and losses as chosen.
        unnoticed: thief phases that were never noticed.
        noticed_after: the mean time until the others were, ms; None if there were none.
        writes: of the store, for each refresh of one tab.
        shared_writes: the same, where as many tabs as chosen refresh at once.
    """

    two: Share
    three: Share
    lossy: Share
    late_retry: bool
    at_loss_rate: float
    unnoticed: Share
    noticed_after: float | None
    writes: float
    shared_writes: float


def measure(rule: RotationRule, settings: Settings) -> Measures:
    """Measure a rule."""
    policy = settings.policy(rule)
    noticed = [_noticed(policy, settings, phase) for phase in range(settings.phases)]
    times = [after for after in noticed if after is not None]
    return Measures(
        two=_logouts(policy, 2, losses=False),
        three=_logouts(policy, 3, losses=False),
        lossy=_logouts(policy, 2, losses=True),
        late_retry=_late_retry(policy),
        at_loss_rate=_rate(policy, settings),
        unnoticed=Share(len(noticed) - len(times), len(noticed)),
        noticed_after=mean(times) if times else None,
        writes=_writes(policy, 1),
        shared_writes=_writes(policy, settings.tabs),
    )


Delivery = tuple[int, bool]  # which response arrives, and whether its access token is used then


def _schedules(tabs: int, *, losses: bool) -> Iterator[tuple[Delivery, ...]]:
    for arriving in range(0 if losses else tabs, tabs + 1):
        for order in itertools.permutations(range(tabs), arriving):
            for used in itertools.product((False, True), repeat=arriving):
                yield tuple(zip(order, used, strict=True))


def _logs_out(policy: Policy, tabs: int, schedule: tuple[Delivery, ...]) -> bool:
    life, now = Life(policy), ms(policy.lifetime.access)
    answers = [life.refresh(life.first, now + tab * _STEP) for tab in range(tabs)]
    jar, now = life.first, now + tabs * _STEP
    for tab, is_used in schedule:
        answer, now = answers[tab], now + _STEP
        if isinstance(answer, Rejection):
            return True  # it has the jar cleared, or the application's page ask for a login
        jar = answer
        if is_used:
            life.verify(jar, now)
    return isinstance(life.refresh(jar, now + ms(policy.lifetime.access)), Rejection)


def _logouts(policy: Policy, tabs: int, *, losses: bool) -> Share:
    ends = [_logs_out(policy, tabs, s) for s in _schedules(tabs, losses=losses)]
    return Share(sum(ends), len(ends))


def _rate(policy: Policy, settings: Settings) -> float:
    # A schedule's weight: what arrives and what is lost, any order, used or not.
    rate, lossy, total = settings.loss_rate, 0.0, 0.0
    for schedule in _schedules(settings.tabs, losses=True):
        arrived = len(schedule)
        chance = (1 - rate) ** arrived * rate ** (settings.tabs - arrived)
        orders = len(list(itertools.permutations(range(arrived))))
        weight = chance / (orders * 2**arrived)
        total += weight
        lossy += weight * _logs_out(policy, settings.tabs, schedule)
    return lossy / total


def _late_retry(policy: Policy) -> bool:
    life, access = Life(policy), ms(policy.lifetime.access)
    life.refresh(life.first, access)  # and the response is lost
    return isinstance(life.refresh(life.first, access + 3_600_000), Rejection)


def _noticed(policy: Policy, settings: Settings, phase: int) -> int | None:
    # The user refreshes whenever the access token has expired; so does who copied the jar, a
    # phase later. Noticed is what revokes the session, at most `hours` after the theft.
    life, every = Life(policy), ms(policy.lifetime.access)
    user = thief = life.first
    offset = every * phase // settings.phases
    for turn in range(1, settings.hours * 3_600_000 // every + 1):
        for is_user, now in ((True, turn * every), (False, turn * every + offset)):
            answer = life.refresh(user if is_user else thief, now)
            if isinstance(answer, Rejection):
                return now - every if not life.world.records else None
            life.verify(answer, now)
            user, thief = (answer, thief) if is_user else (user, answer)
    return None


def _writes(policy: Policy, tabs: int) -> float:
    # All responses arrive in their order, and what the jar holds then is used, for a day of turns.
    life, every, asked = Life(policy), ms(policy.lifetime.access), 0
    jar = life.first
    for turn in range(1, 25):
        answers = [life.refresh(jar, turn * every + tab * _STEP) for tab in range(tabs)]
        asked += tabs
        held = [answer for answer in answers if not isinstance(answer, Rejection)]
        if len(held) < tabs:
            break
        jar = held[-1]
        life.verify(jar, turn * every + tabs * _STEP)
    return life.writes / asked
