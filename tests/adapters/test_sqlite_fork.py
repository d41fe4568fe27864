"""Stores and forks: no connection reaches the child, and nothing that was stored is lost.

SQLite would take the parent's locks for the child's own. Run as a program, this file is the
process that forks: among pytest's threads Python 3.12 and later warn of that.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import attrs
import pytest

from counterfoil.adapters import SqliteStore
from counterfoil.core.examples import example_record
from counterfoil.effects import SessionRecord

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKS = 50


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


def forking(act: Callable[[Path], None], path: Path) -> str:
    """What the act prints, in a process of its own."""
    ignored = ["-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *ignored, __file__, act.__name__, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stderr, run.returncode) == ("", 0)
    return run.stdout


def test_a_store_that_is_being_opened_stays_out_of_the_child(tmp_path: Path) -> None:
    assert forking(among_openings, tmp_path) == "0\n"


def test_parent_and_child_use_a_store_after_a_fork(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    assert forking(and_go_on, path) == "child-1 child-2 parent-1 parent-2\n"


def test_a_fork_waits_for_whoever_is_at_work(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    kept = forking(among_acts, path).split()
    assert len(kept) >= 63
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with SqliteStore(path) as store:
        assert all(store.load(handle) == record(handle) for handle in kept)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # xdist has threads
def test_a_fork_closes_every_connection_and_each_side_opens_its_own(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "sessions.db") as store:
        store.create(record("h1"))
        store.load("h1")
        ours = {file.stat().st_ino for file in tmp_path.iterdir()}
        assert not ours.isdisjoint(open_inodes())
        child = os.fork()
        if child == 0:
            inherited = not ours.isdisjoint(open_inodes())
            os._exit(inherited or store.load("h1") != record("h1"))
        assert ours.isdisjoint(open_inodes())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.load("h1") == record("h1")


# --- the processes that fork -------------------------------------------------------------------


def among_openings(folder: Path) -> None:
    """Fork while threads open stores; print how many children inherited a connection."""
    sys.setswitchinterval(1e-5)  # s: so that forks meet every moment of an opening
    paths = [folder / f"{number}.db" for number in range(3)]
    for path in paths:
        SqliteStore(path).close()
    stop = Event()

    def open_and_close(path: Path) -> None:
        while not stop.is_set():
            SqliteStore(path).close()

    threads = [Thread(target=open_and_close, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    ours = {path.stat().st_ino for path in paths}
    inherited = sum(child_has_one_of(ours) for _ in range(FORKS))
    stop.set()
    for thread in threads:
        thread.join()
    print(inherited)


def child_has_one_of(inodes: set[int]) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(not inodes.isdisjoint(open_inodes()))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def open_inodes() -> set[int]:
    found: set[int] = set()
    for descriptor in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):  # of the one that the listing itself was read from
            found.add(os.fstat(descriptor).st_ino)
    return found


def and_go_on(path: Path) -> None:
    """The child goes on after the parent has closed its store: nothing of it may be lost."""
    store = SqliteStore(path)
    store.create(record("parent-1"))
    store.load("parent-1")
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
    store.create(record("parent-2"))
    store.close()
    os.write(parent_tells, b".")
    os.read(parent_waits, 1)
    with SqliteStore(path) as again:
        print(*sorted(r.handle for r in again.list_for_user("user-1", None)))
    os.write(parent_tells, b".")
    os.wait()


def among_acts(path: Path) -> None:
    """Fork while other threads write and read; print the handles of all that was stored."""
    store, enough, stored = SqliteStore(path), Event(), Queue[str]()

    def store_and_load(handle: str) -> bool:
        return store.create(record(handle)) is None and store.load(handle) == record(handle)

    def work(name: int) -> None:
        for number in count():
            if enough.is_set():
                return
            assert store_and_load(f"{name}-{number}")
            stored.put(f"{name}-{number}")

    threads = [Thread(target=work, args=(name,)) for name in range(4)]
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


def main(name: str, path: str) -> None:
    acts = {act.__name__: act for act in (among_openings, and_go_on, among_acts)}
    acts[name](Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
