"""The repository's shape: a fixed root, nothing importable but the package, files of one idea."""

import io
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("core", "effects", "adapters")
REQUIRED = {"pyproject.toml", "README.md", "LICENSE", "tests", *LAYERS}
ALLOWED = REQUIRED | {"CHANGELOG.md"}
MAX_LINES = 300

IGNORE = re.compile(
    r"(type:\s*ignore|noqa|pragma:\s*no\s*(cover|branch)|(ruff|mypy|pyright|flake8):)", re.I
)


def tracked(folder: str = ".") -> list[str]:
    """The files of the checkout, as git knows them."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout: the files of an sdist aren't tracked")
    command = [git, "-C", str(ROOT), "ls-files", "-z", folder]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # fixed words
    return [name for name in listed.stdout.split("\0") if name]


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_root_holds_what_it_may_and_no_more() -> None:
    root = {name.split("/")[0] for name in tracked()}
    assert {name for name in root if not name.startswith(".")} <= ALLOWED
    assert root >= REQUIRED


def test_no_folder_of_the_root_is_importable(tmp_path: Path) -> None:
    names = (*LAYERS, "tests")
    code = f"from importlib.util import find_spec; print([n for n in {names} if find_spec(n)])"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_file_beside_the_face_is_packaged() -> None:
    beside = {name for name in tracked(".src") if not (ROOT / name).is_symlink()}
    assert ".src/counterfoil/__init__.py" in beside
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    for target in ("wheel", "sdist"):
        included = set(build["targets"][target]["only-include"])
        assert beside <= included
        assert set(LAYERS) <= included
        assert {name for name in included if name.startswith(".src/")} <= beside
    assert set(build["targets"]["wheel"]["sources"]) == {".src", *LAYERS}


def test_beside_the_face_the_layers_are_links_for_type_checkers() -> None:
    links = {name for name in tracked(".src") if (ROOT / name).is_symlink()}
    assert links == {f".src/counterfoil/{layer}" for layer in LAYERS}


@pytest.mark.parametrize("path", python_files(*LAYERS), ids=relative)
def test_a_file_is_one_idea(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= MAX_LINES, f"{lines} lines: look for the second idea in it"


def unexplained(source: str) -> list[int]:
    """The lines that silence a tool and don't say why: `# noqa: S105  # the reason`."""
    comments = tokenize.generate_tokens(io.StringIO(source).readline)
    silent: list[int] = []
    for token in comments:
        if token.type != tokenize.COMMENT:
            continue
        parts = [part.strip() for part in token.string.split("#") if part.strip()]
        silencers = [part for part in parts if IGNORE.match(part)]
        if silencers and len(silencers) == len(parts):
            silent.append(token.start[0])
    return silent


@pytest.mark.parametrize("path", python_files(*LAYERS, "tests", ".src"), ids=relative)
def test_no_tool_is_silenced_without_a_reason(path: Path) -> None:
    assert unexplained(path.read_text("utf-8")) == []


def test_a_silenced_tool_without_a_reason_is_seen() -> None:
    silencers = ["type: ignore[misc]", "noqa: S105", "noqa", "pragma: no cover", "ruff: noqa"]
    for silencer in silencers:
        assert unexplained(f"x = 1  # {silencer}") == [1]
        assert unexplained(f"x = 1  # {silencer}  # noqa: S1") == [1]
        assert unexplained(f"x = 1  # {silencer}  # a reason") == []
    assert unexplained("x = '# noqa'  # said, not done") == []
