"""The conformance kit judges our stores, the README's, and broken ones, by its own command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .broken import FOUND
from .stores import JUDGED

pytest_plugins = ["pytester"]

KIT = "counterfoil.effects.conformance"
ENGINE = "counterfoil.adapters.simulation.conformance"
HERE = Path(__file__).parents[1]
README = HERE.parents[1] / "README.md"

Judge = Callable[..., pytest.RunResult]


@pytest.fixture
def judge(pytester: pytest.Pytester) -> Judge:
    """Runs parts of the kit, as a command would, on a store of a module beside this one."""
    pytester.syspathinsert(HERE)

    def run(*words: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess("--pyargs", *words, "-q", "-p", "no:cacheprovider")

    return run


def command(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The documented command, in a process and a folder of its own."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [Path(sys.executable).with_name("pytest"), "--pyargs", *words],
        cwd=folder,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )


# --- stores that pass --------------------------------------------------------------------------


@pytest.mark.parametrize("name", JUDGED)
def test_a_store_of_ours_passes(name: str, judge: Judge, request: pytest.FixtureRequest) -> None:
    server = JUDGED[name]
    if server is not None:
        request.getfixturevalue(server)
    result = judge(KIT, ENGINE, "--store", f"conformance.stores:{name}")
    counted = result.parseoutcomes()
    assert result.ret == pytest.ExitCode.OK
    assert counted["passed"] >= 80
    assert counted.keys() <= {"passed", "skipped"}


def test_the_documented_command_passes_on_the_store_of_the_readme(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    shelf = [block for block in blocks if "class ShelfStore" in block or "def make_store" in block]
    assert len(shelf) == 2
    (tmp_path / "my_module.py").write_text("\n".join(shelf), "utf-8")
    done = command(tmp_path, KIT, "--store", "my_module:make_store")
    assert done.returncode == 0, done.stdout
    assert "judges my_module:make_store (blocking; no way to open it again)" in done.stdout


def test_the_command_passes_on_sqlite_and_judges_processes(tmp_path: Path) -> None:
    (tmp_path / "my_module.py").write_text((HERE / "conformance/stores.py").read_text("utf-8"))
    done = command(tmp_path, f"{KIT}.test_races", "--store", "my_module:sqlite", "-v", "-k", "swap")
    assert done.returncode == 0, done.stdout
    assert "who_swap_one_version_exactly_one_wins[processes] PASSED" in done.stdout
    assert "judges my_module:sqlite (blocking; a way to open it again)" in done.stdout


# --- stores that don't -------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "part", "found"), FOUND, ids=[f"{b}-{f}" for b, _, f in FOUND])
def test_a_broken_store_is_found_out(broken: str, part: str, found: str, judge: Judge) -> None:
    name, _, sort = found.partition("[")
    words = [f"{KIT}.{part}", "--store", f"conformance.broken:{broken}", "-k", name]
    result = judge(*words)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert any(name in line and sort in line for line in failed)


# --- the command -------------------------------------------------------------------------------


def refused(judge: Judge, *words: str) -> str:
    result = judge(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR")]
    return line


def test_which_store_must_be_said(judge: Judge) -> None:
    assert refused(judge, KIT) == "ERROR: which store? Add --store my_module:make_store"


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("memory", "--store must be as my_module:make_store, not 'memory'"),
        (":memory", "--store must be as my_module:make_store, not ':memory'"),
        ("no_such_module:x", "--store no_such_module:x: No module named 'no_such_module'"),
        ("conformance.stores:no", "--store conformance.stores:no: module .* has no attribute 'no'"),
        ("conformance.stores:JUDGED", "--store conformance.stores:JUDGED is a dict; it gives a"),
        ("builtins:dict", "the factory gave a dict, which is no store; it gives a store, or"),
        ("conformance.broken:cannot", "--store conformance.broken:cannot: OSError: no disk"),
    ],
)
def test_what_makes_no_store_is_told(store: str, problem: str, judge: Judge) -> None:
    assert re.search(problem, refused(judge, KIT, "--store", store))


def test_without_hypothesis_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "hypothesis.py").write_text("raise ImportError('not installed')")
    (tmp_path / "my_module.py").write_text("")
    words = (KIT, "--store", "my_module:make_store", "-p", "no:hypothesispytest")
    done = command(tmp_path, *words, PYTHONPATH=str(tmp_path))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: the kit needs Hypothesis: pip install 'counterfoil[testing]'" in done.stderr


def test_nobody_else_has_an_option_of_this_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    assert pytester.runpytest_inprocess().ret == pytest.ExitCode.OK
    assert pytester.runpytest_inprocess("--store", "x:y").ret == pytest.ExitCode.USAGE_ERROR


def test_what_is_not_judged_says_what_it_would_need(judge: Judge) -> None:
    result = judge(KIT, "--store", "conformance.stores:memory", "-rs", "-k", "processes or kept")
    needs = "needs a function that opens the store again: let make_store give (store, function)"
    assert any(needs in line for line in result.outlines)


def test_a_way_that_no_process_can_be_told_is_said(judge: Judge) -> None:
    words = ("--store", "conformance.broken:local", "-rs", "-k", "swap_one and processes")
    result = judge(f"{KIT}.test_races", *words)
    assert any("needs a function that can be pickled" in line for line in result.outlines)
