"""Everybody can use the demo's page: with a keyboard, a screen reader, a phone, in the dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from .demo_page import DemoPage, OpenDemo

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (320, 360, 768, 1100, 1440, 1920)
LINE = 24  # px, the height of a line

CLAIMS = {
    "https://example.com/roles": '["editor","reviewer"]',
    "a_name_without_any_place_to_break_" * 6: f'"{"x" * 200}"',
}

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

AXE = """
    async () => {
        const { violations } = await axe.run(document, { resultTypes: ["violations"] });
        return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`));
    }
"""

MISFITS = """
    () => {
        const page = document.documentElement;
        const small = [...document.querySelectorAll("button, input, summary, a")]
            .filter((element) => element.checkVisibility() && !element.matches(".skip"))
            .map((element) => [element, (element.closest("label") ?? element)])
            .map(([element, target]) => [element, target.getBoundingClientRect()])
            .filter(([, box]) => box.height < 24 || box.width < 24)
            .map(([element]) => element.outerHTML);
        return page.scrollWidth > page.clientWidth ? ["the page", ...small] : small;
    }
"""

STOPS = """
    () => {
        const focused = document.activeElement;
        return [focused.id || focused.textContent.trim(), getComputedStyle(focused).outlineStyle];
    }
"""


@pytest.fixture
def broken_rules(npm_package: Callable[[str], Path]) -> Callable[[DemoPage], list[str]]:
    """What axe-core finds wrong with the page as it is."""
    source = (npm_package("axe-core") / "axe.min.js").read_text("utf-8")

    def find(demo: DemoPage) -> list[str]:
        demo.page.evaluate(source)
        found: list[str] = []
        for theme in THEMES:
            demo.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width in (360, 1440):
                demo.page.set_viewport_size({"width": width, "height": 800})
                found += demo.page.evaluate(AXE)
        return found

    return find


def test_axe_finds_nothing_in_any_state(
    open_demo: OpenDemo, broken_rules: Callable[[DemoPage], list[str]]
) -> None:
    demo = open_demo()
    assert broken_rules(demo) == []  # logged out
    demo.log_in()
    demo.press("Set")
    demo.says("claims", "plan")
    demo.press("Refresh from two tabs at once")
    demo.says("trouble-said", "successor")
    demo.element("payload").locator("xpath=..").locator("summary").click()
    demo.page.locator("#log summary").last.click()
    assert broken_rules(demo) == []  # logged in
    demo.press("Steal my token")
    demo.press("The thief refreshes")
    demo.press("The thief refreshes again")
    demo.says("story", "He goes on.")
    assert broken_rules(demo) == []  # stolen from
    demo.press("I refresh")
    demo.says("notice", "two hold it")
    demo.says("log", "TheftDetected")
    assert broken_rules(demo) == []  # ended
    demo.page.context.set_offline(True)
    demo.says("away", "reached")
    assert broken_rules(demo) == []  # the server is away


def test_axe_finds_nothing_at_another_origin(
    serve_demo: Callable[..., str],
    new_page: Callable[..., Page],
    broken_rules: Callable[[DemoPage], list[str]],
) -> None:
    demo = DemoPage(new_page()).open(serve_demo().replace("localhost", "127.0.0.1"))
    demo.says("elsewhere", "instead")
    assert broken_rules(demo) == []


def test_it_fits_every_width(open_demo: OpenDemo) -> None:
    demo = open_demo()
    assert _too_wide(demo) == []
    demo.log_in(user="a-name-without-any-place-to-break-" * 2)
    demo.press("Log in on a pretend phone")
    demo.says("devices", "A pretend phone")
    demo.press("Steal my token")
    demo.says("story", "Copied.")
    demo.element("payload").locator("xpath=..").locator("summary").click()
    assert _too_wide(demo) == []


def test_claims_have_room_for_name_and_value(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    for name, value in CLAIMS.items():
        demo.page.get_by_label("Name", exact=True).fill(name)
        demo.page.get_by_label("Value").fill(value)
        demo.press("Set")
        demo.says("claims", value)
    for width in WIDTHS:
        demo.page.set_viewport_size({"width": width, "height": 700})
        for text in (*CLAIMS, *CLAIMS.values()):
            box = demo.element("claims").get_by_text(text, exact=True).bounding_box()
            assert box is not None
            assert len(text) / (box["height"] / LINE) >= 8, (width, text)  # letters a line
    assert _too_wide(demo) == []


def test_the_keyboard_alone_will_do(open_demo: OpenDemo) -> None:
    demo = open_demo()
    keyboard = demo.page.keyboard
    keyboard.press("Tab")
    assert demo.page.evaluate(STOPS)[0] == "Skip to the session"
    keyboard.press("Enter")
    keyboard.press("Tab")
    assert demo.page.evaluate(STOPS) == ["user", "solid"]
    keyboard.press("Enter")
    demo.page.get_by_role("heading", name="Your ticket").wait_for()
    assert demo.page.evaluate("document.activeElement.id") == "session-title"
    stops: list[str] = []
    for _ in range(4):
        keyboard.press("Tab")
        name, outline = demo.page.evaluate(STOPS)
        stops.append(name)
        assert outline == "solid", name
    assert stops[1:] == ["refresh", "ask", "sign-out"]
    keyboard.press("Enter")
    demo.page.get_by_role("heading", name="Log in").wait_for()
    assert demo.page.evaluate("document.activeElement.id") == "login-title"


def test_screen_readers_hear_what_matters_and_no_more(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    live: list[str] = demo.page.evaluate(
        """() => [...document.querySelectorAll("[aria-live], [role=status], [role=log]")]
            .map((element) => element.id)"""
    )
    assert "log" not in live  # a line a second would drown the rest
    assert {"notice", "session-said", "story"} <= set(live)
    landmarks = demo.page.get_by_role("main").or_(demo.page.get_by_role("complementary"))
    assert landmarks.count() == 2


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_theme_that_was_chosen_stays(open_demo: OpenDemo, theme: str) -> None:
    other = "dark" if theme == "Light" else "light"
    demo = open_demo(options={"color_scheme": other})
    before = _paper(demo)
    demo.page.get_by_label(theme).check()
    assert _paper(demo) != before
    demo.page.reload()
    assert _paper(demo) != before
    demo.page.get_by_label("Auto").check()
    assert _paper(demo) == before


def test_nothing_moves_for_those_who_want_it_still(open_demo: OpenDemo) -> None:
    demo = open_demo(options={"reduced_motion": "reduce"}).log_in()
    moving: Any = demo.page.evaluate(
        """() => [...document.querySelectorAll("*")]
            .filter((element) => getComputedStyle(element).transitionProperty !== "none")
            .map((element) => element.outerHTML)"""
    )
    assert moving == []


def _too_wide(demo: DemoPage) -> list[Any]:
    """At which widths something sticks out, or is too small a target for a finger."""
    found: list[Any] = []
    for width in WIDTHS:
        demo.page.set_viewport_size({"width": width, "height": 700})
        found += [(width, what) for what in demo.page.evaluate(MISFITS)]
    return found


def _paper(demo: DemoPage) -> str:
    colour: str = demo.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour
