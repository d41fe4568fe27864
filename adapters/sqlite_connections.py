"""Connections to one SQLite file: as many as are used at once, of which one writes at a time.

Readers never wait for writers: the file is in WAL mode. A writer waits for this process's threads
(their turn) and for other processes (`PATIENCE`), so that nobody sees "database is locked".

A connection is opened when it is first needed and closed when it fails, which rolls back what it
was in the middle of. It must never cross a fork: SQLite would take the parent's locks for the
child's own, and what the child then writes can be lost. So each is closed before a fork, once it
is idle, and opened again in whichever process needs it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from weakref import WeakSet

from ..effects import StoreUnavailable
from .sqlite_schema import prepare

PATIENCE = 60.0  # s that a writer waits for other processes


class Lane:
    """A connection that is opened when it is needed, for whoever took it from the idle ones.

    To be entered under its lock, which others hold for long only while connections are paused. In
    the end the lane is idle again; an error closes its connection before.
    """

    def __init__(self, file: Connections) -> None:
        self.lock = Lock()
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._file.open()
            except BaseException:
                self._file.idle.append(self)
                raise
        return self._connection

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.close()
        self._file.idle.append(self)
        if isinstance(error, sqlite3.Error):
            raise self._file.unavailable(error) from error

    def close(self) -> None:
        """Close the connection; the next user has another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Connections:
    """The connections of one process to one file."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating it for its owner alone, and bring its schema up to date.

        Raises:
            StoreUnavailable: it can't be opened, or isn't a file of ours.
        """
        self._path = path.absolute()
        self._closed = False
        self._turn = Lock()  # of the one that writes
        self._adding = Lock()
        self._lanes: list[Lane] = []
        # To take from these is one atomic act: who is interrupted there loses a lane, which is
        # closed with the others all the same, and not a lock that a fork would wait for.
        self.idle: list[Lane] = []
        self._create()
        with _forking:  # before the first connection is there, or it could cross a fork
            _ALIVE.add(self)
        with self.writing() as connection:
            prepare(connection, str(self._path), patience=PATIENCE)

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """The rows of one statement, of one moment.

        Raises:
            StoreUnavailable: the file can't be used; raised from the driver's own error.
        """
        lane = self._take()
        with lane.lock, lane as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out one statement, durably; answers how many rows it changed.

        Raises as `read` does.
        """
        with self._turn:
            lane = self._take()
            with lane.lock, lane as connection:
                return connection.execute(statement, values).rowcount

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A connection in one transaction that holds the file's write lock.

        Raises as `read` does.
        """
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A connection that may write. Outside of a transaction each statement commits by itself.

        Raises as `read` does.
        """
        with self._turn:
            lane = self._take()
            with lane.lock, lane as connection:
                yield connection

    def close(self) -> None:
        """Close every connection once it is idle; later calls raise `StoreUnavailable`."""
        self._closed = True
        with self.paused():
            pass

    @contextmanager
    def paused(self) -> Generator[None]:
        """All connections closed, and none opened meanwhile."""
        with self._turn, self._adding, ExitStack() as locks:
            for lane in self._lanes:
                locks.enter_context(lane.lock)
                lane.close()
            yield

    def open(self) -> sqlite3.Connection:
        """A new connection.

        Raises:
            StoreUnavailable: the file can't be opened, or the store is closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed; open a new one.")
        try:
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw",  # never creates: what was deleted stays away
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                # FULL: a commit that was answered survives the loss of power.
                connection.execute("PRAGMA synchronous = FULL")
            except BaseException:
                connection.close()  # or it stays open until the garbage collector finds it
                raise
        except sqlite3.Error as error:
            raise self.unavailable(error) from error
        return connection

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        """What callers are told of a driver's error."""
        return StoreUnavailable(f"{self._path}: {error}.")

    def _take(self) -> Lane:
        # The one that was used last: who is alone has but one. Once another connection has written,
        # SQLite lets go of the pages that it keeps, and a refresh takes a tenth more time.
        try:
            return self.idle.pop()
        except IndexError:
            pass
        with self._adding:
            lane = Lane(self)
            self._lanes.append(lane)
            return lane

    def _create(self) -> None:
        # Only if it isn't there: to open a file and close it again would drop every lock that
        # this process has on it (POSIX), those of another store's connections included.
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}.") from error


_ALIVE: WeakSet[Connections] = WeakSet()
_forking = Lock()
_paused = ExitStack()  # of whichever thread is forking


def _before_fork() -> None:
    _forking.acquire()
    for connections in list(_ALIVE):
        _paused.enter_context(connections.paused())


def _after_fork() -> None:
    _paused.close()
    _forking.release()


if sys.platform != "win32":  # pragma: no branch  # there is no fork on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
