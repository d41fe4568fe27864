"""The SQLite file: how it is made, kept and told from others, and what happens when it fails.

Run as a program, this file is a process that a test needs beside its own.
"""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

import attrs
import pytest

from counterfoil.adapters import sqlite_connections, sqlite_schema
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.adapters.sqlite_connections import Connections
from counterfoil.adapters.sqlite_schema import APPLICATION_ID, MIGRATIONS, prepare
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    CounterfoilError,
    FrozenDict,
    InvalidInput,
    Missing,
    SessionRecord,
    StoreUnavailable,
)

MakeRecord = Callable[..., SessionRecord]

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions or fork")

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


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ":memory:", Path(":memory:")])
def test_a_database_in_memory_is_refused(name: str | Path) -> None:
    with pytest.raises(InvalidInput, match="use MemoryStore"):
        SqliteStore(name)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere.*No such file"):
        SqliteStore(tmp_path / "nowhere" / "sessions.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open") as caught:
        SqliteStore(tmp_path)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


@posix_only
def test_the_files_are_open_to_their_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with SqliteStore(path) as store:
            store.create(record("h1"))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    names = ("sessions.db", "sessions.db-wal", "sessions.db-shm")
    assert modes == dict.fromkeys(names, 0o600)


@posix_only
def test_a_file_that_was_there_keeps_its_mode(path: Path) -> None:
    path.touch()
    path.chmod(0o660)
    with SqliteStore(path) as store:
        store.create(record("h1"))
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o660}


@pytest.mark.parametrize(
    "name", ["a b.db", "100%.db", "what?.db", "a#b&mode=memory.db", "zürich.db"]
)
def test_any_name_is_the_name_of_a_file(name: str, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / name) as store:
        store.create(record("h1"))
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with SqliteStore("sessions.db") as store:
        store.create(record("h1"))
        monkeypatch.chdir(elsewhere)
        assert store.load("h1") == record("h1")
    assert list(elsewhere.iterdir()) == []


def test_everything_is_in_the_one_file_once_the_store_is_closed(path: Path) -> None:
    with SqliteStore(path) as store:
        store.create(record("h1"))
        store.load("h1")
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]
    with SqliteStore(path) as store:
        assert store.load("h1") == record("h1")


# --- schema ------------------------------------------------------------------------------------


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
    processes = [program("open", path, f"h{n}") for n in range(4)]
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


# --- connections -------------------------------------------------------------------------------


@attrs.define
class Watched:
    """Every connection that was opened, and every statement with the values that it had."""

    connections: list[sqlite3.Connection] = attrs.Factory(list[sqlite3.Connection])
    statements: list[str] = attrs.Factory(list[str])
    on_statement: Callable[[str], object] = attrs.field(default=str)

    def traced(self, statement: str) -> None:
        self.statements.append(statement)
        self.on_statement(statement)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched, connect = Watched(), sqlite3.connect

    def connecting(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(watched.traced)
        watched.connections.append(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connecting)
    return watched


def test_every_connection_is_in_wal_mode_and_syncs_each_commit(
    watched: Watched, path: Path
) -> None:
    reading, read = threading.Event(), threading.Event()

    def hold(statement: str) -> None:
        if "held" in statement:
            reading.set()
            assert read.wait(30)

    with SqliteStore(path) as store, ThreadPoolExecutor(1) as thread:
        watched.on_statement = hold
        held = thread.submit(store.load, "held")
        assert reading.wait(30)
        assert store.load("h1") == Missing()  # while the other reads, and on no account after it
        read.set()
        assert held.result() == Missing()
        assert len(watched.connections) == 3
        for connection in watched.connections:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_an_idle_connection_is_used_again(watched: Watched, path: Path) -> None:
    with SqliteStore(path) as store:
        for number in range(20):
            store.create(record(f"h{number}"))
            store.load(f"h{number}")
    assert len(watched.connections) == 2


def test_no_statement_searches_or_sorts_a_table(watched: Watched, path: Path) -> None:
    with SqliteStore(path) as store:
        for number in range(3):
            store.create(attrs.evolve(record(f"h{number}"), user_id="ada"))
        watched.statements.clear()
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
    acts = [s for s in watched.statements if s.split()[0] in ("SELECT", "UPDATE", "DELETE")]
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


@posix_only
def test_a_second_store_on_the_file_takes_no_lock_from_the_first(path: Path) -> None:
    with SqliteStore(path) as first, SqliteStore(path) as second:
        first.create(record("h1"))
        # A stranger who leaves last tidies up; were our locks gone, he would take us for gone.
        assert finished(program("visit", path)) == "1"
        assert Path(f"{path}-wal").exists()
        second.create(record("h2"))
        assert finished(program("visit", path)) == "2"
        assert first.load("h2") == record("h2")


# --- fork --------------------------------------------------------------------------------------


@posix_only
def test_parent_and_child_use_a_store_after_a_fork(path: Path) -> None:
    assert finished(program("fork", path)) == "parent-before child-1 parent-after child-2"


@posix_only
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_waits_for_whoever_is_at_work_and_closes_every_connection(
    watched: Watched, path: Path
) -> None:
    at_work, may_end = threading.Event(), threading.Event()

    def hold(statement: str) -> None:
        if "held" in statement:
            at_work.set()
            assert may_end.wait(30)

    with SqliteStore(path) as store, ThreadPoolExecutor(2) as threads:
        store.create(record("h1"))
        store.load("h1")
        watched.on_statement = hold
        writer = threads.submit(store.create, record("held"))
        assert at_work.wait(30)
        threads.submit(may_end.set)
        if (child := os.fork()) == 0:
            watched.on_statement = str
            found = [store.load("held"), store.load("h1")]  # the writer's act was waited for
            os._exit(0 if found == [record("held"), record("h1")] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert writer.result() is None
        for connection in watched.connections:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connection.execute("SELECT 1")
        assert store.load("held") == record("held")


@posix_only
def test_a_fork_among_busy_threads_loses_nothing(path: Path) -> None:
    kept = finished(program("fork-among-threads", path)).split()
    assert len(kept) >= 63
    assert ask(path, "PRAGMA integrity_check") == "ok"
    with SqliteStore(path) as store:
        assert all(store.load(handle) == record(handle) for handle in kept)


# --- failures ----------------------------------------------------------------------------------


ACTS: dict[str, Callable[[SqliteStore], object]] = {
    "create": lambda store: store.create(record("h1")),
    "load": lambda store: store.load("h1"),
    "swap": lambda store: store.swap(record("h1"), 0),
    "merge_payload": lambda store: store.merge_payload("h1", FrozenDict({"a": 1}), 99),
    "merge_payload, empty": lambda store: store.merge_payload("h1", FrozenDict(), 99),
    "replace_data": lambda store: store.replace_data("h1", FrozenDict()),
    "delete": lambda store: store.delete(("h1",)),
    "delete_for_user": lambda store: store.delete_for_user("ada", None, ()),
    "list_for_user": lambda store: store.list_for_user("ada", None),
    "purge": lambda store: store.purge(0, 1),
    "load_secret": lambda store: store.load_secret("ring"),
    "swap_secret, new": lambda store: store.swap_secret("ring", None, b""),
    "swap_secret": lambda store: store.swap_secret("ring", b"", b""),
}

act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


@act
def test_a_closed_store_says_so(act: Callable[[SqliteStore], object], path: Path) -> None:
    with SqliteStore(path) as store:
        store.load("h1")
    with pytest.raises(StoreUnavailable, match="the store is closed; open a new one"):
        act(store)
    store.close()


@act
def test_a_drivers_error_is_translated(
    act: Callable[[SqliteStore], object], opened: SqliteStore, path: Path
) -> None:
    act(opened)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE sessions; DROP TABLE secrets;")
    with pytest.raises(StoreUnavailable, match=r"sessions\.db: no such table") as caught:
        act(opened)
    assert isinstance(caught.value, CounterfoilError)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_a_store_works_again_once_its_file_does(opened: SqliteStore, path: Path) -> None:
    for statement in ("ALTER TABLE sessions RENAME TO away", "ALTER TABLE away RENAME TO sessions"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
        if "TO away" in statement:
            with pytest.raises(StoreUnavailable):
                opened.load("h1")
            with pytest.raises(StoreUnavailable):
                opened.create(record("h1"))
    assert opened.create(record("h1")) is None
    assert opened.load("h1") == record("h1")


def test_a_file_that_was_deleted_is_not_made_anew(path: Path) -> None:
    with SqliteStore(path) as store:
        path.unlink()
        with pytest.raises(StoreUnavailable, match="unable to open"):
            store.load("h1")
        assert not path.exists()


def test_a_file_that_stays_locked_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connections, "PATIENCE", 0.0)
    with SqliteStore(path) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked") as caught:
            store.create(record("h1"))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert store.load("h1") == Missing()  # readers don't wait for writers
        other.rollback()
        assert store.create(record("h1")) is None


def test_a_new_file_that_stays_locked_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connections, "PATIENCE", 0.0)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            SqliteStore(path)


@pytest.fixture
def connections(path: Path) -> Iterator[Connections]:
    connections = Connections(path)
    connections.write("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)", ())
    yield connections
    connections.close()


def notes(connections: Connections) -> list[str]:
    return [text for (text,) in connections.read("SELECT text FROM notes ORDER BY id", ())]


def test_a_full_disk_is_unavailable_and_nothing_is_half_written(connections: Connections) -> None:
    connections.write("INSERT INTO notes (text) VALUES (?)", ("first",))
    with connections.writing() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def write_too_much() -> None:
        with connections.transaction() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('second')")
            connection.execute("INSERT INTO notes (text) VALUES (?)", ("x" * 100_000,))

    with pytest.raises(StoreUnavailable, match="disk is full") as caught:
        write_too_much()
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert notes(connections) == ["first"]
    connections.write("INSERT INTO notes (text) VALUES (?)", ("x" * 100_000,))
    assert len(notes(connections)) == 2


def test_a_commit_that_fails_is_rolled_back(connections: Connections) -> None:
    owned = "CREATE TABLE owned (note INTEGER REFERENCES notes DEFERRABLE INITIALLY DEFERRED)"
    connections.write(owned, ())
    with connections.writing() as connection:
        connection.execute("PRAGMA foreign_keys = ON")

    def own_what_is_not_there() -> None:
        with connections.transaction() as connection:
            connection.execute("INSERT INTO owned VALUES (9)")  # is looked at by COMMIT

    with pytest.raises(StoreUnavailable, match="FOREIGN KEY") as caught:
        own_what_is_not_there()
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert connections.read("SELECT * FROM owned", ()) == []
    with connections.transaction() as connection:
        connection.execute("INSERT INTO notes (text) VALUES ('next')")
    assert notes(connections) == ["next"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_a_transaction_that_is_interrupted_is_rolled_back(
    interruption: type[BaseException], connections: Connections
) -> None:
    def write_half() -> None:
        with connections.transaction() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('half')")
            raise interruption

    with pytest.raises(interruption):
        write_half()
    assert notes(connections) == []
    connections.write("INSERT INTO notes (text) VALUES ('next')", ())
    assert notes(connections) == ["next"]


def test_closing_waits_for_whoever_is_at_work(watched: Watched, path: Path) -> None:
    store = SqliteStore(path)
    store.create(record("h1"))
    at_work, may_end = threading.Event(), threading.Event()

    def hold(statement: str) -> None:
        if "held" in statement:
            at_work.set()
            assert may_end.wait(30)

    watched.on_statement = hold
    with ThreadPoolExecutor(2) as threads:
        writer = threads.submit(store.create, record("held"))
        assert at_work.wait(30)
        closer = threads.submit(store.close)
        may_end.set()
        assert writer.result() is None
        closer.result()
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]
    with SqliteStore(path) as again:
        assert again.load("held") == record("held")


# --- the processes beside ----------------------------------------------------------------------


def open_and_create(path: Path, handle: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    with SqliteStore(path) as store:
        print("created" if store.create(record(handle)) is None else "taken")


def visit(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        print(*connection.execute("SELECT count(*) FROM sessions").fetchone())


def fork(path: Path) -> None:
    """The child goes on after the parent has closed its store: nothing of it may be lost."""
    store = SqliteStore(path)
    store.create(record("parent-before"))
    store.load("parent-before")
    (child_waits, parent_tells), (parent_waits, child_tells) = os.pipe(), os.pipe()
    if os.fork() == 0:
        store.create(record("child-1"))
        os.write(child_tells, b".")
        os.read(child_waits, 1)
        store.create(record("child-2"))
        os.write(child_tells, b".")
        os.read(child_waits, 1)
        os._exit(0)
    os.read(parent_waits, 1)
    store.create(record("parent-after"))
    store.close()
    os.write(parent_tells, b".")
    os.read(parent_waits, 1)
    with SqliteStore(path) as again:
        handles = [r.handle for r in again.list_for_user("user-1", None)]
        expected = ["parent-before", "child-1", "parent-after", "child-2"]
        assert sorted(handles) == sorted(expected)
        print(*expected)
    os.write(parent_tells, b".")
    os.wait()


def fork_among_threads(path: Path) -> None:
    """Forks while other threads write and read; prints the handles of all that was stored."""
    store, enough, stored = SqliteStore(path), threading.Event(), Queue[str]()

    def store_and_load(handle: str) -> bool:
        return store.create(record(handle)) is None and store.load(handle) == record(handle)

    def work(name: int) -> None:
        for number in count():
            if enough.is_set():
                return
            assert store_and_load(f"{name}-{number}")
            stored.put(f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for child in range(3):
        print(*(stored.get(timeout=30) for _ in range(20)))
        if os.fork() == 0:
            os._exit(0 if store_and_load(f"child-{child}") else 1)
    assert all(os.wait()[1] == 0 for _ in range(3))
    enough.set()
    for thread in threads:
        thread.join()
    store.close()
    print(*(stored.get() for _ in range(stored.qsize())), "child-0 child-1 child-2")


def main(*words: str) -> None:
    match words:
        case ["open", file, handle]:
            open_and_create(Path(file), handle)
        case ["visit", file]:
            visit(Path(file))
        case ["fork", file]:
            fork(Path(file))
        case ["fork-among-threads", file]:
            fork_among_threads(Path(file))
        case _:
            raise SystemExit("open, visit, fork or fork-among-threads")


if __name__ == "__main__":
    main(*sys.argv[1:])
