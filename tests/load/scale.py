"""What each operation takes, and each session weighs, as the number of sessions grows.

Every size has a place of its own, and all are measured in turns: a machine that is busy, or changes
its speed, slows all of them.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from counterfoil import BlockingSessions

from .places import NewPlace, Place, places, sessions_on
from .population import SESSIONS_OF_A_USER, Population, now
from .tables import Report, count, milliseconds

BOUND = 1.5  # of the median at the largest size, to that at the smallest
WARMING = 20  # users who are looked at before it counts
ACTS = ("verify with database", "refresh", "merge", "list", "revoke user")


@attrs.frozen
class Timing:
    """Milliseconds that one operation took: the median, and what 99 of 100 stay below."""

    p50: float
    p99: float

    @classmethod
    def of(cls, taken: list[float]) -> Timing:
        """What came of so many."""
        return cls(statistics.median(taken), statistics.quantiles(taken, n=100)[98])

    def __str__(self) -> str:
        return f"{milliseconds(self.p50)} / {milliseconds(self.p99)}"


@attrs.frozen
class Measured:
    """A store at one size; what a session weighs in bytes."""

    size: int
    timings: dict[str, Timing]
    on_disk: float
    in_memory: float | None


def report(store: str, folder: Path, *, sizes: list[int], samples: int) -> Report:
    """Fill places to each size, and measure them."""
    with places(store, folder) as new_place:
        measured = list(_measured(new_place, sizes, samples))
    small, large = measured[0], measured[-1]
    ratios = {act: large.timings[act].p50 / small.timings[act].p50 for act in ACTS}
    rows = [_row(store, one) for one in measured]
    rows.append(
        [store, "largest to smallest, p50", *(f"{ratios[act]:.2f}" for act in ACTS), "", ""]
    )
    return Report(
        head=["store", "sessions", *ACTS, "on disk", "in memory"],
        rows=rows,
        notes=[f"p50 / p99 in ms of {samples} acts each, one after the other; bytes a session."],
        missed=[
            f"{store}: {act} at {count(large.size)} takes {ratio:.2f} of what it does at "
            f"{count(small.size)}, more than {BOUND}"
            for act, ratio in ratios.items()
            if ratio > BOUND
        ],
    )


def _row(store: str, one: Measured) -> list[str]:
    memory = "" if one.in_memory is None else f"{one.in_memory:,.0f}"
    timings = [str(one.timings[act]) for act in ACTS]
    return [store, count(one.size), *timings, f"{one.on_disk:,.0f}", memory]


def _measured(new_place: NewPlace, sizes: list[int], samples: int) -> Iterator[Measured]:
    filled = [(size, new_place(), Population("user", now())) for size in sizes]
    for size, place, population in filled:
        place.fill(population.records(0, size))
    weights = [(place.size_on_disk(), place.size_in_memory()) for _, place, _ in filled]
    with ExitStack() as open_stores:
        walks = [
            Walk(size, population, _opened(open_stores, place))
            for size, place, population in filled
        ]
        for sample in range(WARMING + samples):
            if sample == WARMING:
                for walk in walks:
                    walk.taken.clear()
            for walk in walks:
                walk.visit_a_user()
    for walk, (on_disk, in_memory) in zip(walks, weights, strict=True):
        yield Measured(
            size=walk.size,
            timings={act: Timing.of(taken) for act, taken in walk.taken.items()},
            on_disk=on_disk / walk.size,
            in_memory=None if in_memory is None else in_memory / walk.size,
        )


def _opened(open_stores: ExitStack, place: Place) -> BlockingSessions:
    store = place.open()
    open_stores.callback(store.close)
    return sessions_on(store)


class Walk:
    """One place, and the users of it who are looked at, each once, by chance."""

    def __init__(self, size: int, population: Population, sessions: BlockingSessions) -> None:
        self.size = size
        self.taken: dict[str, list[float]] = {}
        self._population = population
        self._sessions = sessions
        self._chance = random.Random(1)  # noqa: S311  # which sessions are looked at
        self._seen: set[int] = set()

    def visit_a_user(self) -> None:
        """Every act once, on a session that nobody has touched since it was made."""
        users = self.size // SESSIONS_OF_A_USER
        user = next(
            u for u in iter(lambda: self._chance.randrange(users), -1) if u not in self._seen
        )
        self._seen.add(user)
        self._visit(user * SESSIONS_OF_A_USER)

    def _visit(self, number: int) -> None:
        token, user = self._population.refresh_token(number), self._population.user(number)
        sessions, timed = self._sessions, self._timed
        session = timed("refresh", sessions.refresh_session, token)
        known = session.access_token
        timed("verify with database", sessions.get_session, known, check_database=True)
        timed("merge", sessions.merge_into_access_token_payload, session, {"theme": "dark"})
        handles = timed("list", sessions.get_all_session_handles_for_user, user)
        revoked = timed("revoke user", sessions.revoke_all_sessions_for_user, user)
        assert len(handles) == len(revoked) == SESSIONS_OF_A_USER

    def _timed(self, name: str, act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        outcome = act(*arguments, **options)
        self.taken.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        return outcome
