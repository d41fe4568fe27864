"""Processes that open the store that is judged, and do what they are told with it.

Each begins anew, as a server's does: a fork would share its parent's connections. To begin takes
long, so those of a team work for one test after another.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from .making import Again, opened

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE = 60.0  # s, for all to begin, and for an answer: long, for a busy machine

_SPAWN = multiprocessing.get_context("spawn")


@attrs.define
class Team:
    """Processes that wait for work, begun once they are needed."""

    stack: ExitStack = attrs.field(factory=ExitStack)
    members: list[Connection] = attrs.Factory(list[Any])

    def member(self, number: int) -> Connection:
        """The pipe of one of them: takes (again, work, number), and then a word to begin."""
        while number >= len(self.members):
            self.members.append(self.stack.enter_context(process())[0])
        return self.members[number]

    def disband(self) -> None:
        """End them."""
        self.stack.close()


@attrs.frozen
class Problem:
    """What a process had instead of an answer."""

    told: str


@contextmanager
def process() -> Generator[tuple[Connection, Callable[[], None]]]:
    """A process that waits for work, and what kills it."""
    ours, theirs = _SPAWN.Pipe()
    begun = _SPAWN.Process(target=_work, args=(theirs,), daemon=True)
    begun.start()
    theirs.close()
    try:
        yield ours, begun.kill
    finally:
        ours.close()
        begun.join(PATIENCE)
        begun.kill()  # if it still hangs
        begun.join()
        begun.close()


def answer(pipe: Connection) -> Any:
    """What a process says next."""
    assert pipe.poll(PATIENCE), f"a process doesn't answer within {PATIENCE} s: the store hangs"
    said = pipe.recv()
    assert not isinstance(said, Problem), f"in another process:\n{said.told}"
    return said


def _work(pipe: Connection) -> None:
    try:
        while True:
            _once(pipe, *pipe.recv())
    except (EOFError, OSError):  # nobody asks any more
        pass


def _once(pipe: Connection, again: Again, work: Callable[..., Any], worker: int) -> None:
    try:
        with opened(again, "blocking") as store:
            pipe.send("ready")
            pipe.recv()
            for one in told_by(work(store, worker)):
                pipe.send(one)
    except (EOFError, OSError):
        raise
    except BaseException:  # whatever it is, the test says it
        pipe.send(Problem(traceback.format_exc()))


def told_by(answered: Any) -> Iterator[Any]:
    """A work's answer, or each of them as it comes."""
    if isinstance(answered, Iterator):
        yield from answered
    else:
        yield answered
