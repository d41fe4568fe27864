"""The SQLite file: its tables, and how an older file becomes a newer one.

A migration is never changed once it was released: a new one is added at the end. `user_version`
counts those that a file has, `application_id` tells our files from others. A file that isn't ours,
or is of a newer counterfoil, is looked at and left as it is.
"""

from __future__ import annotations

import sqlite3
import time

from ..effects import StoreUnavailable

APPLICATION_ID = 0x63666F6C  # "cfol"

# Strategy: tables with rowids. WITHOUT ROWID would spare a look-up by handle, but keeps whole
# records in the inner pages of its tree: with 1.5 kB of data a session, at 100,000 of them, the
# file is twice as large and a read takes twice as long. The indexes end in the handle, so that
# they hold the whole order that is asked for.
_FIRST = (
    """
    CREATE TABLE sessions (
        handle TEXT PRIMARY KEY NOT NULL,
        user_id TEXT NOT NULL,
        recipe_user_id TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        absolute_expires_at INTEGER NOT NULL,
        idle_lifetime INTEGER NOT NULL,
        access_lifetime INTEGER NOT NULL,
        rotated_at INTEGER NOT NULL,
        current_digest BLOB NOT NULL,
        mac_key BLOB NOT NULL,
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        previous_digest BLOB,
        salt BLOB,
        anti_csrf_token TEXT,
        payload TEXT NOT NULL,
        data TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    )
    """,
    "CREATE INDEX sessions_of_user ON sessions (user_id, created_at, handle)",
    "CREATE INDEX sessions_by_expiry ON sessions (expires_at, handle)",
    "CREATE TABLE secrets (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)


def prepare(connection: sqlite3.Connection, path: str, *, patience: float) -> None:
    """Make a file ready for use: in WAL mode, its schema up to date.

    Any number of processes may do so at once; each waits up to `patience` seconds.

    Raises:
        StoreUnavailable: the file belongs to another application, or to a newer counterfoil.
    """
    connection.execute("BEGIN")  # or another process may migrate between two looks at the file
    version = _version(connection, path)
    connection.execute("COMMIT")
    _write_ahead(connection, deadline=time.monotonic() + patience)
    if version < len(MIGRATIONS):
        _migrate(connection, path)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statements in MIGRATIONS[_version(connection, path) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _write_ahead(connection: sqlite3.Connection, *, deadline: float) -> None:
    # Of two processes that do this to a new file at once, SQLite refuses one on the spot, however
    # long its timeout: each has a lock that the other waits for.
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _version(connection: sqlite3.Connection, path: str) -> int:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (tables or owner or version):
        raise StoreUnavailable(f"{path} is another application's database; give another path.")
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"{path} has schema {version}, this counterfoil knows {len(MIGRATIONS)}; upgrade it."
        )
    return int(version)
