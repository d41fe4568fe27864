"""The `counterfoil` command."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from ..effects import CounterfoilError
from .connecting import open_database
from .demo.cli import add_demo
from .doctor.cli import add_doctor
from .held import milliseconds
from .lab.cli import add_lab
from .simulation.cli import add_simulate
from .tour import Tour
from .tour_words import Teller


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; answers its exit status: 0, 1 for a failure that is told, 2 for usage."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        status: int = _help(parser) if options.run is None else options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("counterfoil: interrupted.", file=sys.stderr)
        return 130  # as shells say it: 128 and the signal's number
    except (CounterfoilError, ImportError) as error:  # the latter says which extra is missing
        print(f"counterfoil: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="counterfoil", description="A session engine of pure decisions."
    )
    parser.add_argument(
        "--version", action="version", version=f"counterfoil {version('counterfoil')}"
    )
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(metavar="COMMAND")
    tour = commands.add_parser(
        "tour",
        help="walk a session's life, effect by effect",
        description="Walks a session's life on a real store: each operation, its effects and "
        "their replies, and what it leaves behind.",
    )
    tour.add_argument("--json", action="store_true", help="print the journal as JSON instead")
    tour.add_argument("--secrets", action="store_true", help="with --json: do not mask the tokens")
    tour.add_argument(
        "--database",
        metavar="PLACE",
        help="play on this: the path of a new SQLite file, or a connection string",
    )
    tour.add_argument("--no-color", action="store_true", help="no colour on a terminal either")
    tour.set_defaults(run=_tour)
    add_demo(commands)
    add_doctor(commands)
    add_simulate(commands)
    add_lab(commands)
    return parser


def _tour(options: argparse.Namespace) -> int:
    if options.secrets and not options.json:
        print("counterfoil: --secrets goes with --json.", file=sys.stderr)
        return 2
    if options.database is not None and Path(options.database).exists():
        print(f"counterfoil: {options.database} exists; give a new path.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        place = options.database or Path(folder) / "sessions.db"
        with closing(open_database(place)) as store:
            tour = Tour(store, _teller(options), milliseconds())
            tour.play()
    if options.json:
        if options.secrets:
            print("counterfoil: this journal holds live tokens.", file=sys.stderr)
        print(tour.journal.to_json(secrets=options.secrets))
    return 0


def _help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _teller(options: argparse.Namespace) -> Teller:
    if options.json:
        return Teller(_silence)
    plain = options.no_color or "NO_COLOR" in os.environ or not sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, 100)
    return Teller(print, width=max(width, 40), colour=not plain)


def _silence(line: str) -> None:
    """Tells nobody."""
