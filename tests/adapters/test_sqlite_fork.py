"""A store that is being opened while its process forks: no connection of it reaches the child.

SQLite would take the parent's locks for the child's own. Run as a program, this file is the
process that forks: among pytest's threads Python 3.12 and later warn of that.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from counterfoil.adapters import SqliteStore

FORKS = 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_store_that_is_being_opened_stays_out_of_the_child(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("0\n", "", 0)


def main(folder: Path) -> None:
    """Fork while threads open stores; print how many children inherited a connection."""
    sys.setswitchinterval(1e-5)  # s: so that forks meet every moment of an opening
    paths = [folder / f"{number}.db" for number in range(3)]
    for path in paths:
        SqliteStore(path).close()
    stop = Event()
    threads = [Thread(target=_open_and_close, args=(path, stop)) for path in paths]
    for thread in threads:
        thread.start()
    ours = {path.stat().st_ino for path in paths}
    inherited = sum(_child_has_one_of(ours) for _ in range(FORKS))
    stop.set()
    for thread in threads:
        thread.join()
    print(inherited)


def _open_and_close(path: Path, stop: Event) -> None:
    while not stop.is_set():
        SqliteStore(path).close()


def _child_has_one_of(inodes: set[int]) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(not inodes.isdisjoint(_open_inodes()))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _open_inodes() -> set[int]:
    found: set[int] = set()
    for descriptor in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):  # of the one that the listing itself was read from
            found.add(os.fstat(descriptor).st_ino)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
