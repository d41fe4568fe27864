"""One SQLite file under threads and processes that all write at once, and under `kill -9`.

Run as a program, this file is one of the processes: it works once it is told to go, and prints
what it was answered.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import attrs
import pytest

from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.core.examples import example_record
from counterfoil.effects import FrozenDict, SessionRecord, Stale

THREADS, PROCESSES = 8, 4
ROUNDS, KEYS, WRITES = 40, 12, 60
LIMIT = 10**6  # bytes of payload


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def record(version: int, writer: int = 0) -> SessionRecord:
    """A record that shows its version in every part of it."""
    return attrs.evolve(
        example_record(),
        handle="h1",
        version=version,
        generation=version,
        rotated_at=version,
        current_digest=version.to_bytes(32),
        mac_key=version.to_bytes(32),
        payload=FrozenDict({"version": version, "writer": writer}),
        data=FrozenDict({"version": version, "filling": str(version) * 2_000}),
    )


# --- what each of them does --------------------------------------------------------------------


def swap_in_rounds(store: SqliteStore, writer: int) -> list[int]:
    """Swaps version after version; answers those that it won.

    No barrier is needed: whoever has tried a version knows that it is taken, by itself or another.
    """
    won: list[int] = []
    for version in range(ROUNDS):
        match store.swap(record(version + 1, writer), version):
            case None:
                won.append(version)
            case Stale(current):
                assert isinstance(current, SessionRecord)
                assert current.version > version
    return won


def merge_own_keys(store: SqliteStore, writer: int) -> list[int]:
    """Merges keys that nobody else does; answers how many keys it saw after each."""
    seen: list[int] = []
    for number in range(KEYS):
        merged = store.merge_payload("h1", FrozenDict({f"{writer}-{number}": number}), LIMIT)
        assert isinstance(merged, FrozenDict)
        assert all(f"{writer}-{own}" in merged for own in range(number + 1))
        seen.append(len(merged))
    return seen


def write_or_read(store: SqliteStore, worker: int) -> list[int]:
    """Every other worker writes whole records, the others read them; answers the versions."""
    seen: list[int] = []
    while not seen or seen[-1] < WRITES:
        loaded = store.load("h1")
        (listed,) = store.list_for_user("user-1", None)
        assert isinstance(loaded, SessionRecord)
        assert is_whole(loaded)
        assert is_whole(listed)
        assert loaded.version <= listed.version
        seen.append(listed.version)
        if worker % 2 == 0:
            store.swap(record(listed.version + 1, worker), listed.version)
    return seen


def is_whole(held: SessionRecord) -> bool:
    """Whether every part of the record is of one version."""
    writer = held.payload["writer"]
    return isinstance(writer, int) and held == record(held.version, writer)


def establish_and_end(store: SqliteStore, worker: int) -> list[int]:
    """Creates, writes and deletes sessions of its own, and purges whatever is over."""
    gone = 0
    for number in range(KEYS):
        handle = f"{worker}-{number}"
        over = attrs.evolve(record(0), handle=f"{handle}, over", absolute_expires_at=0)
        assert store.create(attrs.evolve(record(0), handle=handle)) is None
        assert store.create(over) is None
        assert store.replace_data(handle, FrozenDict({"number": number})) is None
        assert store.delete((handle, "nobody's")) == (handle,)
        gone += store.purge(1, 2)
    return [gone]


WORK: dict[str, Callable[[SqliteStore, int], list[int]]] = {
    work.__name__: work
    for work in (swap_in_rounds, merge_own_keys, write_or_read, establish_and_end)
}


# --- in threads and in processes ---------------------------------------------------------------


def in_threads(path: Path, work: Callable[[SqliteStore, int], list[int]]) -> list[list[int]]:
    """What each of eight threads answers, which share one store."""
    start = threading.Barrier(THREADS, timeout=30)

    def begin(worker: int) -> list[int]:
        start.wait()
        return work(store, worker)

    with SqliteStore(path) as store, ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


def in_processes(path: Path, work: Callable[[SqliteStore, int], list[int]]) -> list[list[int]]:
    """What each of four processes answers, which share one file."""
    processes = [program(work.__name__, path, worker) for worker in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [answer(process) for process in processes]


def program(*words: object) -> subprocess.Popen[str]:
    """This file as a process of its own."""
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, *map(str, words)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # this file


def answer(process: subprocess.Popen[str]) -> list[int]:
    printed, problem = process.communicate(timeout=60)
    assert process.returncode == 0, problem  # "database is locked" would end it
    return [int(word) for word in printed.split()]


Crowd = Callable[[Path, Callable[[SqliteStore, int], list[int]]], list[list[int]]]

everywhere = pytest.mark.parametrize("crowd", [in_threads, in_processes])


def begun(path: Path) -> SqliteStore:
    """The file with the one record in it that all will fight for."""
    store = SqliteStore(path)
    store.create(record(0))
    return store


@everywhere
def test_of_all_who_swap_one_version_exactly_one_wins(crowd: Crowd, path: Path) -> None:
    with begun(path) as store:
        winners = Counter(version for won in crowd(path, swap_in_rounds) for version in won)
        assert winners == Counter(range(ROUNDS))
        held = store.load("h1")
        assert isinstance(held, SessionRecord)
        assert held.version == ROUNDS


@everywhere
def test_concurrent_merges_of_different_keys_all_survive(crowd: Crowd, path: Path) -> None:
    with begun(path) as store:
        store.swap(attrs.evolve(record(1), payload=FrozenDict()), 0)
        seen = crowd(path, merge_own_keys)
        merged = len(seen) * KEYS
        held = store.load("h1")
        assert isinstance(held, SessionRecord)
        assert set(held.payload) == {f"{w}-{n}" for w in range(len(seen)) for n in range(KEYS)}
        assert held.version == 1 + merged
        assert sorted(size for sizes in seen for size in sizes) == list(range(1, merged + 1))


@everywhere
def test_readers_among_writers_see_whole_records(crowd: Crowd, path: Path) -> None:
    begun(path).close()
    for seen in crowd(path, write_or_read):
        assert seen == sorted(seen)
        assert seen[-1] >= WRITES


@everywhere
def test_writers_of_different_sessions_do_not_disturb_each_other(crowd: Crowd, path: Path) -> None:
    with SqliteStore(path) as store:
        purged = crowd(path, establish_and_end)
        left = store.purge(1, LIMIT)
        assert sum(gone for (gone,) in purged) + left == len(purged) * KEYS
        assert store.list_for_user("user-1", None) == ()


# --- kill -9 -----------------------------------------------------------------------------------


def write_until_killed(store: SqliteStore, begin: int) -> None:
    """Creates a session, then counts it in another; says so once both are answered."""
    for number in count(begin):
        store.create(attrs.evolve(record(0), handle=f"session-{number}"))
        store.merge_payload("h1", FrozenDict({"last": number}), LIMIT)
        print(number, flush=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal that no process survives")
def test_what_was_acknowledged_outlives_a_process_that_is_killed(path: Path) -> None:
    with begun(path) as store:
        last = -1
        for lines in (1, 7, 40, 13):
            last = killed_after(lines, path, begin=last + 1)
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            held = store.load("h1")
            assert isinstance(held, SessionRecord)
            counted = held.payload["last"]
            assert isinstance(counted, int)
            # What was under way when the signal came may have been written, and not been told.
            assert counted in (last, last + 1)
            names = {r.handle for r in store.list_for_user("user-1", None)} - {"h1"}
            assert names >= {f"session-{number}" for number in range(counted + 1)}
            assert names <= {f"session-{number}" for number in range(last + 2)}
            store.delete((f"session-{last + 1}",))
        assert store.create(attrs.evolve(record(0), handle="next")) is None


def killed_after(lines: int, path: Path, *, begin: int) -> int:
    """Kills a process in the middle of its writing; answers the last number that it has told."""
    with program(write_until_killed.__name__, path, begin) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()
        told = process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    return begin + lines - 1 + len(told)


# --- the process -------------------------------------------------------------------------------


def main(name: str, file: str, worker: str) -> None:
    with SqliteStore(file) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        if name == write_until_killed.__name__:
            write_until_killed(store, int(worker))
        print(*WORK[name](store, int(worker)))


if __name__ == "__main__":
    main(*sys.argv[1:])
