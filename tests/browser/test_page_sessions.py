"""The demo's page through a session's life: in, renewed by itself, in two tabs, out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .demo_page import TOKEN, DemoPage, OpenDemo

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

CALL_FIVE_TIMES = """
    async () => {
        const { call } = await import("/client.js");
        const answers = await Promise.all([1, 2, 3, 4, 5].map(() => call("/me")));
        return answers.map((answer) => answer.status);
    }
"""


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_the_page_shows_no_token_whichever_way_they_travel(open_demo: OpenDemo, mode: str) -> None:
    demo = open_demo().log_in(mode)
    demo.says("held", "HttpOnly" if mode == "cookie" else "characters in localStorage")
    demo.element("payload").locator("xpath=..").click()
    demo.press("Refresh now")
    demo.says("session-said", "was exchanged for")
    demo.says("log", "SessionRefreshed")
    assert (demo.kept.get("access") is None) == (mode == "cookie")
    assert (demo.kept.get("refresh") is None) == (mode == "cookie")
    assert TOKEN.search(demo.page.content()) is None
    assert TOKEN.search(demo.page.locator("#log").inner_html()) is None


@pytest.mark.parametrize("anti_csrf", ["VIA_TOKEN", "VIA_CUSTOM_HEADER", "FETCH_METADATA", "NONE"])
def test_every_way_of_checking_lets_the_page_through(open_demo: OpenDemo, anti_csrf: str) -> None:
    demo = open_demo(ANTI_CSRF=anti_csrf).log_in()
    demo.press("Ask who I am")
    demo.says("session-said", "you are ada")
    before = demo.holds
    demo.press("Refresh now")
    demo.says("session-said", "was exchanged for")
    assert demo.holds != before


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_a_life_that_ends_is_renewed_by_itself(open_demo: OpenDemo, mode: str) -> None:
    demo = open_demo(ACCESS_TTL=2).log_in(mode)
    before = demo.holds
    demo.says("session-said", "it was renewed first")
    assert demo.holds != before
    assert demo.refreshes != []


def test_a_page_at_another_origin_says_where_cookies_work(
    new_page: Callable[..., Page], serve_demo: Callable[..., str]
) -> None:
    origin = serve_demo()
    other = origin.replace("localhost", "127.0.0.1")
    demo = DemoPage(new_page()).open(other)
    assert other in demo.says("elsewhere", "refuses logins in cookies")
    demo.press("Log in")
    demo.says("login-said", "The server says no")
    demo.page.get_by_role("link", name=origin).click()
    demo.page.wait_for_url(f"{origin}/")
    demo.log_in()
    assert demo.element("elsewhere").inner_text() == ""


def test_without_a_check_every_origin_will_do(
    new_page: Callable[..., Page], serve_demo: Callable[..., str]
) -> None:
    other = serve_demo(ANTI_CSRF="NONE").replace("localhost", "127.0.0.1")
    demo = DemoPage(new_page()).open(other).log_in()
    assert demo.element("elsewhere").inner_text() == ""


def test_requests_at_once_need_one_refresh(open_demo: OpenDemo) -> None:
    demo = open_demo(ACCESS_TTL=5).log_in()
    demo.page.get_by_label("Renew it by itself").uncheck()
    demo.refreshes.clear()
    demo.outlive()
    assert demo.page.evaluate(CALL_FIVE_TIMES) == [200] * 5
    assert demo.refreshes == ["POST"]


def test_two_tabs_need_one_refresh_too(open_demo: OpenDemo) -> None:
    demo = open_demo(ACCESS_TTL=5).log_in()
    other = DemoPage(demo.page.context.new_page()).open(demo.page.url)
    for tab in (demo, other):
        tab.page.get_by_label("Renew it by itself").uncheck()
        tab.refreshes.clear()
    demo.outlive()
    started = f"globalThis.done = ({CALL_FIVE_TIMES.strip()})()"
    for tab in (demo, other):
        tab.page.evaluate(f"() => {{ {started}; }}")
    for tab in (demo, other):
        assert tab.page.evaluate("() => globalThis.done") == [200] * 5
    assert demo.refreshes + other.refreshes == ["POST"]


def test_a_second_tab_is_in_the_same_session_and_goes_with_it(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    with demo.page.expect_popup() as popup:
        demo.press("Open a second tab")
    other = DemoPage(popup.value)
    other.page.get_by_role("heading", name="Your ticket").wait_for()
    assert other.holds == demo.holds
    other.press("Sign out")
    for tab in (demo, other):
        tab.page.get_by_role("heading", name="Log in").wait_for()
        assert tab.kept is None
    demo.says("notice", "signed out somewhere else")
    assert other.element("notice").inner_text() == ""


def test_a_reload_changes_nothing(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in("header")
    before = demo.holds
    demo.page.reload()
    demo.page.get_by_role("heading", name="Your ticket").wait_for()
    assert demo.holds == before


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_two_refreshes_at_once_get_the_same_successor(open_demo: OpenDemo, mode: str) -> None:
    demo = open_demo().log_in(mode)
    before = demo.holds
    demo.press("Refresh from two tabs at once")
    said = demo.says("trouble-said", "the same successor")
    shown = re.findall(r"R·[0-9a-f]{6}", said)
    assert shown == [before, demo.holds, demo.holds]
    demo.says("log", "RefreshReplayed")


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_a_lost_response_is_made_good(open_demo: OpenDemo, mode: str) -> None:
    demo = open_demo().log_in(mode)
    before = demo.holds
    demo.press("Lose a response")
    demo.says("trouble-said", "you never heard of it")
    assert demo.holds == before
    demo.press("Refresh now")
    demo.says("session-said", "was exchanged for")
    assert demo.holds != before
    demo.says("log", "RefreshReplayed")


def test_claims_are_set_and_removed(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    demo.page.get_by_label("Name", exact=True).fill("roles")
    demo.page.get_by_label("Value").fill('["editor"]')
    demo.press("Set")
    assert '["editor"]' in demo.says("claims", "roles")
    demo.press("Remove roles")
    demo.says("claims", "None yet")
    assert demo.page.evaluate("document.activeElement.id") == "claim"
    demo.page.get_by_label("Value").fill("null")
    demo.press("Set")
    demo.says("claims-said", "There is no roles: null removes")
    demo.page.get_by_label("Value").fill("1")
    demo.press("Set")
    demo.says("claims-said", "roles is set.")
    demo.page.get_by_label("Value").fill("null")
    demo.press("Set")
    demo.says("claims-said", "roles is removed")
    demo.says("claims", "None yet")
    demo.page.get_by_label("Name", exact=True).fill("sub")
    demo.press("Set")
    demo.says("claims-said", "The server says no: ")


def test_another_user_in_another_browser_is_none_of_ours(
    open_demo: OpenDemo, new_page: Callable[..., Page]
) -> None:
    demo = open_demo().log_in()
    other = DemoPage(new_page()).open(demo.page.url).log_in(user="eve")
    other.press("Sign out everywhere")
    other.page.get_by_role("heading", name="Log in").wait_for()
    demo.press("Ask who I am")
    demo.says("session-said", "you are ada")
