"""Where commands go: which server has a slot, and how many replicas must have a write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs

from ..effects import InvalidInput
from .redis_driver import exceptions, key_slot
from .redis_errors import Hung, NotReplicated, Unread, not_done
from .redis_rounds import Address, Call, Words
from .redis_server import RedisServer

SLOTS = Call("CLUSTER", "", ("SLOTS",))
_MILLISECOND = timedelta(milliseconds=1)
_UNASKED = "the write was done, but its server doesn't wait for replicas at present."
_UNREAD = "the connection to Redis ended before it answered."


@attrs.frozen
class RedisDurability:
    """How many replicas must have a write before it counts (Redis: `WAIT`).

    A write that they don't confirm in time raises `StoreUnavailable`: it was done on the primary,
    and may or may not survive a failover.

    Attributes:
        replicas: how many, at least 1. Asked of all replicas of a primary, a failover to any of
            them loses nothing that was acknowledged; asked of fewer, Redis prefers the one that is
            furthest, but can't always have it.
        timeout: how long to wait for them, at least 1 ms.

    Raises:
        InvalidInput: less than that.
    """

    replicas: int = 1
    timeout: timedelta = timedelta(seconds=1)

    def __attrs_post_init__(self) -> None:
        if self.replicas < 1 or self.timeout < _MILLISECOND:
            raise InvalidInput("durability asks for at least one replica and at least 1 ms.")

    @property
    def words(self) -> Words:
        """The command."""
        return "WAIT", self.replicas, self.timeout // _MILLISECOND

    def judged(self, reply: Any, confirmed: Any) -> Any:
        """The reply to a write, now that it's known how many replicas have it."""
        if isinstance(reply, Exception):
            return reply
        if isinstance(confirmed, Exception):  # a refusal to wait is none of the write
            return NotReplicated(_UNASKED) if not_done(confirmed) else confirmed
        if confirmed >= self.replicas:
            return reply
        return NotReplicated(
            f"the write was confirmed by {confirmed} of {self.replicas} replicas in time; it was "
            "done, but a failover could lose it."
        )


@attrs.frozen
class SlotMap:
    """Which server has a slot: the first and last of each range, and whose it is."""

    ranges: tuple[tuple[int, int, Address], ...]

    @classmethod
    def of(cls, reply: Any, asked: Address) -> SlotMap:
        """The map in the reply to `CLUSTER SLOTS` of the server that was asked."""
        ranges = ((first, last, _address(node, asked)) for first, last, node, *_ in reply)
        return cls(tuple(sorted(ranges)))

    def primaries(self) -> tuple[Address, ...]:
        """All servers that have slots."""
        return tuple(dict.fromkeys(address for _, _, address in self.ranges))

    def server(self, call: Call) -> Address:
        """Where a call goes.

        Raises:
            SlotNotCoveredError: no server has its slot.
        """
        if call.at is not None:
            return call.at
        slot = 0 if len(self.ranges) == 1 else key_slot(call.key.encode())
        for first, last, address in self.ranges:
            if first <= slot <= last:
                return address
        raise exceptions.SlotNotCoveredError("no server has the slot")

    def split(self, calls: Sequence[Call]) -> dict[Address, list[int]]:
        """The numbers of the calls for each server.

        Raises as `server` does.
        """
        by_server: dict[Address, list[int]] = {}
        for number, call in enumerate(calls):
            by_server.setdefault(self.server(call), []).append(number)
        return by_server


def words_of(calls: Sequence[Call], durability: RedisDurability | None) -> list[Words]:
    """What is sent to one server, over one connection: `WAIT` waits for the writes of its own."""
    words: list[Words] = []
    changes = False
    for call in calls:
        if call.asking:
            words.append(("ASKING",))
        words.append(call.words)
        changes = changes or call.durable
    if changes and durability is not None:
        words.append(durability.words)
    return words


def replies_in(
    answers: Sequence[Any], calls: Sequence[Call], durability: RedisDurability | None
) -> Sequence[Any]:
    """The calls' replies, from the answers to `words_of` them."""
    if len(answers) == len(calls):
        return answers
    replies: list[Any] = []
    left = iter(answers)
    for call in calls:
        if call.asking:
            next(left)
        reply = next(left)
        if durability is not None and call.durable:
            reply = durability.judged(reply, answers[-1])
        replies.append(reply)
    return replies


def unread(error: Exception, count: int) -> list[Exception]:
    """What stands for the answers that weren't read, since `error` ended the connection.

    It may be how the server refused one command: what came of those after it isn't known.
    """
    return [error, *[Unread(_UNREAD)] * (count - 1)]


def first_map(server: RedisServer) -> SlotMap:
    """The map to begin with: that of a cluster must be asked for, any other never changes."""
    if server.kind == "cluster":
        return SlotMap(())
    return SlotMap(((0, 16_383, server.addresses[0]),))


def is_outdated(
    known: SlotMap, server: RedisServer, doubted: frozenset[Address], *, look_again: bool
) -> bool:
    """Whether to ask where slots are, before more is sent."""
    if server.kind != "cluster":
        return False
    return look_again or bool(doubted) or not known.ranges


def hung(error: Exception, server: RedisServer) -> Exception:
    """What a silence is: where there is one server, no other one may answer in its place."""
    is_silent = isinstance(error, exceptions.TimeoutError)
    return Hung(error) if is_silent and server.kind == "server" else error


def to_ask(known: SlotMap, server: RedisServer, doubted: frozenset[Address]) -> tuple[Address, ...]:
    """Whom to ask where slots are: last those that didn't answer of late, which may hang."""
    addresses = dict.fromkeys((*known.primaries(), *server.addresses))
    return tuple(sorted(addresses, key=doubted.__contains__))


def _address(node: Any, asked: Address) -> Address:
    host, port = node[0], node[1]  # a host of none is the one that was asked
    text = host.decode() if isinstance(host, bytes) else host
    return text or asked[0], int(port)
