"""`counterfoil demo` as a process: what it says, how it ends, what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from counterfoil import SqliteStore
from counterfoil.adapters import cli
from counterfoil.adapters.demo.serving import serve
from counterfoil.adapters.demo.settings import DemoSettings

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]
        return free


@pytest.fixture
def start(port: int) -> Iterator[Start]:
    with ExitStack() as demos:

        def begin(**environment: object) -> subprocess.Popen[str]:
            told = {name: str(value) for name, value in environment.items()}
            return demos.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "counterfoil", "demo"],
                    env={**os.environ, "PORT": str(port), **told},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

        yield begin


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_when_told(
    start: Start, port: int, tmp_path: Path, ending: signal.Signals
) -> None:
    demo = start(TMPDIR=tmp_path)
    assert demo.stdout is not None
    said = demo.stdout.readline()
    assert said == f"Open http://localhost:{port} in a browser; Ctrl-C ends the demo.\n"
    with urlopen(f"http://localhost:{port}/") as page:  # our own server
        assert b"<title>counterfoil" in page.read()
    demo.send_signal(ending)
    assert demo.communicate(timeout=30) == ("\nThe demo has ended.\n", "")
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_database_stays_and_so_do_its_sessions(start: Start, tmp_path: Path) -> None:
    database = tmp_path / "sessions.db"
    demo = start(DATABASE=database)
    assert demo.stdout is not None
    demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=30)
    assert said == "\nThe demo has ended. Its sessions stay in its database.\n"
    assert database.exists()


def test_what_is_only_in_memory_stays_nowhere(start: Start) -> None:
    demo = start(DATABASE="memory://", ACCESS_TTL=1_209_600)
    assert demo.stdout is not None
    assert "Open http" in demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    assert demo.communicate(timeout=30)[0] == "\nThe demo has ended.\n"


def test_settings_that_are_likely_to_hurt_are_told(start: Start) -> None:
    demo = start(ACCESS_TTL=5, GRACE=10)
    assert demo.stdout is not None
    assert "Open http" in demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=30)
    assert errors.startswith("Note: the leeway of 0:00:10 isn't well below")
    assert errors.count("\n") == 1


def test_a_port_that_is_taken(start: Start, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        demo = start()
        said = demo.communicate(timeout=30)
    other = port + 1 if port < 65535 else 8000
    told = f"counterfoil: port {port} is taken; choose another, as in PORT={other}.\n"
    assert (said, demo.returncode) == (("", told), 1)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "http", "PORT must be a whole number from 1 to 65535."),
        ("PORT", "0000080001", "PORT must be a whole number from 1 to 65535."),
        ("ACCESS_TTL", "0", "ACCESS_TTL must be a whole number from 1 to 1209600."),
        ("ACCESS_TTL", "1209601", "ACCESS_TTL must be a whole number from 1 to 1209600."),
        ("GRACE", "-1", "GRACE must be a whole number from 1 to 3600."),
        ("ANTI_CSRF", "MAYBE", "ANTI_CSRF must be one of "),
    ],
)
def test_a_setting_that_is_none(start: Start, name: str, value: str, told: str) -> None:
    demo = start(**{name: value})
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert errors.startswith(f"counterfoil: {told}")


def test_a_database_that_cannot_be(start: Start, tmp_path: Path) -> None:
    demo = start(DATABASE=tmp_path / "missing" / "sessions.db")
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert errors.startswith("counterfoil: ")
    assert "missing" in errors


# --- in this process, where it is measured what the tests reach ---------------------------------


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """As in a terminal: who is started in the background has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
def test_a_server_in_this_process_ends_by_its_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://localhost:{listener.getsockname()[1]}"

    def visit_and_interrupt() -> None:
        with urlopen(f"{origin}/settings") as answer:  # noqa: S310  # our own server
            answer.read()
        os.kill(os.getpid(), signal.SIGINT)

    policy = DemoSettings(access_ttl=5).policy
    with ThreadPoolExecutor() as threads, SqliteStore(tmp_path / "sessions.db") as store:
        visit = threads.submit(visit_and_interrupt)
        with listener, pytest.raises(KeyboardInterrupt):
            serve(policy, store, listener, "It listens.")
        visit.result()
    said = capsys.readouterr()
    assert said.out == "It listens.\n"
    assert said.err.startswith("Note: the leeway")


def test_the_command_refuses_in_this_process_too(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", str(port))
    with socket.create_server(("127.0.0.1", port)):
        assert cli.main(["demo"]) == 1
    monkeypatch.setenv("GRACE", "soon")
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err.count("\n") == 2
