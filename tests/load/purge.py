"""A million sessions that are over are purged while the others are served.

On SQLite and PostgreSQL another process does it, in batches. Redis expires keys by itself: there
a million sessions ended within a minute, and the store keeps them for five minutes to ten.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar, cast

import attrs

from counterfoil import BlockingSessions, SessionRecord
from counterfoil.effects import Secret

from .in_redis import NAMES, InRedis, deleted_at
from .places import Place, places, sessions_on
from .population import DAY, SESSIONS_OF_A_USER, Population, now
from .tables import Report, count, milliseconds

T = TypeVar("T")

BOUND = 2.0  # of the p99 while purging, to that before
BATCHES = {"sqlite": 30, "postgres": 100}  # records; see purging.py
RESTS = {"sqlite": 100, "postgres": 1}  # SQLite has one writer, whom all others wait for
AT_MOST = 300  # s that a purge may take
THREADS = 4
PAUSE = 0.01  # s between two acts of a thread, on average
A_MINUTE = 60_000  # ms during which a million sessions ended in Redis; fewer, sooner
KEPT = 5  # as many times as long is the store's keep_after_expiry, whose default is an hour
ENDED = 60 * DAY  # ago the youngest of those that are over was used


@attrs.frozen
class Purged:
    """How it was purged, and between which moments (s, monotonic)."""

    how: str
    began: float
    ended: float


def report(store: str, folder: Path, *, live: int, over: int, calm: float) -> Report:
    """Serve for `calm` seconds, then while all that is over is purged, then again."""
    with places(store, folder) as new_place:
        place = new_place()
        population = Population("user", now())
        others = Population("other", now() - (0 if store == "redis" else ENDED))
        place.fill(chain(population.records(0, live), others.records(0, over)))
        opened = place.open()
        with Serving(sessions_on(opened), population, live) as serving:
            if store == "redis":
                purged = _expired(cast("InRedis", place), others, over, calm)
            else:
                time.sleep(calm)
                purged = _purged(store, place)
            time.sleep(calm)
        opened.close()
    return _report(store, live, over, calm, purged, serving.taken)


def _report(
    store: str, live: int, over: int, calm: float, purged: Purged, taken: list[tuple[float, float]]
) -> Report:
    def p99(start: float, end: float) -> float:
        return statistics.quantiles([took for at, took in taken if start <= at < end], n=100)[98]

    before = p99(purged.began - calm, purged.began)
    during, after = p99(purged.began, purged.ended), p99(purged.ended, purged.ended + calm)
    seconds = purged.ended - purged.began
    columns = [before, during, after]
    row = [store, count(live), count(over), purged.how, f"{seconds:.0f}"]
    return Report(
        head=["store", "live", "over", "purged by", "s", *_HEAD, "during to before"],
        rows=[[*row, *map(milliseconds, columns), f"{during / before:.2f}"]],
        notes=[
            f"{THREADS} threads refresh, verify with the database and merge: "
            f"{len(taken)} acts in all."
        ],
        missed=[f"{store}: p99 moves by more than {BOUND}"] if during > BOUND * before else [],
    )


_HEAD = ("p99 before, ms", "during", "after")


def _purged(store: str, place: Place) -> Purged:
    batch = BATCHES[store]
    command = [
        sys.executable,
        "-m",
        "tests.load.purging",
        place.url,
        str(batch),
        str(RESTS[store]),
        str(AT_MOST),
    ]
    began = time.monotonic()
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    purged = count(int(told.stdout))
    return Purged(f"another process, {purged}, {batch} at a time", began, time.monotonic())


def _expired(place: InRedis, others: Population, over: int, calm: float) -> Purged:
    chance = random.Random(1)  # noqa: S311  # when each ended
    keys_before = place.server.ask("DBSIZE")
    ending = max(over * A_MINUTE // 1_000_000, 1_000)
    kept = KEPT * ending
    # The first goes when the last command has come, and all was calm since.
    first = now() + over // 20 + int(calm * 1000)

    def deleted(record: SessionRecord) -> int:
        end = first - kept + chance.randrange(ending)
        return deleted_at(attrs.evolve(record, idle_lifetime=end - record.rotated_at), kept)

    place.pipe(
        ("PEXPIREAT", NAMES.record(record.handle), deleted(record))
        for record in others.records(0, over)
    )
    _wait_until(first)
    began = time.monotonic()
    _wait_until(first + kept + ending)
    ended = time.monotonic()
    # It looks for them by chance, and is content when few of those it meets are over.
    left = count(max(place.server.ask("DBSIZE") - (keys_before - over), 0))
    return Purged(f"Redis itself; {left} were left at the end", began, ended)


def _wait_until(moment: int) -> None:
    while now() < moment:
        time.sleep(0.1)


class Serving:
    """Threads that use the live sessions until the block ends."""

    def __init__(self, sessions: BlockingSessions, population: Population, live: int) -> None:
        self.taken: list[tuple[float, float]] = []
        self._sessions = sessions
        self._population = population
        self._live = live
        self._over = Event()
        self._failed: list[BaseException] = []
        self._threads = [Thread(target=self._serve, args=(n,)) for n in range(THREADS)]

    def __enter__(self) -> Serving:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def _serve(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311  # whose turn it is, and when
        users = range(number, self._live // SESSIONS_OF_A_USER, THREADS)
        tokens: dict[int, Secret | None] = {}
        sessions = self._sessions
        try:
            while not self._over.is_set():
                theirs = chance.choice(users) * SESSIONS_OF_A_USER
                token = tokens.get(theirs) or self._population.refresh_token(theirs)
                session = self._timed(chance, sessions.refresh_session, token)
                tokens[theirs] = session.refresh_token
                known = session.access_token
                self._timed(chance, sessions.get_session, known, check_database=True)
                merge = sessions.merge_into_access_token_payload
                self._timed(chance, merge, session, {"seen": chance.random()})
        except BaseException as error:
            self._failed.append(error)

    def _timed(
        self, chance: random.Random, act: Callable[..., T], *arguments: object, **options: object
    ) -> T:
        self._over.wait(PAUSE * 2 * chance.random())
        start = time.perf_counter()
        outcome = act(*arguments, **options)
        self.taken.append((time.monotonic(), (time.perf_counter() - start) * 1000))
        return outcome
