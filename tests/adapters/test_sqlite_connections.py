"""The connections to one SQLite file: their modes, their number, their failures and their end."""

import gc
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dis import opname
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import pytest

from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.adapters.sqlite_connections import Connections
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    Missing,
    SessionRecord,
    StoreUnavailable,
)

from .test_sqlite_fork import open_inodes


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@attrs.define
class Watched:
    """Every connection that was opened, and what happens whenever one executes a statement."""

    connections: list[sqlite3.Connection] = attrs.Factory(list[sqlite3.Connection])
    on_statement: Callable[[str], object] = str


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched, connect = Watched(), sqlite3.connect

    def connecting(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(lambda statement: watched.on_statement(statement))
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
        assert store.load("h1") == Missing()  # while the other still reads
        read.set()
        assert held.result() == Missing()
        assert len(watched.connections) == 2
        for connection in watched.connections:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_an_idle_connection_is_used_again(watched: Watched, path: Path) -> None:
    with SqliteStore(path) as store:
        for number in range(20):
            store.create(record(f"h{number}"))
            store.load(f"h{number}")
    assert len(watched.connections) == 1


def test_who_is_alone_has_one_connection_again_after_many_had_theirs(
    watched: Watched, path: Path
) -> None:
    together = threading.Barrier(4)
    with SqliteStore(path) as store, ThreadPoolExecutor(4) as threads:
        watched.on_statement = lambda statement: "held" in statement and together.wait(30)
        assert list(threads.map(store.load, ["held"] * 4)) == [Missing()] * 4
        assert len(watched.connections) == 4
        used = [list[str]() for _ in watched.connections]
        for connection, statements in zip(watched.connections, used, strict=True):
            connection.set_trace_callback(statements.append)
        store.create(record("h1"))
        assert store.load("h1") == record("h1")
    assert sum(map(bool, used)) == 1


@pytest.mark.skipif(os.name != "posix", reason="the locks of POSIX belong to a process")
def test_a_second_store_on_the_file_takes_no_lock_from_the_first(path: Path) -> None:
    with SqliteStore(path) as first, SqliteStore(path) as second:
        first.create(record("h1"))
        # A stranger who leaves last tidies up; were our locks gone, he would take us for gone.
        assert strangers_count(path) == 1
        assert Path(f"{path}-wal").exists()
        second.create(record("h2"))
        assert strangers_count(path) == 2
        assert first.load("h2") == record("h2")


def strangers_count(path: Path) -> int:
    """How many sessions another process counts, which then closes the file."""
    code = """if True:
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1])
        print(*connection.execute("SELECT count(*) FROM sessions").fetchone())
        connection.close()
    """
    command = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_file_that_was_deleted_is_not_made_anew(path: Path) -> None:
    connections = Connections(path)
    with connections.paused():
        path.unlink()
    with pytest.raises(StoreUnavailable, match="unable to open"):
        connections.read("SELECT * FROM sessions", ())
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there is no list of open files here")
def test_a_connection_that_fails_at_once_is_closed(path: Path) -> None:
    connections = Connections(path)
    with connections.paused():
        path.write_bytes(b"not a database" * 1000)
    gc.disable()  # which would close what was only forgotten
    try:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="not a database"):
                connections.read("SELECT * FROM sessions", ())
        assert path.stat().st_ino not in open_inodes()
    finally:
        gc.enable()


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


class Interruption(BaseException):
    """What `KeyboardInterrupt` is where one is typed."""


@pytest.mark.parametrize("statement", ["SELECT * FROM secrets", "DELETE FROM secrets"])
def test_whoever_is_interrupted_leaves_no_lock_behind(statement: str, path: Path) -> None:
    connections = Connections(path)
    use = connections.read if statement.startswith("SELECT") else connections.write
    moments = 0
    while was_interrupted(moments, partial(use, statement, ())):
        closing = threading.Thread(target=close_all, args=(connections,), daemon=True)
        closing.start()
        closing.join(30)
        assert not closing.is_alive(), moments
        moments += 1
    assert moments > 5
    assert use(statement, ()) in ([], 0)
    connections.close()


def close_all(connections: Connections) -> None:
    with connections.paused():
        pass


def was_interrupted(moment: int, act: Callable[[], object]) -> bool:
    """Interrupt an act after one of its calls, where Python looks for signals."""
    calls = 0

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        nonlocal calls
        if event == "call":
            frame.f_trace_opcodes = Path(frame.f_code.co_filename).stem == "sqlite_connections"
            return tracing()
        return None

    def tracing() -> Any:
        called = False

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal called, calls
            if event == "opcode":
                calls += called
                if calls > moment:
                    raise Interruption
                called = opname[frame.f_code.co_code[frame.f_lasti]].startswith("CALL")
            return trace

        return trace

    def traced() -> None:
        sys.settrace(interrupt)
        try:
            act()
        finally:
            sys.settrace(None)

    with ThreadPoolExecutor(1) as thread:
        return isinstance(thread.submit(traced).exception(), Interruption)


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
