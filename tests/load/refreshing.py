"""A process of an application under load: refreshes in threads, and tells how many, and its CPU.

`python -m tests.load.refreshing URL NAME UNTIL LIVE SECONDS PART PARTS`; see `rate.py`.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from counterfoil import BlockingSessions
from counterfoil.adapters import open_store
from counterfoil.effects import Secret

from .places import sessions_on
from .population import Population
from .rate import THREADS


def main(url: str, population: Population, numbers: range, seconds: float) -> None:
    """Refresh these sessions, each thread its own part."""
    held = open_store(url)
    sessions = sessions_on(held)
    sessions.create_session("nobody")  # so that the keys are there
    start = time.process_time()
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(THREADS) as threads:
        parts = [numbers[n::THREADS] for n in range(THREADS)]
        running = [threads.submit(_refresh, sessions, population, p, deadline) for p in parts]
        done = sum(one.result() for one in running)
    held.close()
    print(done, time.process_time() - start)


def _refresh(
    sessions: BlockingSessions, population: Population, numbers: range, deadline: float
) -> int:
    chance = random.Random(numbers.start)  # noqa: S311  # whose turn it is
    tokens: dict[int, Secret | None] = {}
    done = 0
    while time.monotonic() < deadline:
        number = chance.choice(numbers)
        token = tokens.get(number) or population.refresh_token(number)
        tokens[number] = sessions.refresh_session(token).refresh_token
        done += 1
    return done


if __name__ == "__main__":
    url, name, until, live, seconds, part, parts = sys.argv[1:]
    main(
        url,
        Population(name, int(until)),
        range(int(part), int(live), int(parts)),
        float(seconds),
    )
