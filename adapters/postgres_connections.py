"""Connections to PostgreSQL: kept open between acts, for threads and for each event loop.

A connection is opened by whoever needs it, at most `most` at once; the one used last is used next.
Before it is used again a look at its socket, which costs no round trip, tells whether the server
has ended it meanwhile: so a restart of the server is no error of a later act. One whose act failed
is closed. What the server itself rolled back to let others pass (a deadlock, a serialisation
failure) was certainly not done, and is asked again; any other failure leaves as `StoreUnavailable`,
since an act whose answer is lost may have been done. So may one that was cancelled.

Strategy: not psycopg_pool. While a server is down, its callers wait for their whole patience and
learn "no connection within 10 s" in place of the reason; after an outage of 18 s they waited 9.9 s
more for its back-off, here 0.1 s; and its threads don't survive a fork.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import attrs

from ..effects import StoreUnavailable
from .postgres_acts import Act
from .postgres_driver import ConnStatus, PQGen, TransactionStatus, psycopg, wait_async
from .postgres_target import Target

T = TypeVar("T")
C = TypeVar("C", psycopg.Connection[Any], psycopg.AsyncConnection[Any])

TRIES = 5  # of an act that the server rolls back
IDLE = 600.0  # s that a connection waits for another use
LIFE = 3600.0  # s that a connection is used
WAKE = 0.1  # s after which who waits for the server looks up; psycopg's own, which asks for one

_ROLLED_BACK = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


@attrs.define(eq=False)
class _Kept(Generic[C]):
    """A connection, with the times (s) at which it was opened and last used."""

    connection: C
    opened: float = attrs.field(factory=time.monotonic)
    used: float = attrs.field(factory=time.monotonic)
    _has_news: Callable[[], bool] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._has_news = _looking_at(self.connection.pgconn.socket)

    @property
    def works(self) -> bool:
        """Whether the server still listens."""
        pgconn = self.connection.pgconn
        try:
            while self._has_news():  # a farewell, or a notice
                pgconn.consume_input()
        except psycopg.Error:
            return False
        return pgconn.status == ConnStatus.OK


@attrs.define(eq=False)
class _Idle(Generic[C]):
    """Connections that nobody uses just now. Needs no lock: a deque's own acts are atomic."""

    kept: deque[_Kept[C]] = attrs.field(factory=deque[_Kept[C]])
    ended: bool = False

    def take(self) -> _Kept[C] | None:
        """One that works, if there is one."""
        while True:
            try:
                one = self.kept.pop()
            except IndexError:
                return None
            if time.monotonic() < one.opened + LIFE and one.works:
                return one
            end(one.connection)

    def give_back(self, one: _Kept[C]) -> None:
        """Keep one for the next act, unless its own has failed; end those long unused."""
        if one.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            end(one.connection)
            return
        one.used = now = time.monotonic()
        self.kept.append(one)
        while self.kept and (self.ended or self.kept[0].used < now - IDLE):
            self._end_one()

    def close(self) -> None:
        """End all, and those that are given back later."""
        self.ended = True
        while self.kept:
            self._end_one()

    def _end_one(self) -> None:
        try:
            end(self.kept.popleft().connection)
        except IndexError:  # somebody took the last one
            return


class Connections:
    """The connections of a process's threads."""

    def __init__(self, target: Target, most: int, patience: float) -> None:
        self._target = target
        self._most = most
        self._patience = patience
        self._begin()
        _ALIVE.add(self)

    def perform(self, act: Act[T]) -> T:
        """Carry out an act.

        Raises:
            StoreUnavailable: it failed, or may have; raised from the driver's own error.
        """
        with self._target.translated(), self.connection() as connection:
            for _ in range(TRIES - 1):
                try:
                    return act.answer(connection.execute(act.statement, act.values).fetchall())
                except _ROLLED_BACK:
                    continue
            return act.answer(connection.execute(act.statement, act.values).fetchall())

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection[Any]]:
        """A connection in nobody else's hands.

        Raises:
            StoreUnavailable: all are in use for too long, or the store is closed.
            psycopg.Error: none can be opened.
        """
        places, idle = self._places, self._idle
        try:
            place = places.get(timeout=self._patience)
        except Empty:
            raise self._target.busy(self._most, self._patience) from None
        try:
            if idle.ended:
                raise StoreUnavailable("the store is closed; open a new one.")
            one = idle.take() or _Kept(self._open())
            try:
                yield one.connection
            except BaseException:
                end(one.connection)
                raise
            idle.give_back(one)
        finally:
            places.put(place)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is asked any more."""
        return self._idle.ended

    def close(self) -> None:
        """End every connection, those in use once their acts are done."""
        self._idle.close()

    def _open(self) -> psycopg.Connection[Any]:
        return psycopg.Connection.connect(**self._target.options)

    def _begin(self) -> None:
        self._places = SimpleQueue[int]()  # a semaphore that the interpreter has in C
        for place in range(self._most):
            self._places.put(place)
        self._idle = _Idle[psycopg.Connection[Any]]()

    def after_fork(self) -> None:
        """In the child: leave the parent's connections alone, and open others."""
        _OTHERS.append(self._idle)
        closed = self._idle.ended
        self._begin()
        self._idle.ended = closed


class AwaitedConnections:
    """The connections of one event loop."""

    def __init__(self, target: Target, most: int, patience: float) -> None:
        self._target = target
        self._most = most
        self._patience = patience
        self._begin()
        _ALIVE.add(self)

    async def perform(self, act: Act[T]) -> T:
        """As `Connections.perform`."""
        with self._target.translated():
            async with self.connection() as connection:
                for _ in range(TRIES - 1):
                    try:
                        return await _performed(connection, act)
                    except _ROLLED_BACK:
                        continue
                return await _performed(connection, act)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        """As `Connections.connection`."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise self._target.busy(self._most, self._patience) from None
        try:
            if self._idle.ended:
                raise StoreUnavailable("the store is closed; open a new one.")
            one = self._idle.take() or _Kept(await self._open())
            try:
                yield one.connection
            except BaseException:
                end(one.connection)
                raise
            self._idle.give_back(one)
        finally:
            self._places.release()

    def close(self) -> None:
        """As `Connections.close`; needs no event loop."""
        self._idle.close()

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        return await _Cancellable.connect(**self._target.options)

    def _begin(self) -> None:
        self._places = asyncio.BoundedSemaphore(self._most)
        self._idle = _Idle[psycopg.AsyncConnection[Any]]()

    def after_fork(self) -> None:
        """As `Connections.after_fork`."""
        _OTHERS.append(self._idle)
        closed = self._idle.ended
        self._begin()
        self._idle.ended = closed


class _Cancellable(psycopg.AsyncConnection[Any]):
    """A connection that lets the cancellation of an act pass at once: a deadline is kept.

    psycopg's own asks the server, on one more connection, to cancel the statement, and waits for
    it: 10 s where the server hangs. And PgBouncer 1.18 crashes under many such requests. Without
    one, whoever holds the connection ends it, as after any failure.
    """

    async def wait(self, gen: PQGen[T], interval: float = WAKE, *others: Any, **options: Any) -> T:
        """What every statement goes through: as psycopg's, without its answer to cancellation."""
        return await wait_async(gen, self.pgconn.socket, interval, *others, **options)


async def _performed(connection: psycopg.AsyncConnection[Any], act: Act[T]) -> T:
    cursor = await connection.execute(act.statement, act.values)
    return act.answer(await cursor.fetchall())


def end(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Close a connection, in whichever thread and without an event loop."""
    connection.pgconn.finish()


def _looking_at(socket: int) -> Callable[[], bool]:
    """A look at whether something can be read from a socket."""
    if (
        sys.platform == "win32"
    ):  # pragma: no cover  # what has no poll() has a select() for any socket
        return lambda: bool(select.select([socket], [], [], 0)[0])
    looking = select.poll()
    looking.register(socket, select.POLLIN)
    return lambda: bool(looking.poll(0))


_ALIVE: WeakSet[Connections | AwaitedConnections] = WeakSet()
_OTHERS: list[object] = []  # the parent's: kept for good, or their end would be told to the server


def _after_fork() -> None:
    for connections in list(_ALIVE):
        connections.after_fork()


if sys.platform != "win32":  # pragma: no branch  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
