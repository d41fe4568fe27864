"""`python -m tests.load faults|scale|rate|purge|floor|peers [--store ...]`: a Markdown table each.

Servers are started for it, on free ports of the loopback, and stopped after. The sizes below are
those of `adapters/SCALING.md`; smaller ones show that all works. Exits with 1 if a bound doesn't
hold, with 3 if something that is needed isn't installed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import faults, floor, peers, purge, rate, scale
from .tables import Report

NOT_INSTALLED = 3
STORES = ("sqlite", "postgres", "redis", "cluster")
SCRIPTS = {  # each with the stores that it is for; the peers come with their own
    "faults": ("postgres", "redis", "cluster"),  # a file has no server that could be away
    "scale": ("sqlite", "postgres", "redis"),
    "rate": ("sqlite", "postgres", "redis"),
    "purge": ("sqlite", "postgres", "redis"),
    "floor": STORES,
    "peers": (),
}
SIZES = [10_000, 1_000_000, 10_000_000]


def main() -> int:
    """Run one script on each store that was asked for."""
    asked = _asked()
    held = True
    with tempfile.TemporaryDirectory(prefix="counterfoil-load-", dir=asked.folder) as folder:
        try:
            for report in _reports(asked, Path(folder)):
                print(report, end="\n\n", flush=True)
                held = held and not report.missed
        except (pytest.skip.Exception, peers.NotInstalled) as missing:  # servers, libraries
            print(missing, file=sys.stderr)
            return NOT_INSTALLED
    return 0 if held else 1


def _reports(asked: argparse.Namespace, folder: Path) -> Iterator[Report]:
    if asked.script == "peers":
        yield peers.report(folder, rounds=asked.rounds)
        return
    for store in asked.store or SCRIPTS[asked.script]:
        match asked.script:
            case "faults":
                yield from faults.reports(store, folder, clients=asked.clients, calm=asked.calm)
            case "scale":
                sizes = asked.sizes or SIZES  # under Redis, 9 GB of memory
                yield scale.report(store, folder, sizes=sizes, samples=asked.samples)
            case "rate":
                (live,) = asked.sizes or [100_000]
                yield rate.report(store, folder, live=live, seconds=asked.calm)
            case "purge":
                live, over = asked.sizes or [100_000, 1_000_000]
                yield purge.report(store, folder, live=live, over=over, calm=asked.calm)
            case _:
                yield floor.report(store, folder, rounds=asked.rounds)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("script", choices=SCRIPTS)
    parser.add_argument(
        "--store", nargs="+", choices=STORES, help="all it is for, if none is named"
    )
    parser.add_argument(
        "--sizes", nargs="+", type=int, help="numbers of sessions; for purge: live, then over"
    )
    parser.add_argument("--samples", type=int, default=500, help="acts of each kind (scale)")
    parser.add_argument("--rounds", type=int, default=151, help="paired rounds (floor, peers)")
    parser.add_argument("--clients", type=int, default=200, help="at once (faults)")
    parser.add_argument(
        "--calm",
        type=float,
        default=10,
        help="s of load around each event (faults, purge), or in all (rate)",
    )
    parser.add_argument("--folder", help="where data is written; the system's, if none is named")
    asked = parser.parse_args()
    refused = set(asked.store or ()) - set(SCRIPTS[asked.script])
    if refused:
        parser.error(f"{asked.script} is not for {', '.join(sorted(refused))}.")
    return asked


if __name__ == "__main__":
    raise SystemExit(main())
