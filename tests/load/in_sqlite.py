"""A file of SQLite's, filled in bulk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from counterfoil import SessionRecord, SqliteStore
from counterfoil.adapters.sqlite import INSERT
from counterfoil.effects import to_json

from .population import rows

_names = count(1)


class InSqlite:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"sessions-{next(_names)}.db"

    @property
    def url(self) -> str:
        """Its connection string."""
        return f"sqlite:///{self.path}"

    def open(self) -> SqliteStore:
        """The store of the file."""
        return SqliteStore(self.path)

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """In one transaction; the indexes are built when all is there."""
        with SqliteStore(self.path):
            pass  # which makes the tables
        connection = sqlite3.connect(self.path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {setting}")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        connection.execute("BEGIN")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.executemany(INSERT, rows(records, to_json))
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()

    def size_on_disk(self) -> int:
        """Of the file and its log."""
        return sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))

    def size_in_memory(self) -> None:
        """It has a cache, and keeps nothing in it alone."""
