"""Pairs of ours and a yardstick, timed in turn, and the table that they make."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import attrs

ROUNDS = 151


@attrs.frozen
class Row:
    """One line of the table."""

    what: str
    ours: str
    yardstick: str
    ratio: float
    bound: float
    shown: str


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], n: int, rounds: int = ROUNDS
) -> tuple[float, ...]:
    """The median microseconds of one call of each, and the median of the rounds' ratios."""
    mine: list[float] = []
    yardstick: list[float] = []
    gc.collect()
    for _ in range(rounds):
        mine.append(timed(ours, n))
        yardstick.append(timed(theirs, n))
    ratios = [a / b for a, b in zip(mine, yardstick, strict=True)]
    return statistics.median(mine), statistics.median(yardstick), statistics.median(ratios)


def timed(act: Callable[[], object], n: int) -> float:
    """Microseconds of one call."""
    start = time.perf_counter()
    for _ in range(n):
        act()
    return (time.perf_counter() - start) / n * 1e6


def row(
    what: str,
    ours: Callable[[], object],
    name: str,
    theirs: Callable[[], object],
    *,
    bound: float,
    n: int = 30,
) -> Row:
    """Time a pair and put it in a row."""
    mine, yardstick, ratio = paired(ours, theirs, n)
    limit = f"1/{1 / bound:.0f}" if bound < 1 else f"{bound:.1f}"
    found = f"1/{1 / ratio:.0f}" if ratio < 0.5 else f"{ratio:.2f}"
    against = f"{name}, {yardstick:.1f} us"
    return Row(what, f"{mine:.1f} us", against, ratio, bound, f"{found} ({limit})")


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | ours | against | ratio (at most) |", "|---|---|---|---|"]
    lines += [f"| {r.what} | {r.ours} | {r.yardstick} | {r.shown} |" for r in rows]
    return "\n".join(lines)
