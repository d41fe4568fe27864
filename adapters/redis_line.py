"""The calls themselves, for callers that block. `redis_async_line.py` has the same, awaited.

They are sent over connections of the driver; its pipelines would do the same, slower.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakSet

from .redis_connections import Connections
from .redis_driver import exceptions
from .redis_errors import ERRORS, Closed, unsent
from .redis_rounds import Act, Address, Call, Primaries, Round
from .redis_routes import (
    SLOTS,
    RedisDurability,
    SlotMap,
    first_map,
    hung,
    is_outdated,
    replies_in,
    to_ask,
    unread,
    words_of,
)
from .redis_server import RedisServer

T = TypeVar("T")


class Line:
    """The connections of one process to Redis. May be used by many threads, and after a fork.

    `lock` is free in a forked child, whoever held it in the parent.
    """

    def __init__(self, server: RedisServer, durability: RedisDurability | None) -> None:
        self._server = server
        self._durability = durability
        self._connections: dict[Address, Connections] = {}
        self.lock = Lock()
        self._map = first_map(server)
        self._doubted: frozenset[Address] = frozenset()
        self._closed = False
        _lines.add(self)

    def carry_out(self, act: Act[T]) -> T:
        """Carry out an act.

        Raises:
            StoreUnavailable: Redis can't be reached, or failed.
        """
        try:
            asked = next(act)
            while True:
                asked = act.send(self._answer(asked))
        except StopIteration as end:
            answer: T = end.value
            return answer

    def close(self) -> None:
        """Close every connection that isn't in use, and those when what is under way ends.

        Later acts raise `StoreUnavailable`.
        """
        self._closed = True
        with self.lock:
            closing, self._connections = self._connections, {}
        for connections in closing.values():
            connections.close()

    def after_fork(self) -> None:
        """Begin anew in a child: no lock of ours or of the driver's is of use to it."""
        self.lock = Lock()
        self._connections = {}

    def _answer(self, asked: Round | Primaries) -> Sequence[Any]:
        if isinstance(asked, Round):
            return self._send(asked)
        try:
            return self._slots(look_again=True).primaries()
        except ERRORS as error:
            return [unsent(error)]

    def _send(self, asked: Round) -> Sequence[Any]:
        if asked.pause:
            time.sleep(asked.pause)
        try:
            parts = self._slots(look_again=asked.look_again).split(asked.calls)
        except ERRORS as error:
            return [unsent(error)] * len(asked.calls)
        if len(parts) == 1:
            return self._exchange(next(iter(parts)), asked.calls)
        replies: list[Any] = [None] * len(asked.calls)
        for address, numbers in parts.items():
            answers = self._exchange(address, [asked.calls[number] for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                replies[number] = answer
        return replies

    def _exchange(self, address: Address, calls: Sequence[Call]) -> Sequence[Any]:
        try:
            connections = self._connections_to(address)
            connection = connections.take()
        except ERRORS as error:
            self._doubted |= {address}
            return [unsent(hung(error, self._server))] * len(calls)
        words = words_of(calls, self._durability)
        answers: list[Any] = []
        try:
            connection.send_packed_command(connection.pack_commands(words))
            for _ in words:
                answers.append(_answer(connection))  # noqa: PERF401  # kept if the next one fails
        except BaseException as error:
            connections.drop(connection)  # or what is unread would answer the next exchange
            if not isinstance(error, ERRORS):
                raise
            self._doubted |= {address}
            answers += unread(hung(error, self._server), len(words) - len(answers))
        else:
            connections.give(connection)
        return replies_in(answers, calls, self._durability)

    def _slots(self, *, look_again: bool) -> SlotMap:
        if is_outdated(self._map, self._server, self._doubted, look_again=look_again):
            self._map = self._look()
            self._doubted = frozenset()
        return self._map

    def _look(self) -> SlotMap:
        failed: Exception = Closed("there is no server to ask")
        for address in to_ask(self._map, self._server, self._doubted):
            (reply,) = self._exchange(address, (SLOTS,))
            if not isinstance(reply, Exception):
                return SlotMap.of(reply, address)
            failed = reply
        raise failed

    def _connections_to(self, address: Address) -> Connections:
        known = self._connections.get(address)
        if known is not None:
            return known
        with self.lock:
            if self._closed:
                raise Closed("the store is closed; open a new one.")
            if address not in self._connections:
                self._connections[address] = Connections(self._server.client_at(address))
            return self._connections[address]


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except exceptions.ResponseError as error:
        return error


_lines: WeakSet[Line] = WeakSet()


def _after_fork() -> None:
    for line in _lines:
        line.after_fork()


if sys.platform != "win32":  # pragma: no branch  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
