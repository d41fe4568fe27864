"""A real browser, and the real things that it meets: the demo's server and npm's packages.

Where one of them isn't installed its tests are skipped, with a reason that says how to install it.
The browser lives as long as the tests of one file: while Playwright's synchronous API is in use,
no event loop can be run beside it in the same thread, and tests of other folders run theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.adapters.web.exchange import ASGIApp

from ..ports import free_port
from .demo_page import DemoPage, OpenDemo
from .serving import Clock, Site, serving
from .tab import Mode, OpenTab, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NODE_MODULES = Path(__file__).parent / "node_modules"

FLAGS = (
    "--headless",
    "--no-sandbox",  # root, as in CI, has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install -e '.[all]'"
    )
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=program, args=FLAGS) as browser,
    ):
        yield browser


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context (a cookie jar) of its own; takes the context's options.

    A second tab in the same jar is `page.context.new_page()`.
    """
    with ExitStack() as contexts:

        def open_page(**options: Any) -> Page:
            context = contexts.enter_context(chromium.new_context(**options))
            context.set_default_timeout(20_000)  # ms; a busy machine is no failure
            return context.new_page()

        yield open_page


@pytest.fixture(scope="session")
def npm_package() -> Callable[[str], Path]:
    """Finds the folder of a package that `package.json` names."""

    def find(name: str) -> Path:
        folder = NODE_MODULES / name
        if not folder.exists():
            pytest.skip(f"needs {name}: npm ci --prefix tests/browser")
        return folder

    return find


@pytest.fixture(scope="session")
def sdk(npm_package: Callable[[str], Path]) -> Path:
    """The official frontend SDK, as one script that defines `supertokens`."""
    npm_package("supertokens-website")
    return npm_package(".bundle") / "supertokens-website.js"


@pytest.fixture
def demos() -> dict[str, subprocess.Popen[str]]:
    """The demos that were started, by their origins: a test may end one before its time."""
    return {}


@pytest.fixture
def serve_demo(demos: dict[str, subprocess.Popen[str]]) -> Iterator[Callable[..., str]]:
    """Starts `counterfoil demo` with these environment variables; answers its origin."""
    with ExitStack() as started:

        def serve(**environment: object) -> str:
            told = {name: str(value) for name, value in environment.items()}
            told.setdefault("PORT", str(free_port()))
            origin = f"http://localhost:{told['PORT']}"
            demo = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "counterfoil", "demo"],
                    env={**os.environ, **told},
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            started.callback(demo.terminate)
            assert demo.stdout is not None
            ready = demo.stdout.readline()  # said once it listens
            assert origin in ready, "the demo ended; its errors are above"
            demos[origin] = demo
            return origin

        yield serve


@pytest.fixture
def open_demo(serve_demo: Callable[..., str], new_page: Callable[..., Page]) -> Iterator[OpenDemo]:
    """Serves the demo with these environment variables and opens its page; no script may fail."""
    opened: list[DemoPage] = []

    def open_it(*, options: Any = None, **environment: object) -> DemoPage:
        page = new_page(**(options or {}))
        opened.append(DemoPage(page).open(serve_demo(**environment)))
        return opened[-1]

    yield open_it
    assert [error for page in opened for error in page.errors] == []


@pytest.fixture
def clock() -> Clock:
    """The clock of the applications that a test serves."""
    return Clock()


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """Serves an application from this process: takes what makes it for an origin."""
    with ExitStack() as sites:

        def start(make: Callable[[str], ASGIApp], host: str = "localhost") -> Site:
            return sites.enter_context(serving(make, host))

        yield start


@pytest.fixture
def open_tab(new_page: Callable[..., Page], sdk: Path) -> OpenTab:
    """Opens a tab with the SDK in a cookie jar of its own."""

    def open_tab(api: str, mode: Mode, *, site: str | None = None, locked: bool = True) -> Tab:
        return Tab(page=new_page(), sdk=sdk, api=api, mode=mode, locked=locked).open(site)

    return open_tab


@pytest.fixture(params=["cookie", "header"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Each way that tokens travel."""
    chosen: Mode = request.param
    return chosen
