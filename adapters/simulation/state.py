"""A state of the simulation: the store, the jars, what is on its way, and what was seen so far."""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import attrs

from ...core.rotation import parse
from ...effects import Done, FrozenDict
from ..memory import World
from .jar import Jar
from .machine import Kept

APPLICATION = -1  # the client of what the application does itself
NOBODY = -1  # the tab of a request that nobody waits for


class Phase(IntEnum):
    """Where a request is."""

    RUNNING = 0
    """On a server, before its next effect."""
    ANSWERED = 1
    """Its response is on its way."""
    COPY = 2
    """Its response arrived once, and is on its way once more."""


def _key(flight: Flight) -> tuple[object, ...]:
    return (
        flight.client,
        flight.tab == NOBODY,
        flight.step.number,
        flight.sent_at,
        flight.doomed,
        flight.phase,
        flight.until,
        flight.is_under_way,
    )


@attrs.frozen(eq=False)
class Flight:
    """One request, from when it is sent until its response arrives, or nobody waits for it.

    Attributes:
        name: for the story.
        kind: what it asks for.
        client: the browser's place, or `APPLICATION`.
        tab: who waits for it, or `NOBODY`.
        step: where the operation is.
        sent_at: when it was sent, ms.
        presented: the refresh token that it carries, if it is a refresh.
        handle: of the session that it is about, if it is about one.
        number: tells its entropy from that of others who present the same token.
        doomed: why it must be refused, if that was plain when it was sent.
        phase: where it is.
        until: when its response is too late, ms.
        patch: what it merges, if it does.
        is_under_way: whether its first effect was carried out.
        key: what makes two requests one, whatever their names.
    """

    name: str
    kind: str
    client: int
    tab: int
    step: Kept[Any]
    sent_at: int
    presented: str | None = attrs.field(default=None, repr=False)
    handle: str = ""
    number: int = 0
    doomed: str = ""
    phase: Phase = Phase.RUNNING
    until: int = 0
    patch: FrozenDict | None = None
    is_under_way: bool = False
    key: tuple[object, ...] = attrs.field(
        init=False, default=attrs.Factory(_key, takes_self=True), repr=False
    )


@lru_cache(maxsize=4096)
def handle_of(token: str) -> str:
    """The handle that a refresh token names."""
    parsed = parse(token)
    return "" if parsed is None else parsed.handle


class Browser(NamedTuple):
    """A browser and its jar; the thief's is one too."""

    name: str
    jar: Kept[Jar]
    is_honest: bool = True


@attrs.frozen
class Issued:
    """A refresh token's successor, and the request that made it: when it was sent, its number."""

    presented: str = attrs.field(repr=False)
    successor: str = attrs.field(repr=False)
    at: int
    number: int


@attrs.frozen
class History:
    """What the laws need to know of the past.

    Attributes:
        issued: every successor that was answered.
        used: refresh tokens that a rotation accepted.
        merged: (handle, key, value) of the last merge of each key that was acknowledged.
        ended: handles whose record was there and is gone.
        revoked: handles that the application was told it revoked.
        rekeyed: handles that a re-keying has retired.
        last_used: (handle, when the last refresh that rotated it was sent); of a login, nothing.
        theft_used: whether a stolen token was presented.
    """

    issued: frozenset[Issued] = frozenset()
    used: frozenset[str] = frozenset()
    merged: frozenset[tuple[str, str, Hashable]] = frozenset()
    ended: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()
    rekeyed: frozenset[str] = frozenset()
    last_used: frozenset[tuple[str, int]] = frozenset()
    theft_used: bool = False

    def with_merge(self, handle: str, patch: FrozenDict) -> History:
        """The history after one more merge was acknowledged: the last one of a key counts."""
        others = {one for one in self.merged if one[0] != handle or one[1] not in patch}
        merged = others | {(handle, key, value) for key, value in patch.items()}
        return attrs.evolve(self, merged=frozenset(merged))

    def successors(self, token: str) -> frozenset[Issued]:
        """What was answered to a token."""
        return frozenset(one for one in self.issued if one.presented == token)

    def is_superseded(self, token: str) -> bool:
        """Whether a successor of the token was used."""
        return any(one.successor in self.used for one in self.successors(token))

    def is_displaced(self, token: str) -> bool:
        """Whether what it was the successor of has got another one since."""
        made = (one for one in self.issued if one.successor == token)
        return any(
            other.at > one.at and other.successor != token
            for one in made
            for other in self.successors(one.presented)
        )

    def ancestors(self, token: str) -> frozenset[str]:
        """The tokens that it descends from."""
        found: set[str] = set()
        reached = {token}
        while reached:
            parents = {one.presented for one in self.issued if one.successor in reached}
            reached = parents - found
            found |= parents
        return frozenset(found)


class State(NamedTuple):
    """The whole of a small world at one moment.

    `left` is what may still happen, by the place of its kind among the scenario's acts; `sent` is
    how many refreshes were, which only their names depend on.
    """

    now: int
    world: Kept[World]
    browsers: tuple[Browser, ...]
    flights: tuple[Flight, ...]
    history: Kept[History]
    left: tuple[int, ...]
    sent: int

    def key(self) -> Hashable:
        """Equal for states that differ in the names of tabs and requests only."""
        return (
            self.now,
            self.world,
            tuple([browser.jar for browser in self.browsers]),
            tuple(sorted([flight.key for flight in self.flights])),
            self.history,
            self.left,
        )


class Sent(NamedTuple):
    """A request was sent; `flaw` as the machine found it."""

    flight: Flight
    flaw: str | None


class Performed(NamedTuple):
    """A request's effect was carried out; `flaw` as the machine found it."""

    flight: Flight
    effect: Any
    reply: Any
    flaw: str | None


class Finished(NamedTuple):
    """A request came to its end on the server."""

    flight: Flight
    done: Done[Any]


class Delivered(NamedTuple):
    """A response reached a browser."""

    flight: Flight
    before: Kept[Jar]
    after: Kept[Jar]


class Waited(NamedTuple):
    """Time went by."""

    now: int
