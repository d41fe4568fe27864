"""What is announced of each rejection and each revocation: row F3 of the security checklist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterfoil import (
    Announce,
    AntiCsrf,
    Established,
    Event,
    Reason,
    RequestFacts,
    RequestRejected,
    Session,
    SessionCreated,
    SessionsRevoked,
    SingleUse,
    create_session,
)
from counterfoil.core.examples import example_policy

LOGIN = 1_700_000_000_000
MINUTE = 60_000


def since(app: Any, act: Callable[[], Any]) -> list[Event]:
    """What an act announces."""
    before = len(app.events)
    act()
    told: list[Event] = app.events[before:]
    return told


def test_f3_revocations_tell_what_was_really_there(app: Any) -> None:
    sessions = app.sessions
    one, two, three = (sessions.create_session("ada") for _ in range(3))
    app.events.clear()
    assert since(app, lambda: sessions.revoke_multiple_sessions([two.handle, "nobody's"])) == [
        SessionsRevoked(handles=(two.handle,), at=LOGIN)
    ]
    assert since(app, lambda: sessions.revoke_other_sessions(one)) == [
        SessionsRevoked(handles=(three.handle,), at=LOGIN)
    ]
    assert since(app, lambda: sessions.revoke_all_sessions_for_user("ada")) == [
        SessionsRevoked(handles=(one.handle,), at=LOGIN)
    ]
    assert since(app, lambda: sessions.revoke_session(one)) == []
    assert since(app, lambda: sessions.revoke_all_sessions_for_user("ada")) == []


def test_f3_every_rejection_tells_its_reason(make_app: Any) -> None:
    app = make_app(older_cookie_domain="example.com", audience="app")
    browser = app.browser()
    session = browser.login()
    token = session.access_token
    seen: set[Reason] = set()

    def rejects(reason: Reason, handle: str | None, act: Callable[..., Any], *args: Any) -> None:
        seen.add(reason)
        told = since(app, lambda: act(*args))
        assert told == [RequestRejected(reason=reason, handle=handle, at=app.now)]

    def showing(*cookies: str) -> Callable[[], Any]:
        line = ("Cookie", "; ".join(cookies))
        return lambda: app.ask("get_session_from_request", RequestFacts("GET", [line]))

    stranger = app.browser(("Sec-Fetch-Site", "cross-site"))
    stranger.jar = dict(browser.jar)
    elsewhere = make_app(audience="other").sessions.create_session("ada")
    foreign = app.keys.sign(elsewhere.payload)
    rejects(Reason.NO_TOKEN, None, app.browser().get)
    rejects(Reason.NO_TOKEN, None, app.browser().refresh)
    rejects(Reason.NO_TOKEN, None, app.browser().sign_out)
    rejects(Reason.NOT_OURS, None, showing("sAccessToken=garbage"))
    rejects(Reason.UNKNOWN_KEY, None, showing(f"sAccessToken={elsewhere.access_token}"))
    rejects(Reason.BAD_SIGNATURE, None, showing(f"sAccessToken={token[:-8]}AAAAAAAA"))
    rejects(Reason.WRONG_ISSUER, elsewhere.handle, showing(f"sAccessToken={foreign}"))
    rejects(Reason.DUPLICATE_COOKIES, None, showing(f"sAccessToken={token}", "sAccessToken=x"))
    rejects(Reason.LEGACY_COOKIE, None, showing(f"sAccessToken={token}", "sIdRefreshToken=x"))
    rejects(Reason.CSRF, session.handle, stranger.post)
    rejects(Reason.CSRF, None, stranger.refresh)
    rejects(Reason.CSRF, None, stranger.login)
    rejects(Reason.CSRF, session.handle, stranger.sign_out)
    rejects(Reason.WRONG_METHOD, None, lambda: browser.refresh(method="GET"))
    rejects(Reason.WRONG_METHOD, None, lambda: browser.sign_out(method="PUT"))
    forged = session.refresh_token[:-4] + ("AAAA" if session.refresh_token[-4:] != "AAAA" else "B")
    refresh = app.sessions.refresh_session
    rejects(Reason.FORGED, session.handle, app.outcome, refresh, forged)
    rejects(Reason.NOT_OURS, None, app.outcome, refresh, "garbage")
    lost = refresh(session.refresh_token)
    app.now += 10_001
    refresh(session.refresh_token)
    asking = {"check_database": True}
    get = app.sessions.get_session
    rejects(Reason.DISPLACED, session.handle, lambda: app.outcome(get, lost.access_token, **asking))
    app.now = LOGIN - MINUTE - 1
    rejects(Reason.NOT_YET_VALID, session.handle, browser.get)
    app.now = session.access.expires_at
    rejects(Reason.EXPIRED, session.handle, browser.get)
    app.now = LOGIN + 15 * 24 * 60 * MINUTE
    rejects(Reason.SESSION_EXPIRED, session.handle, browser.refresh)
    app.now = LOGIN
    app.sessions.revoke_all_sessions_for_user("ada")
    rejects(Reason.SESSION_GONE, session.handle, lambda: app.outcome(get, token, **asking))
    assert seen == set(Reason) - {Reason.SPENT}  # which only another rule says


def test_f3_a_rule_of_single_use_tells_what_was_spent(make_app: Any) -> None:
    app = make_app(rotation=SingleUse())
    browser = app.browser()
    session = browser.login()
    app.sessions.refresh_session(session.refresh_token)
    told = since(app, browser.refresh)
    assert told == [RequestRejected(reason=Reason.SPENT, handle=session.handle, at=LOGIN)]


def test_f3_with_tokens_a_wrong_one_is_told_by_the_sessions_handle(make_app: Any) -> None:
    app = make_app(anti_csrf=AntiCsrf.VIA_TOKEN)
    browser = app.browser()
    session = browser.login()
    for act in (browser.post, browser.refresh, browser.sign_out):
        told = since(app, act)
        assert told == [RequestRejected(reason=Reason.CSRF, handle=session.handle, at=LOGIN)]


def test_f3_what_changes_nothing_announces_nothing(app: Any) -> None:
    browser = app.browser()
    session = browser.login()
    sessions = app.sessions
    quiet: list[Callable[[], Any]] = [
        browser.get,
        browser.post,
        lambda: app.ask("get_session_from_request", RequestFacts("GET"), required=False),
        lambda: sessions.get_session(session.access_token, check_database=True),
        lambda: sessions.get_session_information(session.handle),
        lambda: sessions.get_all_session_handles_for_user("ada"),
        lambda: sessions.merge_into_access_token_payload_by_handle(session.handle, {"a": 1}),
        lambda: sessions.purge(),
    ]
    for act in quiet:
        assert since(app, act) == []


def test_f3_an_event_is_part_of_the_step() -> None:
    drawn: dict[str, Any] = {"policy": example_policy(), "now": LOGIN, "entropy": bytes(32)}
    step: Any = create_session("ada", **drawn)
    done = step.resume(Established("header.claims.signature"))
    record = step.effect.record
    event = SessionCreated(handle=record.handle, user_id="ada", tenant_id="public", at=LOGIN)
    assert isinstance(done.state, Session)
    assert done.effects == (Announce(event),)
