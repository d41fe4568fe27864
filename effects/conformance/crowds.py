"""Many who ask a store at once: threads, tasks on an event loop, and processes.

All of them begin together, and answer when all have begun. Whatever one of them raises ends the
test, with where it was raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier
from typing import Protocol, TypeAlias

import attrs

from ..backend import Store
from .making import Form, Judged, opened
from .processes import PATIENCE, Team, answer

Work: TypeAlias = Callable[[Store, int], list[int]]

THREADS, PROCESSES = 8, 4


class Crowd(Protocol):
    """Who asks."""

    def do(self, work: Work) -> list[list[int]]:
        """What each answers."""
        ...


@attrs.frozen
class Threads:
    """Threads that share a store; in its async form, tasks that share an event loop."""

    judged: Judged
    team: Team

    def do(self, work: Work) -> list[list[int]]:
        """What each thread answers."""
        return _in_threads([self.judged.store] * THREADS, work)


@attrs.frozen
class ThreadsOfTheirOwn:
    """Threads with a store each, all of one database."""

    judged: Judged
    team: Team

    def do(self, work: Work) -> list[list[int]]:
        """What each thread answers."""
        assert self.judged.again is not None
        with ExitStack() as stack:
            again = (opened(self.judged.again, "blocking") for _ in range(THREADS))
            return _in_threads([stack.enter_context(one) for one in again], work)


@attrs.frozen
class Processes:
    """Processes with a store each, all of one database."""

    judged: Judged
    team: Team

    def do(self, work: Work) -> list[list[int]]:
        """What each process answers."""
        assert self.judged.again is not None
        members = [self.team.member(number) for number in range(PROCESSES)]
        for number, member in enumerate(members):
            member.send((self.judged.again, work, number))
        for member in members:
            assert answer(member) == "ready"
        for member in members:
            member.send("go")
        return [answer(member) for member in members]


@attrs.frozen
class Kind:
    """A sort of crowd: the store's form that it asks, and what it needs."""

    form: Form
    of: Callable[[Judged, Team], Crowd]
    opens: bool = False
    is_elsewhere: bool = False


CROWDS = {
    "threads": Kind("blocking", Threads),
    "threads with a store each": Kind("blocking", ThreadsOfTheirOwn, opens=True),
    "processes": Kind("blocking", Processes, opens=True, is_elsewhere=True),
    "tasks": Kind("awaited", Threads),
}


def _in_threads(stores: list[Store], work: Work) -> list[list[int]]:
    start = Barrier(len(stores))

    def begin(store: Store, worker: int) -> list[int]:
        start.wait(PATIENCE)
        return work(store, worker)

    with hasty(), ThreadPoolExecutor(len(stores)) as threads:
        return list(threads.map(begin, stores, range(len(stores))))


@contextmanager
def hasty() -> Generator[None]:
    """Threads take turns at almost every step: in 5 ms, as usual, a whole act goes undisturbed."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
