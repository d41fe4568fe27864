"""How calls reach Redis: in rounds of commands, again where that can do no harm.

Nothing is sent from here. `ask` is a generator: it yields a `Round` and is sent the replies, in
which an error stands in the place of its reply. So what follows from them is written once, for
callers that block and for those that await.

What is done again: what Redis refused to do (an unknown script, a slot that has moved, a server
that is a replica or is still reading its file), what was never sent (nobody listened, or no
primary is known), and what may be done twice, such as reading.
Whether any other call was carried out can't be known when its connection is lost: the caller is
told so and judges by what it finds later.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import attrs

from .redis_errors import (
    Closed,
    Explained,
    Hung,
    NotReplicated,
    code_of,
    not_done,
    redirection,
    unavailable,
)
from .redis_scripts import Script

T = TypeVar("T")
Word: TypeAlias = str | bytes | int
Words: TypeAlias = tuple[Word, ...]
Address: TypeAlias = tuple[str, int]

PAUSES = (0, 0.02, 0.1, 0.4)  # s before each try but the first
BATCH = 500  # calls in one round


@attrs.frozen
class Call:
    """A script or a plain command on one key, sent to the server that has its slot.

    Attributes:
        act: a script, or a command's name.
        key: its key; empty, if it is about none.
        args: what follows the key.
        durable: whether it must reach the replicas before it counts.
        repeatable: whether it may be done twice.
        at: another server than that of the slot.
        asking: whether that server is asked before it owns the slot.
        by_source: whether the server has never seen the script.
    """

    act: Script | str
    key: str
    args: Words = attrs.field(default=(), repr=False)
    durable: bool = False
    repeatable: bool = False
    at: Address | None = None
    asking: bool = False
    by_source: bool = False

    @property
    def words(self) -> Words:
        """The command and its arguments."""
        if isinstance(self.act, str):
            return (self.act, *((self.key,) if self.key else ()), *self.args)
        head = ("EVAL", self.act.source) if self.by_source else ("EVALSHA", self.act.sha)
        return (*head, 1, self.key, *self.args)


@attrs.frozen
class Round:
    """Calls to send, after a pause in s; first look again where slots are, if they may move."""

    calls: Sequence[Call]
    pause: float = 0
    look_again: bool = False


@attrs.frozen
class Primaries:
    """The question which servers hold keys. The replies are their addresses, or an error."""


Act: TypeAlias = Generator[Round | Primaries, Any, T]


def ask(calls: Sequence[Call]) -> Act[list[Any]]:
    """The replies to some calls, in their order.

    Raises:
        StoreUnavailable: one was not answered; those that change something may have been done.
    """
    replies: list[Any] = []
    for start in range(0, len(calls), BATCH):
        batch = calls[start : start + BATCH]
        answered = yield Round(batch)
        if any(isinstance(reply, Exception) for reply in answered):
            answered = yield from _ask_again(batch, list(answered))
        replies += answered
    return replies


def primaries() -> Act[Sequence[Address]]:
    """The servers that hold keys.

    Raises:
        StoreUnavailable: none of them said.
    """
    addresses: Sequence[Address] = yield Primaries()
    _raise_error(addresses)
    return addresses


def _ask_again(calls: Sequence[Call], replies: list[Any]) -> Act[list[Any]]:
    asked: Iterable[int] = range(len(calls))
    for tried, pause in enumerate(PAUSES):
        again = {n: _again(calls[n], replies[n], tried) for n in asked}
        tries = {n: call for n, call in again.items() if call is not None}
        if not tries:
            break
        look_again = any(_may_have_moved(replies[number]) for number in tries)
        answered = yield Round(tuple(tries.values()), pause, look_again)
        for number, reply in zip(tries, answered, strict=True):
            replies[number] = reply
        asked = tries
    _raise_error(replies)
    return replies


def _raise_error(replies: Iterable[Any]) -> None:
    for reply in replies:
        if isinstance(reply, Exception):
            cause = reply.error if isinstance(reply, Explained) else reply
            raise unavailable(cause) from cause


def _again(call: Call, reply: Any, tried: int) -> Call | None:
    if not isinstance(reply, Exception) or isinstance(reply, NotReplicated | Closed):
        return None  # the replicas were waited for as long as they may be
    if isinstance(reply, Hung) and tried:
        return None  # and so was the server
    code = code_of(reply)
    if code == "NOSCRIPT":
        return attrs.evolve(call, by_source=True)
    if code == "ASK":
        return attrs.evolve(call, at=redirection(reply), asking=True, by_source=True)
    if call.repeatable or not_done(reply):
        # What is about no key is asked of one server: another one's answer would be another.
        return attrs.evolve(call, at=None if call.key else call.at, asking=False)
    return None


def _may_have_moved(reply: Any) -> bool:
    return isinstance(reply, Exception) and code_of(reply) not in {"NOSCRIPT", "ASK"}
