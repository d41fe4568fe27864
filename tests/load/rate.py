"""How many refreshes a second: many at once, and what each takes of the processors.

The application's processes and the server share the machine, so the rate is that of both together.
The processor's time of either side is what a larger machine is counted from.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from .in_postgres import InPostgres
from .in_redis import InRedis
from .places import Place, places
from .population import Population, now
from .tables import Report, count

PROCESSES, THREADS = 2, 8
HEAD = ("store", "live", "refreshes a second", "application, CPU us", "server, CPU us")
PREPARED = "?prepared=true"  # of a connection string; not behind every pooler


def report(store: str, folder: Path, *, live: int, seconds: float) -> Report:
    """Refresh as fast as can be, sessions of a filled place by chance."""
    with places(store, folder) as new_place:
        rows = [_row(store, new_place(), live, seconds, "")]
        if store == "postgres":
            rows.append(_row(store, new_place(), live, seconds, PREPARED))
    return Report(
        head=HEAD, rows=rows, notes=[f"{PROCESSES} processes of {THREADS} threads for {seconds} s."]
    )


def _row(store: str, place: Place, live: int, seconds: float, options: str) -> list[str]:
    population = Population("user", now())
    place.fill(population.records(0, live))
    used = _CLOCKS.get(store, _of_nobody)
    before = used(place)
    values = (place.url + options, population.name, population.until, live, seconds)
    command = [sys.executable, "-m", "tests.load.refreshing", *map(str, values)]
    running = [
        subprocess.Popen([*command, str(part), str(PROCESSES)], stdout=subprocess.PIPE, text=True)
        for part in range(PROCESSES)
    ]
    told = [process.communicate()[0].split() for process in running]
    done, client = sum(int(n) for n, _ in told), sum(float(taken) for _, taken in told)
    server = f"{(used(place) - before) / done * 1e6:,.0f}" if store in _CLOCKS else "none"
    per_refresh = f"{client / done * 1e6:,.0f}"
    return [store + options, count(live), f"{done / seconds:,.0f}", per_refresh, server]


def _of_postgres(place: Place) -> float:
    """Seconds of the processor that ended connections of the server have used."""
    folder = cast("InPostgres", place).server.folder
    process = (folder / "data" / "postmaster.pid").read_text().split()[0]
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, times[13:15])) / os.sysconf("SC_CLK_TCK")


def _of_redis(place: Place) -> float:
    """Seconds of the processor that the server has used."""
    told = cast("InRedis", place).server.info("cpu")
    return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])


def _of_nobody(place: Place) -> float:
    return 0.0


_CLOCKS: dict[str, Callable[[Place], float]] = {"postgres": _of_postgres, "redis": _of_redis}
