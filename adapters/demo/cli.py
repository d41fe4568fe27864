"""`counterfoil demo`: the demo, served on this machine."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ...effects import InvalidInput
from ..connecting import open_database
from ..optional import needs
from .settings import DemoSettings, settings_from

_HELP = """\
serves a page on http://localhost:8000 that shows sessions at work

environment:
  PORT        where it listens (8000)
  ACCESS_TTL  seconds that an access token lives (60), 14 days at most
  GRACE       the leeway in seconds (10)
  ANTI_CSRF   VIA_TOKEN, VIA_CUSTOM_HEADER, FETCH_METADATA (the default) or NONE
  DATABASE    where it keeps sessions: the path of a SQLite file, or a connection string such as
              postgresql://user:password@host/database or redis://host (a file that ends with it)
"""


def add_demo(commands: Any) -> None:
    """Add the command."""
    demo = commands.add_parser(
        "demo",
        help="serve a page that shows sessions at work",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.set_defaults(run=_demo)


def _demo(_: argparse.Namespace) -> int:
    try:
        settings = settings_from(os.environ)
        serve_demo(settings)
    except InvalidInput as error:
        print(f"counterfoil: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise  # nobody reads any more: the command knows what that means
    except (ImportError, OSError) as error:
        print(f"counterfoil: {error}", file=sys.stderr)
        return 1
    return 0


def serve_demo(settings: DemoSettings) -> None:
    """Serve the demo until it is interrupted.

    Raises:
        ImportError: the extra `demo` is missing.
        OSError: the port is taken.
    """
    try:
        from .serving import serve
    except ImportError as error:
        raise needs("demo") from error
    with tempfile.TemporaryDirectory() as folder, _listening(settings.port) as listener:
        place = settings.database or Path(folder) / "sessions.db"
        with closing(open_database(place)) as store, _stoppable():
            told = f"Open {settings.origin} in a browser; Ctrl-C ends the demo."
            serve(settings.policy, store, listener, told)
    # Where that is isn't said: a connection string may have a password in it.
    kept = " Its sessions stay in its database." if settings.keeps_sessions else ""
    print(f"\nThe demo has ended.{kept}", flush=True)


@contextmanager
def _stoppable() -> Generator[None, None, None]:
    """Whoever interrupts or terminates the server ends it well: its files are tidied up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has shut down
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else "can't be listened on"
        other = port + 1 if port < 65535 else 8000
        raise OSError(f"port {port} {why}; choose another, as in PORT={other}.") from None
