"""Requests that other sites send: section E of the security checklist."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from counterfoil import (
    AntiCsrf,
    Reason,
    RequestRejected,
    Session,
    TryRefreshToken,
    Unauthorised,
)
from counterfoil.core.csrf import token_matches

LOGIN = 1_700_000_000_000
SITE, API = "https://example.com", "https://api.example.com"

SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"]

Headers = list[tuple[str, str]]

# What a browser says of a request, by who had it sent.
OUR_PAGE: Headers = [("Sec-Fetch-Site", "same-origin"), ("Origin", API)]
OUR_SITE: Headers = [("Sec-Fetch-Site", "same-site"), ("Origin", SITE)]
OLD_BROWSER: Headers = [("Origin", SITE)]
FORGERIES: dict[str, Headers] = {
    "another site": [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")],
    "another site, without an origin": [("Sec-Fetch-Site", "cross-site")],
    "a link or a bookmark": [("Sec-Fetch-Site", "none")],
    "a sibling": [("Sec-Fetch-Site", "same-site"), ("Origin", "https://blog.example.com")],
    "a sibling, without an origin": [("Sec-Fetch-Site", "same-site")],
    "a sandboxed frame": [("Sec-Fetch-Site", "cross-site"), ("Origin", "null")],
    "a sandboxed frame of an old browser": [("Origin", "null")],
    "another site in an old browser": [("Origin", "https://evil.example")],
    "another port": [("Origin", "https://example.com:8443")],
    "another scheme": [("Origin", "http://example.com")],
    "a name that ends as ours": [("Origin", "https://notexample.com")],
    "a name that begins as ours": [("Origin", "https://example.com.evil.example")],
    "an unknown word": [("Sec-Fetch-Site", "same-planet"), ("Origin", "https://evil.example")],
    "an unknown word alone": [("Sec-Fetch-Site", "same-planet")],
    "two origins": [("Origin", SITE), ("Origin", "https://evil.example")],
    "nothing said": [],
}


def forged(outcome: Any) -> bool:
    """Whether a request was turned away as another site's."""
    return (
        isinstance(outcome, TryRefreshToken | Unauthorised)
        and outcome.reason is Reason.CSRF
        and not outcome.clear_tokens
    )


def browser_with(app: Any, headers: Headers, jar: dict[str, Any]) -> Any:
    """A browser with someone's cookies, in the hands of some page."""
    browser = app.browser(*headers)
    browser.fixed = tuple(headers)
    browser.jar = dict(jar)
    return browser


@pytest.fixture
def logged_in(app: Any) -> Any:
    """A browser with a session."""
    browser = app.browser()
    assert isinstance(browser.login(), Session)
    return browser


# --- E1, E2: what the browser says -------------------------------------------------------------


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("headers", [OUR_PAGE, OUR_SITE, OLD_BROWSER])
def test_e1_the_sites_own_pages_may_change_something(
    app: Any, logged_in: Any, method: str, headers: Headers
) -> None:
    page = browser_with(app, headers, logged_in.jar)
    assert isinstance(page.get(method=method), Session)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("who", FORGERIES)
def test_e1_e2_nobody_else_may(app: Any, logged_in: Any, method: str, who: str) -> None:
    world = app.store.world
    page = browser_with(app, FORGERIES[who], logged_in.jar)
    assert forged(page.get(method=method))
    assert app.events[-1] == RequestRejected(
        reason=Reason.CSRF, handle=app.store.list_for_user("ada", None)[0].handle, at=LOGIN
    )
    assert page.jar == logged_in.jar
    assert not page.set_cookies
    assert app.store.world is world


@pytest.mark.parametrize("method", SAFE)
@pytest.mark.parametrize("who", FORGERIES)
def test_e1_what_changes_nothing_is_answered(
    app: Any, logged_in: Any, method: str, who: str
) -> None:
    world = app.store.world
    page = browser_with(app, FORGERIES[who], logged_in.jar)
    assert isinstance(page.get(method=method), Session)
    assert app.store.world is world


@pytest.mark.parametrize("who", FORGERIES)
def test_e1_a_custom_header_is_one_that_no_form_can_send(make_app: Any, who: str) -> None:
    app = make_app(anti_csrf=AntiCsrf.VIA_CUSTOM_HEADER)
    browser = app.browser()
    browser.login()
    page = browser_with(app, FORGERIES[who], browser.jar)
    assert forged(page.post())
    assert forged(page.refresh())
    assert isinstance(page.post(("rid", "anti-csrf")), Session)


# --- E3: tokens --------------------------------------------------------------------------------


@pytest.fixture
def guarded(make_app: Any) -> Any:
    """An application whose check is by token."""
    return make_app(anti_csrf=AntiCsrf.VIA_TOKEN)


def test_e3_a_token_is_of_one_session(guarded: Any) -> None:
    one, other = guarded.browser(), guarded.browser()
    mine, theirs = one.login("ada"), other.login("eve")
    assert mine.anti_csrf_token != theirs.anti_csrf_token
    assert isinstance(one.post(("anti-csrf", mine.anti_csrf_token)), Session)
    assert forged(one.post(("anti-csrf", theirs.anti_csrf_token)))
    assert forged(other.post(("anti-csrf", mine.anti_csrf_token)))


def test_e3_a_new_session_has_a_new_token(guarded: Any) -> None:
    browser = guarded.browser()
    first, second = browser.login("ada"), browser.login("ada")
    assert first.anti_csrf_token != second.anti_csrf_token
    assert forged(browser.post(("anti-csrf", first.anti_csrf_token)))
    rekeyed = guarded.sessions.rekey_session(attrs.evolve(second, attachment=None))
    assert rekeyed.anti_csrf_token not in (None, first.anti_csrf_token, second.anti_csrf_token)
    assert len(rekeyed.anti_csrf_token) == 32  # 24 bytes of the call's entropy


def test_e3_nothing_but_the_whole_token_will_do(guarded: Any) -> None:
    browser = guarded.browser()
    token = browser.login().anti_csrf_token
    for shown in ("", " ", token[:-1], token[1:], token + "A", token.swapcase(), "null",
                  "undefined", f"{token},{token}", "\udcff", "é" * 32):  # fmt: skip
        assert forged(browser.post(("anti-csrf", shown)))
    assert forged(browser.post())
    assert forged(browser.post(("anti-csrf", token), ("anti-csrf", token)))
    assert not token_matches("", "")
    assert not token_matches(None, None)


def test_e3_a_token_counts_from_its_header_only(guarded: Any) -> None:
    browser = guarded.browser()
    token = browser.login().anti_csrf_token
    browser.jar["anti-csrf"] = (token, "/")
    assert forged(browser.post())
    for name in ("x-csrf-token", "rid", "referer", "st-anti-csrf"):
        assert forged(browser.post((name, token)))


def test_e3_a_session_without_a_token_passes_nothing(guarded: Any) -> None:
    by_header = guarded.sessions.create_session("ada", anti_csrf=False)
    assert by_header.anti_csrf_token is None
    browser = guarded.browser()
    browser.jar = {"sAccessToken": (by_header.access_token, "/")}
    for shown in ((), (("anti-csrf", ""),), (("anti-csrf", "None"),)):
        assert forged(browser.post(*shown))


def test_e3_a_session_of_another_mode_is_let_go_for_it_can_never_pass(guarded: Any) -> None:
    before = guarded.sessions.create_session("ada", anti_csrf=False)
    browser = guarded.browser()
    path = guarded.policy.refresh_cookie_path
    browser.jar = {
        "sAccessToken": (before.access_token, "/"),
        "sRefreshToken": (before.refresh_token, path),
    }
    assert forged(browser.post())
    assert browser.jar
    assert browser.refresh() == Unauthorised(Reason.CSRF, clear_tokens=True, handle=before.handle)
    assert browser.jar == {}
    assert isinstance(browser.login(), Session)


# --- E4: login, refresh, logout ----------------------------------------------------------------


@pytest.mark.parametrize(
    "who", [who for who in FORGERIES if who not in ("nothing said", "a link or a bookmark")]
)
def test_e4_another_site_logs_nobody_in(app: Any, logged_in: Any, who: str) -> None:
    world = app.store.world
    page = browser_with(app, FORGERIES[who], logged_in.jar)
    assert forged(page.login("mallory"))
    assert page.jar == logged_in.jar
    assert app.store.world is world


def test_e4_a_client_that_says_nothing_is_no_browser(app: Any) -> None:
    program = browser_with(app, [], {})
    assert isinstance(program.login("ada"), Session)


@pytest.mark.parametrize("who", FORGERIES)
def test_e4_another_site_refreshes_and_signs_out_nobody(app: Any, logged_in: Any, who: str) -> None:
    world = app.store.world
    page = browser_with(app, FORGERIES[who], logged_in.jar)
    for act in (page.refresh, page.sign_out):
        assert forged(act())
        assert page.jar == logged_in.jar
        assert app.store.world is world


def test_e4_with_tokens_a_refresh_and_a_sign_out_ask_for_one(guarded: Any) -> None:
    browser = guarded.browser()
    token = browser.login().anti_csrf_token
    world, jar = guarded.store.world, dict(browser.jar)
    for act in (browser.refresh, browser.sign_out):
        assert forged(act())
        assert forged(act(("anti-csrf", "wrong")))
        assert (guarded.store.world, browser.jar) == (world, jar)
    assert isinstance(browser.refresh(("anti-csrf", token)), Session)
    assert browser.sign_out(("anti-csrf", token)) is True


@pytest.mark.parametrize("method", [*SAFE, "PUT", "DELETE"])
def test_e4_only_a_post_refreshes_or_signs_out(app: Any, logged_in: Any, method: str) -> None:
    world, jar = app.store.world, dict(logged_in.jar)
    for act in (logged_in.refresh, logged_in.sign_out):
        outcome = act(method=method)
        assert isinstance(outcome, Unauthorised)
        assert outcome.reason is Reason.WRONG_METHOD
        assert (app.store.world, logged_in.jar) == (world, jar)


@pytest.mark.parametrize("method", SAFE)
def test_e4_safe_methods_leave_the_store_as_it_is(app: Any, logged_in: Any, method: str) -> None:
    world = app.store.world
    for options in ({}, {"check_database": True}, {"required": False}):
        assert isinstance(logged_in.get(method=method, **options), Session)
    assert app.store.world is world


# --- what needs no check -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", [mode for mode in AntiCsrf if mode is not AntiCsrf.NONE])
@pytest.mark.parametrize("who", FORGERIES)
def test_e1_a_token_in_a_header_is_its_own_proof(make_app: Any, mode: AntiCsrf, who: str) -> None:
    app = make_app(anti_csrf=mode)
    session = app.sessions.create_session("ada", anti_csrf=False)
    page = browser_with(app, FORGERIES[who], {})
    assert isinstance(page.post(("Authorization", f"Bearer {session.access_token}")), Session)
    assert isinstance(page.refresh(("Authorization", f"Bearer {session.refresh_token}")), Session)
