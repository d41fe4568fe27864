"""The embedded default store: one SQLite file, durable, for many threads and processes.

Each act is one statement, or one short transaction where it must read before it writes. Nothing is
decided here: the file holds what it is told, expired or not.
"""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from ..effects import (
    FrozenDict,
    HandleTaken,
    InvalidInput,
    Missing,
    SessionRecord,
    Stale,
    TooLarge,
    apply_patch,
    from_json,
    json_size,
    to_json,
)
from .sqlite_connections import Connections

# The columns of the index of users. SQLite writes an index anew when one of its columns is set, be
# it to what it was: so a swap sets these only if the record goes to another user.
_OF_USER = ("handle", "user_id", "created_at")
_FIELDS = (
    *_OF_USER,
    *(field.name for field in attrs.fields(SessionRecord) if field.name not in _OF_USER),
)
COLUMNS = (*_FIELDS, "expires_at")  # which follows from others, for purging

# Statements are put together from the record's own field names, once: no value is ever in one.
_NAMES = ", ".join(COLUMNS)
_MARKS = ", ".join("?" for _ in COLUMNS)
_SETS = ", ".join(f"{name} = ?" for name in COLUMNS[len(_OF_USER) :])
INSERT = f"INSERT INTO sessions ({_NAMES}) VALUES ({_MARKS})"  # noqa: S608  # see above
"""The statement that inserts a `row_of` a record; for loading many of them at once, too."""
_CREATE = f"{INSERT} ON CONFLICT (handle) DO NOTHING"
_READ = f"SELECT {', '.join(_FIELDS)} FROM sessions"  # noqa: S608  # see above
LOAD = f"{_READ} WHERE handle = ?"
_HELD = "WHERE handle = ? AND version = ?"
SWAP = f"UPDATE sessions SET {_SETS} {_HELD} AND user_id = ? AND created_at = ?"  # noqa: S608  # see above
_MOVE = f"UPDATE sessions SET {_SETS}, user_id = ?, created_at = ? {_HELD}"  # noqa: S608  # see above
_PAYLOAD = "SELECT payload FROM sessions WHERE handle = ?"
_MERGE = "UPDATE sessions SET payload = ?, version = version + 1 WHERE handle = ?"
_REPLACE = "UPDATE sessions SET data = ?, version = version + 1 WHERE handle = ?"
_DELETE = "DELETE FROM sessions WHERE handle = ?"
_THEIRS = " WHERE user_id = ?1 AND (?2 IS NULL OR tenant_id = ?2) ORDER BY created_at, handle"
_LIST = _READ + _THEIRS
_HANDLES = "SELECT handle FROM sessions" + _THEIRS  # noqa: S608  # see above
_PURGE = """
    DELETE FROM sessions WHERE rowid IN
    (SELECT rowid FROM sessions WHERE expires_at <= ? ORDER BY expires_at, handle LIMIT ?)
"""
_LOAD_SECRET = "SELECT value FROM secrets WHERE name = ?"  # noqa: S105  # a statement
_ADD_SECRET = "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"  # noqa: S105  # the same
_SWAP_SECRET = "UPDATE secrets SET value = ? WHERE name = ? AND value = ?"  # noqa: S105  # the same

_values = attrgetter(*_FIELDS)


class SqliteStore:
    """A store in one SQLite file. Implements the `Store` protocol, and `SecretStore` for keys.

    Commits are durable when they return; the file is created for its owner alone. One object may
    be shared by all threads of a process and used again after a fork.

    Raises:
        StoreUnavailable: the file can't be opened, or isn't a file of counterfoil's.
        InvalidInput: the path is no path of a file.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SqliteStore(pathlib.Path(folder) / "sessions.db") as store:
    ...         store.load("nobody's")
    Missing()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if str(path) in ("", ":memory:"):
            raise InvalidInput("SqliteStore needs a file; for one in memory use MemoryStore.")
        if "\0" in str(path):
            raise InvalidInput("the path of a file has no NUL in it; give SqliteStore another.")
        self._file = Connections(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; later calls raise `StoreUnavailable`."""
        self._file.close()

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert a record."""
        return None if self._file.write(_CREATE, row_of(record)) else HandleTaken()

    def load(self, handle: str) -> SessionRecord | Missing:
        """Read a record."""
        rows = self._file.read(LOAD, (handle,))
        return _record(rows[0]) if rows else Missing()

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace a record by compare-and-swap."""
        handle, user_id, created_at, *others = row_of(record)
        held, of_user = (handle, expected_version), (user_id, created_at)
        swapped = self._file.write(SWAP, (*others, *held, *of_user))
        swapped = swapped or self._file.write(_MOVE, (*others, *of_user, *held))
        return None if swapped else Stale(self.load(handle))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Merge a patch into a payload."""
        if not patch:
            held = self.load(handle)
            return held if isinstance(held, Missing) else held.payload
        with self._file.transaction() as connection:
            row = connection.execute(_PAYLOAD, (handle,)).fetchone()
            if row is None:
                return Missing()
            payload = apply_patch(from_json(row[0]), patch)
            if json_size(payload) > limit:
                return TooLarge(payload)
            connection.execute(_MERGE, (to_json(payload), handle))
            return payload

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace a session's data."""
        return None if self._file.write(_REPLACE, (to_json(data), handle)) else Missing()

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete records."""
        with self._file.transaction() as connection:
            return tuple(h for h in handles if connection.execute(_DELETE, (h,)).rowcount)

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records."""
        with self._file.transaction() as connection:
            rows = connection.execute(_HANDLES, (user_id, tenant_id)).fetchall()
            handles = tuple(handle for (handle,) in rows if handle not in keep)
            connection.executemany(_DELETE, ((handle,) for handle in handles))
            return handles

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """Read a user's records."""
        return tuple(map(_record, self._file.read(_LIST, (user_id, tenant_id))))

    def purge(self, now: int, limit: int) -> int:
        """Delete records that are over, those that ended first.

        Others who write wait meanwhile: where many are over, delete a few dozen at a time and rest
        a hundred times as long as that took.
        """
        return self._file.write(_PURGE, (now, max(limit, 0)))  # to SQLite less than 0 is no limit

    def load_secret(self, name: str) -> bytes | None:
        """What is kept under a name."""
        rows = self._file.read(_LOAD_SECRET, (name,))
        return rows[0][0] if rows else None

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Keep a secret under a name, if it still has the expected value."""
        if expected is None:
            return self._file.write(_ADD_SECRET, (name, new)) == 1
        return self._file.write(_SWAP_SECRET, (new, name, expected)) == 1


def row_of(record: SessionRecord) -> tuple[Any, ...]:
    """The values of a record's columns, in the order of `INSERT`."""
    *plain, payload, data = _values(record)
    return (*plain, to_json(payload), to_json(data), record.expires_at)


def _record(row: tuple[Any, ...]) -> SessionRecord:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["payload"] = from_json(fields["payload"])
    fields["data"] = from_json(fields["data"])
    return SessionRecord(**fields)
