"""The README's lines for a page, as they are written, in a page of the README's quickstart."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..readme import between
from .tab import BLANK

if TYPE_CHECKING:
    from playwright.sync_api import Page

WRITTEN = "http://localhost:8000"
IMPORT = 'import SuperTokens from "supertokens-website";'


@contextmanager
def quickstart(folder: Path) -> Generator[str]:
    """Serve the application on a free port; its origin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://localhost:{listener.getsockname()[1]}"
        (folder / "app.py").write_text(between("quickstart").replace(WRITTEN, origin), "utf-8")
        command = [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listener.fileno())]
        with subprocess.Popen(command, cwd=folder, pass_fds=[listener.fileno()]) as server:
            try:
                yield origin
            finally:
                server.terminate()


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are handed on POSIX's way")
def test_the_lines_for_a_page_run_as_they_are_written(
    new_page: Callable[..., Page], sdk: Path, tmp_path: Path
) -> None:
    code = between("page")
    assert IMPORT in code
    with quickstart(tmp_path) as origin:
        page = new_page()
        page.goto(origin + BLANK)
        page.add_script_tag(path=sdk)
        lines = code.replace(IMPORT, "const SuperTokens = supertokens;").replace(WRITTEN, origin)
        told = "return [me, claims.sub, await SuperTokens.doesSessionExist()];"
        found = page.evaluate(f"async () => {{ {lines} {told} }}")
    assert found == ["ada", "ada", False]
