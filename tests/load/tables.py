"""What the scripts print: Markdown tables, and how busy the machine was meanwhile."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen
class Report:
    """A table, what must be known to read it, and the bounds that don't hold."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    missed: Sequence[str] = ()

    def __str__(self) -> str:
        told = [table(self.head, self.rows), *self.notes, load()]
        if self.missed:
            told.append(f"not held: {'; '.join(self.missed)}")
        return "\n\n".join(told)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def load() -> str:
    """How busy the machine is, so that a reader knows what else was going on."""
    averages = " ".join(f"{average:.1f}" for average in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}; "
        f"load in the last 1, 5 and 15 minutes: {averages}"
    )


def count(number: int) -> str:
    """10,000."""
    return f"{number:,}"


def milliseconds(value: float) -> str:
    """Two digits where they mean something."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
