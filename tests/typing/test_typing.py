"""What the type checkers must see: programs that they accept, and lines that they refuse."""

import importlib.util
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ACCEPTED = HERE / "accepted.py"
REFUSED = HERE / "refused.py"
SILENCER = re.compile(r"  # type: ignore\[([a-z-]+)\].*")

Errors = dict[int, set[str]]


def _run(module: str, *words: str) -> str:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is missing: pip install counterfoil[lint]")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("needs the repository: its pyproject.toml configures the type checkers")
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def mypy(path: Path) -> Errors:
    """mypy's errors in this file, by line."""
    found: Errors = {}
    output = _run("mypy", "--config-file", "pyproject.toml", "--no-pretty", str(path))
    assert re.search(r"^(Success|Found \d+ errors?)", output, re.M), output
    error = re.compile(rf"^.*{path.name}:(\d+): error: .*\[([a-z-]+)\]$", re.M)
    for line, code in error.findall(output):
        found.setdefault(int(line), set()).add(code)
    return found


def pyright(path: Path) -> Errors:
    """pyright's errors in this file, by line."""
    found: Errors = {}
    output = _run("pyright", "--outputjson", "--project", "pyproject.toml", str(path))
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == 1, output
    for problem in report["generalDiagnostics"]:
        line = problem["range"]["start"]["line"] + 1
        found.setdefault(line, set()).add(problem.get("rule", "syntax"))
    return found


Checker = Callable[[Path], Errors]
CHECKERS = [mypy, pyright]


@pytest.fixture
def outspoken(tmp_path: Path) -> Path:
    """The refused programs without their silencers."""
    copy = tmp_path / "outspoken.py"
    copy.write_text(SILENCER.sub("", REFUSED.read_text("utf-8")), "utf-8")
    return copy


def silenced() -> Errors:
    lines = enumerate(REFUSED.read_text("utf-8").splitlines(), start=1)
    return {n: set(SILENCER.findall(line)) for n, line in lines if SILENCER.search(line)}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("path", [ACCEPTED, REFUSED], ids=["accepted", "silenced"])
def test_a_checker_accepts(checker: Checker, path: Path) -> None:
    assert checker(path) == {}


def test_the_accepted_programs_run() -> None:
    runpy.run_path(str(ACCEPTED), run_name="__main__")


def test_mypy_refuses_each_silenced_line_for_its_reason(outspoken: Path) -> None:
    assert mypy(outspoken) == silenced()
    assert len(silenced()) > 15


def test_pyright_refuses_each_silenced_line(outspoken: Path) -> None:
    assert pyright(outspoken).keys() == silenced().keys()
