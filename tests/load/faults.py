"""Servers that are restarted, killed and replaced under a steady load: nobody is logged out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import anyio
import attrs
from anyio import to_thread

from counterfoil import LocalKeys, Sessions, Store

from .clients import Client, Told
from .population import POLICY

CLIENTS = 200
PAUSE = 0.4  # s between two acts of a client
CALM = 10.0  # s of load before each fault, and after the last


@attrs.frozen
class Fault:
    """Something done to a server while it is used."""

    name: str
    act: Callable[[], None]


@attrs.frozen
class Survived:
    """What came of one fault. Latencies are the 99th of 100, in ms; `away` in s.

    `away` is how long it took from the fault until an act that began after it was answered.
    """

    fault: str
    before: float
    away: float
    after: float


def silent(event: object, context: object) -> None:
    """A listener that costs nothing."""


def under_load(
    store: Store, faults: list[Fault], calm: float = CALM
) -> tuple[list[Survived], Told]:
    """Have clients use a store while the faults happen to its server, one after the other."""
    told = Told()
    sessions = Sessions(POLICY, store, LocalKeys.in_memory(), listener=silent)
    moments: list[tuple[float, float]] = []
    over = False

    async def everyone() -> None:
        nonlocal over
        async with anyio.create_task_group() as group:
            for number in range(CLIENTS):
                group.start_soon(Client(sessions, told, number, PAUSE).live, lambda: over)
            for fault in faults:
                await anyio.sleep(calm)
                began = time.monotonic()
                await to_thread.run_sync(fault.act)
                moments.append((began, time.monotonic()))
            await anyio.sleep(calm)
            over = True

    anyio.run(everyone)
    return list(_survived(faults, moments, told, calm)), told


def _survived(
    faults: list[Fault], moments: list[tuple[float, float]], told: Told, calm: float
) -> Iterator[Survived]:
    for fault, (began, ended) in zip(faults, moments, strict=True):
        answered = [at for at, took in told.taken if at - took / 1000 >= began]
        settled = ended + calm / 2
        yield Survived(
            fault=fault.name,
            before=_p99([took for at, took in told.taken if began - calm / 2 <= at < began]),
            away=min(answered) - began,
            after=_p99([took for at, took in told.taken if settled <= at < settled + calm / 2]),
        )


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]
