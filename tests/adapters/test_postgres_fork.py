"""The PostgreSQL store and forks: parent and child each have connections of their own.

Run as a program, this file is the process that forks: among pytest's threads Python 3.12 and later
warn of that.
"""

import os
import subprocess
import sys

import anyio
import attrs
import pytest

from counterfoil.adapters.postgres import PostgresStore
from counterfoil.core.examples import example_record
from counterfoil.effects import SessionRecord


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_child_use_a_store_after_a_fork(database: str) -> None:
    strict = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *strict, __file__, database]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stderr, run.returncode, run.stdout) == ("", 0, "parent\n")


def fork_and_go_on(database: str) -> None:
    """Forks with connections open, and uses them on both sides."""
    store = PostgresStore(database)
    store.create(record("parent"))

    async def in_a_loop() -> None:
        awaited = store.awaited
        assert awaited is not None
        await awaited.load("parent")

    anyio.run(in_a_loop)
    child = os.fork()
    if child == 0:
        store.create(record("child"))
        anyio.run(in_a_loop)
        store.close()
        sys.exit()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.delete(("child", "nobody's")) == ("child",)
    anyio.run(in_a_loop)
    print(*(one.handle for one in store.list_for_user(record("").user_id, None)))
    store.close()


if __name__ == "__main__":
    fork_and_go_on(sys.argv[1])
