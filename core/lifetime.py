"""How long a session and its access tokens live."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import attrs

from ..effects import InvalidPolicy

_MILLISECOND = timedelta(milliseconds=1)


def positive_duration(
    instance: object, attribute: attrs.Attribute[timedelta], value: object
) -> None:
    """An attrs validator: a millisecond or more, never a bare number of who knows what.

    Raises:
        InvalidPolicy: it is something else.
    """
    if not isinstance(value, timedelta):
        raise InvalidPolicy(
            attribute.name,
            f"must be a datetime.timedelta, not {type(value).__name__}; "
            "write timedelta(minutes=15), so that the unit is said.",
        )
    if ms(value) <= 0:
        raise InvalidPolicy(attribute.name, "must be longer than zero, in whole milliseconds.")


def ms(duration: timedelta) -> int:
    """A duration in whole milliseconds.

    >>> ms(timedelta(seconds=1.5))
    1500
    """
    return duration // _MILLISECOND


@attrs.frozen(kw_only=True)
class Lifetime:
    """How long a session lives: chosen by the policy, or at login ("remember me").

    Attributes:
        access: an access token's life, and so how late a revocation may be noticed without
            asking the store.
        idle: how long the session lives without a refresh; each refresh starts it anew.
        absolute: how long it lives at all, whatever happens.

    The presets are the limits of NIST SP 800-63B-4 (2.1.3, 2.2.3, 2.3.3).

    Raises:
        InvalidPolicy: a bare number, a duration of zero or less, or an order that can't be:
            1 s <= access <= idle <= absolute.

    >>> Lifetime(idle=timedelta(days=30)).access
    datetime.timedelta(seconds=900)
    """

    access: timedelta = attrs.field(default=timedelta(minutes=15), validator=positive_duration)
    idle: timedelta = attrs.field(default=timedelta(days=14), validator=positive_duration)
    absolute: timedelta = attrs.field(default=timedelta(days=90), validator=positive_duration)

    AAL1: ClassVar[Lifetime]
    AAL2: ClassVar[Lifetime]
    AAL3: ClassVar[Lifetime]

    def __attrs_post_init__(self) -> None:
        if self.idle > self.absolute:
            raise InvalidPolicy("lifetime.idle", f"{self.idle} is beyond the absolute end.")
        if self.access < timedelta(seconds=1):
            raise InvalidPolicy("lifetime.access", f"{self.access} is below a token's unit, 1 s.")
        if self.access > self.idle:
            raise InvalidPolicy("lifetime.access", f"{self.access} is beyond the idle end.")


Lifetime.AAL1 = Lifetime(idle=timedelta(days=30), absolute=timedelta(days=30))
Lifetime.AAL2 = Lifetime(idle=timedelta(hours=1), absolute=timedelta(hours=24))
Lifetime.AAL3 = Lifetime(
    access=timedelta(minutes=5), idle=timedelta(minutes=15), absolute=timedelta(hours=12)
)
