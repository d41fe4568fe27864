"""Access tokens: rows A1, A3-A11 and A13-A15 of the security checklist.

Each malformed token is signed with the real key wherever a signature can be, so that nothing but
the malformation is wrong with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, cast
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    RESERVED_CLAIMS,
    AccessToken,
    Ask,
    FrozenDict,
    KeySet,
    Missing,
    Policy,
    Reason,
    Rejection,
    RequestFacts,
    ReservedClaim,
    Session,
    TryRefreshToken,
    Unauthorised,
    Unverified,
    answer,
    create_session,
    get_session,
    get_session_from_request,
    revoke_session,
)
from counterfoil.adapters.key_pair import generate
from counterfoil.core.access_token import application_payload
from counterfoil.core.examples import example_policy, example_record
from counterfoil.core.strategies import payloads

NOW = 1_700_000_000  # s
PAIR = generate("EdDSA")
PRIVATE = cast("Ed25519PrivateKey", load_pem_private_key(PAIR.private, None))
VERIFY = KeySet((PAIR.public,))
POLICY = Policy("https://api.example.com", audience="shop")

HEADER: dict[str, Any] = {
    "alg": "EdDSA",
    "kid": PAIR.public.kid,
    "typ": "at+jwt",
    "version": "1",
}
CLAIMS: dict[str, Any] = {
    "sub": "ada",
    "rsub": "ada",
    "tId": "public",
    "iat": NOW,
    "exp": NOW + 900,
    "iss": "https://api.example.com/auth",
    "aud": "shop",
    "sessionHandle": "018bcfe5-6800-7727-82d6-bb4b702604b7",
    "refreshTokenHash1": "A" * 43,
    "parentRefreshTokenHash1": None,
    "antiCsrfToken": None,
}


def base64url(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def segment(value: object) -> str:
    """A segment: JSON of a value, or a JSON text as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64url(text.encode())


def signed(header: object = HEADER, claims: object = CLAIMS) -> str:
    """A token with a valid signature, whatever it says."""
    body = f"{segment(header)}.{segment(claims)}"
    return f"{body}.{base64url(PRIVATE.sign(body.encode()))}"


def without(whole: dict[str, Any], *names: str) -> dict[str, Any]:
    """An object without some of its members."""
    return {name: value for name, value in whole.items() if name not in names}


def verdict(token: str, *, now: int = NOW * 1000) -> Reason | None:
    """Why a token is rejected, at every door at once; None if it is not."""
    verified = VERIFY(token)
    outcome = get_session(token, policy=POLICY, verify=VERIFY, now=now).state
    if isinstance(outcome, Session):
        return None
    assert isinstance(outcome, Unauthorised | TryRefreshToken)
    assert not outcome.clear_tokens
    if isinstance(verified, Unverified):
        assert outcome.reason is verified.reason
    if outcome.reason is Reason.CSRF:
        return outcome.reason  # by cookie, a method that changes nothing needs no proof
    request = RequestFacts("GET", [("Cookie", f"sAccessToken={quote(token)}")])
    by_cookie = get_session_from_request(request, policy=POLICY, verify=VERIFY, now=now).state
    assert isinstance(by_cookie, Rejection)
    return outcome.reason


def refused(token: str) -> Reason:
    """Why `KeySet` doesn't verify a token."""
    verified = VERIFY(token)
    assert isinstance(verified, Unverified)
    assert verdict(token) is verified.reason
    return verified.reason


def test_a0_the_token_that_all_others_here_are_bent_from_is_accepted() -> None:
    assert isinstance(VERIFY(signed()), AccessToken)
    assert verdict(signed()) is None


# --- A1: the algorithm is the key's ------------------------------------------------------------

ALGORITHMS = ["none", "None", "noNE", "eddsa", "EDDSA", "EdDSA ", "Ed25519", "ES256", "RS256"]
NO_ALGORITHMS: list[Any] = [None, [], ["EdDSA"], {}, 1, True]


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *NO_ALGORITHMS, ""])
def test_a1_the_algorithm_must_be_that_of_the_key_exactly(algorithm: object) -> None:
    header = {**HEADER, "alg": algorithm}
    text = isinstance(algorithm, str)
    assert refused(signed(header)) is (Reason.BAD_SIGNATURE if text else Reason.NOT_OURS)
    body = f"{segment(header)}.{segment(CLAIMS)}"
    refused(f"{body}.")
    refused(f"{body}.AA")


def test_a1_a_header_without_an_algorithm() -> None:
    assert refused(signed(without(HEADER, "alg"))) is Reason.NOT_OURS


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_a1_an_hmac_under_the_public_key_is_no_signature(algorithm: str) -> None:
    raw = PAIR.public.der
    body = f"{segment({**HEADER, 'alg': algorithm})}.{segment(CLAIMS)}"
    for key in (raw, raw[-32:]):
        mac = hmac.digest(key, body.encode(), hashlib.sha256)
        assert refused(f"{body}.{base64url(mac)}") is Reason.BAD_SIGNATURE


def test_a1_another_key_of_the_same_name() -> None:
    other = cast("Ed25519PrivateKey", load_pem_private_key(generate("EdDSA").private, None))
    body = f"{segment(HEADER)}.{segment(CLAIMS)}"
    assert refused(f"{body}.{base64url(other.sign(body.encode()))}") is Reason.BAD_SIGNATURE


# --- A3: the type ------------------------------------------------------------------------------

TYPES: list[Any] = [
    "JWT",
    "AT+JWT",
    "application/at+jwt",
    "dbsc+jwt",
    "dpop+jwt",
    "logout+jwt",
    "",
    None,
    [],
]


@pytest.mark.parametrize("kind", TYPES)
def test_a3_only_the_type_of_access_tokens_is_one(kind: object) -> None:
    assert refused(signed({**HEADER, "typ": kind})) is Reason.NOT_OURS


@pytest.mark.parametrize("member", ["typ", "version"])
def test_a3_a_header_without_type_or_version(member: str) -> None:
    assert refused(signed(without(HEADER, member))) is Reason.NOT_OURS


# --- A4: issuer and audience -------------------------------------------------------------------

ISSUERS = [
    "https://api.example.com/auth/",
    "https://api.example.com",
    "https://API.example.com/auth",
    "https://api.example.com/auth2",
    "",
]
AUDIENCES = [None, "", "sho", "shop2", "SHOP", [], ["shops"], {"shop": 1}, [["shop"]], 1, True]


@pytest.mark.parametrize("issuer", ISSUERS)
def test_a4_the_issuer_must_match_exactly(issuer: str) -> None:
    assert verdict(signed(claims={**CLAIMS, "iss": issuer})) is Reason.WRONG_ISSUER


@pytest.mark.parametrize("issuer", [None, ["https://api.example.com/auth"], {}, 1])
def test_a4_the_issuer_must_be_one_string(issuer: object) -> None:
    assert refused(signed(claims={**CLAIMS, "iss": issuer})) is Reason.NOT_OURS


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a4_the_audience_must_name_us(audience: object) -> None:
    assert verdict(signed(claims={**CLAIMS, "aud": audience})) is Reason.WRONG_ISSUER


def test_a4_an_audience_is_there_exactly_if_one_is_expected() -> None:
    missing = signed(claims=without(CLAIMS, "aud"))
    assert verdict(missing) is Reason.WRONG_ISSUER
    assert verdict(signed(claims={**CLAIMS, "aud": ["other", "shop"]})) is None
    expects_none = Policy("https://api.example.com")
    for token, accepted in ((missing, True), (signed(), False)):
        step = get_session(token, policy=expects_none, verify=VERIFY, now=NOW * 1000)
        assert isinstance(step.state, Session) is accepted


# --- A5: times ---------------------------------------------------------------------------------

NO_TIMES = ['"1700000900"', "true", "false", "null", "NaN", "Infinity", "1e999", "-1e999"]
NO_FORMS = ["[]", "{}", "1700000900.0", "1700000900.5", "1" * 5000]


@pytest.mark.parametrize("time", [*NO_TIMES, *NO_FORMS])
@pytest.mark.parametrize("name", ["iat", "exp"])
def test_a5_a_time_is_a_whole_number(name: str, time: str) -> None:
    text = json.dumps({**CLAIMS, name: "here"}).replace('"here"', time)
    assert refused(signed(claims=text)) is Reason.NOT_OURS


@pytest.mark.parametrize("name", ["iat", "exp", "sub", "rsub", "tId", "iss", "sessionHandle"])
def test_a5_a_missing_claim(name: str) -> None:
    assert refused(signed(claims=without(CLAIMS, name))) is Reason.NOT_OURS


@pytest.mark.parametrize("name", ["refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken"])
@pytest.mark.parametrize("value", ["missing", 1, False, [], {}])
def test_a5_a_claim_of_another_kind(name: str, value: object) -> None:
    claims = without(CLAIMS, name) if value == "missing" else {**CLAIMS, name: value}
    assert refused(signed(claims=claims)) is Reason.NOT_OURS


@pytest.mark.parametrize("value", [0, NOW, NOW + 60, "x", None])
def test_a5_not_before_is_not_ours_to_set(value: object) -> None:
    assert refused(signed(claims={**CLAIMS, "nbf": value})) is Reason.NOT_OURS


@pytest.mark.parametrize("off", [-1, 0, 1, 60_000])
def test_a5_now_at_the_expiry_is_expired_without_any_leeway(off: int) -> None:
    expired = verdict(signed(), now=(NOW + 900) * 1000 + off)
    assert expired is (None if off < 0 else Reason.EXPIRED)


@pytest.mark.parametrize(
    ("ahead", "reason"), [(60, None), (61, Reason.NOT_YET_VALID), (3600, Reason.NOT_YET_VALID)]
)
def test_a5_a_token_may_be_issued_in_the_future_by_the_clock_skew(
    ahead: int, reason: Reason | None
) -> None:
    claims = {**CLAIMS, "iat": NOW + ahead, "exp": NOW + ahead + 60}
    assert verdict(signed(claims=claims)) is reason


@pytest.mark.parametrize("life", [86_400, 86_401, 10**15, 10**2000])
def test_a5_a_token_that_claims_to_live_too_long(life: int) -> None:
    reason = verdict(signed(claims={**CLAIMS, "exp": NOW + life}))
    assert reason is (None if life == 86_400 else Reason.EXPIRED)


@pytest.mark.parametrize("time", [0, -1, -(10**2000)])
def test_a5_times_from_long_ago(time: int) -> None:
    assert verdict(signed(claims={**CLAIMS, "iat": time, "exp": time + 900})) is Reason.EXPIRED


# --- A6, A11, A13: what a header may not ask for -----------------------------------------------

CRITICAL: list[Any] = [["x"], [], "x", ["b64"], ["exp"], None, {}]


@pytest.mark.parametrize("crit", CRITICAL)
def test_a6_nothing_is_critical(crit: object) -> None:
    assert refused(signed({**HEADER, "crit": crit, "x": 1})) is Reason.NOT_OURS


def test_a6_an_unencoded_payload() -> None:
    for b64 in (False, True):
        assert refused(signed({**HEADER, "b64": b64})) is Reason.NOT_OURS


KIDS: list[Any] = [None, 1, True, [PAIR.public.kid], {"kid": PAIR.public.kid}, "k" * 129]
UNKNOWN = ["", "k" * 128, "../../dev/null", "' OR 1=1 --", "\x00", PAIR.public.kid + "\x00", "é"]


@pytest.mark.parametrize("kid", KIDS)
def test_a11_a_key_is_named_by_a_short_string(kid: object) -> None:
    assert refused(signed({**HEADER, "kid": kid})) is Reason.NOT_OURS


@pytest.mark.parametrize("kid", UNKNOWN)
def test_a11_a_name_only_looks_up_keys_that_are_known(kid: str) -> None:
    assert refused(signed({**HEADER, "kid": kid})) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
@pytest.mark.parametrize("value", ["https://evil.example/keys.json", None, {"kty": "OKP"}, []])
def test_a11_a_token_brings_no_key_of_its_own(name: str, value: object) -> None:
    assert refused(signed({**HEADER, name: value})) is Reason.NOT_OURS


@pytest.mark.parametrize("name", ["zip", "enc", "p2c"])
@pytest.mark.parametrize("value", ["DEF", "A256GCM", 2**31])
def test_a13_nothing_is_decrypted_or_inflated(name: str, value: object) -> None:
    assert refused(signed({**HEADER, name: value})) is Reason.NOT_OURS


def test_a13_five_parts_are_no_token() -> None:
    jwe = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31}
    assert refused(".".join([segment(jwe), "AA", "AA", "AA", "AA"])) is Reason.NOT_OURS


# --- A7: one text for one token ----------------------------------------------------------------

STRAY = ["=", "==", "!", "\n", "\r\n", "\x00", " ", "\t", ".", "é", "Ａ", "+", "/"]  # noqa: RUF001  # a full-width letter


@pytest.mark.parametrize("stray", STRAY)
def test_a7_a_stray_character_anywhere(stray: str) -> None:
    token = signed()
    first, second = token.index("."), token.rindex(".")
    for at in (0, 5, first, first + 1, second, second + 1, len(token)):
        assert refused(token[:at] + stray + token[at:]) is Reason.NOT_OURS


@pytest.mark.parametrize("parts", [0, 1, 2, 4, 5])
def test_a7_another_number_of_segments(parts: int) -> None:
    token = ".".join((signed().split(".") * 2)[:parts])
    assert refused(token) is Reason.NOT_OURS


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a7_an_empty_segment(which: int) -> None:
    parts = signed().split(".")
    parts[which] = ""
    assert refused(".".join(parts)) is Reason.NOT_OURS


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def flipped(part: str) -> str:
    """Another text for the same bytes: one unused bit at the end is set."""
    twin = part[:-1] + ALPHABET[ALPHABET.index(part[-1]) ^ 1]
    padding = "=" * (-len(part) % 4)
    assert urlsafe_b64decode(twin + padding) == urlsafe_b64decode(part + padding)
    return twin


def test_a7_the_unused_bits_of_each_segment_are_zero() -> None:
    # Each of the first two is signed again in its other spelling, so that only that is wrong.
    spaced = json.dumps(HEADER)
    header = next(part for n in range(3) if len(part := segment(spaced + " " * n)) % 4)
    claims = next(part for n in range(3) if len(part := segment(json.dumps(CLAIMS) + " " * n)) % 4)
    for one, two in ((flipped(header), claims), (header, flipped(claims))):
        body = f"{one}.{two}"
        refused(f"{body}.{base64url(PRIVATE.sign(body.encode()))}")
    body = f"{header}.{claims}"
    signature = base64url(PRIVATE.sign(body.encode()))
    assert isinstance(VERIFY(f"{body}.{signature}"), AccessToken)
    assert refused(f"{body}.{flipped(signature)}") is Reason.BAD_SIGNATURE


def test_a7_the_json_serializations() -> None:
    header, payload, signature = signed().split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    general = {
        "payload": payload,
        "signatures": [{"protected": header, "signature": signature}],
    }
    for whole in (flat, general):
        assert refused(json.dumps(whole)) is Reason.NOT_OURS
        assert refused(segment(whole)) is Reason.NOT_OURS


# --- A8: a revoked session, not a revoked text -------------------------------------------------

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_a8_the_ecdsa_twin_of_a_revoked_sessions_token_is_refused(engine_with: Any) -> None:
    engine = engine_with(algorithm="ES256")
    session = engine.login()
    body, _, signature = session.access_token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    r, s = raw[:32], int.from_bytes(raw[32:])
    twin = f"{body}.{base64url(r + (P256_ORDER - s).to_bytes(32))}"
    assert twin != session.access_token
    # A valid signature of the same claims: mathematics, not a defect.
    assert isinstance(engine.get(twin, check_database=True), Session)

    engine.run(revoke_session(session, now=engine.now))
    assert engine.store.load(session.handle) == Missing()
    for token in (session.access_token, twin):
        outcome = engine.get(token, check_database=True)
        assert isinstance(outcome, Unauthorised)
        assert outcome.reason is Reason.SESSION_GONE


def test_a8_a_der_signature_is_not_taken_for_the_raw_one() -> None:
    pair = generate("ES256")
    private = cast("EllipticCurvePrivateKey", load_pem_private_key(pair.private, None))
    header = {**HEADER, "alg": "ES256", "kid": pair.public.kid}
    body = f"{segment(header)}.{segment(CLAIMS)}"
    der = private.sign(body.encode(), ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    verify = KeySet((pair.public,))
    raw = r.to_bytes(32) + s.to_bytes(32)
    assert isinstance(verify(f"{body}.{base64url(raw)}"), AccessToken)
    for signature in (der, raw[:-1], raw + b"\x00", bytes(64), b"\xff" * 64):
        token = f"{body}.{base64url(signature)}"
        assert verify(token) == Unverified(Reason.BAD_SIGNATURE)


# --- A9: each member once ----------------------------------------------------------------------


def test_a9_a_member_that_is_named_twice() -> None:
    header, claims = json.dumps(HEADER), json.dumps(CLAIMS)
    for name in HEADER:
        doubled = f'{{"{name}":"other",{header[1:]}'
        assert refused(signed(doubled)) is Reason.NOT_OURS
    for name in CLAIMS:
        doubled = f'{{"{name}":"other",{claims[1:]}'
        assert refused(signed(claims=doubled)) is Reason.NOT_OURS
    escaped = f'{{"s\\u0075b":"eve",{claims[1:]}'
    assert refused(signed(claims=escaped)) is Reason.NOT_OURS
    nested = f'{{"a":{{"b":1,"b":2}},{claims[1:]}'
    assert refused(signed(claims=nested)) is Reason.NOT_OURS


# --- A10: limits, and one typed outcome for everything -----------------------------------------


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a10_a_hundred_thousand_levels(opening: str) -> None:
    deep = opening * 100_000
    assert refused(signed(deep)) is Reason.NOT_OURS
    assert refused(signed(claims=deep)) is Reason.NOT_OURS
    assert refused(f"{segment(deep)}.{segment(CLAIMS)}.AA") is Reason.NOT_OURS


@pytest.mark.parametrize("levels", [33, 300, 2000])
def test_a10_levels_within_the_limit_of_characters(levels: int) -> None:
    nested = json.dumps(CLAIMS)[:-1] + f', "a": {"[" * levels}{"]" * levels}}}'
    assert refused(signed(claims=nested)) is Reason.NOT_OURS


def test_a10_a_token_of_a_mebibyte() -> None:
    assert refused("A" * 2**20) is Reason.NOT_OURS
    assert refused("." * 2**20) is Reason.NOT_OURS
    assert refused(signed(claims={**CLAIMS, "a": "b" * 2**20})) is Reason.NOT_OURS
    assert refused(signed({**HEADER, "a": "b" * 2**20})) is Reason.NOT_OURS
    assert refused(signed() + "A" * 2**20) is Reason.NOT_OURS


@pytest.mark.parametrize("text", ["null", "1", '"x"', "[]", "", " ", "{", "{}x", "nul", "[{}]"])
def test_a10_what_is_no_json_object(text: str) -> None:
    raw = text or "\n"
    assert refused(signed(raw)) is Reason.NOT_OURS
    assert refused(signed(claims=raw)) is Reason.NOT_OURS


def test_a10_what_is_no_text() -> None:
    for raw in (b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'{"a":"\\ud800"}'):
        for parts in ((raw, json.dumps(CLAIMS).encode()), (json.dumps(HEADER).encode(), raw)):
            body = ".".join(map(base64url, parts))
            token = f"{body}.{base64url(PRIVATE.sign(body.encode()))}"
            assert refused(token) is Reason.NOT_OURS


@given(st.text(max_size=300))
def test_a10_no_text_raises(text: str) -> None:
    assert isinstance(VERIFY(text), Unverified)
    refused(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.sampled_from(list(HEADER)), json_values)
def test_a10_no_header_raises(name: str, value: object) -> None:
    reason = verdict(signed({**HEADER, name: value}))
    assert (reason is None) == (value == HEADER[name])


@given(st.sampled_from(list(CLAIMS)), json_values)
def test_a10_no_claim_raises(name: str, value: object) -> None:
    verdict(signed(claims={**CLAIMS, name: value}))


@given(st.sampled_from([name for name in CLAIMS if isinstance(CLAIMS[name], str)]), st.text())
def test_a10_no_claim_of_a_signed_token_raises_where_the_store_is_asked(
    name: str, value: str
) -> None:
    token = signed(claims={**CLAIMS, name: value})
    step = get_session(token, policy=POLICY, verify=VERIFY, now=NOW * 1000, check_database=True)
    for reply in (example_record(), Missing()):
        end = step.resume(reply) if isinstance(step, Ask) else step
        assert isinstance(end.state, Rejection)


# --- A14: reserved claims ----------------------------------------------------------------------

NAMED = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "typ", "cnf", "auth_time", "amr")


@pytest.mark.parametrize("name", sorted({*RESERVED_CLAIMS, *NAMED, "acr"}))
@pytest.mark.parametrize("value", ["eve", None, 0])
def test_a14_no_payload_names_a_reserved_claim(name: str, value: object) -> None:
    with pytest.raises(ReservedClaim):
        create_session(
            "ada", policy=example_policy(), now=0, entropy=bytes(32), payload={name: value}
        )


@given(payloads())
def test_a14_other_claims_come_back_unchanged(payload: FrozenDict) -> None:
    claims = {**payload, **CLAIMS}
    verified = VERIFY(signed(claims=claims))
    assert isinstance(verified, AccessToken)
    assert application_payload(verified.claims) == payload


# --- A15: one answer ---------------------------------------------------------------------------


def test_a15_the_reason_shows_in_the_result_and_not_in_the_answer() -> None:
    tokens = {
        Reason.NOT_OURS: "garbage",
        Reason.UNKNOWN_KEY: signed({**HEADER, "kid": "another"}),
        Reason.BAD_SIGNATURE: signed({**HEADER, "alg": "none"}),
        Reason.WRONG_ISSUER: signed(claims={**CLAIMS, "iss": "eve"}),
        Reason.EXPIRED: signed(claims={**CLAIMS, "exp": NOW}),
        Reason.NOT_YET_VALID: signed(claims={**CLAIMS, "iat": NOW + 61, "exp": NOW + 900}),
    }
    answers: dict[str, set[Any]] = {}
    for reason, token in tokens.items():
        outcome = get_session(token, policy=POLICY, verify=VERIFY, now=NOW * 1000).state
        assert isinstance(outcome, Unauthorised | TryRefreshToken)
        assert outcome.reason is reason
        answers.setdefault(type(outcome).__name__, set()).add(answer(outcome, POLICY))
    # One status; the body says only whether a refresh is worth a try, which the protocol needs.
    assert {name: len(found) for name, found in answers.items()} == {
        "Unauthorised": 1,
        "TryRefreshToken": 1,
    }
    assert {one.status for found in answers.values() for one in found} == {401}
