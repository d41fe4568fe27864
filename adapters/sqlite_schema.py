"""The SQLite file: its tables, and how an older file becomes a newer one.

A migration is never changed once it was released: a new one is added at the end. `user_version`
counts those that a file has, `application_id` tells our files from others.
"""

from __future__ import annotations

import sqlite3

from ..effects import StoreUnavailable

APPLICATION_ID = 0x63666F6C  # "cfol"

_FIRST = (
    """
    CREATE TABLE sessions (
        handle TEXT PRIMARY KEY,
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
    ) WITHOUT ROWID
    """,
    "CREATE INDEX sessions_of_user ON sessions (user_id, created_at)",
    "CREATE INDEX sessions_by_expiry ON sessions (expires_at)",
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file's schema up to date, one transaction a migration.

    Several processes may do so at once: each migration is looked at again once its transaction
    has the write lock.

    Raises:
        StoreUnavailable: the file belongs to another application, or to a newer counterfoil.
    """
    for number, statements in enumerate(MIGRATIONS, start=1):
        if _version(connection, path) >= number:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection, path) < number:
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    _version(connection, path)


def _version(connection: sqlite3.Connection, path: str) -> int:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and (tables or owner or version):
        raise StoreUnavailable(f"{path} is another application's database; give another path.")
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"{path} has schema {version}, this counterfoil knows {len(MIGRATIONS)}; upgrade it."
        )
    return int(version)
