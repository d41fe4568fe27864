"""A session's life as the official SDK lives it, by cookie and by header."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from counterfoil import AntiCsrf

from .serving import LIFE, MINUTE, REFRESH, Clock, Site, demo_of
from .tab import WAYS, Mode, OpenTab, Tab

XHR = """new Promise(resolve => {
    const request = new XMLHttpRequest();
    request.onload = () => resolve(request.status);
    request.open("POST", "/me");
    request.send();
})"""


@pytest.fixture
def site(serve: Callable[..., Site], clock: Clock) -> Site:
    return serve(demo_of(clock))


@pytest.fixture
def tab(site: Site, open_tab: OpenTab, mode: Mode) -> Tab:
    return open_tab(site.origin, mode)


def test_who_was_never_here_is_told_so_once(site: Site, tab: Tab) -> None:
    assert not tab.has_session
    assert tab.get("/me").status == 401
    assert not tab.has_session
    assert tab.get("/me").status == 401
    assert [one.status for one in site.calls(REFRESH)] == [401]
    assert len(site.calls("/me", "GET")) == 2


def test_a_login_is_known_to_the_page(site: Site, tab: Tab) -> None:
    tab.log_in()
    assert tab.has_session
    assert tab.ask("getUserId") == "ada"
    me = tab.get("/me")
    assert me.status == 200
    assert tab.payload == me.body["payload"]
    assert tab.payload["sub"] == "ada"
    assert tab.events == ["SESSION_CREATED"]
    assert [one.status for one in site.calls(REFRESH)] == [401]  # before the login
    assert (tab.ask("getAccessToken") is None) == (tab.mode == "cookie")


def test_merged_claims_are_seen_at_once(tab: Tab, clock: Clock) -> None:
    tab.log_in()
    before = tab.payload
    clock.now += 2 * MINUTE
    merged = tab.post("/claims", {"plan": "pro", "naïve": {"日本": ["🙂", None, 1.5]}})
    assert merged.status == 200
    after = tab.payload
    assert after == merged.body["payload"]
    assert after == {
        **before,
        "plan": "pro",
        "naïve": {"日本": ["🙂", None, 1.5]},
        "iat": before["iat"] + 120,
    }
    assert tab.get("/me").body["payload"] == after
    assert tab.post("/claims", {"plan": None}).status == 200
    assert "plan" not in tab.payload
    assert tab.events.count("ACCESS_TOKEN_PAYLOAD_UPDATED") == 2


def test_claims_outlive_refreshes(tab: Tab, clock: Clock) -> None:
    tab.log_in()
    tab.post("/claims", {"plan": "pro"})
    clock.now += LIFE
    assert tab.get("/me").body["payload"]["plan"] == "pro"
    assert tab.payload["plan"] == "pro"


@pytest.mark.parametrize("calls", [1, 12])
def test_requests_at_once_refresh_once(site: Site, tab: Tab, clock: Clock, calls: int) -> None:
    tab.log_in()
    old = tab.refresh_token()
    clock.now += LIFE
    site.seen.clear()
    tab.begin(f"Promise.all(Array({calls}).fill().map(() => call('POST', '/me')))")
    assert [one["status"] for one in tab.result()] == [200] * calls
    assert [one.status for one in site.calls(REFRESH)] == [200]
    assert sorted(one.status for one in site.calls("/me")) == [200] * calls + [401] * calls
    assert tab.refresh_token() != old


def test_the_older_way_to_ask_is_wrapped_too(site: Site, tab: Tab, clock: Clock) -> None:
    tab.log_in()
    clock.now += LIFE
    site.seen.clear()
    tab.begin(f"Promise.all(Array(5).fill().map(() => {XHR}))")
    assert tab.result() == [200] * 5
    assert [one.status for one in site.calls(REFRESH)] == [200]
    assert tab.payload["sub"] == "ada"


def test_a_payload_that_is_over_is_renewed_before_it_is_shown(
    site: Site, tab: Tab, clock: Clock
) -> None:
    tab.log_in()
    before = tab.payload
    site.seen.clear()
    clock.now += LIFE
    tab.page.clock.set_fixed_time(clock.now / 1000)
    assert tab.payload["exp"] == before["exp"] + LIFE // 1000
    assert tab.has_session
    assert [one.status for one in site.calls(REFRESH)] == [200]
    assert tab.get("/me").status == 200


@pytest.mark.parametrize("wrong", [-3, 3])
def test_a_browser_whose_clock_is_wrong_refreshes_no_more_than_others(
    site: Site, open_tab: OpenTab, mode: Mode, clock: Clock, wrong: int
) -> None:
    tab = open_tab(site.origin, mode)
    tab.page.clock.set_fixed_time(clock.now / 1000 + wrong * 3600)
    tab.log_in()
    site.seen.clear()
    assert tab.payload["sub"] == "ada"
    assert tab.get("/me").status == 200
    assert tab.payload["sub"] == "ada"
    assert site.calls(REFRESH) == []


def test_it_lives_on_when_the_page_is_loaded_anew(tab: Tab, clock: Clock) -> None:
    tab.log_in()
    tab.open()
    assert tab.has_session
    clock.now += LIFE
    tab.open()
    assert tab.get("/me").body["userId"] == "ada"


def test_sign_out_ends_it_in_every_tab(site: Site, tab: Tab, mode: Mode) -> None:
    tab.log_in()
    other = tab.beside()
    tab.ask("signOut")
    assert tab.events[-1] == "SIGN_OUT"
    assert not tab.has_session
    assert not other.has_session
    assert other.get("/me").status == 401
    assert [one.status for one in site.calls("/auth/signout")] == [200]
    held = {"sAccessToken", "sRefreshToken", "st-access-token", "st-refresh-token", "sFrontToken"}
    assert not held & tab.cookies.keys()


def test_who_signed_out_long_after_is_signed_out_too(site: Site, tab: Tab, clock: Clock) -> None:
    tab.log_in()
    clock.now += LIFE
    site.seen.clear()
    tab.ask("signOut")
    assert [one.status for one in site.calls("/auth/signout")] == [401, 200]
    assert [one.status for one in site.calls(REFRESH)] == [200]
    assert not tab.has_session


def test_another_user_may_log_in_over_it(tab: Tab) -> None:
    tab.log_in().log_in("bob")
    assert tab.ask("getUserId") == "bob"
    assert tab.get("/me").body["userId"] == "bob"


@pytest.mark.parametrize(("mode", "anti_csrf"), WAYS)
def test_every_anti_csrf_mode_suits_the_sdk(
    serve: Callable[..., Site], open_tab: OpenTab, clock: Clock, mode: Mode, anti_csrf: AntiCsrf
) -> None:
    tab = open_tab(serve(demo_of(clock, anti_csrf=anti_csrf)).origin, mode)
    tab.log_in()
    assert tab.post("/me").status == 200
    clock.now += LIFE
    assert tab.post("/claims", {"a": 1}).status == 200
    tab.open()
    assert tab.post("/me").status == 200
    tab.ask("signOut")
    assert not tab.has_session
