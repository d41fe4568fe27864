"""What Chromium keeps of what it was sent, and what becomes of it when an application changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from counterfoil import AntiCsrf, MemoryStore

from .serving import LIFE, MINUTE, REFRESH, Clock, Seen, Site, demo_of
from .tab import Mode, OpenTab, Tab

DAY = 86_400  # s
HOST = "api.example.test"
OURS = {"sAccessToken", "sRefreshToken"}
THE_SDKS = {"st-access-token", "st-refresh-token"}


@pytest.fixture
def site(serve: Callable[..., Site], clock: Clock) -> Site:
    return serve(demo_of(clock, anti_csrf=AntiCsrf.VIA_TOKEN))


def tokens(tab: Tab) -> set[str]:
    """The names of the cookies with tokens that the browser has."""
    return (OURS | THE_SDKS) & tab.cookies.keys()


def exposed(answer: Seen) -> set[str]:
    """The headers that scripts of other origins may read."""
    [line] = answer.all("access-control-expose-headers")
    return set(line.split(", "))


def days(cookie: Any) -> float:
    """How long a cookie will be kept."""
    life: float = cookie["expires"] - time.time()
    return life / DAY


def test_chromium_keeps_cookies_as_they_were_meant(site: Site, open_tab: OpenTab) -> None:
    tab = open_tab(site.origin, "cookie").log_in()
    assert tokens(tab) == OURS
    access, refresh = tab.cookies["sAccessToken"], tab.cookies["sRefreshToken"]
    assert (access["path"], refresh["path"]) == ("/", REFRESH)
    for cookie in (access, refresh):
        assert cookie["httpOnly"]
        assert not cookie["secure"]  # the API is plain http, and local
        assert cookie["sameSite"] == "Lax"
        assert cookie["domain"] == "localhost"
    assert days(access) == pytest.approx(365, abs=1)
    assert 0 < days(refresh) <= 365
    assert not OURS & {part.partition("=")[0] for part in seen_by_scripts(tab).split("; ")}


def seen_by_scripts(tab: Tab) -> str:
    """What scripts of the page can read."""
    text: str = tab.page.evaluate("document.cookie")
    return text


def test_each_cookie_goes_where_it_must_and_nowhere_else(
    site: Site, open_tab: OpenTab, clock: Clock
) -> None:
    tab = open_tab(site.origin, "cookie").log_in()
    site.seen.clear()
    clock.now += LIFE
    tab.get("/me")
    tab.ask("signOut")
    assert [one.path for one in site.seen] == ["/me", REFRESH, "/me", "/auth/signout"]
    for call in site.seen:
        sent = call.request("cookie") or ""
        assert "sAccessToken=" in sent, call.path
        assert ("sRefreshToken=" in sent) == (call.path == REFRESH)


def test_the_headers_that_carry_tokens_are_exposed(
    site: Site, open_tab: OpenTab, mode: Mode
) -> None:
    open_tab(site.origin, mode).log_in()
    [login] = site.calls("/login")
    names = {"front-token", "anti-csrf"} if mode == "cookie" else {"front-token", *THE_SDKS}
    assert exposed(login) == names
    assert all(len(login.all(name)) == 1 for name in names)
    lines = [line.partition("=")[0] for line in login.all("set-cookie")]
    assert lines == (["sAccessToken", "sRefreshToken"] if mode == "cookie" else [])


@pytest.mark.parametrize("before", ["cookie", "header"])
def test_a_login_in_the_other_mode_replaces_the_session(
    site: Site, open_tab: OpenTab, clock: Clock, before: Mode
) -> None:
    after: Mode = "header" if before == "cookie" else "cookie"
    first = open_tab(site.origin, before).log_in()
    second = first.beside(mode=after).log_in("bob")
    assert tokens(second) == (OURS if after == "cookie" else THE_SDKS)
    assert second.post("/me").body["userId"] == "bob"
    clock.now += LIFE
    assert second.post("/me").body["userId"] == "bob"
    assert second.ask("getUserId") == "bob"
    third = second.beside(mode=before).log_in("eve")
    assert tokens(third) == (OURS if before == "cookie" else THE_SDKS)
    assert third.post("/me").body["userId"] == "eve"
    third.ask("signOut")
    assert not third.has_session
    assert tokens(third) == set()


def test_a_page_that_was_deployed_with_the_other_mode_keeps_its_users(
    site: Site, open_tab: OpenTab, mode: Mode, clock: Clock
) -> None:
    old = open_tab(site.origin, mode).log_in()
    new = old.beside(mode="header" if mode == "cookie" else "cookie")
    assert new.get("/me").body["userId"] == "ada"
    clock.now += LIFE
    assert new.get("/me").body["userId"] == "ada"
    assert len(tokens(new)) == 2
    clock.now += LIFE
    assert old.get("/me").body["userId"] == "ada"


def test_a_legacy_cookie_is_cleared_on_the_way(site: Site, open_tab: OpenTab) -> None:
    tab = open_tab(site.origin, "cookie").log_in()
    legacy: Any = {"name": "sIdRefreshToken", "value": "old", "url": site.origin}
    tab.page.context.add_cookies([legacy])
    assert tab.post("/me").status == 200
    assert "sIdRefreshToken" not in tab.cookies
    assert [one.status for one in site.calls(REFRESH)] == [401, 200]


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("narrower", [True, False], ids=["to the host", "to the domain"])
@pytest.mark.parametrize("anew", [True, False], ids=["anew", "still"])
def test_cookies_of_an_older_domain_hurt_nobody(
    serve: Callable[..., Site],
    open_tab: OpenTab,
    clock: Clock,
    told: bool,
    narrower: bool,
    anew: bool,
) -> None:
    """The application's cookies get another domain, while the user is logged in."""
    before, after = ("example.test", None) if narrower else (None, "example.test")
    both: dict[str, Any] = {"store": MemoryStore(), "issuer": "http://api.example.test"}
    known: dict[str, Any] = {"older_cookie_domain": before or ""} if told else {}
    first = serve(demo_of(clock, cookie_domain=before, **both), HOST)
    then = serve(demo_of(clock, cookie_domain=after, **known, **both), HOST)
    tab = open_tab(first.origin, "cookie").log_in()
    page = tab.page.context.new_page()
    tab = attrs.evolve(tab, page=page, api=then.origin).open()
    clock.now += MINUTE
    user = "ada"
    if anew:
        user = "bob"
        tab.log_in(user)
    for _ in range(3):
        assert tab.post("/me").body["userId"] == user
        clock.now += LIFE
        assert tab.post("/me").body["userId"] == user
    assert tab.has_session
    domains = {one["domain"] for one in tab.jar if one["name"] in OURS}
    assert domains - {".example.test", HOST} == set()
    assert (".example.test" if after else HOST) in domains
    assert len(domains) == (1 if told else 2)
    assert all(one.status < 500 for one in then.seen)
    tab.ask("signOut")
    assert not tab.has_session
    assert tab.get("/me").status == 401
