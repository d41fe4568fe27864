"""What becomes of each act of a store that fails now and then: plans, as values.

A plan answers for every act by its number, so the same plan gives the same faults again. Nothing
here fails or waits: `faults.py` does, as it is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, Protocol

import attrs

from .errors import InvalidInput

_PART = 1 << 32  # a draw is one of so many equal parts of 1


@attrs.frozen
class Fate:
    """What becomes of one act.

    Attributes:
        fails: whether it is answered with `StoreUnavailable`: "before" it was done, so that nothing
            happened, or "after" it was done, which nobody is told; None if it is answered.
        delay: how long it waits first, seconds.
    """

    fails: Literal["before", "after"] | None = None
    delay: float = 0.0


SOUND = Fate()
BEFORE = Fate("before")
AFTER = Fate("after")


class Plan(Protocol):
    """Says what becomes of each act. Pure: asked the same, it answers the same."""

    def fate(self, number: int, act: str) -> Fate:
        """Of the act of this number, from 0 on, by its name, such as `swap`."""
        ...


@attrs.frozen
class Scripted:
    """The fates of the first acts, one by one; every later act is sound.

    >>> plan = Scripted((SOUND, AFTER))
    >>> [plan.fate(number, "load").fails for number in range(3)]
    [None, 'after', None]
    """

    fates: tuple[Fate, ...] = attrs.field(converter=tuple[Fate, ...])

    def fate(self, number: int, act: str) -> Fate:
        """That of this number."""
        return self.fates[number] if number < len(self.fates) else SOUND


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen(kw_only=True)
class Seeded:
    """Faults by chance, the same for the same seed.

    Attributes:
        seed: which of all the histories.
        before: how many of all acts fail before they are done, from 0 to 1.
        after: how many fail after they were done.
        delayed: how many of all acts wait first, whatever becomes of them then.
        longest: the longest that one waits, seconds; each waits a part of it.
        acts: the names of the acts that this is about; empty for all.

    Raises:
        InvalidInput: a share is none, or those that fail are more than all.

    >>> plan = Seeded(seed=7, before=0.25, after=0.25)
    >>> [plan.fate(number, "swap").fails for number in range(6)]
    ['after', None, 'before', None, 'before', None]
    """

    seed: int
    before: float = 0.0
    after: float = 0.0
    delayed: float = 0.0
    longest: float = 0.0
    acts: frozenset[str] = attrs.field(default=frozenset[str](), converter=_names)

    def __attrs_post_init__(self) -> None:
        """Refuse what is no share."""
        shares = (self.before, self.after, self.before + self.after, self.delayed)
        if not all(0 <= share <= 1 for share in shares):
            raise InvalidInput(
                "before, after and delayed are shares of all acts, from 0 to 1, and before and "
                f"after together too; not {self.before}, {self.after} and {self.delayed}."
            )
        if self.longest < 0:
            raise InvalidInput(f"longest is a time in seconds, not {self.longest}.")

    def fate(self, number: int, act: str) -> Fate:
        """That of this number, drawn from the seed."""
        if self.acts and act not in self.acts:
            return SOUND
        draws = sha256(f"{self.seed} {number} {act}".encode()).digest()
        failing, waits, long = (int.from_bytes(draws[n : n + 4]) / _PART for n in (0, 4, 8))
        delay = long * self.longest if waits < self.delayed else 0.0
        if failing < self.before:
            return Fate("before", delay)
        return Fate("after" if failing < self.before + self.after else None, delay)
