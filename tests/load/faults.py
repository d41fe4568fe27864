"""Servers that are restarted, killed and replaced under a steady load: nobody is logged out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import attrs
from anyio import to_thread

from counterfoil import LocalKeys, Sessions, Store

from ..listening import quiet
from .clients import Client, Told
from .faulty import SETTINGS, Fault, Setting
from .population import POLICY
from .tables import Report, count, milliseconds

PAUSE = 0.4  # s between two acts of a client


@attrs.frozen
class Survived:
    """What came of one fault. Latencies are the 99th of 100, in ms.

    `longest` is the longest that a client waited for an answer because of it, in s.
    """

    fault: str
    before: float
    longest: float
    after: float


def reports(store: str, folder: Path, *, clients: int, calm: float) -> Iterator[Report]:
    """All that can happen to the servers of a store; a report for each way to set them up."""
    for setting in SETTINGS[store]:
        with setting.running(folder) as (opened, faults):
            survived, told = under_load(opened, faults, clients=clients, calm=calm)
            opened.close()
        yield _report(setting, survived, told, clients)


def under_load(
    store: Store, faults: list[Fault], *, clients: int, calm: float
) -> tuple[list[Survived], Told]:
    """Have clients use a store while the faults happen to its server, one after the other.

    There are `calm` seconds of load before each, and after the last.
    """
    told = Told()
    sessions = Sessions(POLICY, store, LocalKeys.in_memory(), listener=quiet)
    moments: list[tuple[float, float]] = []
    over = False

    async def everyone() -> None:
        nonlocal over
        async with anyio.create_task_group() as group:
            for number in range(clients):
                group.start_soon(Client(sessions, told, number, PAUSE).live, lambda: over)
            for fault in faults:
                await anyio.sleep(calm)
                struck = await to_thread.run_sync(fault.act)
                moments.append((struck, time.monotonic()))
            await anyio.sleep(calm)
            over = True

    anyio.run(everyone)
    return list(_survived(faults, moments, told, calm)), told


def _survived(
    faults: list[Fault], moments: list[tuple[float, float]], told: Told, calm: float
) -> Iterator[Survived]:
    for fault, (struck, ended) in zip(faults, moments, strict=True):
        settled = ended + calm / 2
        waited = [took for at, took in told.taken if struck <= at < settled]
        yield Survived(
            fault=fault.name,
            before=_p99([took for at, took in told.taken if struck - calm / 2 <= at < struck]),
            longest=max(waited) / 1000,
            after=_p99([took for at, took in told.taken if settled <= at < settled + calm / 2]),
        )


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def _report(setting: Setting, survived: list[Survived], told: Told, clients: int) -> Report:
    rows = [
        [setting.name, s.fault, milliseconds(s.before), f"{s.longest:.2f}", milliseconds(s.after)]
        for s in survived
    ]
    ended = f"{len(told.logged_out)} acts ended in a logout, {len(told.lost)} answers were lost"
    faults = [*told.logged_out[:5], *told.lost[:5]]
    return Report(
        head=["servers", "what happens", "p99 before, ms", "longest wait, s", "p99 after, ms"],
        rows=rows,
        notes=[
            f"{setting.name}: {clients} clients, {count(len(told.taken))} answers, "
            f"{count(told.outages)} tries while the store was away; {ended}.",
            *(f"- {fault}" for fault in faults),
        ],
        missed=[f"{setting.name}: {ended}"] if faults and not setting.may_lose else [],
    )
