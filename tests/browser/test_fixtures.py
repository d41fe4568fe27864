"""The browser meets the demo: what the other tests of this folder take for granted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

NewPage = Callable[..., "Page"]


def test_each_page_has_a_jar_of_its_own(new_page: NewPage, serve_demo: Callable[..., str]) -> None:
    origin = serve_demo(ACCESS_TTL=60)
    first, other = new_page(), new_page()
    first.goto(origin)
    first.context.add_cookies([{"name": "a", "value": "1", "url": origin}])
    second = first.context.new_page()
    second.goto(origin)
    other.goto(origin)
    assert second.evaluate("document.cookie") == "a=1"
    assert other.evaluate("document.cookie") == ""


def test_the_sdk_is_one_script(new_page: NewPage, sdk: Path) -> None:
    page = new_page()
    page.add_script_tag(path=sdk)
    assert page.evaluate("typeof supertokens.init") == "function"
