"""Creating, verifying, reading and ending sessions."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil import (
    Done,
    Established,
    FrozenDict,
    HandleTaken,
    InvalidInput,
    Lifetime,
    Load,
    Missing,
    NotJson,
    PayloadTooLarge,
    Reason,
    RefreshToken,
    Rejection,
    ReservedClaim,
    Secret,
    Session,
    SessionCreated,
    SessionInformation,
    SessionsRevoked,
    SetCookie,
    Transfer,
    TryRefreshToken,
    Unauthorised,
    attach_to_request_response,
    create_session,
    get_access_token,
    get_access_token_payload,
    get_all_session_handles_for_user,
    get_all_session_tokens_dangerously,
    get_expiry,
    get_handle,
    get_recipe_user_id,
    get_session,
    get_session_data_from_database,
    get_session_information,
    get_tenant_id,
    get_time_created,
    get_user_id,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    revoke_other_sessions,
    revoke_session,
    update_session_data_in_database,
)
from counterfoil.core.rotation import parse

DAY = 86_400_000


def reason_of(engine: Any, token: str | None, **options: Any) -> Reason | None:
    """Why a token is rejected now, or None if it isn't."""
    step = get_session(token, policy=engine.policy, verify=engine.verify, now=engine.now, **options)
    outcome = engine.outcome(step)
    if isinstance(outcome, Unauthorised | TryRefreshToken):
        verified = engine.verify(token) if token else None
        assert outcome.handle == getattr(verified, "handle", None)
        return outcome.reason
    assert not isinstance(outcome, Rejection)
    return None


def test_a_login_keeps_digests_and_gives_tokens(engine: Any) -> None:
    session = engine.login(payload={"plan": "pro", "none": None}, data={"cart": []})
    record = engine.world.load(session.handle)
    assert uuid.UUID(session.handle).version == 7
    assert (record.payload, record.data, record.version) == ({"plan": "pro"}, {"cart": ()}, 0)
    assert (record.created_at, record.rotated_at) == (engine.now, engine.now)
    assert record.expires_at == engine.now + 14 * DAY
    assert record.absolute_expires_at == engine.now + 90 * DAY
    parsed = parse(session.refresh_token)
    assert isinstance(parsed, RefreshToken)
    assert (parsed.handle, parsed.digest) == (session.handle, record.current_digest)
    assert session.refresh_expires_at == record.expires_at
    assert engine.events == [
        SessionCreated(handle=session.handle, user_id="ada", tenant_id="public", at=engine.now)
    ]


def test_the_claims_of_a_first_access_token(engine_with: Callable[..., Any]) -> None:
    engine = engine_with(anti_csrf="VIA_TOKEN", audience="shop", access_jitter=0)
    session = engine.login(tenant_id="acme", recipe_user_id="ada@mail", payload={"plan": "pro"})
    claims = dict(session.payload)
    digest = claims.pop("refreshTokenHash1")
    assert isinstance(digest, str)
    assert len(digest) == 43
    assert isinstance(claims["antiCsrfToken"], Secret)
    assert claims == {
        "plan": "pro",
        "sub": "ada",
        "rsub": "ada@mail",
        "tId": "acme",
        "iat": engine.now // 1000,
        "exp": engine.now // 1000 + 900,
        "iss": "https://api.example.com/auth",
        "aud": "shop",
        "sessionHandle": session.handle,
        "parentRefreshTokenHash1": None,
        "antiCsrfToken": session.anti_csrf_token,
    }
    assert reason_of(engine, session.access_token, anti_csrf_token=session.anti_csrf_token) is None


def test_remember_me_is_a_lifetime_chosen_at_login(engine: Any) -> None:
    lifetime = Lifetime(idle=timedelta(days=60), absolute=timedelta(days=365))
    session = engine.login(lifetime=lifetime)
    record = engine.world.load(session.handle)
    assert record.expires_at == engine.now + 60 * DAY


def test_jitter_shortens_lives_by_its_share_at_most(engine: Any) -> None:
    lives = {engine.login().payload["exp"] - engine.now // 1000 for _ in range(50)}
    assert len(lives) > 10
    assert min(lives) >= 900 * 0.95 - 1
    assert max(lives) <= 900


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"user_id": ""}, InvalidInput),
        ({"user_id": 7}, InvalidInput),
        ({"user_id": "\ud800"}, NotJson),
        ({"tenant_id": ""}, InvalidInput),
        ({"payload": {"sub": "eve"}}, ReservedClaim),
        ({"payload": {"a": float("nan")}}, NotJson),
        ({"payload": {"a": "b" * 4000}}, PayloadTooLarge),
        ({"data": {"a": object()}}, NotJson),
        ({"data": [1]}, NotJson),
        ({"now": -1}, InvalidInput),
        ({"now": True}, InvalidInput),
        ({"entropy": b"short"}, InvalidInput),
    ],
)
def test_a_login_that_can_not_be_is_refused_when_it_is_called(
    engine: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    given: dict[str, Any] = {
        "user_id": "ada",
        "now": engine.now,
        "entropy": engine.entropy(),
        **options,
    }
    with pytest.raises(error):
        create_session(policy=engine.policy, **given)


def test_entropy_that_was_used_before_is_told(engine: Any) -> None:
    def step() -> Any:
        return create_session("ada", policy=engine.policy, now=engine.now, entropy=bytes(32))

    engine.run(step())
    with pytest.raises(InvalidInput) as problem:
        engine.run(step())
    assert str(problem.value) == (
        "the new session's handle is taken: this entropy was used before. "
        "Pass fresh bytes from secrets.token_bytes(32) to each call."
    )
    assert isinstance(step().resume(Established("token")).state, Session)
    with pytest.raises(InvalidInput):
        step().resume(HandleTaken())


def test_a_token_that_holds_asks_nothing_of_the_world(engine: Any) -> None:
    token = engine.login().access_token
    step = get_session(token, policy=engine.policy, verify=engine.verify, now=engine.now)
    assert isinstance(step, Done)
    assert step.effects == ()


def test_why_a_token_does_not_hold(engine: Any, engine_with: Callable[..., Any]) -> None:
    session = engine.login()
    token, start = session.access_token, engine.now
    assert reason_of(engine, None) is Reason.NO_TOKEN
    assert reason_of(engine, "garbage") is Reason.NOT_OURS
    assert reason_of(engine, session.refresh_token) is Reason.NOT_OURS
    assert reason_of(engine, token[:-4] + "AAAA") is Reason.BAD_SIGNATURE

    engine.now = session.access.expires_at - 1
    assert reason_of(engine, token) is None
    engine.now += 1
    assert reason_of(engine, token) is Reason.EXPIRED
    engine.now = start - 60_000
    assert reason_of(engine, token) is None
    engine.now -= 1
    assert reason_of(engine, token) is Reason.NOT_YET_VALID

    for settings in ({"issuer": "https://api.example.com"}, {"audience": "shop"}):
        other = engine_with(**settings)
        other.verify = engine.verify
        assert reason_of(other, token) is Reason.WRONG_ISSUER
    short = engine_with(lifetime=Lifetime(access=timedelta(seconds=1)),
                        longest_access_lifetime=timedelta(minutes=1))  # fmt: skip
    short.verify = engine.verify
    assert reason_of(short, token) is Reason.EXPIRED


def test_none_is_an_answer_where_a_session_is_optional(engine: Any) -> None:
    step = get_session(
        None, policy=engine.policy, verify=engine.verify, now=engine.now, required=False
    )
    assert step == Done(None)


def test_the_anti_csrf_token_must_be_the_sessions(engine_with: Callable[..., Any]) -> None:
    engine = engine_with(anti_csrf="VIA_TOKEN")
    session, other = engine.login(), engine.login()
    token, guard = session.access_token, session.anti_csrf_token
    assert reason_of(engine, token, anti_csrf_token=guard) is None
    for wrong in (None, "", other.anti_csrf_token, guard[:-1]):
        assert reason_of(engine, token, anti_csrf_token=wrong) is Reason.CSRF
    assert reason_of(engine, token, check_anti_csrf=False) is None
    assert engine.login(anti_csrf=False).anti_csrf_token is None
    assert re.fullmatch("[A-Za-z0-9_-]{32}", guard)


def test_the_store_is_asked_where_it_must_be_now(engine: Any) -> None:
    session = engine.login()
    token = session.access_token
    assert reason_of(engine, token, check_database=True) is None
    record = engine.world.load(session.handle)
    step: Any = get_session(
        token, policy=engine.policy, verify=engine.verify, now=engine.now, check_database=True
    )
    over = step.resume(attrs.evolve(record, absolute_expires_at=engine.now))
    assert isinstance(over.state, Unauthorised)
    assert (over.state.reason, over.state.clear_tokens) == (Reason.SESSION_EXPIRED, True)
    engine.run(revoke_session(session, now=engine.now))
    assert reason_of(engine, token) is None  # stateless: until it expires
    assert reason_of(engine, token, check_database=True) is Reason.SESSION_GONE


def test_plain_reads(engine: Any) -> None:
    session = engine.login(tenant_id="acme", recipe_user_id="ada@mail", payload={"plan": "pro"})
    assert get_user_id(session) == Done("ada")
    assert get_recipe_user_id(session) == Done("ada@mail")
    assert get_tenant_id(session) == Done("acme")
    assert get_handle(session) == Done(session.handle)
    assert get_access_token(session) == Done(session.access_token)
    assert get_access_token_payload(session) == Done(session.payload)
    assert get_all_session_tokens_dangerously(session) == Done(
        FrozenDict(
            {
                "accessToken": session.access_token,
                "accessAndFrontTokenUpdated": True,
                "refreshToken": session.refresh_token,
                "frontToken": session.front_token,
                "antiCsrfToken": None,
            }
        )
    )


def test_what_the_store_knows(engine: Any) -> None:
    session = engine.login(payload={"plan": "pro"}, data={"cart": [1]})
    created, now = engine.now, engine.now
    expires = created + 14 * DAY
    assert engine.run(get_session_data_from_database(session, now=now)) == {"cart": (1,)}
    assert engine.run(get_time_created(session, now=now)) == created
    assert engine.run(get_expiry(session, now=now)) == expires
    assert engine.run(update_session_data_in_database(session, {"cart": []}, now=now)) == session
    assert engine.run(get_session_information(session.handle, now=now)) == SessionInformation(
        handle=session.handle,
        user_id="ada",
        recipe_user_id="ada",
        tenant_id="public",
        payload=FrozenDict({"plan": "pro"}),
        data=FrozenDict({"cart": ()}),
        created_at=created,
        expires_at=expires,
    )
    assert engine.run(get_session_information(session.handle, now=expires)) is None
    assert engine.run(get_session_information("nobody's", now=now)) is None


def test_what_the_store_says_of_a_session_that_is_over(engine: Any) -> None:
    session = engine.run(attach_to_request_response(engine.login(), Transfer.COOKIE, now=0))
    record = engine.world.load(session.handle)
    reads: list[Any] = [get_session_data_from_database, get_time_created, get_expiry]
    for read in reads:
        for held in (Missing(), attrs.evolve(record, absolute_expires_at=engine.now)):
            step = read(session, now=engine.now)
            assert step.effect == Load(session.handle)
            end = step.resume(held)
            assert str(end.state) == "Session does not exist anymore."
            assert end.state.clear_tokens
            assert len(end.effects) > 1  # attached: the client's tokens are cleared
    update: Any = update_session_data_in_database(session, {}, now=engine.now)
    assert isinstance(update.resume(Missing()).state, Unauthorised)


def test_handles_of_a_user_that_are_alive(engine: Any) -> None:
    first = engine.login()
    engine.now += 1
    second = engine.login(tenant_id="acme")
    engine.login("eve")
    listed = get_all_session_handles_for_user("ada", now=engine.now)
    assert engine.run(listed) == (first.handle, second.handle)
    acme = get_all_session_handles_for_user("ada", now=engine.now, tenant_id="acme")
    assert engine.run(acme) == (second.handle,)
    later = get_all_session_handles_for_user("ada", now=engine.now + 14 * DAY - 1)
    assert engine.run(later) == (second.handle,)


def test_revoking_tells_what_was_there(engine: Any) -> None:
    session = engine.login()
    assert engine.run(revoke_session(session, now=engine.now)) is True
    assert engine.events[-1] == SessionsRevoked(handles=(session.handle,), at=engine.now)
    told = len(engine.events)
    assert engine.run(revoke_session(session, now=engine.now)) is False
    assert len(engine.events) == told


@pytest.mark.parametrize("there", [True, False])
def test_a_sign_out_clears_the_client_whether_or_not_the_record_was_there(
    engine: Any, there: bool
) -> None:
    both = (Transfer.COOKIE, Transfer.HEADER)
    attach = attach_to_request_response(engine.login(), Transfer.COOKIE, used=both, now=0)
    session = engine.run(attach)
    if not there:
        engine.run(revoke_multiple_sessions([session.handle], now=engine.now))
    engine.response.clear()
    assert engine.run(revoke_session(session, now=engine.now)) is there
    names = [effect.name for effect in engine.response]
    for name in ("sAccessToken", "sRefreshToken", "st-access-token", "st-refresh-token"):
        assert name in names
    assert [e.value for e in engine.response if e.name == "front-token"] == ["remove"]


def test_revoking_others_all_and_several(engine: Any) -> None:
    sessions = [engine.login(tenant_id=tenant) for tenant in ("public", "public", "acme")]
    first, second, third = (session.handle for session in sessions)
    now = engine.now
    assert engine.run(revoke_other_sessions(sessions[0], now=now)) == (second,)
    assert engine.events[-1] == SessionsRevoked(handles=(second,), at=now)
    assert engine.run(revoke_other_sessions(sessions[0], now=now, all_tenants=True)) == (third,)
    assert engine.run(revoke_multiple_sessions([first, "nobody's"], now=now)) == (first,)
    assert engine.run(revoke_all_sessions_for_user("ada", now=now)) == ()
    again = engine.login().handle
    elsewhere = revoke_all_sessions_for_user("ada", now=now, tenant_id="acme")
    assert engine.run(elsewhere) == ()
    assert engine.run(revoke_all_sessions_for_user("ada", now=now)) == (again,)
    assert engine.events[-1] == SessionsRevoked(handles=(again,), at=now)


def test_an_attached_session_sends_a_refresh_token_only_if_it_is_new(engine: Any) -> None:
    session = attrs.evolve(engine.login(), refresh_token=None)
    attached = attach_to_request_response(session, Transfer.COOKIE, now=engine.now)
    names = [effect.name for effect in attached.effects if isinstance(effect, SetCookie)]
    assert names == ["sAccessToken"]


def test_an_access_token_that_is_no_text_is_refused(engine: Any) -> None:
    wrong: Any = b"token"
    with pytest.raises(InvalidInput, match="access_token must be a str, not bytes"):
        get_session(wrong, policy=engine.policy, verify=engine.verify, now=engine.now)
    with pytest.raises(InvalidInput, match="milliseconds"):
        get_session("token", policy=engine.policy, verify=engine.verify, now=-1)


def test_a_lifetime_beyond_the_policys_longest_is_refused(engine: Any) -> None:
    longest = engine.policy.longest_access_lifetime
    engine.login(lifetime=Lifetime(access=longest))
    with pytest.raises(InvalidInput, match=r"lifetime\.access of 1 day, 0:00:01 is longer than"):
        engine.login(lifetime=Lifetime(access=longest + timedelta(seconds=1)))
    with pytest.raises(InvalidInput, match="must be a Lifetime, not timedelta"):
        engine.login(lifetime=longest)


def test_one_handle_is_not_several(engine: Any) -> None:
    session = engine.login()
    told = r"^handles must be several handles, not one str: write \[handle\]\.$"
    with pytest.raises(InvalidInput, match=told):
        revoke_multiple_sessions(session.handle, now=engine.now)


@pytest.mark.parametrize("name", ["user_id", "recipe_user_id", "tenant_id"])
def test_an_id_that_can_not_be_is_refused_by_its_name(engine: Any, name: str) -> None:
    def login(value: Any) -> Session:
        session: Session = engine.login(**{"user_id": "ada", name: value})
        return session

    for least_or_most in ("a", "a" * 256):
        assert getattr(login(least_or_most), name) == least_or_most
    with pytest.raises(InvalidInput) as problem:
        login("a" * 257)
    assert str(problem.value) == (
        f"{name} must have 1 to 256 characters, not 257: it is in every access token."
    )
    with pytest.raises(InvalidInput, match=f"^{name} must be a str, not int"):
        login(7)
    with pytest.raises(NotJson) as no_text:
        login("\ud800")
    assert no_text.value.path == name
