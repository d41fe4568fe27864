"""What a user would pick instead, beside ours, in one run on the same servers.

Neither side has a web framework's request around it. The acts are comparable, not equal: each row
says what either does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs

from ..bench.rows import paired
from .tables import Report

ACTS = 10  # in a round


class NotInstalled(Exception):
    """A library that is compared with isn't there."""


@attrs.frozen
class Pair:
    """Two comparable acts; each call does it `ACTS` times.

    Attributes:
        peer: who, and on what.
        theirs_does: what their act does, statement by statement.
        ours_does: the same of ours.
    """

    peer: str
    theirs: Callable[[], object]
    theirs_does: str
    ours: Callable[[], object]
    ours_does: str


def report(folder: Path, *, rounds: int) -> Report:
    """A row for each peer."""
    try:
        from . import peers_django, peers_starsessions
    except ImportError as error:
        raise NotInstalled(f"{error.name} is missing: pip install 'counterfoil[load]'.") from error
    rows: list[list[str]] = []
    with ExitStack() as running:
        pairs: Iterator[Pair] = (
            pair
            for module in (peers_django, peers_starsessions)
            for pair in module.pairs(running, folder)
        )
        for pair in pairs:
            ours, theirs, ratio = paired(pair.ours, pair.theirs, 1, rounds)
            rows.append(
                [
                    pair.peer,
                    f"{theirs / ACTS:,.0f}",
                    pair.theirs_does,
                    f"{ours / ACTS:,.0f}",
                    pair.ours_does,
                    f"{ratio:.2f}",
                ]
            )
    head = ["instead", "theirs, us", "what theirs does", "ours, us", "what ours does"]
    return Report(head=[*head, "ours to theirs"], rows=rows)


def times(act: Callable[[], object]) -> Callable[[], None]:
    """The act, so many times."""

    def done() -> None:
        for _ in range(ACTS):
            act()

    return done
