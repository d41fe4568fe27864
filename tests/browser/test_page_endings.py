"""How sessions end before one's eyes, and what is no end: thefts, other devices, servers away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .demo_page import DemoPage, OpenDemo

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from playwright.sync_api import Page


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_a_theft_is_noticed_when_the_victim_refreshes(open_demo: OpenDemo, mode: str) -> None:
    demo = open_demo().log_in(mode)
    held = demo.holds
    demo.press("Steal my token")
    demo.says("his-jar", held)
    demo.press("The thief refreshes")
    demo.says("story", "He is in.")
    demo.press("The thief refreshes again")
    demo.says("story", "He goes on.")
    demo.press("I refresh")
    demo.says("story", "Noticed. You showed")
    demo.says("notice", "two hold it, so its session was revoked for both")
    demo.says("log", "TheftDetected, recent")
    assert demo.kept is None
    assert demo.page.evaluate("document.activeElement.id") == "notice"
    demo.press("The thief tries again")
    demo.says("story", "He is out.")
    answers = demo.element("log").locator("li", has_text="the thief").locator(".status")
    answers.filter(has_text="401").wait_for()
    assert answers.all_inner_texts() == ["401", "200", "200"]  # newest first
    demo.log_in(mode)
    assert demo.element("story").locator("li").count() == 0
    assert demo.element("notice").inner_text() == ""


def test_a_thief_whose_line_was_displaced_gives_himself_away(open_demo: OpenDemo) -> None:
    demo = open_demo(GRACE=1).log_in()
    demo.press("Steal my token")
    demo.press("The thief refreshes")
    demo.says("story", "He is in.")
    demo.until(f"Date.now() > {demo.page.evaluate('Date.now()') + 1500}")
    demo.press("I refresh")
    demo.says("story", "A line of your own.")
    demo.press("The thief refreshes again")
    demo.says("story", "Noticed. The thief showed")
    demo.says("notice", "two hold it")
    demo.says("log", "TheftDetected, orphaned")


def test_within_the_leeway_victim_and_thief_look_like_two_tabs(open_demo: OpenDemo) -> None:
    demo = open_demo(GRACE=600).log_in()
    demo.press("Steal my token")
    demo.press("The thief refreshes")
    demo.says("story", "He is in.")
    demo.press("I refresh")
    demo.says("story", "The same as his.")
    assert demo.element("his-jar").inner_text() == demo.holds


def test_whoever_refreshes_first_may_be_the_victim(open_demo: OpenDemo) -> None:
    demo = open_demo(GRACE=600).log_in()
    demo.press("Steal my token")
    demo.press("I refresh")
    demo.says("story", "Exchanged.")
    demo.press("The thief refreshes")
    demo.says("story", "The same as yours.")
    demo.press("I refresh")
    demo.page.locator("#story li:nth-child(4)").filter(has_text="Exchanged.").wait_for()
    demo.press("I refresh")
    demo.says("story", "You go on.")
    demo.press("The thief refreshes again")
    demo.says("story", "Noticed. The thief showed")
    demo.says("notice", "two hold it")


def test_a_thief_who_comes_late_displaces_the_victims_line(open_demo: OpenDemo) -> None:
    demo = open_demo(GRACE=1).log_in()
    demo.press("Steal my token")
    demo.press("I refresh")
    demo.says("story", "Exchanged.")
    demo.until(f"Date.now() > {demo.page.evaluate('Date.now()') + 1500}")
    demo.press("The thief refreshes")
    demo.says("story", "A line of his own.")
    demo.press("I refresh")
    demo.says("story", "Noticed. You showed")
    demo.says("log", "TheftDetected, orphaned")


def test_devices_come_and_go(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    demo.says("devices", "this device")
    demo.press("Log in on a pretend phone")
    demo.says("devices", "A pretend phone")
    demo.page.get_by_role("button", name="Sign out A pretend phone").click()
    demo.says("devices-said", "is signed out")
    assert demo.element("devices").locator("li").count() == 1
    demo.press("Log in on a pretend phone")
    demo.says("devices", "A pretend phone")
    demo.press("Sign out the others")
    demo.says("devices-said", "One other session is signed out.")
    demo.page.get_by_role("button", name="Sign out this device").click()
    demo.page.get_by_role("heading", name="Log in").wait_for()


def test_the_list_of_devices_waits_for_no_log(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    demo.press("Log in on a pretend phone")
    demo.says("devices", "A pretend phone")
    demo.page.route("**/log?*", lambda route: route.fulfill(json=[]))
    demo.press("Sign out the others")
    demo.says("devices-said", "One other session is signed out.")
    assert demo.element("devices").locator("li").count() == 1


def test_each_tab_asks_for_the_devices_once_a_login(open_demo: OpenDemo) -> None:
    demo = open_demo()
    tabs = [demo, DemoPage(demo.page.context.new_page()).open(demo.page.url)]
    demo.log_in()
    for tab in tabs:
        tab.says("devices", "this device")
        tab.says("log", "Establish")
        for _ in range(2):  # looks at the log, so what the last one told was acted on
            tab.page.wait_for_event("response", lambda answer: "/log?" in answer.url)
    assert [tab.asked.count("/sessions") for tab in tabs] == [1, 1]


def test_a_session_that_ends_elsewhere_is_told_without_being_asked(
    open_demo: OpenDemo, new_page: Callable[..., Page]
) -> None:
    demo = open_demo().log_in()
    other = DemoPage(new_page()).open(demo.page.url).log_in()
    demo.says("devices", "this device")
    other.press("Sign out the others")
    demo.says("notice", "signed out somewhere else")
    assert demo.kept is None
    other.press("Ask who I am")
    other.says("session-said", "you are ada")


def test_a_session_that_the_server_forgot(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    demo.says("devices", "this device")  # or the page asks for them, and finds out by itself
    demo.page.context.clear_cookies()
    demo.press("Ask who I am")
    demo.says("notice", "knows this session no more")
    assert demo.page.evaluate("document.activeElement.id") == "notice"


def test_a_server_that_is_away_ends_nothing(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    before = demo.holds
    demo.page.context.set_offline(True)
    demo.says("away", "be reached")
    demo.press("Refresh now")
    demo.says("session-said", "Nothing is lost")
    demo.page.context.set_offline(False)
    demo.element("away").wait_for(state="hidden")
    assert demo.holds == before
    demo.press("Refresh now")
    demo.says("session-said", "was exchanged for")


@pytest.mark.parametrize("mode", ["cookie", "header"])
def test_a_demo_that_was_started_afresh(
    open_demo: OpenDemo,
    demos: dict[str, subprocess.Popen[str]],
    serve_demo: Callable[..., str],
    mode: str,
) -> None:
    demo = open_demo().log_in(mode)
    ((origin, server),) = demos.items()
    demo.says("log", "POST /login")
    server.terminate()
    server.wait()
    demo.says("away", "be reached")
    serve_demo(PORT=origin.rpartition(":")[2])
    demo.says("notice", "the demo was started afresh")
    assert demo.element("away").inner_text() == ""
    assert demo.kept is None
    demo.log_in(mode, user="grace")
    demo.says("devices", "this device")
    demo.says("log", "POST /login")
    demo.press("Log in on a pretend phone")
    demo.says("devices", "A pretend phone")  # as the log has told


def test_a_store_that_is_away_ends_nothing_either(open_demo: OpenDemo) -> None:
    demo = open_demo().log_in()
    demo.page.route("**/me", lambda route: route.fulfill(status=503, json={}))
    demo.press("Ask who I am")
    demo.says("session-said", "answer for a moment. Nothing is lost")
    demo.page.unroute("**/me")
    demo.press("Ask who I am")
    demo.says("session-said", "you are ada")
