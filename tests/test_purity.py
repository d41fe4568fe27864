"""The core and the language touch no world: a parser reads every file of theirs and says so.

No clock, entropy, socket, file, log, thread or event loop is imported, the layers point one way,
and a continuation is a value: a frozen class or a function of a module, never a closure.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

# The first name of a module, or a dotted one where only a part of a package is of the world.
WORLD = {
    *("time", "random", "secrets", "uuid", "os", "sys", "io", "pathlib", "tempfile", "shutil"),
    *("socket", "ssl", "select", "http", "urllib.request", "smtplib", "subprocess", "signal"),
    *("logging", "warnings", "threading", "multiprocessing", "concurrent", "queue", "contextvars"),
    *("asyncio", "trio", "anyio", "sqlite3", "importlib", "gc", "atexit", "hypothesis"),
}
MAY_IMPORT = {
    "effects/interpreter.py": {"anyio"},  # the loops run on any event loop
    "effects/optional.py": {"hypothesis"},  # the strategies are for tests, and stay on their side
}
# The conformance kit is a program that tests. It judges stores with threads, tasks and processes,
# finds them by name, and nothing of the engine imports it.
KIT = "effects/conformance/"
OF_THE_KIT = {
    *("sys", "os", "pathlib", "importlib", "threading", "multiprocessing", "concurrent"),
    *("anyio", "hypothesis", "time"),
}
ABOVE = {"effects": {"core", "adapters"}, "core": {"adapters"}}
CALLS = {"open", "print", "input", "eval", "exec", "__import__", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}


def sources() -> Iterator[tuple[str, str]]:
    for layer in ("core", "effects"):
        (folder,) = list(importlib.import_module(f"counterfoil.{layer}").__path__)[:1]
        for path in sorted(Path(folder).rglob("*.py")):
            yield f"{layer}/{path.relative_to(folder).as_posix()}", path.read_text("utf-8")


SOURCES = dict(sources())


def imported(tree: ast.AST, name: str) -> Iterator[tuple[int, str]]:
    """Every import as an absolute dotted name; those inside the package begin with its name."""
    package = ("counterfoil", *name.split("/")[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module or "").split("."))
            found = ".".join(part for part in module if part)
            yield node.lineno, found
            yield from ((node.lineno, f"{found}.{alias.name}") for alias in node.names)


def worldly(source: str, name: str) -> list[str]:
    """What in this source reaches for the world."""
    tree = ast.parse(source)
    allowed = OF_THE_KIT if name.startswith(KIT) else MAY_IMPORT.get(name, set[str]())
    reached = {
        (line, prefix)
        for line, module in imported(tree, name)
        for prefix in (module.split(".")[0], ".".join(module.split(".")[:2]))
    }
    forbidden = WORLD - allowed
    problems = [f"{line}: imports {m}" for line, m in sorted(reached) if m in forbidden]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called)) if called in CALLS:
                problems.append(f"{node.lineno}: calls {called}")
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=asked):
                if owner in {"datetime", "date"} and asked in CLOCKS:
                    problems.append(f"{node.lineno}: reads the clock")
            case _:
                pass
    return problems


def upward(source: str, name: str) -> list[str]:
    """Imports of a layer above."""
    above = ABOVE[name.split("/")[0]]
    found = [(line, module.split(".")) for line, module in imported(ast.parse(source), name)]
    layers = {(line, parts[1]) for line, parts in found if parts[0] == "counterfoil" and parts[1:]}
    return [f"{line}: imports {layer}" for line, layer in sorted(layers) if layer in above]


def closures(source: str) -> list[str]:
    """Continuations that would not equal their twins."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    nested = {
        inner.name
        for outer in functions
        for inner in ast.walk(outer)
        if isinstance(inner, ast.FunctionDef) and inner is not outer
    }
    methods = {
        member.name
        for cls in ast.walk(tree)
        if isinstance(cls, ast.ClassDef)
        for member in cls.body
        if isinstance(member, ast.FunctionDef)
    }
    problems: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="then" | "always"), args=args, keywords=keywords):
                given = [*args, *(keyword.value for keyword in keywords)]
                problems += [
                    f"{node.lineno}: goes on with {kind}"
                    for argument in given
                    if (kind := _closure(argument, nested, methods))
                ]
            case ast.ClassDef(body=body) if any(
                isinstance(member, ast.FunctionDef) and member.name == "__call__" for member in body
            ):
                told = [ast.unparse(e) for e in (*node.decorator_list, *node.bases)]
                if not any(text.startswith(("attrs.frozen", "Protocol")) for text in told):
                    problems.append(f"{node.lineno}: {node.name} can be called but is not frozen")
            case _:
                pass
    return problems


def _closure(argument: ast.expr, nested: set[str], methods: set[str]) -> str | None:
    match argument:
        case ast.Lambda():
            return "a lambda"
        case ast.Call(func=ast.Name(id="partial") | ast.Attribute(attr="partial")):
            return "a partial"
        case ast.Name(id=name) if name in nested:
            return f"the nested function {name}"
        case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in methods:
            return f"the bound method {name}"
        case _:
            return None


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_reaches_for_nothing_of_the_world(name: str) -> None:
    assert worldly(SOURCES[name], name) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_imports_no_layer_above(name: str) -> None:
    assert upward(SOURCES[name], name) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_goes_on_with_values_only(name: str) -> None:
    assert closures(SOURCES[name]) == []


def test_both_layers_were_read() -> None:
    assert {"core/__init__.py", "effects/step.py", "effects/interpreter.py"} < set(SOURCES)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import time", "1: imports time"),
        ("import os.path as p", "1: imports os"),
        ("from random import choice", "1: imports random"),
        ("import anyio", "1: imports anyio"),
        ("from urllib.request import urlopen", "1: imports urllib.request"),
        ("from urllib import request", "1: imports urllib.request"),
        ("def f():\n    import logging", "2: imports logging"),
        ("x = datetime.now()", "1: reads the clock"),
        ("x = datetime.datetime.utcnow", "1: reads the clock"),
        ("x = date.today()", "1: reads the clock"),
        ("print(1)", "1: calls print"),
        ("open('x')", "1: calls open"),
    ],
)
def test_what_is_of_the_world_is_seen(source: str, problem: str) -> None:
    assert problem in worldly(source, "core/x.py")


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "from urllib.parse import urlsplit",
        "x = self.now",
        "from datetime import date",
    ],
)
def test_what_is_not_of_the_world_is_let_through(source: str) -> None:
    assert worldly(source, "core/x.py") == []


def test_the_loops_alone_may_import_anyio() -> None:
    assert worldly("from anyio import to_thread", "effects/interpreter.py") == []
    assert worldly("from anyio import to_thread", "effects/step.py") == ["1: imports anyio"]


def test_the_kit_may_reach_for_what_it_judges_with_and_nobody_for_the_kit() -> None:
    assert worldly("import threading", "effects/conformance/x.py") == []
    assert worldly("import socket", "effects/conformance/x.py") == ["1: imports socket"]
    assert worldly("import threading", "effects/x.py") == ["1: imports threading"]
    using = {
        name
        for name, source in SOURCES.items()
        for _, module in imported(ast.parse(source), name)
        if "conformance" in module.split(".") or module.split(".")[0] == "pytest"
    }
    assert {"effects/conformance/plugin.py"} <= using
    assert all(name.startswith(KIT) for name in using)


def test_only_strategies_import_strategies() -> None:
    drawing = {
        name
        for name, source in SOURCES.items()
        if not name.startswith(KIT)
        for _, module in imported(ast.parse(source), name)
        if "strategies" in module or "optional" in module
    }
    assert {"effects/strategies.py", "core/strategies.py"} <= drawing
    assert all(name.endswith("strategies.py") or name == "effects/optional.py" for name in drawing)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("effects/x.py", "from ..core import Session"),
        ("effects/x.py", "from .. import adapters"),
        ("effects/x.py", "import counterfoil.core"),
        ("effects/deep/x.py", "from ...core import Session"),
        ("core/x.py", "from ..adapters.keys import KeyRing"),
    ],
)
def test_an_import_of_a_layer_above_is_seen(name: str, source: str) -> None:
    assert len(upward(source, name)) == 1
    assert upward("from ..effects import Load\nfrom .x import y", "core/x.py") == []


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("a.then(lambda r: r)", "a lambda"),
        ("a.always(lambda r: r)", "a lambda"),
        ("a.then(resume=lambda r: r)", "a lambda"),
        ("a.then(partial(f, 1))", "a partial"),
        ("a.then(functools.partial(f, 1))", "a partial"),
        ("def f():\n    def g(r): ...\n    a.then(g)", "the nested function g"),
        ("class A:\n    def g(self, r): self.x.then(self.g)", "the bound method g"),
    ],
)
def test_a_closure_is_seen(source: str, kind: str) -> None:
    (problem,) = closures(source)
    assert problem.endswith(f"goes on with {kind}")


def test_a_continuation_that_is_not_frozen_is_seen() -> None:
    bare = "class AfterX:\n    def __call__(self, reply): ..."
    assert closures(bare) == ["1: AfterX can be called but is not frozen"]
    assert closures(f"@attrs.frozen(kw_only=True)\n{bare}\na.then(AfterX())\na.then(f)") == []
