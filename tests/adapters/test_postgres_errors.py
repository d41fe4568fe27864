"""What goes wrong between a PostgreSQL store and its server, and that no message tells a secret."""

import math
import traceback
from typing import Any

import attrs
import psycopg
import pytest

from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.postgres_target import Target, told
from counterfoil.core.examples import example_record
from counterfoil.effects import InvalidInput, Secret, StoreUnavailable

from ..ports import free_port
from .postgres_server import PASSWORD, PostgresServer


def shown(error: BaseException) -> str:
    """All that a log would have of an error, and of those that it came from."""
    return "".join(traceback.format_exception(error)) + repr(error)


def test_a_server_that_is_not_there() -> None:
    port = free_port()
    with pytest.raises(StoreUnavailable, match=rf"127\.0\.0\.1:{port}/app: .*refused") as told:
        PostgresStore(f"postgresql://ada:{PASSWORD}@127.0.0.1:{port}/app")
    assert isinstance(told.value.__cause__, psycopg.OperationalError)
    assert PASSWORD not in shown(told.value)


def test_a_password_that_is_wrong(postgres: PostgresServer) -> None:
    url = postgres.url().replace(PASSWORD, "wrong-canary")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as told:
        PostgresStore(url)
    assert "wrong-canary" not in shown(told.value)


def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable, match='database "nothing" does not exist') as told:
        PostgresStore(postgres.url("nothing"))
    assert PASSWORD not in shown(told.value)


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://ada:can@ry@host/app",
        "postgresql://ada:can/ary@host/app",
        "postgresql://ada:12/canary@host/app",
        "postgresql://ada:canary@host:canary/app",
        "postgresql://ada:canary@host/app?canary=1",
        "postgresql:/ada:canary@host/app",
        "host=x password=canary canary",
        "host=x port=canary",
        "canary",
    ],
)
def test_a_connection_string_that_can_not_be_read_is_not_shown(conninfo: str) -> None:
    with pytest.raises(InvalidInput, match="connection string") as told:
        PostgresStore(conninfo)
    assert "canary" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_no_connection_string_at_all() -> None:
    nothing: Any = None
    with pytest.raises(InvalidInput, match="not NoneType"):
        PostgresStore(nothing)
    with pytest.raises(InvalidInput, match="1 or more"):
        PostgresStore("postgresql:///app", connections=0)
    for patience in (-1.0, math.nan):
        with pytest.raises(InvalidInput, match="0 s or more"):
            PostgresStore("postgresql:///app", patience=patience)


def test_a_target_shows_no_password(postgres: PostgresServer) -> None:
    target = Target.of(postgres.url("app"), prepared=False)
    assert PASSWORD not in repr(target)
    assert target.where == f"PostgreSQL at 127.0.0.1:{postgres.port}/app"
    assert Target.of("", prepared=False).where == "PostgreSQL"
    assert Target.of("host=db.example", prepared=False).where == "PostgreSQL at db.example"


def test_what_the_string_says_goes_before_what_we_would() -> None:
    target = Target.of("postgresql://db/app?connect_timeout=1&application_name=x", prepared=True)
    assert target.options["connect_timeout"] == "1"
    assert target.options["application_name"] == "x"
    assert target.options["prepare_threshold"] is not None


def test_a_statement_that_takes_too_long(postgres: PostgresServer, database: str) -> None:
    name = database.rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {name} SET statement_timeout = '50ms'")
    with PostgresStore(database) as store, psycopg.connect(database) as stranger:
        store.create(example_record())
        stranger.execute("SELECT FROM counterfoil.sessions FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="due to statement timeout") as told:
            store.swap(attrs.evolve(example_record(), version=1), 0)
        assert example_record().handle not in shown(told.value)
        stranger.rollback()
        assert store.load(example_record().handle) == example_record()


def test_tables_that_are_gone(database: str) -> None:
    with PostgresStore(database) as store, psycopg.connect(database) as stranger:
        stranger.execute("DROP SCHEMA counterfoil CASCADE")
        stranger.commit()
        with pytest.raises(StoreUnavailable, match=r"UndefinedTable \(42P01\): relation"):
            store.load("h1")


def test_an_error_that_quotes_values_is_told_by_its_name(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(psycopg.Error) as quoting:
        connection.execute("SELECT %s::text::integer", ("canary",))
    assert "canary" in str(quoting.value)
    assert told(quoting.value) == "InvalidTextRepresentation (22P02)."
    assert told(psycopg.DataError("canary")) == "DataError."


def test_a_value_that_an_error_quotes_is_in_no_traceback(database: str) -> None:
    # As after a migration that a server of the older release doesn't know of.
    with PostgresStore(database) as store, psycopg.connect(database) as stranger:
        stranger.execute("ALTER TABLE counterfoil.sessions ADD COLUMN device text NOT NULL")
        stranger.commit()
        with pytest.raises(StoreUnavailable, match=r"NotNullViolation \(23502\)") as caught:
            store.create(attrs.evolve(example_record(), anti_csrf_token=Secret(PASSWORD)))
    assert PASSWORD in str(caught.value.__context__)
    assert PASSWORD not in shown(caught.value)
