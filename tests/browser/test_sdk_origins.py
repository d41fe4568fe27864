"""Pages of one origin and an API of another: what is let through, and who is kept out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from counterfoil import AntiCsrf, MemoryStore, Policy
from counterfoil.adapters.demo.app import demo
from counterfoil.adapters.demo.watching import Log, WatchedSessions
from counterfoil.adapters.web.cors import cors
from counterfoil.adapters.web.exchange import ASGIApp

from ..listening import quiet
from .serving import LIFE, REFRESH, Clock, Site, demo_of
from .tab import BLANK, WAYS, Mode, OpenTab


def pages(_: str) -> ASGIApp:
    """An origin that has nothing but a page."""
    app = FastAPI()

    @app.get(BLANK)
    async def page() -> dict[str, str]:
        return {}

    return app


def api_for(site: Site, clock: Clock, **settings: Any) -> Callable[[str], ASGIApp]:
    """The demo's API for pages of another origin."""

    def make(origin: str) -> ASGIApp:
        policy = Policy(origin, site_origin=site.origin, access_jitter=0, **settings)
        sessions = WatchedSessions(policy, MemoryStore(), clock=clock, listener=quiet)
        sessions.log = Log()
        app = demo(sessions)
        app.add_middleware(CORSMiddleware, **cors(policy))
        return app

    return make


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(pages)


@pytest.mark.parametrize(("mode", "anti_csrf"), WAYS)
def test_a_life_across_origins(
    serve: Callable[..., Site],
    site: Site,
    open_tab: OpenTab,
    clock: Clock,
    mode: Mode,
    anti_csrf: AntiCsrf,
) -> None:
    api = serve(api_for(site, clock, anti_csrf=anti_csrf))
    tab = open_tab(api.origin, mode, site=site.origin)
    assert tab.get("/me").status == 401
    tab.log_in()
    assert tab.ask("getUserId") == "ada"
    assert tab.post("/claims", {"plan": "pro"}).status == 200
    assert tab.payload["plan"] == "pro"
    clock.now += LIFE
    tab.begin("Promise.all([1, 2, 3].map(() => call('POST', '/me')))")
    assert [one["status"] for one in tab.result()] == [200] * 3
    assert [one.status for one in api.calls(REFRESH)] == [401, 200]
    tab.ask("signOut")
    assert not tab.has_session
    assert tab.get("/me").status == 401


def test_headers_reach_an_api_of_another_site(
    serve: Callable[..., Site], open_tab: OpenTab, clock: Clock
) -> None:
    """Where browsers keep no cookies of other sites, as Debian's Chromium, headers still work."""
    site = serve(pages, "127.0.0.1")
    api = serve(api_for(site, clock))
    tab = open_tab(api.origin, "header", site=site.origin).log_in()
    assert tab.post("/claims", {"plan": "pro"}).body["payload"] == tab.payload
    clock.now += LIFE
    assert tab.post("/me").body["userId"] == "ada"
    tab.ask("signOut")
    assert not tab.has_session
    assert {call.request("cookie") for call in api.seen} == {None}


def test_pages_of_no_origin_of_ours_can_read_nothing(
    serve: Callable[..., Site], site: Site, open_tab: OpenTab, clock: Clock
) -> None:
    api = serve(api_for(site, clock))
    stranger = serve(pages)
    tab = open_tab(api.origin, "cookie", site=site.origin).log_in()
    tab.page.goto(stranger.origin + BLANK)
    read = "api => fetch(api + '/me', {credentials: 'include'}).then(r => r.text(), String)"
    assert "Failed to fetch" in tab.page.evaluate(read, api.origin)
    tab.page.goto(site.origin + BLANK)
    assert "ada" in tab.page.evaluate(read, api.origin)


@pytest.mark.parametrize(
    ("anti_csrf", "statuses"),
    [
        (AntiCsrf.VIA_TOKEN, [401, 401]),
        (AntiCsrf.VIA_CUSTOM_HEADER, [401, 401]),
        (AntiCsrf.FETCH_METADATA, [401, 401]),
        (AntiCsrf.NONE, [200, 401]),  # SameSite alone: it takes a sibling for the site itself
    ],
)
def test_pages_of_others_can_change_nothing(
    serve: Callable[..., Site],
    open_tab: OpenTab,
    clock: Clock,
    anti_csrf: AntiCsrf,
    statuses: list[int],
) -> None:
    api = serve(demo_of(clock, anti_csrf=anti_csrf))
    sibling, stranger = serve(pages), serve(pages, "127.0.0.1")
    tab = open_tab(api.origin, "cookie").log_in()
    other = tab.page.context.new_page()
    post = """api => fetch(api + "/claims", {
        method: "POST", mode: "no-cors", credentials: "include", body: '{"evil": true}'
    }).then(() => null)"""
    for attacker in (sibling, stranger):
        other.goto(attacker.origin + BLANK)
        other.evaluate(post, api.origin)
    assert [one.status for one in api.calls("/claims")] == statuses
    assert all(one.all("set-cookie") == [] for one in api.calls("/claims") if one.status == 401)
    me = tab.post("/me")
    assert me.status == 200
    assert ("evil" in me.body["payload"]) == (anti_csrf is AntiCsrf.NONE)


def test_a_lost_anti_csrf_token_is_no_theft(
    serve: Callable[..., Site], open_tab: OpenTab, clock: Clock
) -> None:
    api = serve(demo_of(clock, anti_csrf=AntiCsrf.VIA_TOKEN))
    tab = open_tab(api.origin, "cookie").log_in()
    elsewhere = open_tab(api.origin, "cookie").log_in()
    tab.page.context.clear_cookies(name="sAntiCsrf")
    tab.open()
    assert tab.get("/me").status == 200  # reading needs none
    assert tab.post("/me").body == {"message": "unauthorised"}
    assert len(elsewhere.get("/sessions").body) == 2  # nothing was revoked
