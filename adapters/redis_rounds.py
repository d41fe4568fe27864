"""How calls reach Redis: in rounds of commands, again where that can do no harm.

Nothing is sent from here. `ask` is a generator: it yields a `Round` and is sent the replies, in
which an error stands in the place of its reply. So what follows from them is written once, for
callers that block and for those that await.

What is done again: what Redis refused to do (an unknown script, a slot that has moved, a server
that is a replica), what never left (nobody listened), and what may be done twice, such as reading.
Whether any other call was carried out can't be known when its connection is lost: the caller is
told so and judges by what it finds later.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

import attrs

from .redis_errors import REFUSED, NotReplicated, code_of, never_left, redirection, unavailable
from .redis_scripts import Script

T = TypeVar("T")
Word: TypeAlias = str | bytes | int
Words: TypeAlias = tuple[Word, ...]
Address: TypeAlias = tuple[str, int]

PAUSES = (0, 0, 0.02, 0.1, 0.4)  # s before each try
BATCH = 500  # calls in one round


@attrs.frozen
class Command:
    """What is sent to one server.

    Attributes:
        key: what it is about; the server is that of its slot.
        words: the command and its arguments.
        durable: whether it must reach the replicas before it counts.
        at: another server than that of the slot.
        asking: whether that server is asked before it owns the slot.
    """

    key: str
    words: Words = attrs.field(repr=False)
    durable: bool = False
    at: Address | None = None
    asking: bool = False


@attrs.frozen
class Call:
    """A script or a plain command on one key.

    Attributes:
        act: a script, or a command's name.
        key: its key.
        args: what follows the key.
        durable: whether it must reach the replicas before it counts.
        repeatable: whether it may be done twice.
        at: a server, for what is about no key.
    """

    act: Script | str
    key: str
    args: Words = attrs.field(default=(), repr=False)
    durable: bool = False
    repeatable: bool = False
    at: Address | None = None

    def command(self, *, by_source: bool = False) -> Command:
        """What to send; a script that the server has never seen is sent by its source."""
        match self.act:
            case str(name):
                words = (name, *(() if self.at else (self.key,)), *self.args)
            case script:
                head = ("EVAL", script.source) if by_source else ("EVALSHA", script.sha)
                words = (*head, 1, self.key, *self.args)
        return Command(self.key, words, durable=self.durable, at=self.at)


@attrs.frozen
class Round:
    """Commands to send, after a pause in s; first look again where slots are, if they may move."""

    commands: tuple[Command, ...]
    pause: float = 0
    look_again: bool = False


@attrs.frozen
class Primaries:
    """The question which servers hold keys. The reply is a tuple of addresses."""


Act: TypeAlias = Generator[Round | Primaries, Any, T]


def ask(calls: Sequence[Call]) -> Act[list[Any]]:
    """The replies to some calls, in their order.

    Raises:
        StoreUnavailable: one was not answered; those that change something may have been done.
    """
    replies: list[Any] = []
    for start in range(0, len(calls), BATCH):
        replies += yield from _ask_batch(calls[start : start + BATCH])
    return replies


def _ask_batch(calls: Sequence[Call]) -> Act[list[Any]]:
    replies: list[Any] = [None] * len(calls)
    open_ones = {n: call.command() for n, call in enumerate(calls)}
    look_again = False
    for pause in PAUSES:
        answered = yield Round(tuple(open_ones.values()), pause, look_again)
        numbers = list(open_ones)
        open_ones = dict[int, Command]()
        for number, reply in zip(numbers, answered, strict=True):
            replies[number] = reply
            again = _again(calls[number], reply)
            if again is not None:
                open_ones[number] = again
        look_again = any(_may_have_moved(replies[number]) for number in open_ones)
        if not open_ones:
            break
    for reply in replies:
        if isinstance(reply, Exception):
            raise unavailable(reply) from reply
    return replies


def _again(call: Call, reply: Any) -> Command | None:
    if not isinstance(reply, Exception) or isinstance(reply, NotReplicated):
        return None  # the replicas were waited for as long as they may be
    code = code_of(reply)
    if code == "NOSCRIPT":
        return call.command(by_source=True)
    if code == "ASK":
        at = redirection(reply)
        return attrs.evolve(call.command(by_source=True), at=at, asking=True)
    if code in REFUSED or never_left(reply) or call.repeatable:
        return call.command()
    return None


def _may_have_moved(reply: Any) -> bool:
    return isinstance(reply, Exception) and code_of(reply) not in {"NOSCRIPT", "ASK"}
