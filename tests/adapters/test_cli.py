"""The command line, in this process and as a process of its own."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from counterfoil import Journal
from counterfoil.adapters import cli
from counterfoil.adapters.sqlite import SqliteStore

TOKEN = re.compile(r"[A-Za-z0-9_-]{60,}")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m counterfoil ...`, from elsewhere."""
    return subprocess.run(
        [sys.executable, "-m", "counterfoil", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        cwd=os.path.expanduser("~"),
        check=False,
    )


def test_the_tour_runs_as_a_command() -> None:
    done = run("tour")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") < 150
    assert "Thefts noticed: 1." in done.stdout
    assert "\x1b" not in done.stdout


def test_the_version() -> None:
    done = run("--version")
    assert re.fullmatch(r"counterfoil \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments", [("dance",), ("tour", "--dance")])
def test_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2
    assert "usage: counterfoil" in capsys.readouterr().err


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "walk a session's life" in capsys.readouterr().out


def test_secrets_without_json_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tour", "--secrets"]) == 2
    assert "goes with --json" in capsys.readouterr().err


def test_json_is_the_journal_and_holds_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tour", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert TOKEN.search(told.out) is None
    journal = Journal.from_json(told.out)
    assert journal.masked
    assert len(journal.entries) > 40


def test_json_with_secrets_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tour", "--json", "--secrets"]) == 0
    told = capsys.readouterr()
    assert "live tokens" in told.err
    assert not json.loads(told.out)["masked"]
    assert TOKEN.search(told.out) is not None


def test_the_file_is_kept_where_one_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sessions.db"
    assert cli.main(["tour", "--database", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with SqliteStore(path) as store:
        assert store.list_for_user("ada", None) == ()
    assert cli.main(["tour", "--database", str(path)]) == 2
    assert "exists; give a new path" in capsys.readouterr().err


def test_a_file_that_can_not_be_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tour", "--database", "/nowhere/at/all.db"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("counterfoil: /nowhere/at/all.db")
    assert told.count("\n") == 1


def test_a_reader_that_has_enough_is_no_failure() -> None:
    pipe = subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "tour", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.close()
    with pipe.stderr:
        assert pipe.stderr.read() == b""
    assert pipe.wait() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": ""}, False)],
)
def test_colour_on_a_terminal_unless_told_otherwise(
    arguments: tuple[str, ...], environment: dict[str, str], coloured: bool
) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "counterfoil", "tour", *arguments]
    with subprocess.Popen(
        command, stdout=theirs, env={**plain, "COLUMNS": "60", **environment}
    ) as process:
        os.close(theirs)
        told = b""
        while chunk := _read(ours):
            told += chunk
    os.close(ours)
    assert process.returncode == 0
    text = told.decode()
    assert ("\x1b[" in text) is coloured
    lines = re.sub(r"\x1b\[[0-9]+m", "", text).splitlines()
    assert max(map(len, lines)) <= 60


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way of saying that the other end is closed
        return b""
