"""Where sessions are kept under load: each kind of store, how it is filled, what it weighs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from counterfoil import SessionRecord, SqliteStore, Store
from counterfoil.adapters.sqlite import INSERT, row_of


class Place(Protocol):
    """A kind of store, at some address."""

    def open(self) -> Store:
        """A store there, as an application opens it."""
        ...

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """Put many records in at once."""
        ...

    def size_on_disk(self) -> int:
        """Bytes."""
        ...

    def size_in_memory(self) -> int | None:
        """Bytes; None where the store keeps nothing there."""
        ...


class InSqlite:
    """A file of SQLite's."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sessions.db"

    def open(self) -> SqliteStore:
        """The store of the file."""
        return SqliteStore(self._path)

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """In one transaction."""
        with SqliteStore(self._path):
            pass  # which makes the tables
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("BEGIN")
        connection.executemany(INSERT, map(row_of, records))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")
        connection.close()

    def size_on_disk(self) -> int:
        """Of the file and its log."""
        return sum(path.stat().st_size for path in self._path.parent.glob("sessions.db*"))

    def size_in_memory(self) -> None:
        """It has a cache, and keeps nothing in it alone."""
