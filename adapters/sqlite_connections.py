"""Connections to one SQLite file: one that writes, and as many that read at once.

Readers never wait for writers: the file is in WAL mode. A writer waits for this process's threads
(its lock) and for other processes (`PATIENCE`), so that nobody sees "database is locked".

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
from typing import Any
from weakref import WeakSet

import attrs

from ..effects import StoreUnavailable
from .sqlite_schema import prepare

PATIENCE = 60.0  # s that a writer waits for other processes


class _Lane:
    """A connection for one user at a time: whoever acquired `lock` and enters the lane.

    It is opened on entry if it isn't open, closed if the user fails, and free on exit.
    """

    def __init__(self, file: Connections) -> None:
        self.lock = Lock()
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        try:
            self._connection = self._file.open()
        except BaseException:
            self.lock.release()
            raise
        return self._connection

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.close()
        self.lock.release()
        if isinstance(error, sqlite3.Error):
            raise self._file.unavailable(error) from error

    def close(self) -> None:
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
        self._lanes: list[_Lane] = []
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
        with self._idle_lane() as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out one statement, durably; answers how many rows it changed.

        Raises as `read` does.
        """
        with self._turn, self._idle_lane() as connection:
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
        with self._turn, self._idle_lane() as connection:
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
            StoreUnavailable: the file can't be opened, or is closed for good.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed; open a new one.")
        try:
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw",  # never creates: a deleted file stays away
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise self.unavailable(error) from error
        # FULL: a commit that was answered survives the loss of power.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        """What the store's callers are told of a driver's error."""
        return StoreUnavailable(f"{self._path}: {error}.")

    def _idle_lane(self) -> _Lane:
        # Always the first that is free, so that one who is alone has but one: a connection that
        # neither another's write nor long idleness made cold does an act in two thirds of the time.
        for lane in self._lanes:
            if lane.lock.acquire(blocking=False):
                return lane
        with self._adding:
            lane = _Lane(self)
            lane.lock.acquire()
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
