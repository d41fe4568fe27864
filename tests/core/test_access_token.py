"""Access tokens: what is in one, when it holds, and how much fits."""

import json
from base64 import b64decode
from datetime import timedelta
from functools import cache
from typing import Any, cast

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import (
    RESERVED_CLAIMS,
    AccessToken,
    FrozenDict,
    Lifetime,
    LocalKeys,
    PayloadTooLarge,
    Policy,
    Reason,
    Secret,
    SessionRecord,
    apply_patch,
    freeze_object,
    json_size,
)
from counterfoil.core.access_token import (
    access_token_of,
    application_payload,
    check_size,
    engine_claims,
    engine_part,
    front_token,
    lasting_reason,
    payload_limit,
    renewed_claims,
    too_large,
)
from counterfoil.core.examples import example_policy, example_record
from counterfoil.core.reserved import ENGINE_CLAIMS
from counterfoil.core.rotation import digest
from counterfoil.effects import Algorithm
from counterfoil.effects.base64url import base64url

LOGIN = 1_700_000_000_000
MINUTE, DAY = 60_000, 86_400_000
API = "https://api.example.com"

ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")
WASTED = 100  # bytes at most of a cookie's 4096 that the limit leaves unused


@cache
def signer(algorithm: Algorithm) -> LocalKeys:
    """A signer whose signatures are as long as they get."""
    if algorithm != "RS256":
        return LocalKeys.in_memory(algorithm=algorithm)
    key = generate_private_key(65537, 4096)
    return LocalKeys.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def record_with(**changes: Any) -> SessionRecord:
    """The example's record, changed."""
    return attrs.evolve(example_record(), **changes)


def token_of(policy: Policy, now: int = LOGIN, **changes: Any) -> AccessToken:
    """An unsigned token of the example's record, its claims changed."""
    claims = engine_claims(example_record(), policy, now=now)
    return access_token_of("header.claims.signature", freeze_object({**claims, **changes}))


# --- what is in one ----------------------------------------------------------------------------


def test_the_engines_claims() -> None:
    policy = Policy(API, audience="app", access_jitter=0)
    record = record_with(previous_digest=b"p" * 32, anti_csrf_token="guard")
    claims = engine_claims(record, policy, now=LOGIN + 1_999)
    assert claims == {
        "sub": "user-1",
        "rsub": "user-1",
        "tId": "public",
        "iat": 1_700_000_001,
        "exp": 1_700_000_901,
        "iss": "https://api.example.com/auth",
        "sessionHandle": record.handle,
        "refreshTokenHash1": base64url(record.current_digest),
        "parentRefreshTokenHash1": "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA",
        "antiCsrfToken": "guard",
        "aud": "app",
    }
    assert set(claims) == set(ENGINE_CLAIMS)
    assert set(claims) <= RESERVED_CLAIMS
    assert "guard" not in repr(claims)


def test_a_first_token_has_no_parent_and_one_without_audience_no_aud() -> None:
    claims = engine_claims(example_record(), example_policy(), now=LOGIN)
    assert set(claims) == set(ENGINE_CLAIMS) - {"aud"}
    assert claims["parentRefreshTokenHash1"] is None
    assert claims["antiCsrfToken"] is None


@given(st.binary(min_size=32, max_size=32), st.sampled_from([0, 0.05, 0.5]))
def test_jitter_shortens_a_life_by_its_share_at_most(shown: bytes, jitter: float) -> None:
    record = record_with(access_lifetime=1_000_000, current_digest=shown)
    policy = Policy(API, access_jitter=jitter)
    claims = engine_claims(record, policy, now=LOGIN)
    lives = (access_token_of("a.b.c", claims).expires_at - LOGIN) / 1_000_000
    assert 1 - jitter - 0.001 <= lives <= 1
    assert engine_claims(record, policy, now=LOGIN) == claims


def test_jitter_is_spread_evenly() -> None:
    policy = Policy(API, access_jitter=0.5)
    records = (
        record_with(access_lifetime=1_000_000, current_digest=digest(n.to_bytes(32, "big")))
        for n in range(4000)
    )
    lives = [engine_claims(record, policy, now=0)["exp"] for record in records]
    for tenth in range(10):
        found = sum(500 + 50 * tenth <= cast("int", life) < 550 + 50 * tenth for life in lives)
        assert 300 < found < 500


@given(st.integers(0, 100 * DAY))
def test_no_token_outlives_the_session(late: int) -> None:
    record = example_record()
    claims = engine_claims(record, example_policy(), now=LOGIN + late)
    ends = access_token_of("a.b.c", claims).expires_at
    assert ends <= record.absolute_expires_at
    assert ends <= LOGIN + late + record.access_lifetime


@given(st.integers(0, 2**47))
def test_times_are_whole_seconds_and_never_later_than_they_are(now: int) -> None:
    record = record_with(absolute_expires_at=2**48, access_lifetime=MINUTE)
    claims = engine_claims(record, Policy(API, access_jitter=0), now=now)
    assert claims["iat"] == now // 1000
    assert claims["exp"] == (now + MINUTE) // 1000


def test_a_token_tells_its_session() -> None:
    access = token_of(example_policy(), antiCsrfToken=Secret("guard"))
    assert access.handle == example_record().handle
    assert access.anti_csrf_token == "guard"
    assert access.expires_at == access.claims["exp"] * 1000  # type: ignore[operator]  # a number
    assert "signature" not in repr(access)
    assert "guard" not in repr(access)


def test_a_merge_renews_only_the_time_of_issue() -> None:
    access = token_of(Policy(API, audience="app"), plan="pro", antiCsrfToken=Secret("guard"))
    renewed = renewed_claims(access, LOGIN + 5_999)
    assert renewed == {**engine_part(access.claims), "iat": 1_700_000_005}
    assert renewed["aud"] == "app"
    assert "plan" not in renewed


@given(st.dictionaries(st.sampled_from([*ENGINE_CLAIMS, "plan", "nbf", "Sub", ""]), st.integers()))
def test_a_claim_is_the_engines_or_the_applications(claims: dict[str, int]) -> None:
    frozen = freeze_object(claims)
    engine, application = engine_part(frozen), application_payload(frozen)
    assert {**engine, **application} == claims
    assert set(engine) <= set(ENGINE_CLAIMS)
    assert set(application).isdisjoint(ENGINE_CLAIMS)


# --- the front token ---------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.text(max_size=6), st.text(max_size=9) | st.integers() | st.none(), max_size=4
    )
)
def test_the_front_token_is_base64_of_compact_sorted_json(payload: dict[str, Any]) -> None:
    access = token_of(example_policy(), **{f"x{key}": value for key, value in payload.items()})
    token = front_token(access)
    assert isinstance(token, Secret)
    text = b64decode(token, validate=True).decode("utf-8")  # standard, padded
    content = json.loads(text)
    assert content == {"ate": access.expires_at, "uid": "user-1", "up": access.claims}
    assert text == json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def test_the_frontend_reads_of_the_clock_in_seconds() -> None:
    content = json.loads(b64decode(front_token(token_of(example_policy()))))
    assert content["up"]["iat"] == LOGIN // 1000
    assert content["ate"] % 1000 == 0


def test_a_front_token_is_not_url_safe() -> None:
    front = front_token(token_of(example_policy(), text="???>>>~~~ÿÿÿ"))
    assert set(front) & set("+/")
    assert not set(front) & set("-_")


# --- whether it holds --------------------------------------------------------------------------

POLICY = Policy(API, access_jitter=0)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (0, None),
        (15 * MINUTE - 1, None),
        (15 * MINUTE, Reason.EXPIRED),
        (15 * MINUTE + 1, Reason.EXPIRED),
        (DAY, Reason.EXPIRED),
        (-MINUTE, None),
        (-MINUTE - 1, Reason.NOT_YET_VALID),
        (-DAY, Reason.NOT_YET_VALID),
    ],
)
def test_a_token_holds_from_the_clock_skew_before_its_issue_until_its_end(
    at: int, reason: Reason | None
) -> None:
    assert lasting_reason(token_of(POLICY), POLICY, LOGIN + at) is reason


@pytest.mark.parametrize("skew", [1, 1_000, 90_000])
@pytest.mark.parametrize(("beyond", "holds"), [(-1, True), (0, True), (1, False)])
def test_the_clock_skew_is_the_policys(skew: int, beyond: int, holds: bool) -> None:
    policy = Policy(API, clock_skew=timedelta(milliseconds=skew))
    reason = lasting_reason(token_of(policy), policy, LOGIN - skew - beyond)
    assert (reason is None) is holds


@pytest.mark.parametrize(("seconds", "holds"), [(86_400, True), (86_401, False), (10**12, False)])
def test_a_token_that_claims_to_live_too_long_never_holds(seconds: int, holds: bool) -> None:
    access = token_of(POLICY, exp=LOGIN // 1000 + seconds)
    assert lasting_reason(access, POLICY, LOGIN) is (None if holds else Reason.EXPIRED)
    longer = Policy(API, longest_access_lifetime=timedelta(days=2), lifetime=Lifetime.AAL1)
    assert lasting_reason(token_of(longer, exp=LOGIN // 1000 + 86_401), longer, LOGIN) is None


@pytest.mark.parametrize(
    "issuer",
    ["", "https://api.example.com", "https://api.example.com/auth/", "https://API.example.com/auth",
     "http://api.example.com/auth", "https://api.example.com/authx", "xhttps://api.example.com/auth"],
)  # fmt: skip
def test_the_issuer_is_ours_exactly(issuer: str) -> None:
    assert lasting_reason(token_of(POLICY, iss=issuer), POLICY, LOGIN) is Reason.WRONG_ISSUER


NOBODY = object()


@pytest.mark.parametrize(
    ("audience", "wanted", "holds"),
    [
        (NOBODY, None, True),
        (None, None, True),
        ("app", None, False),
        (["app"], None, False),
        ([], None, False),
        (NOBODY, "app", False),
        (None, "app", False),
        ("app", "app", True),
        ("App", "app", False),
        ("app ", "app", False),
        ("ap", "app", False),
        (["app"], "app", True),
        (["other", "app"], "app", True),
        (["other"], "app", False),
        ([], "app", False),
        ([["app"]], "app", False),
        ({"app": 1}, "app", False),
        (True, "app", False),
    ],
)
def test_the_audience_names_us(audience: Any, wanted: str | None, holds: bool) -> None:
    policy = Policy(API, audience=wanted)
    claims = dict(token_of(policy).claims)
    claims.pop("aud", None)
    if audience is not NOBODY:
        claims["aud"] = audience
    access = access_token_of("a.b.c", freeze_object(claims))
    reason = lasting_reason(access, policy, LOGIN)
    assert reason is (None if holds else Reason.WRONG_ISSUER)


def test_an_expired_token_is_told_as_that_whatever_else_is_wrong() -> None:
    access = token_of(POLICY, iss="another")
    assert lasting_reason(access, POLICY, LOGIN + DAY) is Reason.EXPIRED


# --- how much fits -----------------------------------------------------------------------------


def filled(size: int, letter: str) -> FrozenDict:
    """A payload of this many bytes of JSON."""
    room = size - json_size({"fill": ""})  # type: ignore[arg-type]  # a plain dict will do
    width = len(letter.encode())
    return FrozenDict({"fill": letter * (room // width) + "x" * (room % width)})


@settings(max_examples=25)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(
    name=st.sampled_from(["s", "sAccessToken", "__Host-sAccessToken", "a" * 100]),
    audience=st.sampled_from([None, "app", "https://audience.example.com/" * 3]),
    guard=st.sampled_from([None, "g" * 32]),
    parent=st.sampled_from([None, bytes(32)]),
    user=st.sampled_from(["u", "ü" * 40]),
    letter=st.sampled_from(["x", "é", "€", "😀"]),
)
def test_what_is_within_the_limit_fits_in_a_cookie_now_and_after_a_refresh(
    algorithm: Algorithm,
    name: str,
    audience: str | None,
    guard: str | None,
    parent: bytes | None,
    user: str,
    letter: str,
) -> None:
    policy = Policy(API, algorithm=algorithm, access_cookie=name, audience=audience)
    record = record_with(user_id=user, anti_csrf_token=guard, previous_digest=parent)
    claims = engine_claims(record, policy, now=LOGIN)
    payload = filled(payload_limit(claims, policy), letter)
    check_size(payload, payload_limit(claims, policy))
    for issued in (record, attrs.evolve(record, previous_digest=bytes(32))):
        following = engine_claims(issued, policy, now=LOGIN)
        assert payload_limit(following, policy) == payload_limit(claims, policy)
        token = signer(algorithm).sign(FrozenDict({**payload, **following}))
        size = max(len(name), len("st-access-token")) + len(token)
        assert 4096 - WASTED <= size <= 4096
        # So does one with the longest header that is allowed for.
        assert size + len("=") - len(token.partition(".")[0]) + 160 <= 4096


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_there_is_room_for_a_payload(algorithm: Algorithm) -> None:
    policy = Policy(API, algorithm=algorithm)
    claims = engine_claims(example_record(), policy, now=LOGIN)
    assert payload_limit(claims, policy) > 1_700


def test_what_does_not_fit_is_refused_by_its_fattest_claim() -> None:
    payload = freeze_object({"plan": "pro", "roles": ["admin", "editor"], "seen": 12})
    check_size(payload, json_size(payload))
    with pytest.raises(PayloadTooLarge) as problem:
        check_size(payload, json_size(payload) - 1)
    error = problem.value
    assert (error.size, error.limit, error.fattest) == (
        json_size(payload),
        json_size(payload) - 1,
        "roles",
    )
    assert too_large(FrozenDict(), -1).fattest == ""
    assert too_large(freeze_object({"a" * 50: 1, "b": "x" * 20}), 1).fattest == "a" * 50
    assert too_large(freeze_object({"a" * 5: 1, "b": "x" * 20}), 1).fattest == "b"


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_the_size_of_a_token_is_at_most_that_of_its_parts(payload: dict[str, Any]) -> None:
    engine = engine_claims(example_record(), example_policy(), now=LOGIN)
    mine = apply_patch(FrozenDict(), application_payload(freeze_object(payload)))
    assert json_size(FrozenDict({**mine, **engine})) <= json_size(mine) + json_size(engine)
