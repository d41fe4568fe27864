"""The tables in PostgreSQL: made, migrated, told from others; with rights and without."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from counterfoil.adapters import postgres_schema
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.postgres_schema import MIGRATIONS
from counterfoil.core.examples import example_record
from counterfoil.effects import InvalidInput, Missing, StoreUnavailable

from .postgres_server import PostgresServer

NEXT_RELEASE = (*MIGRATIONS, ("ALTER TABLE {schema}.sessions ADD COLUMN device text",))


def columns(database: str) -> set[str]:
    """The columns of the sessions' table."""
    statement = "SELECT column_name FROM information_schema.columns WHERE table_name = 'sessions'"
    with psycopg.connect(database) as connection:
        return {name for (name,) in connection.execute(statement).fetchall()}


def ask(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_an_older_schema_is_migrated_and_keeps_what_it_holds(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresStore(database) as store:
        store.create(example_record())
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", NEXT_RELEASE)
    with PostgresStore(database) as store:
        assert store.load(example_record().handle) == example_record()
    assert "device" in columns(database)
    PostgresStore(database).close()


def test_an_older_schema_is_refused_where_it_must_not_be_migrated(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match="has version 0, this counterfoil needs 1"):
        PostgresStore(database, migrate=False)
    PostgresStore(database).close()
    PostgresStore(database, migrate=False).close()
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", NEXT_RELEASE)
    with pytest.raises(StoreUnavailable, match=r"version 1, .* needs 2: open the store once"):
        PostgresStore(database, migrate=False)
    assert "device" not in columns(database)


def test_a_newer_schema_is_refused(database: str) -> None:
    PostgresStore(database).close()
    ask(database, "UPDATE counterfoil.schema_version SET number = 9")
    with pytest.raises(StoreUnavailable, match=r"version 9, this counterfoil knows 1; upgrade it"):
        PostgresStore(database)


def test_a_migration_that_fails_changes_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (*MIGRATIONS, (*NEXT_RELEASE[-1], "DROP TABLE {schema}.nothing"))
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", broken)
    with pytest.raises(StoreUnavailable, match="UndefinedTable"):
        PostgresStore(database)
    assert columns(database) == set()


def test_a_migration_does_not_wait_long_for_a_lock(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    PostgresStore(database).close()
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", NEXT_RELEASE)
    monkeypatch.setattr(postgres_schema, "PATIENCE", 0.05)
    with psycopg.connect(database) as stranger:
        stranger.execute("SELECT count(*) FROM counterfoil.sessions")
        with pytest.raises(StoreUnavailable, match="LockNotAvailable"):
            PostgresStore(database)
    PostgresStore(database).close()


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_any_number_may_open_a_new_database_at_once(
    isolation: str, postgres: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = database.rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", NEXT_RELEASE)
    start = threading.Barrier(8, timeout=30)

    def begin(_: int) -> object:
        start.wait()
        with PostgresStore(database) as store:
            return store.load("nobody's")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(begin, range(8))) == [Missing()] * 8


def test_a_role_without_rights_to_create_uses_what_is_there(
    database: str, postgres: PostgresServer
) -> None:
    ask(database, "CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    name = database.rpartition("/")[2]
    clerk = f"postgresql://clerk:clerk@127.0.0.1:{postgres.port}/{name}"
    try:
        with pytest.raises(StoreUnavailable, match="this role may not do") as told:
            PostgresStore(clerk)
        assert isinstance(told.value.__cause__, psycopg.errors.InsufficientPrivilege)
        PostgresStore(database).close()
        with pytest.raises(StoreUnavailable, match="permission denied"):
            PostgresStore(clerk)
        ask(
            database,
            "GRANT USAGE ON SCHEMA counterfoil TO clerk",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA counterfoil TO clerk",
        )
        with PostgresStore(clerk) as store:
            store.create(example_record())
            assert store.purge(10**15, 1) == 1
            assert store.swap_secret("ring", None, b"one")
    finally:
        ask(database, "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_tables_of_another_application_are_left_alone(database: str) -> None:
    ask(database, "CREATE TABLE public.sessions (theirs text)")
    with pytest.raises(StoreUnavailable, match="not of counterfoil's; name another"):
        PostgresStore(database, schema="public")
    assert columns(database) == {"theirs"}
    PostgresStore(database).close()


def test_stores_in_two_schemas_share_nothing(database: str) -> None:
    odd = 'a "schema" of {mine} 100% é'
    with PostgresStore(database) as one, PostgresStore(database, schema=odd) as two:
        one.create(example_record())
        assert two.load(example_record().handle) == Missing()
        two.create(example_record())
        assert one.delete((example_record().handle,)) == (example_record().handle,)
        assert two.load(example_record().handle) == example_record()


@pytest.mark.parametrize("schema", ["", "x" * 64, "é" * 32, "a\0b"])
def test_what_can_name_no_schema_is_refused(schema: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 63 bytes"):
        PostgresStore("postgresql://127.0.0.1:1/x", schema=schema)


def test_a_database_that_can_not_hold_every_name_is_refused(postgres: PostgresServer) -> None:
    name = postgres.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreUnavailable, match="is encoded in LATIN1"):
        PostgresStore(postgres.url(name))
    postgres.drop(name)


def test_a_server_that_only_reads_is_told(database: str, postgres: PostgresServer) -> None:
    PostgresStore(database).close()
    name = database.rpartition("/")[2]
    ask(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with (
        PostgresStore(database) as store,
        pytest.raises(StoreUnavailable, match="in a read-only transaction"),
    ):
        store.create(example_record())
