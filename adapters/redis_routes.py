"""Where commands go: which server has a slot, and how many replicas must have a write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import attrs

from ..effects import InvalidInput
from .redis_driver import exceptions, key_slot
from .redis_errors import NotReplicated
from .redis_rounds import Address, Command, Words


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
        if self.replicas < 1 or self.timeout < timedelta(milliseconds=1):
            raise InvalidInput("durability asks for at least one replica and at least 1 ms.")

    @property
    def words(self) -> Words:
        """The command."""
        return "WAIT", self.replicas, self.timeout // timedelta(milliseconds=1)

    def judged(self, reply: Any, confirmed: Any) -> Any:
        """The reply to a write, now that it's known how many replicas have it."""
        if isinstance(reply, Exception) or isinstance(confirmed, Exception):
            return reply if isinstance(reply, Exception) else confirmed
        if confirmed >= self.replicas:
            return reply
        return NotReplicated(
            f"the write was confirmed by {confirmed} of {self.replicas} replicas in time; it was "
            "done, but a failover could lose it."
        )


@attrs.frozen
class Exchange:
    """Commands for one server, over one connection: `WAIT` waits for the writes of its own."""

    commands: tuple[Command, ...]
    durability: RedisDurability | None

    @property
    def waits(self) -> bool:
        """Whether the replicas are waited for."""
        return self.durability is not None and any(c.durable for c in self.commands)

    def words(self) -> Iterator[Words]:
        """What to send, in this order."""
        for command in self.commands:
            if command.asking:
                yield ("ASKING",)
            yield command.words
        if self.durability is not None and self.waits:
            yield self.durability.words

    def replies(self, answers: Sequence[Any]) -> Iterator[Any]:
        """The commands' replies, from the answers to all that was sent."""
        left = iter(answers)
        for command in self.commands:
            if command.asking:
                next(left)
            reply = next(left)
            if self.durability is not None and command.durable:
                reply = self.durability.judged(reply, answers[-1])
            yield reply


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

    def server(self, command: Command) -> Address:
        """Where a command goes.

        Raises:
            SlotNotCoveredError: no server has its slot.
        """
        if command.at is not None:
            return command.at
        slot = 0 if len(self.ranges) == 1 else key_slot(command.key.encode())
        for first, last, address in self.ranges:
            if first <= slot <= last:
                return address
        raise exceptions.SlotNotCoveredError("no server has the slot")

    def split(self, commands: Sequence[Command]) -> dict[Address, list[int]]:
        """The numbers of the commands for each server.

        Raises as `server` does.
        """
        by_server: dict[Address, list[int]] = {}
        for number, command in enumerate(commands):
            by_server.setdefault(self.server(command), []).append(number)
        return by_server


def everywhere(address: Address) -> SlotMap:
    """The map of a single server."""
    return SlotMap(((0, 16_383, address),))


def _address(node: Any, asked: Address) -> Address:
    host, port = node[0], node[1]  # a host of none is the one that was asked
    text = host.decode() if isinstance(host, bytes) else host
    return text or asked[0], int(port)
