"""The README's code runs, from top to bottom, as a reader would run it."""

import doctest
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sybil import Document, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import counterfoil
from counterfoil.core.examples import example_session

from .readme import README, between

ROOT = Path(__file__).parents[1]
LOGIN = 1_700_000_000_000


class OneReply:
    """Answers the README's first step."""

    def perform(self, effect: counterfoil.Regenerate) -> counterfoil.Regenerated:
        """As a store would that held nothing else."""
        return counterfoil.Regenerated(effect.patch, "a.new.token")


def parse() -> Document:
    options = doctest.ELLIPSIS
    return Sybil([PythonCodeBlockParser(doctest_optionflags=options)]).parse(README)


def quickstart() -> str:
    return between("quickstart")


def application() -> str:
    """The quickstart with the route that follows it."""
    return f"{quickstart()}\n{between('change')}"


def test_every_example_of_the_readme_runs(tmp_path: Path) -> None:
    document = parse()
    names: dict[str, Any] = {
        "merge_into_access_token_payload": counterfoil.merge_into_access_token_payload,
        "run": counterfoil.run,
        "session": example_session(),
        "NOW": LOGIN,
        "interpreter": OneReply(),
        "database": tmp_path / "sessions.db",
        "other_database": tmp_path / "other.db",
        "shelf": str(tmp_path / "sessions.shelf"),
        "keys": tmp_path / "keys.json",
    }
    document.namespace.update(names)
    examples = list(document.examples())
    assert len(examples) >= 7
    for example in examples:
        if str(example.parsed) not in application():  # which is run as a program, below
            example.evaluate()
    document.namespace["sessions"].store.close()


def test_the_doctor_says_what_the_readme_shows() -> None:
    _, _, rest = README.read_text("utf-8").partition("$ counterfoil doctor ")
    arguments, *lines = rest.partition("```")[0].splitlines()
    command = [sys.executable, "-m", "counterfoil", "doctor", *arguments.split()]
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert all(line in done.stdout.splitlines() for line in lines if line != "...")
    assert len(lines) > 5


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Run `uvicorn app:app` in a folder, on a free port; its origin. What it says is in `log`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listener.fileno())]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, pass_fds=[listener.fileno()], stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are handed on POSIX's way")
def test_the_quickstart_runs_as_it_is_written(tmp_path: Path) -> None:
    assert 5 < len(quickstart().splitlines()) <= 15
    (tmp_path / "app.py").write_text(application(), "utf-8")
    # The listener queues what comes before the server is up.
    with serving(tmp_path) as origin, httpx2.Client(base_url=origin, timeout=60) as client:
        assert client.get("/me").status_code == 401
        login = client.post("/login?user_id=ada", headers={"st-auth-mode": "cookie"})
        assert login.status_code == 200
        assert client.get("/me").json() == "ada"
        page = {"origin": "http://localhost:8000"}
        before = client.cookies["sAccessToken"]
        assert client.post("/auth/session/refresh", headers=page).json() == {}
        assert client.cookies["sAccessToken"] != before
        assert client.get("/me").json() == "ada"
        before = client.cookies["sAccessToken"]
        assert client.post("/upgrade", headers=page).status_code == 200
        assert client.cookies["sAccessToken"] != before
        assert client.get("/me").json() == "ada"
        assert client.post("/auth/signout", headers=page).json() == {"status": "OK"}
        assert client.get("/me").status_code == 401
    assert (tmp_path / "sessions.db").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are handed on POSIX's way")
def test_the_log_says_why_a_request_was_refused_once_it_is_shown(tmp_path: Path) -> None:
    shown = "logging.basicConfig(level=logging.INFO)"
    assert f"`{shown}`" in README.read_text("utf-8")
    (tmp_path / "app.py").write_text(f"import logging\n{shown}\n{application()}", "utf-8")
    with serving(tmp_path) as origin, httpx2.Client(base_url=origin, timeout=60) as client:
        client.post("/login?user_id=ada", headers={"st-auth-mode": "cookie"})
        assert client.post("/upgrade").status_code == 401
    told = (tmp_path / "log").read_text("utf-8")
    assert [line for line in told.splitlines() if "counterfoil" in line and "CSRF" in line], told
