"""What each operation takes, and each session weighs, as the number of sessions grows."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from counterfoil import BlockingSessions, LocalKeys

from .places import Place
from .population import POLICY, SESSIONS_OF_A_USER, Population

BOUND = 1.5  # of the median at the largest size, to that at the smallest
CHUNK = 200_000


@attrs.frozen
class Timing:
    """Milliseconds that one operation took: the median, and what 99 of 100 stay below."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.p50:.2f} / {self.p99:.2f}"


@attrs.frozen
class Measured:
    """A store at one size."""

    size: int
    timings: dict[str, Timing]
    on_disk: float
    in_memory: float | None


def silent(event: object, context: object) -> None:
    """A listener that costs nothing."""


def grown(
    place: Place, population: Population, sizes: list[int], samples: int
) -> Iterator[Measured]:
    """Fill a store to each size in turn, and measure it there."""
    chance = random.Random(1)  # noqa: S311  # which sessions are looked at
    users_seen: set[int] = set()
    filled = 0
    for size in sizes:
        while filled < size:
            upto = min(filled + CHUNK, size)
            place.fill(population.records(filled, upto))
            filled = upto
        picked: list[int] = []
        while len(picked) < samples:
            user = chance.randrange(size // SESSIONS_OF_A_USER)
            if user not in users_seen:
                users_seen.add(user)
                picked.append(user * SESSIONS_OF_A_USER)
        weight = place.size_in_memory()
        yield Measured(
            size=size,
            on_disk=place.size_on_disk() / size,
            in_memory=None if weight is None else weight / size,
            timings=timed_acts(place, population, picked),
        )


def timed_acts(place: Place, population: Population, numbers: list[int]) -> dict[str, Timing]:
    """How long each act takes on these sessions, one after the other."""
    store = place.open()
    sessions = BlockingSessions(POLICY, store, LocalKeys.in_memory(), listener=silent)
    taken: dict[str, list[float]] = {}

    def timed(name: str, act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        outcome = act(*arguments, **options)
        taken.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        return outcome

    for number in numbers:
        token, user = population.refresh_token(number), population.user(number)
        session = timed("refresh", sessions.refresh_session, token)
        known = session.access_token
        timed("verify with database", sessions.get_session, known, check_database=True)
        timed("merge", sessions.merge_into_access_token_payload, session, {"theme": "dark"})
        handles = timed("list", sessions.get_all_session_handles_for_user, user)
        revoked = timed("revoke user", sessions.revoke_all_sessions_for_user, user)
        assert len(handles) == len(revoked) == SESSIONS_OF_A_USER
    getattr(store, "close", int)()
    return {name: _timing(values) for name, values in taken.items()}


def _timing(values: list[float]) -> Timing:
    return Timing(statistics.median(values), statistics.quantiles(values, n=100)[98])
