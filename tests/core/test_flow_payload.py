"""Merging payloads, and claims: of a session at hand, and by handle."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil import (
    AppendHeader,
    Ask,
    BooleanClaim,
    ClaimFailure,
    ClaimFetched,
    ClaimValidation,
    FetchClaim,
    FrozenDict,
    InvalidClaims,
    InvalidInput,
    Json,
    Missing,
    NotJson,
    PayloadTooLarge,
    PrimitiveArrayClaim,
    PrimitiveClaim,
    Reason,
    Regenerate,
    Regenerated,
    ReservedClaim,
    Session,
    SessionClaim,
    SessionDoesNotExist,
    SetCookie,
    SetHeader,
    TooLarge,
    Transfer,
    Unauthorised,
    Validator,
    assert_claims,
    attach_to_request_response,
    create_session,
    fetch_and_set_claim,
    fetch_and_set_claim_by_handle,
    get_claim_value,
    get_claim_value_by_handle,
    get_session,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    play,
    remove_claim,
    remove_claim_by_handle,
    revoke_session,
    set_claim_value,
    set_claim_value_by_handle,
    update_session_data_in_database,
    update_session_data_in_database_by_handle,
    validate_claims,
)
from counterfoil.core.reserved import RESERVED_CLAIMS
from counterfoil.core.transport import private_response

PLAN = PrimitiveClaim("plan")
ROLES = PrimitiveArrayClaim("roles")
MFA = BooleanClaim("mfa", fetchable=False)
WRONG_PLAN = ClaimFailure(
    "plan",
    FrozenDict({"message": "wrong value", "expectedValue": "pro", "actualValue": "free"}),
)


def merged(engine: Any, session: Session, update: dict[str, Any]) -> Session:
    """The session after a merge that is carried out."""
    after: Session = engine.run(merge_into_access_token_payload(session, update, now=engine.now))
    return after


def test_a_merge_changes_the_token_and_the_store(engine: Any) -> None:
    session = engine.login(payload={"plan": "free", "beta": True})
    engine.now += 5_000
    after = merged(engine, session, {"plan": "pro", "beta": None, "roles": ["a"]})
    assert engine.world.load(session.handle).payload == {"plan": "pro", "roles": ("a",)}
    assert after.access_token_updated
    assert after.refresh_token == session.refresh_token
    kept = {"exp", "sessionHandle", "refreshTokenHash1", "antiCsrfToken", "sub", "iss"}
    assert {name: after.payload[name] for name in kept} == {
        name: session.payload[name] for name in kept
    }
    assert after.payload["iat"] == engine.now // 1000
    found = engine.run(
        get_session(after.access_token, policy=engine.policy, verify=engine.verify, now=engine.now)
    )
    assert found.access == after.access


def test_two_merges_at_once_are_both_kept(engine: Any) -> None:
    session = engine.login()
    merged(engine, session, {"a": 1})
    merged(engine, session, {"b": 2})  # by a request that knows nothing of the other
    assert engine.world.load(session.handle).payload == {"a": 1, "b": 2}


def test_once_the_access_token_has_expired_only_the_store_is_told(engine: Any) -> None:
    session = engine.login()
    attached = attach_to_request_response(session, Transfer.COOKIE, now=engine.now).state
    assert isinstance(attached, Session)
    engine.now = session.access.expires_at
    engine.response.clear()
    after = merged(engine, attached, {"plan": "pro"})
    assert after.payload["plan"] == "pro"
    assert after.access_token == session.access_token
    assert engine.response == []
    assert engine.world.load(session.handle).payload == {"plan": "pro"}


@pytest.mark.parametrize("transfer", list(Transfer))
def test_an_attached_session_sends_its_new_token(engine: Any, transfer: Transfer) -> None:
    session = attrs.evolve(engine.login(), access_token_updated=False)
    attached = attach_to_request_response(session, transfer, now=engine.now)
    assert attached.effects == ()
    after = merged(engine, engine.run(attached), {"plan": "pro"})
    assert after.access_token_updated
    exposed = "Access-Control-Expose-Headers"
    front = (SetHeader("front-token", after.front_token), AppendHeader(exposed, "front-token"))
    private = private_response()
    assert engine.response[: len(private)] == list(private)
    sent = engine.response[len(private) :]
    if transfer is Transfer.HEADER:
        token = SetHeader("st-access-token", after.access_token)
        assert sent == [token, AppendHeader(exposed, "st-access-token"), *front]
    else:
        cookie, *rest = sent
        assert isinstance(cookie, SetCookie)
        assert (cookie.name, cookie.value, cookie.path) == ("sAccessToken", after.access_token, "/")
        assert rest == list(front)


def test_a_session_that_was_revoked_takes_no_merge_and_comes_not_back(engine: Any) -> None:
    session = engine.run(attach_to_request_response(engine.login(), Transfer.COOKIE, now=0))
    engine.run(revoke_session(session, now=engine.now))
    engine.response.clear()
    outcome = engine.outcome(merge_into_access_token_payload(session, {"a": 1}, now=engine.now))
    assert outcome == Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=session.handle)
    assert engine.world.load(session.handle) == Missing()
    assert SetHeader("front-token", "remove") in engine.response


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_a_reserved_claim_can_neither_be_set_nor_removed(engine: Any, name: str) -> None:
    session = engine.login()
    for value in (None, "x"):
        with pytest.raises(ReservedClaim, match=name):
            merge_into_access_token_payload(session, {name: value}, now=engine.now)


def test_what_is_no_json_is_refused_with_its_place(engine: Any) -> None:
    with pytest.raises(NotJson, match=r"update\.a\[1\] is of type set"):
        merge_into_access_token_payload(engine.login(), {"a": [1, {2}]}, now=engine.now)


def test_a_payload_that_would_not_fit_is_refused_and_nothing_is_lost(engine: Any) -> None:
    session = engine.login(payload={"bio": "b" * 1000})
    with pytest.raises(PayloadTooLarge, match="fattest claim is 'novel'"):
        merge_into_access_token_payload(session, {"novel": "n" * 4000, "a": 1}, now=engine.now)
    step = merge_into_access_token_payload(session, {"novel": "n" * 2000}, now=engine.now)
    with pytest.raises(PayloadTooLarge, match="fattest claim is 'novel'"):
        engine.run(step)
    assert engine.world.load(session.handle).payload == {"bio": "b" * 1000}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_the_largest_payload_fits_in_a_cookie_after_a_refresh_too(
    engine_with: Callable[..., Any], algorithm: str
) -> None:
    engine = engine_with(algorithm=algorithm, anti_csrf="VIA_TOKEN")
    session = engine.login()
    size = 1
    with pytest.raises(PayloadTooLarge) as refused:
        merge_into_access_token_payload(session, {"x": "y" * 5000}, now=engine.now)
    size = refused.value.limit - len('{"x":""}')
    after = merged(engine, session, {"x": "y" * size})
    with pytest.raises(PayloadTooLarge):
        merged(engine, session, {"x": "y" * (size + 1)})
    fresh = engine.refresh(after.refresh_token, check_anti_csrf=False)
    assert isinstance(fresh, Session)
    for token in (after.access_token, fresh.access_token):
        assert len("sAccessToken") + len(token) <= 4096


def test_a_claim_is_set_read_fetched_and_removed(engine: Any) -> None:
    session = engine.login()
    session = engine.run(set_claim_value(session, PLAN, "pro", now=engine.now))
    assert session.payload["plan"] == {"v": "pro", "t": engine.now}
    assert get_claim_value(session, PLAN).state == "pro"

    engine.claims["roles"] = ["admin"]
    session = engine.run(fetch_and_set_claim(session, ROLES, now=engine.now))
    assert get_claim_value(session, ROLES).state == ("admin",)
    engine.claims["roles"] = None
    session = engine.run(fetch_and_set_claim(session, ROLES, now=engine.now))
    assert "roles" not in session.payload

    session = engine.run(remove_claim(session, PLAN, now=engine.now))
    assert get_claim_value(session, PLAN).state is None
    assert engine.world.load(session.handle).payload == {}


def test_each_claim_bears_the_time_of_its_fetching(engine: Any) -> None:
    engine.claims = {"plan": "pro", "roles": ["editor"]}
    payload = engine.login(claims=[PLAN, ROLES]).payload
    for claim in (PLAN, ROLES):
        assert claim.fetched_at(payload) == engine.now


def test_claims_of_the_policy_are_fetched_at_login(engine_with: Callable[..., Any]) -> None:
    engine = engine_with(claims=[PLAN, ROLES])
    engine.claims = {"plan": "pro"}
    session = engine.login(payload={"locale": "de"})
    assert session.payload["plan"] == {"v": "pro", "t": engine.now}
    assert "roles" not in session.payload
    assert engine.fetched == ["plan", "roles"]
    assert "plan" not in engine.login(claims=[]).payload


def test_a_login_whose_claims_are_too_large_is_refused(engine: Any) -> None:
    step = create_session(
        "ada", policy=engine.policy, now=engine.now, entropy=engine.entropy(), claims=[ROLES]
    )
    asks = FetchClaim(key="roles", user_id="ada", recipe_user_id="ada", tenant_id="public")
    with pytest.raises(PayloadTooLarge, match="'roles'"):
        play(step, (asks, ClaimFetched(["r" * 100] * 50)))


def test_stale_claims_are_fetched_once_and_merged_before_validating(engine: Any) -> None:
    engine.claims = {"roles": ["editor"], "plan": "pro"}
    session = engine.login()
    asked = [ROLES.includes("editor"), ROLES.excludes("admin"), PLAN.has_value("pro")]
    session = engine.run(assert_claims(session, asked, now=engine.now))
    assert engine.fetched == ["roles", "plan"]
    assert engine.world.load(session.handle).payload.keys() == {"roles", "plan"}

    world = engine.world
    assert engine.run(assert_claims(session, asked, now=engine.now)) == session
    assert engine.world == world

    engine.now += 61_000
    old = [ROLES.includes("editor", max_age=timedelta(minutes=1))]
    engine.run(assert_claims(session, old, now=engine.now))
    assert engine.fetched == ["roles", "plan", "roles"]


def test_all_failures_come_together_in_order(engine: Any) -> None:
    engine.claims = {"roles": ["editor"]}
    session = engine.login(payload=dict(MFA.patch(False, now=engine.now)))
    asked = [MFA.is_true(), ROLES.includes("editor"), ROLES.includes("admin", id="admins")]
    outcome = engine.outcome(assert_claims(session, asked, now=engine.now))
    wrong = {"message": "wrong value"}
    assert outcome == InvalidClaims(
        (
            ClaimFailure("mfa", FrozenDict({**wrong, "expectedValue": True, "actualValue": False})),
            ClaimFailure(
                "admins",
                FrozenDict({**wrong, "expectedToInclude": "admin", "actualValue": ("editor",)}),
            ),
        )
    )
    # What was fetched is kept, whatever the verdict.
    assert "roles" in engine.world.load(session.handle).payload


def test_a_claim_that_the_user_has_lost_is_removed(engine: Any) -> None:
    session = engine.login(payload=dict(PLAN.patch("pro", now=engine.now)))
    engine.now += 2_000
    recent = PLAN.has_value("pro", max_age=timedelta(seconds=1))
    outcome = engine.outcome(assert_claims(session, [recent], now=engine.now))
    assert isinstance(outcome, InvalidClaims)
    assert outcome.failures[0].reason["message"] == "value does not exist"
    assert engine.world.load(session.handle).payload == {}


def test_a_claim_that_the_user_never_had_costs_no_write(engine: Any) -> None:
    session = engine.login()
    engine.outcome(assert_claims(session, [PLAN.has_value("pro")], now=engine.now))
    assert engine.fetched == ["plan"]
    assert engine.world.load(session.handle).version == 0


def test_validators_of_the_policy_hold_for_each_request(engine_with: Callable[..., Any]) -> None:
    engine = engine_with(validators=[MFA.is_true()])
    session = engine.login()

    def outcome(**options: Any) -> Any:
        return engine.outcome(
            get_session(
                session.access_token,
                policy=engine.policy,
                verify=engine.verify,
                now=engine.now,
                **options,
            )
        )

    assert isinstance(outcome(), InvalidClaims)
    assert isinstance(outcome(check_database=True), InvalidClaims)
    assert isinstance(outcome(validators=[]), Session)
    assert isinstance(outcome(validators=[], check_database=True), Session)


@attrs.frozen
class Country(SessionClaim):
    """A claim of an application's own."""

    def within(self, *codes: str) -> "Within":
        """Holds in these countries."""
        return Within(self, codes)


@attrs.frozen
class Within(Validator):
    """A validator of an application's own."""

    codes: tuple[str, ...]

    def mismatch(self, value: Json) -> bool:
        return value not in self.codes


def test_an_application_brings_claims_and_validators_of_its_own(engine: Any) -> None:
    engine.claims = {"country": "CH"}
    country = Country("country")
    session = engine.login()
    session = engine.run(assert_claims(session, [country.within("CH", "DE")], now=engine.now))
    outcome = engine.outcome(assert_claims(session, [country.within("FR")], now=engine.now))
    assert isinstance(outcome, InvalidClaims)
    assert outcome.failures[0].reason == {"message": "wrong value", "actualValue": "CH"}
    with pytest.raises(NotImplementedError, match="Validator must say"):
        Validator(country).failure(session.payload, now=engine.now)


def test_validating_a_payload_of_no_session(engine: Any) -> None:
    engine.claims = {"plan": "pro"}
    step = validate_claims("ada", {}, [PLAN.has_value("pro"), MFA.is_true()], now=engine.now)
    found = engine.run(step)
    assert isinstance(found, ClaimValidation)
    assert [failure.id for failure in found.failures] == ["mfa"]
    assert found.update == PLAN.patch("pro", now=engine.now)


def test_a_payload_of_no_session_is_validated_as_of_now(engine: Any) -> None:
    engine.claims = {"plan": "pro", "roles": ["editor"]}
    minute = timedelta(minutes=1)
    asked = [
        PLAN.has_value("pro", max_age=minute),
        ROLES.includes("editor", max_age=minute),
        MFA.is_true(max_age=minute),
    ]
    held = {**PLAN.patch("free", now=engine.now), **MFA.patch(True, now=engine.now)}

    def found() -> Any:
        return engine.run(validate_claims("ada", held, asked, now=engine.now))

    engine.now += 60_000
    both = found()
    assert (both.failures, both.update.keys()) == ((WRONG_PLAN,), {"roles"})
    engine.now += 1
    both = found()
    assert [failure.id for failure in both.failures] == ["mfa"]
    plan, roles = PLAN.patch("pro", now=engine.now), ROLES.patch(["editor"], now=engine.now)
    assert both.update == {**plan, **roles}


def test_what_is_not_fetched_is_validated_as_of_now_too(engine: Any) -> None:
    session = engine.login(payload=dict(MFA.patch(True, now=engine.now)))
    asked = [PLAN.has_value("pro"), MFA.is_true(max_age=timedelta(minutes=1))]
    for late, failed in ((60_000, ["plan"]), (1, ["plan", "mfa"])):
        engine.now += late
        outcome = engine.outcome(assert_claims(session, asked, now=engine.now))
        assert isinstance(outcome, InvalidClaims)
        assert [failure.id for failure in outcome.failures] == failed
        assert str(outcome) == "invalid claim: " + ", ".join(failed)
        alone = engine.outcome(assert_claims(session, asked[1:], now=engine.now))
        assert isinstance(alone, InvalidClaims) is ("mfa" in failed)


@pytest.mark.parametrize(
    ("recipe_user_id", "tenant_id"), [(None, None), ("ada@mail", None), (None, "acme")]
)
def test_a_claim_is_asked_for_of_the_user_whose_payload_it_is(
    recipe_user_id: str | None, tenant_id: str | None
) -> None:
    named = {} if tenant_id is None else {"tenant_id": tenant_id}
    validators = [PLAN.has_value("pro")]
    step = validate_claims("ada", {}, validators, now=0, recipe_user_id=recipe_user_id, **named)
    assert isinstance(step, Ask)
    assert step.effect == FetchClaim(
        key="plan",
        user_id="ada",
        recipe_user_id=recipe_user_id or "ada",
        tenant_id=tenant_id or "public",
    )


def test_what_is_no_json_is_told_by_the_name_of_its_argument(engine: Any) -> None:
    session, now = engine.login(), engine.now
    wrong, ruled = {"a": {1}}, {"policy": engine.policy, "now": now}
    calls: dict[str, list[Callable[[], object]]] = {
        "update": [
            lambda: merge_into_access_token_payload(session, wrong, now=now),
            lambda: merge_into_access_token_payload_by_handle("h", wrong, **ruled),
        ],
        "data": [
            lambda: update_session_data_in_database(session, wrong, now=now),
            lambda: update_session_data_in_database_by_handle("h", wrong),
            lambda: engine.login(data=wrong),
        ],
        "payload": [
            lambda: validate_claims("ada", wrong, [], now=now),
            lambda: engine.login(payload=wrong),
        ],
    }
    for name, refused in calls.items():
        for call in refused:
            with pytest.raises(NotJson) as problem:
                call()
            assert problem.value.path == f"{name}.a"


def test_by_handle_for_a_user_who_is_away(engine: Any) -> None:
    session, now = engine.login(), engine.now
    handle, policy = session.handle, engine.policy
    engine.claims = {"roles": ["admin"]}

    def done(step: Any) -> None:
        assert engine.run(step) is True

    done(merge_into_access_token_payload_by_handle(handle, {"a": 1}, policy=policy, now=now))
    done(set_claim_value_by_handle(handle, PLAN, "pro", policy=policy, now=now))
    done(fetch_and_set_claim_by_handle(handle, ROLES, policy=policy, now=now))
    done(update_session_data_in_database_by_handle(handle, {"cart": [1]}))
    record = engine.world.load(handle)
    assert record.data == {"cart": (1,)}
    plan, roles = PLAN.patch("pro", now=now), ROLES.patch(["admin"], now=now)
    assert record.payload == {"a": 1, **plan, **roles}
    assert engine.run(get_claim_value_by_handle(handle, PLAN, now=now)) == "pro"
    assert engine.refresh(session.refresh_token).payload["a"] == 1

    engine.claims = {}
    done(fetch_and_set_claim_by_handle(handle, ROLES, policy=policy, now=now))
    done(remove_claim_by_handle(handle, PLAN, policy=policy, now=now))
    assert engine.world.load(handle).payload == {"a": 1}


def test_by_handle_of_a_session_that_is_over(engine: Any) -> None:
    session = engine.login()
    policy, expires_at = engine.policy, engine.world.load(session.handle).expires_at
    for handle, now in (("nobody's", engine.now), (session.handle, expires_at)):
        steps: list[Any] = [
            merge_into_access_token_payload_by_handle(handle, {"a": 1}, policy=policy, now=now),
            set_claim_value_by_handle(handle, PLAN, "pro", policy=policy, now=now),
            fetch_and_set_claim_by_handle(handle, PLAN, policy=policy, now=now),
            remove_claim_by_handle(handle, PLAN, policy=policy, now=now),
        ]
        assert [engine.run(step) for step in steps] == [False] * 4
        gone = get_claim_value_by_handle(handle, PLAN, now=now)
        assert engine.run(gone) == SessionDoesNotExist()
    assert engine.fetched == []
    assert engine.run(update_session_data_in_database_by_handle("nobody's", {})) is False


def test_by_handle_the_store_has_the_last_word(engine: Any) -> None:
    session = engine.login()
    step: Any = merge_into_access_token_payload_by_handle(
        session.handle, {"a": 1}, policy=engine.policy, now=engine.now
    )
    merge = step.resume(engine.world.load(session.handle))
    assert isinstance(merge.effect, Regenerate)
    assert merge.effect.claims is None
    assert merge.resume(Missing()).state is False
    assert merge.resume(Regenerated({"a": 1})).state is True
    with pytest.raises(PayloadTooLarge, match="'a'"):
        merge.resume(TooLarge({"a": 1}))


def test_a_claim_that_is_set_by_hand_is_never_fetched(engine: Any) -> None:
    session = engine.login()
    with pytest.raises(InvalidInput, match="'mfa' isn't fetchable"):
        fetch_and_set_claim(session, MFA, now=engine.now)
    with pytest.raises(InvalidInput, match="'mfa' isn't fetchable"):
        engine.login(claims=[MFA])
