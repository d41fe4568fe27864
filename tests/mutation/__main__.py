"""Which changes to core/ and effects/ no test notices: `python tests/mutation`.

Runs mutmut (the extra `mutation`) over a copy in `build/mutation/`, shows a table, and compares
the mutants that survive with those that `survivors.md` keeps, each under a reason. Exits with 1 if
they differ. `python tests/mutation survivors` judges those again that survived the last time, with
the tests as they are now, and `python tests/mutation 'counterfoil.core.rotation.*'` these mutants.
"""

from __future__ import annotations

import ast
import difflib
import json
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import attrs

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
KEPT = Path(__file__).with_name("survivors.md")
KILLED = frozenset({1, 3, 24, -24, 36, 152, 255})  # a test failed, or never came to an end
LAYERS = ("core", "effects", "adapters")


@attrs.frozen
class Mutant:
    """One change to the code. `line` is how `survivors.md` shows it."""

    name: str
    module: str
    line: str
    killed: bool


def main(patterns: list[str]) -> int:
    """Judge the mutants, show what came of it; the exit status."""
    if patterns == ["survivors"]:
        patterns = [mutant.name for mutant in judged() if not mutant.killed]
    if not patterns:
        shutil.rmtree(WORK, ignore_errors=True)
    assemble()
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *patterns]
    subprocess.run(command, cwd=WORK, check=True)
    for test in sorted(unsteady()):
        print(f"\n{test}: not what mutmut ran; does its name differ from run to run?")
        return 1
    mutants = list(judged())
    print("\n".join(table(mutants)))
    found = Counter(mutant.line for mutant in mutants if not mutant.killed)
    functions = {function_of(mutant.line) for mutant in mutants}
    listed = [line for line in KEPT.read_text("utf-8").splitlines() if line.startswith("- `")]
    kept = Counter(line for line in listed if not patterns or function_of(line) in functions)
    for title, lines in (
        ("survive and are not in survivors.md", found - kept),
        ("are in survivors.md and don't survive", kept - found),
    ):
        print(f"\n{lines.total()} {title}", *sorted(lines.elements()), sep="\n")
    return int(found != kept)


def assemble() -> None:
    """Lay out the package as it is installed, and its tests, for mutmut to work on."""
    face = ROOT / ".src" / "counterfoil"
    for source, target in (
        *((ROOT / layer, WORK / "counterfoil" / layer) for layer in LAYERS),
        (ROOT / "tests", WORK / "tests"),
    ):
        shutil.copytree(source, target, dirs_exist_ok=True)
    for path in (face / "__init__.py", face / "__main__.py"):
        shutil.copy2(path, WORK / "counterfoil")
    shutil.copy2(ROOT / "pyproject.toml", WORK)
    for layer in LAYERS[:2]:
        for path in (WORK / "counterfoil" / layer).glob("*.py"):
            path.write_text(plain(path.read_text("utf-8")), "utf-8")


def plain(source: str) -> str:
    """The same code, with decorated functions within mutmut's reach, and without casts.

    A property is made by a call, but in a protocol, where it would be one more member to have. A
    cache of replies is left out: what it kept from before the mutant was there would hide it. What
    a cast says is for type checkers alone.
    """
    written = source
    for node in ast.walk(ast.parse(written)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "cast":
            cast, value = (ast.get_source_segment(written, one) for one in (node, node.args[1]))
            source = source.replace(str(cast), str(value))
    lines = source.splitlines()
    tree = ast.parse(source)
    asked = {id(member) for node in ast.walk(tree) if is_protocol(node) for member in node.body}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or len(node.decorator_list) != 1:
            continue
        if id(node) in asked:
            continue
        decorator = ast.unparse(node.decorator_list[0])
        if decorator == "property":
            head = node.lineno - 1
            lines[head] = lines[head].replace(f"def {node.name}(", f"def _get_{node.name}(", 1)
            made = f"{node.name} = property(_get_{node.name})"
            lines[(node.end_lineno or 0) - 1] += "\n" + " " * node.col_offset + made
        elif not decorator.startswith("lru_cache("):
            continue
        lines[node.decorator_list[0].lineno - 1] = ""
    return "\n".join(lines) + "\n"


def is_protocol(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    """Whether it is a class that says what others must have."""
    return isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)


def unsteady() -> set[str]:
    """The tests that are not called now what they were called when mutmut ran them.

    A test that mutmut doesn't find by its name it takes for one that fails.
    """
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
    selected = config["pytest_add_cli_args_test_selection"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *selected]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    stats: dict[str, Any] = json.loads((WORK / "mutants" / "mutmut-stats.json").read_text("utf-8"))
    return {line for line in listed.splitlines() if "::" in line} ^ set(stats["duration_by_test"])


def function_of(line: str) -> str:
    """Whose mutant a line shows."""
    return line.split("`")[1]


def judged() -> Iterator[Mutant]:
    """Every mutant that was judged, as mutmut's files tell of it."""
    for meta in sorted((WORK / "mutants" / "counterfoil").rglob("*.py.meta")):
        path = meta.with_suffix("")
        module = f"{path.parent.name}.{path.stem}"
        code = path.read_text("utf-8").splitlines()
        spans: dict[str, list[int]] = json.loads(path.with_suffix(".py.spans").read_text())["spans"]
        results: dict[str, Any] = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
        for key, status in results.items():
            if status is None:
                continue
            name = key.rpartition(".")[2]
            function, _, number = name.partition("__mutmut_")
            before, after = (
                [line.replace(f"{function}__mutmut_{which}(", "(") for line in code[a - 1 : b]]
                for which in ("orig", number)
                for a, b in [spans[f"{function}__mutmut_{which}"]]
            )
            shown = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            yield Mutant(
                key, module, f"- `{module}.{shown}` {change(before, after)}", status in KILLED
            )


def change(before: list[str], after: list[str]) -> str:
    """What differs, in one line."""
    differing = [line for line in difflib.ndiff(before, after) if line[:2] in ("- ", "+ ")]
    gone, new = ([line[2:].strip() for line in differing if line[0] == sign] for sign in "-+")
    return f"`{' '.join(gone)}` -> `{' '.join(new)}`"


def table(mutants: list[Mutant]) -> Iterator[str]:
    """How many were killed, by module, by layer and in all."""
    total, killed = Counter[str](), Counter[str]()
    for mutant in mutants:
        for name in (mutant.module, mutant.module.partition(".")[0], "~ all"):
            total[name] += 1
            killed[name] += mutant.killed
    yield f"{'module':<28}{'mutants':>9}{'killed':>9}{'survived':>10}{'score':>9}"
    for name in sorted(total, key=lambda name: ("." not in name, name)):
        survived, score = total[name] - killed[name], killed[name] / total[name]
        yield (
            f"{name.removeprefix('~ '):<28}{total[name]:>9}{killed[name]:>9}"
            f"{survived:>10}{score:>9.1%}"
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
