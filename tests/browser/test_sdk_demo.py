"""`counterfoil demo` as it is started, and the SDK: no clock but the machine's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from counterfoil import AntiCsrf

from .serving import REFRESH
from .tab import WAYS, Mode, OpenTab, Tab


def wait_for_the_token_to_end(tab: Tab) -> None:
    """Wait until the API no longer takes the access token that the browser has now."""
    tab.page.evaluate(
        """async () => {
            const name = "st-access-token=";
            const token = document.cookie.split("; ").find(one => one.startsWith(name));
            const headers = token ? {authorization: "Bearer " + token.slice(name.length)} : {};
            while ((await __supertokensOriginalFetch(api + "/me", {headers})).ok) {
                await new Promise(resolve => setTimeout(resolve, 50));
            }
        }"""
    )


@pytest.mark.parametrize(("mode", "anti_csrf"), WAYS)
def test_a_life_in_the_demo(
    serve_demo: Callable[..., str], open_tab: OpenTab, mode: Mode, anti_csrf: AntiCsrf
) -> None:
    origin = serve_demo(ACCESS_TTL=1, ANTI_CSRF=anti_csrf)
    tab = open_tab(origin, mode)
    refreshes: list[int] = []
    tab.page.on(
        "response",
        lambda answer: refreshes.append(answer.status) if answer.url.endswith(REFRESH) else None,
    )
    assert not tab.has_session
    tab.log_in()
    assert tab.post("/claims", {"plan": "pro"}).status == 200
    assert tab.payload["plan"] == "pro"
    wait_for_the_token_to_end(tab)
    assert tab.post("/me").body["payload"]["plan"] == "pro"
    wait_for_the_token_to_end(tab)
    other = tab.beside()
    assert other.post("/me").body["userId"] == "ada"
    other.ask("signOut")
    assert not tab.has_session
    assert tab.get("/me").status == 401
    assert refreshes[0] == 401
    assert set(refreshes[1:]) == {200}


def test_two_demos_share_a_jar(
    serve_demo: Callable[..., str], open_tab: OpenTab, mode: Mode, tmp_path: Path
) -> None:
    """Cookies know no ports: what one server refreshed, the other is shown. Their store is one."""
    database = tmp_path / "sessions.db"
    origins = [serve_demo(DATABASE=database) for _ in range(2)]
    first = open_tab(origins[0], mode).log_in()
    page = first.page.context.new_page()
    tabs = [first, attrs.evolve(first, page=page, api=origins[1]).open()]
    for _ in range(2):
        assert [tab.post("/me").body["userId"] for tab in tabs] == ["ada", "ada"]
    assert len(tabs[0].get("/sessions").body) == 1
