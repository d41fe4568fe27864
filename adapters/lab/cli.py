"""`counterfoil lab`: what each rule of rotation costs, as a table and as a picture."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from ...core.lifetime import ms
from ...effects import InvalidInput, Journal
from .counterfactual import under_leeway
from .measures import Measures, Settings, measure, percent
from .picture import picture
from .rules import RULES

_LONGEST = 400 * 86_400  # s; no session lives longer


def add_lab(commands: Any) -> None:
    """Add the command to the parser's commands."""
    lab: argparse.ArgumentParser = commands.add_parser(
        "lab",
        help="compare rules of refresh-token rotation",
        description="Says of each rule of refresh-token rotation whom it logs out for nothing, "
        "which thieves it never notices, and what it writes; or what another leeway would have "
        "done to a recorded journal.",
    )
    lab.add_argument("--leeway", type=seconds, default=10, metavar="S", help="s; 10 by default")
    lab.add_argument(
        "--access",
        type=seconds,
        default=3600,
        metavar="S",
        help="access lifetime, s; 3600 by default",
    )
    lab.add_argument(
        "--tabs", type=int, default=3, metavar="N", help="that refresh at once, 1-4; 3 by default"
    )
    lab.add_argument(
        "--loss",
        type=float,
        default=0.01,
        metavar="P",
        help="share of responses lost; 0.01 by default",
    )
    lab.add_argument(
        "--hours", type=int, default=12, metavar="H", help="that a thief goes on; 12 by default"
    )
    lab.add_argument(
        "--phases",
        type=int,
        default=515,
        metavar="N",
        help="moments of the theft that are tried; 515 by default",
    )
    lab.add_argument("--plot", metavar="FILE.svg", help="draw the main columns as well")
    lab.add_argument("--from-journal", metavar="FILE", help="what --leeway would do to it")
    lab.set_defaults(run=compared)


def compared(options: argparse.Namespace) -> int:
    """Run the command: 0, or 2 for usage."""
    if options.from_journal is not None:
        if options.plot is not None:
            return _usage("--plot draws the table, not what --from-journal says.")
        return _counterfactual(Path(options.from_journal), options.leeway)
    if options.plot is not None and Path(options.plot).suffix != ".svg":
        return _usage(f"--plot draws an SVG: give a path that ends in .svg, not {options.plot}.")
    if options.plot is not None and not Path(options.plot).absolute().parent.is_dir():
        return _usage(f"--plot: there is no folder {Path(options.plot).parent} to draw in.")
    try:
        settings = Settings(
            leeway=timedelta(seconds=options.leeway),
            access=timedelta(seconds=options.access),
            tabs=options.tabs,
            loss_rate=options.loss,
            hours=options.hours,
            phases=options.phases,
        )
    except InvalidInput as error:
        return _usage(str(error))
    measured = {name: measure(rule, settings) for name, rule in RULES.items()}
    print("\n".join(table(measured, settings)))
    if options.plot is not None:
        title = f"Rules of refresh-token rotation, leeway {options.leeway:g} s"
        Path(options.plot).write_text(picture(measured, title), encoding="utf-8")
    return 0


def table(measured: dict[str, Measures], settings: Settings) -> list[str]:
    """The table as Markdown, a line each."""
    head = (
        "rule",
        "2 at once",
        "3 at once",
        "2, any lost",
        "lost, retried 1 h later",
        f"{settings.tabs} at once, {settings.loss_rate * 100:g}% lost",
        "thief never noticed",
        "others noticed after",
        "writes, 1 tab",
        f"writes, {settings.tabs} at once",
    )
    rows = [_cells(name, measures) for name, measures in measured.items()]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    first = [cell.ljust(width) for cell, width in zip(head, widths, strict=True)]
    rule = ["-" * width for width in widths]
    return ["| " + " | ".join(line) + " |" for line in (first, rule, *lines)]


def _cells(name: str, measures: Measures) -> tuple[str, ...]:
    after = measures.noticed_after
    return (
        name,
        str(measures.two),
        str(measures.three),
        str(measures.lossy),
        "logged out" if measures.late_retry else "ok",
        percent(measures.at_loss_rate, 2),
        percent(measures.unnoticed.bad / measures.unnoticed.all, 1),
        "-" if after is None else _time(after),
        f"{measures.writes:.2g}",
        f"{measures.shared_writes:.2g}",
    )


def _time(after: float) -> str:
    hours = after / 3_600_000
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _counterfactual(path: Path, leeway: float) -> int:
    try:
        journal = Journal.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return _usage(f"{path} can't be read: {type(error).__name__}.")
    except InvalidInput as error:
        return _usage(f"{path}: {error}")
    found = under_leeway(journal, ms(timedelta(seconds=leeway)))
    print(
        f"Recorded: sessions refreshed: {found.sessions}; refreshes: {found.refreshes}, of which "
        f"replays: {found.replays}, forks: {found.forks}; sessions revoked for theft: "
        f"{found.thefts}."
    )
    print(
        f"Under a leeway of {leeway:g} s: {found.forks_more} of the replays would be forks, and "
        f"could have logged out {found.logged_out_more} sessions at most; {found.forks_less} of "
        f"the forks would be replays, and would have spared {found.logged_out_less} sessions."
    )
    return 0


def seconds(text: str) -> float:
    """A duration that an option gives; argparse names it so."""
    given = float(text)
    if not 0 < given <= _LONGEST:
        raise argparse.ArgumentTypeError(f"must be seconds, more than 0 and at most {_LONGEST}")
    return given


def _usage(what: str) -> int:
    print(f"counterfoil: {what}", file=sys.stderr)
    return 2
