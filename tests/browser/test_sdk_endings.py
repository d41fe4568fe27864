"""Sessions that end elsewhere, are stolen, or can't be looked up for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .serving import LIFE, REFRESH, Away, Clock, Site, demo_of
from .tab import Mode, OpenTab, Tab

TOKENS = {"sAccessToken", "sRefreshToken", "st-access-token", "st-refresh-token", "sFrontToken"}


@pytest.fixture
def store() -> Away:
    return Away()


@pytest.fixture
def site(serve: Callable[..., Site], clock: Clock, store: Away) -> Site:
    return serve(demo_of(clock, store))


@pytest.fixture
def tab(site: Site, open_tab: OpenTab, mode: Mode) -> Tab:
    return open_tab(site.origin, mode).log_in()


def copy_of(tab: Tab, open_tab: OpenTab) -> Tab:
    """A thief's browser, with all cookies copied."""
    thief = open_tab(tab.api, tab.mode)
    thief.page.context.add_cookies(tab.jar)
    return thief


def is_out(tab: Tab) -> bool:
    """Whether this browser's user has to log in, and nothing else of the session is left."""
    assert tab.get("/me").status == 401
    assert not tab.has_session
    return not TOKENS & tab.cookies.keys()


@pytest.mark.parametrize("idle", [0, LIFE], ids=["at once", "when it refreshes"])
def test_who_is_signed_out_elsewhere_is_out(
    site: Site, tab: Tab, open_tab: OpenTab, clock: Clock, idle: int
) -> None:
    elsewhere = open_tab(site.origin, tab.mode).log_in()
    assert len(elsewhere.post("/logout-all").body["revoked"]) == 2
    assert not elsewhere.has_session
    clock.now += idle
    site.seen.clear()
    assert is_out(tab)
    assert tab.events[-1] == "UNAUTHORISED"
    assert len(site.calls(REFRESH)) <= 1
    assert tab.log_in().has_session


def test_another_users_sign_out_is_his_own(site: Site, tab: Tab, open_tab: OpenTab) -> None:
    open_tab(site.origin, tab.mode).log_in("bob").post("/logout-all")
    assert tab.get("/me").status == 200


def test_a_copy_that_comes_late_ends_the_session_for_both(
    tab: Tab, open_tab: OpenTab, clock: Clock
) -> None:
    thief = copy_of(tab, open_tab)
    for _ in range(2):
        clock.now += LIFE
        assert tab.get("/me").status == 200
    refused = thief.get("/me")
    assert (refused.status, refused.body) == (401, {"message": "token theft detected"})
    assert is_out(thief)
    assert is_out(tab)


def test_a_thief_who_is_first_is_out_once_the_user_comes_back(
    tab: Tab, open_tab: OpenTab, clock: Clock
) -> None:
    thief = copy_of(tab, open_tab)
    for _ in range(2):
        clock.now += LIFE
        assert thief.get("/me").status == 200
    refused = tab.get("/me")
    assert (refused.status, refused.body) == (401, {"message": "token theft detected"})
    assert is_out(tab)
    assert is_out(thief)


def test_a_forged_token_hurts_nobody_but_its_bearer(
    site: Site, tab: Tab, open_tab: OpenTab, clock: Clock
) -> None:
    forger = copy_of(tab, open_tab)
    cookies = forger.jar
    for cookie in cookies:
        if cookie["name"] in ("sRefreshToken", "st-refresh-token"):
            changed = "A" if cookie["value"][-5] != "A" else "B"
            cookie["value"] = cookie["value"][:-5] + changed + cookie["value"][-4:]
    forger.page.context.add_cookies(cookies)
    clock.now += LIFE
    assert forger.get("/me").body == {"message": "unauthorised"}
    assert is_out(forger)
    assert tab.get("/me").status == 200


def test_an_outage_signs_nobody_out(site: Site, tab: Tab, store: Away, clock: Clock) -> None:
    clock.now += LIFE
    store.away = True
    tab.begin("fetch('/me')")
    assert tab.result().get("error") is None
    assert [one.status for one in site.calls(REFRESH)][-1] == 503
    assert tab.refresh_token()
    store.away = False
    assert tab.get("/me").status == 200


def test_an_outage_of_a_moment_is_shown_as_it_is(tab: Tab, store: Away) -> None:
    store.away = True
    assert tab.get("/me").status == 503
    assert tab.has_session
    store.away = False
    assert tab.get("/me").status == 200
    assert tab.events == ["SESSION_CREATED"]
