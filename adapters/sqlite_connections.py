"""Connections to one SQLite file: one that writes, under a lock, and as many that read.

A writer waits for other processes (`busy_timeout`) and for this one's threads (the lock), so that
nobody sees "database is locked". Readers never wait: the file is in WAL mode. After a fork the
child opens its own connections, for SQLite's must not cross one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from ..effects import StoreUnavailable
from .sqlite_schema import migrate

BUSY_TIMEOUT = 60.0  # s


class Connections:
    """The connections of one process to one file."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating it for its owner alone, and bring its schema up to date.

        Raises:
            StoreUnavailable: it can't be opened, or isn't a file of ours.
        """
        self._path = path
        self._pid = os.getpid()
        self._lock = Lock()
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._abandoned: object = None
        self._closed = False
        self._create()
        with self.writing() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, str(path))

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile.

        Raises:
            StoreUnavailable: the file can't be used; raised from the driver's own error.
        """
        try:
            self._check()
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._open()
            try:
                yield connection
            finally:
                self._readers.append(connection)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """The connection that writes. Each statement commits by itself.

        Raises:
            StoreUnavailable: the file can't be used; raised from the driver's own error.
        """
        try:
            self._check()
            with self._lock:
                if self._writer is None:
                    self._writer = self._open()
                yield self._writer
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """The connection that writes, in one transaction that holds the file's write lock."""
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close every connection that isn't in use; later calls raise `StoreUnavailable`."""
        self._closed = True
        with self._lock:
            idle = [*self._readers, *([self._writer] if self._writer else [])]
            self._readers, self._writer = [], None
        for connection in idle:
            connection.close()

    def _create(self) -> None:
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            # FULL: a commit that was answered survives the loss of power.
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed; open a new one.")
        if self._pid != os.getpid():
            # The parent's connections are left alone: closing them here could drop its locks.
            self._abandoned = (self._readers, self._writer)
            self._pid, self._lock = os.getpid(), Lock()
            self._readers, self._writer = [], None

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        return StoreUnavailable(f"{self._path}: {error}")
