"""Row F3 of the security checklist: each thing that happens to a session is one typed event."""

from __future__ import annotations

from typing import Any

from counterfoil import (
    Reason,
    RefreshForked,
    RefreshReplayed,
    RequestFacts,
    RequestRejected,
    SessionCreated,
    SessionRefreshed,
    SessionsRevoked,
    Theft,
    TheftDetected,
    rekey_session,
    revoke_all_sessions_for_user,
)

SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000


def test_f3_the_events_of_a_life_are_its_story(engine: Any) -> None:
    t0 = engine.now
    first = engine.login()
    h = first.handle
    engine.now = t1 = t0 + MINUTE
    second = engine.refresh(first.refresh_token)
    engine.now = t2 = t1 + 10 * SECOND
    engine.refresh(first.refresh_token)  # another tab
    engine.now = t3 = t2 + 1
    third = engine.refresh(first.refresh_token)  # a lost response
    engine.now = t4 = t3 + MINUTE
    fourth = engine.refresh(third.refresh_token)
    engine.get("garbage")
    evil = [("Sec-Fetch-Site", "cross-site"), ("Cookie", f"sAccessToken={fourth.access_token}")]
    engine.get_by(RequestFacts("POST", evil))
    engine.refresh(second.refresh_token)  # of the line that was displaced
    engine.refresh(fourth.refresh_token)
    other = engine.login("bob")
    renamed = engine.run(rekey_session(other, now=t4, entropy=engine.entropy()))
    engine.run(revoke_all_sessions_for_user("bob", now=t4))
    engine.run(revoke_all_sessions_for_user("bob", now=t4))  # nobody is left: no event
    last = engine.login()
    engine.now = t5 = t4 + 14 * DAY
    engine.get(last.access_token)
    engine.refresh(last.refresh_token)

    def rejected(reason: Reason, at: int, handle: str | None = None) -> RequestRejected:
        return RequestRejected(reason=reason, at=at, handle=handle)

    def created(user: str, handle: str, at: int, replaces: str | None = None) -> SessionCreated:
        return SessionCreated(
            handle=handle, user_id=user, tenant_id="public", at=at, replaces=replaces
        )

    bob, new = other.handle, renamed.handle
    assert engine.events[0] == created("ada", h, t0)
    assert engine.events[1:4] == [
        SessionRefreshed(handle=h, generation=1, at=t1),
        RefreshReplayed(handle=h, generation=1, at=t2),
        RefreshForked(handle=h, generation=1, at=t3),
    ]
    assert engine.events[4:9] == [
        SessionRefreshed(handle=h, generation=2, at=t4),
        rejected(Reason.NOT_OURS, t4),
        rejected(Reason.CSRF, t4, h),
        TheftDetected(
            handle=h, user_id="ada", tenant_id="public", kind=Theft.ORPHANED, generation=1, at=t4
        ),
        rejected(Reason.SESSION_GONE, t4, h),
    ]
    told = engine.events[9:]
    assert told[0] == created("bob", bob, t4)
    assert created("bob", new, t4, replaces=bob) in told[1:3]
    assert SessionsRevoked(handles=(bob,), at=t4) in told[1:3]
    assert told[3:] == [
        SessionsRevoked(handles=(new,), at=t4),
        created("ada", last.handle, t4),
        rejected(Reason.EXPIRED, t5, last.handle),
        rejected(Reason.SESSION_EXPIRED, t5, last.handle),
    ]
