"""A database of a PostgreSQL server with settings for real use, filled with COPY."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import psycopg

from counterfoil import SessionRecord
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.postgres_rows import FIELDS, members_of

from ..adapters.postgres_server import PostgresServer, postgres_server
from .population import rows

COLUMNS = (*FIELDS, "due_at")
SETTINGS = {
    "fsync": "on",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "1GB",
    "wal_level": "minimal",  # what is copied into a new table needn't be logged too
    "max_wal_senders": "0",
}


def durable_server() -> AbstractContextManager[PostgresServer]:
    """A server that loses nothing it has acknowledged."""
    return postgres_server(**SETTINGS)


class InPostgres:
    """A database of its own."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server = server
        self._database = database

    @property
    def url(self) -> str:
        """Its connection string."""
        return self.server.url(self._database)

    def open(self) -> PostgresStore:
        """The store of the database."""
        return PostgresStore(self.url)

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """In one transaction; all indexes but that of the key are built when all is there."""
        self.open().close()  # which makes the tables
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET search_path = counterfoil")
            with connection.transaction():
                connection.execute("TRUNCATE sessions")
                indexes = connection.execute(
                    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'counterfoil'"
                    " AND tablename = 'sessions' AND indexname NOT LIKE '%_pkey'"
                ).fetchall()
                for name, _ in indexes:
                    connection.execute(f"DROP INDEX {name}".encode())
                into = f"COPY sessions ({', '.join(COLUMNS)}) FROM STDIN WITH (FREEZE)"
                with connection.cursor().copy(into.encode()) as copy:
                    for row in rows(records, members_of):
                        copy.write_row(row)
                for _, statement in indexes:
                    connection.execute(statement.encode())
            connection.execute("VACUUM ANALYZE sessions")
            connection.execute("CHECKPOINT")

    def size_on_disk(self) -> int:
        """Of the table and its indexes."""
        return self._size("pg_total_relation_size")

    def size_in_memory(self) -> int:
        """Of the indexes: where they don't fit in memory, every look-up waits for the disk."""
        return self._size("pg_indexes_size")

    def _size(self, function: str) -> int:
        ((size,),) = self.server.ask(
            f"SELECT {function}('counterfoil.sessions')", database=self._database
        )
        return int(size)
