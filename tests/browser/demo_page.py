"""The demo's page as a person uses it: by the names of its buttons and the words that it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|[\w-]{116}")
REFRESH = "/auth/session/refresh"

KEPT = "JSON.parse(localStorage.getItem('counterfoil.session'))"


@attrs.define
class DemoPage:
    """The page in one tab."""

    page: Page
    asked: list[str] = attrs.field(factory=list[str])
    refreshes: list[str] = attrs.field(factory=list[str])
    errors: list[str] = attrs.field(factory=list[str])

    def __attrs_post_init__(self) -> None:
        self.page.on("request", lambda request: self._count(request))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, origin: str) -> DemoPage:
        """Go there."""
        self.page.goto(origin)
        self.page.locator("#settings").filter(has_text="leeway").wait_for()
        return self

    def log_in(self, mode: str = "cookie", user: str = "ada") -> DemoPage:
        """Log in by the form."""
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("In cookies" if mode == "cookie" else "In headers").check()
        self.press("Log in")
        self.page.get_by_role("heading", name="Your ticket").wait_for()
        return self

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, place: str, words: str) -> str:
        """Wait until an element says this; all that it says then."""
        found = self.element(place).filter(has_text=words)
        found.wait_for()
        return found.inner_text()

    def element(self, place: str) -> Locator:
        """The element with this id."""
        return self.page.locator(f"#{place}")

    @property
    def kept(self) -> Any:
        """What the page keeps of the session in localStorage."""
        return self.page.evaluate(KEPT)

    @property
    def holds(self) -> str:
        """The name of the refresh token that this browser holds."""
        return self.element("own-jar").inner_text()

    def outlive(self) -> None:
        """Wait until the access token's life is over."""
        self.until(f"Date.now() >= {KEPT}.endsAt + 50")

    def until(self, condition: str) -> None:
        """Wait for a condition in the page. Playwright's own way is to `eval`, as no page may."""
        self.page.evaluate(
            f"() => new Promise((done) => {{"
            f" const look = () => ({condition}) ? done() : setTimeout(look, 50); look(); }})"
        )

    def _count(self, request: Any) -> None:
        self.asked.append(urlsplit(str(request.url)).path)
        if request.url.endswith(REFRESH):
            self.refreshes.append(request.method)


OpenDemo = Callable[..., DemoPage]
