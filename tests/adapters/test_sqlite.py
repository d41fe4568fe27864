"""The SQLite store: its file, and what it says when that fails."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from counterfoil.adapters import sqlite_connections
from counterfoil.adapters.sqlite import SWAP, SqliteStore
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    CounterfoilError,
    FrozenDict,
    InvalidInput,
    Missing,
    SessionRecord,
    StoreUnavailable,
)

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


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


def test_a_path_that_can_be_no_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        SqliteStore(f"{tmp_path}/a\0b")


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


# --- what a write costs ------------------------------------------------------------------------


def test_a_swap_writes_no_index_but_that_of_expiry(opened: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        values = [None] * SWAP.count("?")
        written = [row for row in other.execute(f"EXPLAIN {SWAP}", values) if row[1] == "IdxInsert"]
    assert len(written) == 1
