"""The SQLite file: how it is made, migrated and told from others, and that its indexes are used.

Run as a program, this file is one of several processes that open a new file at once.
"""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from counterfoil.adapters import sqlite_schema
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.adapters.sqlite_schema import APPLICATION_ID, MIGRATIONS, prepare
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    FrozenDict,
    SessionRecord,
    StoreUnavailable,
)

NEXT_RELEASE = (*MIGRATIONS, ("ALTER TABLE sessions ADD COLUMN device TEXT",))


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


def ask(path: Path, statement: str) -> Any:
    """The first value that a stranger's connection reads."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchone()[0]


def program(*words: str | Path) -> subprocess.Popen[str]:
    """This file as a process of its own."""
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, *map(str, words)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # this file


def finished(process: subprocess.Popen[str]) -> str:
    """What the process printed, once it has ended well."""
    printed, problem = process.communicate(timeout=60)
    assert process.returncode == 0, problem
    return printed.strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def opened(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path) as store:
        yield store


def test_a_file_says_whose_it_is_and_which_schema_it_has(opened: SqliteStore, path: Path) -> None:
    assert ask(path, "PRAGMA application_id") == APPLICATION_ID
    assert ask(path, "PRAGMA user_version") == len(MIGRATIONS)


def test_opening_a_file_again_changes_nothing(path: Path) -> None:
    with SqliteStore(path) as store:
        store.create(record("h1"))
    before = path.read_bytes()
    with SqliteStore(path) as store:
        store.load("h1")
    assert path.read_bytes() == before


def test_an_older_file_becomes_a_newer_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(path) as store:
        store.create(record("h1"))
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", NEXT_RELEASE)
    with SqliteStore(path) as store:
        assert store.load("h1") == record("h1")
    assert ask(path, "PRAGMA user_version") == len(NEXT_RELEASE)
    assert ask(path, "SELECT count(*) FROM sessions WHERE device IS NULL") == 1


def test_a_new_file_gets_every_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", NEXT_RELEASE)
    with SqliteStore(path) as store:
        store.create(record("h1"))
    assert ask(path, "PRAGMA user_version") == len(NEXT_RELEASE)
    assert ask(path, "SELECT count(*) FROM sessions WHERE device IS NULL") == 1


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteStore(path) as store:
        store.create(record("h1"))
    before = path.read_bytes()
    broken = (*NEXT_RELEASE, ("CREATE TABLE extra (id)", "CREATE TABLE sessions (id)"))
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "MIGRATIONS", broken)
        with pytest.raises(StoreUnavailable, match="table sessions already exists"):
            SqliteStore(path)
    assert path.read_bytes() == before
    with SqliteStore(path) as store:
        assert store.load("h1") == record("h1")


def test_a_newer_file_is_refused_and_left_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "MIGRATIONS", NEXT_RELEASE)
        SqliteStore(path).close()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"has schema 2, .* knows 1; upgrade it"):
        SqliteStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE sessions (id)", "PRAGMA application_id = 1", "PRAGMA user_version = 1"],
)
def test_another_applications_file_is_refused_and_left_as_it_is(statement: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="another application's database; give another path"):
        SqliteStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 400)
    with pytest.raises(StoreUnavailable, match=r"sessions\.db: file is not a database") as caught:
        SqliteStore(path)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes() == b"Dear diary, " * 400


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()  # as a process leaves it that ends between creating and migrating it
    with SqliteStore(path) as store:
        assert store.create(record("h1")) is None


@pytest.mark.parametrize("_round", range(3))
def test_several_processes_may_open_a_new_file_at_once(_round: int, path: Path) -> None:
    processes = [program(path, f"h{n}") for n in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert {finished(process) for process in processes} == {"created"}
    with SqliteStore(path) as store:
        assert all(store.load(f"h{n}") == record(f"h{n}") for n in range(4))


def test_several_threads_may_open_a_new_file_at_once(path: Path) -> None:
    start = threading.Barrier(8, timeout=30)

    def create(number: int) -> object:
        start.wait()
        with SqliteStore(path) as store:
            return store.create(record(f"h{number}"))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(create, range(8))) == [None] * 8
    assert ask(path, "SELECT count(*) FROM sessions") == 8


def test_a_new_file_that_another_process_is_busy_with_is_waited_for(path: Path) -> None:
    # SQLite refuses to change the mode at once, so that the wait is ours.
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        attempts: list[str] = []

        def watch(statement: str) -> None:
            if "journal_mode" in statement:
                attempts.append(statement)
                if len(attempts) == 3:
                    other.execute("ROLLBACK")

        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            connection.set_trace_callback(watch)
            prepare(connection, str(path), patience=30)
    assert len(attempts) == 3
    assert ask(path, "PRAGMA journal_mode") == "wal"


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is executed, with the values that it had."""
    statements, connect = list[str](), sqlite3.connect

    def connecting(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connecting)
    return statements


def test_no_statement_searches_or_sorts_a_table(executed: list[str], path: Path) -> None:
    with SqliteStore(path) as store:
        for number in range(3):
            store.create(attrs.evolve(record(f"h{number}"), user_id="ada"))
        executed.clear()
        store.load("h1")
        store.swap(attrs.evolve(record("h1"), user_id="ada", version=1), 0)
        store.merge_payload("h1", FrozenDict({"a": 1}), 99)
        store.replace_data("h1", FrozenDict({"a": 1}))
        store.list_for_user("ada", None)
        store.list_for_user("ada", "public")
        store.delete(("h0",))
        store.delete_for_user("ada", "public", ("h1",))
        store.purge(1, 10)
        store.load_secret("ring")
        store.swap_secret("ring", None, b"one")
        store.swap_secret("ring", b"one", b"two")
    acts = [s for s in executed if s.split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(acts) == 13
    with closing(sqlite3.connect(path)) as connection:
        plans = {
            statement: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for statement in acts
        }
    for statement, plan in plans.items():
        assert plan, statement
        for line in plan:
            assert not line.startswith(("SCAN", "USE TEMP B-TREE")), (statement, plan)
    by_index = " ".join(line for plan in plans.values() for line in plan)
    assert "sessions_of_user (user_id=?)" in by_index
    assert "sessions_by_expiry (expires_at<?)" in by_index


def open_and_create(path: Path, handle: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    with SqliteStore(path) as store:
        print("created" if store.create(record(handle)) is None else "taken")


if __name__ == "__main__":
    open_and_create(Path(sys.argv[1]), sys.argv[2])
