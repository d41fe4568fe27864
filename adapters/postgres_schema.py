"""The tables in PostgreSQL: how they are made, and how older ones become newer ones.

All lies in one schema of the database, `counterfoil` unless another is named, and every statement
says so: no `search_path` is relied on, which a pooler would mix up.

A migration is never changed once it was released: a new one is added at the end. Each runs in one
transaction, with a lock that makes processes which start at once take turns, and waits for a
table's lock for `PATIENCE` at most, since whoever comes later waits behind it. So what a migration
may do to a table with rows is what is done at once: add a column without a default that must be
computed, add a constraint NOT VALID. An index on a table with rows is none of that: it must be
built with CREATE INDEX CONCURRENTLY, outside of the transaction, before what needs it is released.
"""

from __future__ import annotations

from typing import Any, LiteralString

from ..effects import StoreUnavailable
from .postgres_driver import psycopg, sql

PATIENCE = 5  # s that a migration waits for the lock of a table
TURN = 60  # s that a process waits for another that migrates
LOCK = 0x63666F6C  # "cfol": the first half of the advisory lock's number

# Strategy: no index has a column that a refresh changes (see `due_at` in postgres_acts.py), and a
# page is filled to 80 %: so the next version of a record finds room beside it, and needs no entry
# in an index (HOT). Of 200,000 refreshes of 100,000 sessions 99.8 % did; 87.5 % with full pages,
# none with an index of each session's end. An entry of an index has room for 2.7 kB, which an id
# from elsewhere could exceed: so the first part of it is in it. The table is cleaned up when a
# fiftieth of it is dead: a fifth, the default, would be a lot.
_FIRST = (
    """
    CREATE TABLE {schema}.sessions (
        created_at bigint NOT NULL,
        absolute_expires_at bigint NOT NULL,
        idle_lifetime bigint NOT NULL,
        access_lifetime bigint NOT NULL,
        rotated_at bigint NOT NULL,
        version bigint NOT NULL,
        generation bigint NOT NULL,
        due_at bigint NOT NULL,
        handle text COLLATE "C" PRIMARY KEY,
        user_id text COLLATE "C" NOT NULL,
        recipe_user_id text COLLATE "C" NOT NULL,
        tenant_id text COLLATE "C" NOT NULL,
        current_digest bytea NOT NULL,
        mac_key bytea NOT NULL,
        previous_digest bytea,
        salt bytea,
        anti_csrf_token text COLLATE "C",
        payload jsonb NOT NULL,
        data text COLLATE "C" NOT NULL
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
    """,
    "CREATE INDEX sessions_of_user ON {schema}.sessions (left(user_id, 200))",
    "CREATE INDEX sessions_due ON {schema}.sessions (due_at)",
    'CREATE TABLE {schema}.secrets (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL)',
)

MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (_FIRST,)

_LOOK = """
    SELECT current_setting('server_encoding'), count(*) FILTER (WHERE nspname = %(schema)s),
        (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
         WHERE nspname = %(schema)s AND relname = 'schema_version')
    FROM pg_namespace
"""

_NEW_VERSION = "CREATE TABLE {schema}.schema_version AS SELECT 0 AS number"
_WRITE_VERSION = "UPDATE {schema}.schema_version SET number = {number}"

Connection = psycopg.Connection[tuple[Any, ...]]


def prepare(connection: Connection, schema: str, where: str, *, migrate: bool) -> None:
    """Bring a schema up to date; a look is enough if it is.

    Any number of processes may do so at once. A role that may not create tables will do where they
    are there. Without `migrate` an older schema is refused.

    Raises:
        StoreUnavailable: it is another application's, of a newer counterfoil, or of an older one
            and can't or must not be migrated; or the database isn't in UTF-8.
        psycopg.Error: as the driver has it.
    """
    _, version = _look(connection, schema, where)
    if version == len(MIGRATIONS):
        return
    if not migrate:
        raise StoreUnavailable(
            f"{where}: schema {schema!r} has version {version}, this counterfoil needs "
            f"{len(MIGRATIONS)}: open the store once with migrate=True."
        )
    try:
        with connection.transaction():
            _migrate(connection, schema, where)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailable(
            f"{where}: schema {schema!r} must be made or changed, which this role may not do. "
            "Open the store once as a role that may, then GRANT this one USAGE on the schema and "
            "SELECT, INSERT, UPDATE, DELETE on its tables."
        ) from error
    except psycopg.errors.DuplicateTable as error:
        raise StoreUnavailable(
            f"{where}: schema {schema!r} has such tables, but not of counterfoil's; name another."
        ) from error


def _migrate(connection: Connection, schema: str, where: str) -> None:
    # Whoever has waited for a turn must see what was done meanwhile, whatever the default is.
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    _wait_at_most(connection, TURN)
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, schema))
    _wait_at_most(connection, PATIENCE)
    exists, version = _look(connection, schema, where)  # somebody else may have been at it
    if not exists:  # IF NOT EXISTS would ask for the right to create, all the same
        connection.execute(_in(schema, "CREATE SCHEMA {schema}"))
    if version == 0:
        connection.execute(_in(schema, _NEW_VERSION))
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(_in(schema, statement))
    connection.execute(_in(schema, _WRITE_VERSION, number=sql.Literal(len(MIGRATIONS))))


def _look(connection: Connection, schema: str, where: str) -> tuple[bool, int]:
    """Whether the schema exists, and its version: 0 if it has no table of ours.

    Raises as `prepare` does.
    """
    row = connection.execute(_LOOK, {"schema": schema}).fetchone()
    encoding, exists, has_version = row or ("", 0, 0)
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"{where} is encoded in {encoding}, which can't hold every name: make the database "
            "with ENCODING 'UTF8' TEMPLATE template0."
        )
    version = _version(connection, schema) if has_version else 0
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"{where}: schema {schema!r} has version {version}, this counterfoil knows "
            f"{len(MIGRATIONS)}; upgrade it."
        )
    return bool(exists), version


def _version(connection: Connection, schema: str) -> int:
    row = connection.execute(_in(schema, "SELECT number FROM {schema}.schema_version")).fetchone()
    return int(row[0]) if row else 0


def _wait_at_most(connection: Connection, seconds: int) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{seconds}s",))


def _in(schema: str, statement: LiteralString, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(schema=sql.Identifier(schema), **parts)
