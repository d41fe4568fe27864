"""The life of a session: section C of the security checklist, as far as the engine goes.

C5 to C7 ask for what is not there yet (assurance levels, a limit of sessions), or is tested
elsewhere (handles: tests/core/test_entropy.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from counterfoil import (
    BlockingSessions,
    Lifetime,
    LocalKeys,
    MemoryStore,
    Missing,
    Policy,
    Reason,
    RequestFacts,
    ResponseHeaders,
    Session,
    Step,
    StoreUnavailable,
    TheftDetected,
    TryRefreshToken,
    Unauthorised,
    create_session,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    rekey_session,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    revoke_other_sessions,
    revoke_session,
)
from counterfoil.adapters.memory import EMPTY_WORLD

LOGIN = 1_700_000_000_000
MINUTE, DAY = 60_000, 86_400_000
POLICY = Policy("https://api.example.com", site_origin="https://example.com")


def drawn(n: int = 0, now: int = LOGIN) -> dict[str, Any]:
    """What every operation is told."""
    return {"policy": POLICY, "now": now, "entropy": bytes([n]) * 32}


def live(app: Any, session: Any) -> Any:
    """What an access token gets where the store is asked."""
    return app.outcome(app.sessions.get_session, session.access_token, check_database=True)


def refreshed(app: Any, session: Any) -> Any:
    """What the refresh token gets."""
    return app.outcome(app.sessions.refresh_session, session.refresh_token)


def over(app: Any, session: Any) -> bool:
    """Whether nothing of a session is taken any more."""
    outcomes = (live(app, session), refreshed(app, session))
    return all(isinstance(end, Unauthorised) and end.clear_tokens for end in outcomes)


# --- C1: a new name at each change of privilege ------------------------------------------------


def test_c1_a_login_over_a_session_takes_another_name_and_ends_the_old_one(app: Any) -> None:
    browser = app.browser()
    before = browser.login("guest")
    after = browser.login("ada")
    assert after.handle != before.handle
    assert {after.refresh_token, after.access_token}.isdisjoint(
        {before.refresh_token, before.access_token}
    )
    assert over(app, before)
    assert not over(app, after)


def test_c1_a_session_that_was_planted_gains_nothing_by_the_victims_login(app: Any) -> None:
    attacker = app.browser()
    planted = attacker.login("mallory")
    victim = app.browser()
    victim.jar = dict(attacker.jar)
    session = victim.login("ada")
    assert session.user_id == "ada"
    assert session.handle != planted.handle
    assert over(app, planted)
    assert isinstance(attacker.refresh(), Unauthorised)


@pytest.mark.parametrize("planted", ["garbage", "a.b.c", "0" * 116, "018bcfe5-6800-7727-82d6-bb4b"])
def test_c1_no_name_is_the_clients_to_choose(app: Any, planted: str) -> None:
    browser = app.browser()
    browser.jar = {"sAccessToken": (planted, "/"), "sRefreshToken": (planted, "/")}
    session = browser.login("ada")
    assert planted not in (session.handle, session.refresh_token, session.access_token)
    assert browser.jar["sAccessToken"][0] == session.access_token
    assert browser.jar["sRefreshToken"][0] == session.refresh_token


@pytest.mark.parametrize("user", [None, "ada"])
def test_c1_a_change_of_privilege_takes_another_name(app: Any, user: str | None) -> None:
    guest = app.sessions.create_session("guest", payload={"cart": 3})
    session = app.sessions.rekey_session(guest, user_id=user)
    assert session.handle != guest.handle
    assert session.payload["cart"] == 3
    assert session.user_id == (user or "guest")
    assert over(app, guest)
    assert isinstance(live(app, session), Session)


# --- C2: what was captured ends with the session -----------------------------------------------


def test_c2_what_was_captured_before_the_sign_out_is_refused_after_it(app: Any) -> None:
    browser = app.browser()
    session = browser.login()
    captured = app.browser()
    captured.jar = dict(browser.jar)
    assert browser.sign_out() is True
    assert browser.jar == {}
    assert captured.get(check_database=True) == Unauthorised(
        Reason.SESSION_GONE, clear_tokens=True, handle=session.handle
    )
    # Without asking the store: at most for the life of the access token.
    again = app.browser()
    again.jar = {"sAccessToken": (session.access_token, "/")}
    app.now = session.access.expires_at - 1
    assert isinstance(again.get(), Session)
    app.now = session.access.expires_at
    assert again.get() == TryRefreshToken(Reason.EXPIRED, session.handle)
    assert session.access.expires_at <= LOGIN + 15 * MINUTE


def carrying(app: Any, *, bearer: Any = None, cookies: Any = ()) -> RequestFacts:
    """A POST of the site's own page, with these sessions' access tokens."""
    headers = [("Origin", "https://example.com"), ("Sec-Fetch-Site", "same-site")]
    if bearer is not None:
        headers.append(("Authorization", f"Bearer {bearer.access_token}"))
    if cookies:
        line = "; ".join(f"sAccessToken={session.access_token}" for session in cookies)
        headers.append(("Cookie", line))
    return RequestFacts("POST", headers)


def test_c1_c2_a_sign_out_and_a_login_end_every_session_that_the_request_carries(app: Any) -> None:
    ada, bob, eve = (app.sessions.create_session(name) for name in ("ada", "bob", "eve"))
    request = carrying(app, bearer=ada, cookies=[bob, eve])
    assert app.ask("sign_out", request) is True
    assert all(over(app, session) for session in (ada, bob, eve))
    ada, bob = app.sessions.create_session("ada"), app.sessions.create_session("bob")
    request = carrying(app, bearer=ada, cookies=[bob])
    assert isinstance(app.ask("create_session_in_request", request, "eve"), Session)
    assert over(app, ada)
    assert over(app, bob)


def test_c1_an_expired_token_ends_a_session_only_where_the_browser_sent_it(app: Any) -> None:
    leaked, held = app.sessions.create_session("ada"), app.sessions.create_session("bob")
    app.now = leaked.access.expires_at
    request = carrying(app, bearer=leaked, cookies=[held])
    app.ask("create_session_in_request", request, "eve")
    assert isinstance(refreshed(app, leaked), Session)
    assert isinstance(refreshed(app, held), Unauthorised)


def test_c2_a_captured_refresh_token_is_refused_after_the_sign_out(app: Any) -> None:
    browser = app.browser()
    browser.login()
    captured = app.browser()
    captured.jar = dict(browser.jar)
    browser.sign_out()
    outcome = captured.refresh()
    assert isinstance(outcome, Unauthorised)
    assert outcome.reason is Reason.SESSION_GONE
    assert captured.jar == {}


def test_c2_an_expired_session_is_refused_by_the_server_whatever_the_cookie_says(app: Any) -> None:
    browser = app.browser()
    browser.login()
    app.now += 14 * DAY  # this browser keeps cookies for ever
    outcome = browser.refresh()
    assert isinstance(outcome, Unauthorised)
    assert outcome.reason is Reason.SESSION_EXPIRED


# --- C3: revocation beats what is under way ----------------------------------------------------

REVOCATIONS: dict[str, Callable[[Session, Session], Step[Any]]] = {
    "one": lambda mine, other: revoke_multiple_sessions([mine.handle], now=LOGIN),
    "this": lambda mine, other: revoke_session(mine, now=LOGIN),
    "others": lambda mine, other: revoke_other_sessions(other, now=LOGIN),
    "all": lambda mine, other: revoke_all_sessions_for_user("ada", now=LOGIN),
    "of the tenant": lambda mine, other: revoke_all_sessions_for_user(
        "ada", now=LOGIN, tenant_id="public"
    ),
}
SECONDS = LOGIN + 10_001


@pytest.mark.parametrize("kind", REVOCATIONS)
@pytest.mark.parametrize("presented", ["current", "predecessor", "late predecessor"])
def test_c3_no_refresh_under_way_survives_a_revocation(lab: Any, kind: str, presented: str) -> None:
    world, mine = lab.run(EMPTY_WORLD, create_session("ada", **drawn(1)))
    world, other = lab.run(world, create_session("ada", **drawn(2)))
    if presented != "current":
        world, _ = lab.run(world, refresh_session(mine.refresh_token, **drawn(3)))
    now = SECONDS if presented == "late predecessor" else LOGIN
    refreshing = refresh_session(mine.refresh_token, **drawn(4, now))
    revoking = REVOCATIONS[kind](mine, other)
    outcomes: set[str] = set()
    for after, (refresh, revoked) in lab.orders(world, refreshing, revoking):
        outcomes.add(type(refresh).__name__)
        assert revoked
        assert after.load(mine.handle) == Missing()
        if isinstance(refresh, Session):  # it was answered before, and is worth nothing now
            again = refresh_session(refresh.refresh_token, **drawn(5, now))
            assert lab.run(after, again)[1].reason is Reason.SESSION_GONE
        else:
            assert refresh.reason is Reason.SESSION_GONE
        assert isinstance(after.load(other.handle), Missing) is (kind in ("all", "of the tenant"))
    assert outcomes == {"Session", "Unauthorised"}


@pytest.mark.parametrize("kind", REVOCATIONS)
def test_c3_no_merge_or_rekey_under_way_survives_a_revocation(lab: Any, kind: str) -> None:
    world, mine = lab.run(EMPTY_WORLD, create_session("ada", **drawn(1)))
    world, other = lab.run(world, create_session("ada", **drawn(2)))
    merging = merge_into_access_token_payload_by_handle(
        mine.handle, {"plan": "pro"}, policy=POLICY, now=LOGIN
    )
    rekeying = rekey_session(mine, now=LOGIN, entropy=bytes([6]) * 32)
    for after, (merged, _) in lab.orders(world, merging, REVOCATIONS[kind](mine, other)):
        assert merged in (True, False)
        assert after.load(mine.handle) == Missing()
    for after, (rekeyed, revoked) in lab.orders(world, rekeying, REVOCATIONS[kind](mine, other)):
        left = {record.handle for record in after.list_for_user("ada", None)} - {other.handle}
        if kind in ("one", "this"):
            # By its old name, a session is revoked or has another name by then: never both.
            assert isinstance(rekeyed, Session) is not bool(revoked)
            assert left == ({rekeyed.handle} if isinstance(rekeyed, Session) else set())
        else:
            assert left == set()


def test_c3_each_revocation_ends_what_it_says(app: Any) -> None:
    create = app.sessions.create_session
    mine, phone, tablet = create("ada"), create("ada"), create("ada", tenant_id="acme")
    bob = create("bob")
    assert app.sessions.revoke_other_sessions(mine) == (phone.handle,)
    assert [over(app, s) for s in (mine, phone, tablet, bob)] == [False, True, False, False]
    mine = app.sessions.create_session("ada")
    assert app.sessions.revoke_other_sessions(mine, all_tenants=True)
    assert over(app, tablet)
    assert app.sessions.revoke_all_sessions_for_user("ada") == (mine.handle,)
    assert over(app, mine)
    assert not over(app, bob)


# --- C4: time ----------------------------------------------------------------------------------

PRESETS = {"AAL1": Lifetime.AAL1, "AAL2": Lifetime.AAL2, "AAL3": Lifetime.AAL3}


def milliseconds(duration: timedelta) -> int:
    """A duration as the clock counts."""
    return duration // timedelta(milliseconds=1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("late", "alive"), [(-1, True), (0, False), (1, False)])
def test_c4_idle_sessions_end_to_the_millisecond(
    make_app: Any, preset: str, late: int, alive: bool
) -> None:
    app = make_app(lifetime=PRESETS[preset])
    session = app.sessions.create_session("ada")
    app.now = LOGIN + milliseconds(PRESETS[preset].idle) + late
    assert alive_by_every_account(app, session) == {alive}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("late", "alive"), [(-1, True), (0, False), (1, False)])
def test_c4_busy_sessions_end_to_the_millisecond(
    make_app: Any, preset: str, late: int, alive: bool
) -> None:
    lifetime = PRESETS[preset]
    app = make_app(lifetime=lifetime)
    session = app.sessions.create_session("ada")
    idle, end = milliseconds(lifetime.idle), LOGIN + milliseconds(lifetime.absolute)
    while app.now + idle - 1 < end:
        app.now += idle - 1
        session = app.sessions.refresh_session(session.refresh_token)
    app.now = end + late
    assert alive_by_every_account(app, session) == {alive}


def alive_by_every_account(app: Any, session: Any) -> set[bool]:
    """Whether a session is alive, as each operation that asks the store tells."""
    sessions = app.sessions
    told = {
        sessions.get_session_information(session.handle) is not None,
        bool(sessions.get_all_session_handles_for_user("ada")),
        sessions.merge_into_access_token_payload_by_handle(session.handle, {"seen": True}),
        not isinstance(app.outcome(sessions.get_time_created, session), Unauthorised),
        not isinstance(app.outcome(sessions.get_expiry, session), Unauthorised),
        not isinstance(app.outcome(sessions.get_session_data_from_database, session), Unauthorised),
    }
    return told | {isinstance(refreshed(app, session), Session)}


@pytest.mark.parametrize(("late", "alive"), [(-1, True), (0, False), (1, False)])
def test_c4_access_tokens_end_to_the_millisecond(app: Any, late: int, alive: bool) -> None:
    session = app.sessions.create_session("ada")
    app.now = session.access.expires_at + late
    outcome = app.outcome(app.sessions.get_session, session.access_token)
    assert isinstance(outcome, Session) is alive
    assert alive or outcome.reason is Reason.EXPIRED


@pytest.mark.parametrize("preset", PRESETS)
def test_c4_the_cookies_say_no_more_than_the_server_grants(make_app: Any, preset: str) -> None:
    app = make_app(lifetime=PRESETS[preset])
    browser = app.browser()
    session = browser.login()
    (line,) = (line for line in browser.set_cookies if line.startswith("sRefreshToken="))
    idle = milliseconds(PRESETS[preset].idle)
    assert f"; Max-Age={idle // 1000};" in line
    assert session.refresh_expires_at == LOGIN + idle


# --- C8: outages -------------------------------------------------------------------------------


class Flaky:
    """A memory store whose driver can be broken."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.broken = frozenset[str]()

    def __getattr__(self, name: str) -> Any:
        if name in self.broken:
            raise StoreUnavailable(f"the database can't be reached to {name}")
        return getattr(self.store, name)


WAYS = ["load", "swap", "merge_payload", "delete", "delete_for_user", "create", "replace_data"]


@pytest.mark.parametrize("broken", [[way] for way in WAYS] + [WAYS])
def test_c8_an_outage_ends_no_session_and_clears_no_token(broken: list[str]) -> None:
    events: list[Any] = []
    flaky: Any = Flaky()
    sessions = BlockingSessions(
        POLICY,
        flaky,
        LocalKeys.in_memory(clock=lambda: LOGIN),
        listener=lambda event, _: events.append(event),
        clock=lambda: LOGIN,
    )
    session = sessions.create_session("ada")
    held, told = flaky.store.world, list(events)
    by_cookie = [
        ("Cookie", f"sAccessToken={session.access_token}; sRefreshToken={session.refresh_token}"),
        ("Sec-Fetch-Site", "same-origin"),
    ]
    request = RequestFacts("POST", [*by_cookie, ("st-auth-mode", "cookie")])
    calls: list[Callable[[BlockingSessions], object]] = [
        lambda s: s.refresh_session_in_request(request),
        lambda s: s.sign_out(request),
        lambda s: s.get_session_from_request(request, check_database=True),
        lambda s: s.create_session_in_request(request, "ada"),
        lambda s: s.rekey_session(session),
        lambda s: s.revoke_session(session),
        lambda s: s.revoke_other_sessions(session),
        lambda s: s.revoke_all_sessions_for_user("ada"),
        lambda s: s.merge_into_access_token_payload(session, {"plan": "pro"}),
        lambda s: s.update_session_data_in_database(session, {"cart": 1}),
        lambda s: s.get_session_information(session.handle),
    ]
    met = 0
    for call in calls:
        flaky.store, response = MemoryStore(held), ResponseHeaders()
        flaky.broken = frozenset(broken)
        try:
            call(sessions.using(response=response))
        except StoreUnavailable:
            met += 1
            assert response.headers == []
            assert not any(isinstance(event, TheftDetected) for event in events)
            flaky.broken = frozenset()
            if broken == WAYS:
                assert flaky.store.world == held
                assert events == told
        else:
            flaky.store = MemoryStore(held)
        flaky.broken = frozenset()
    assert met >= (len(calls) if broken == WAYS else 1)


def test_c8_an_access_token_is_checked_without_the_store() -> None:
    flaky: Any = Flaky()
    keys = LocalKeys.in_memory(clock=lambda: LOGIN)
    sessions = BlockingSessions(POLICY, flaky, keys, clock=lambda: LOGIN)
    session = sessions.create_session("ada")
    flaky.broken = frozenset(WAYS)
    assert sessions.get_session(session.access_token).handle == session.handle
