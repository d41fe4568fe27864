"""Access tokens: section A of the security checklist, but for the keys (A2, A12: test_keys.py)."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any, cast

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    RESERVED_CLAIMS,
    AccessToken,
    InvalidInput,
    KeySet,
    LocalKeys,
    Policy,
    PrimitiveClaim,
    Reason,
    Rejection,
    ReservedClaim,
    Session,
    TryRefreshToken,
    Unauthorised,
    Unverified,
    answer,
    create_session,
    freeze_object,
    get_session,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    thaw,
)
from counterfoil.core.access_token import application_payload
from counterfoil.core.examples import example_policy, example_session

LOGIN = 1_700_000_000_000
POLICY = Policy("https://api.example.com", site_origin="https://example.com", audience="app")
NOT_OURS = Unverified(Reason.NOT_OURS)

# The order of the group that P-256 signatures are numbers of (FIPS 186-5).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def asked(token: str, keys: tuple[Any, ...], *, policy: Policy = POLICY, now: int = LOGIN) -> Any:
    """What a request with this access token ends in."""
    return get_session(token, policy=policy, verify=KeySet(keys), now=now, validators=()).state


def refused_early(token: str, forge: Any) -> bool:
    """Whether a token is refused, and without any key: a set of none says the same."""
    return KeySet(forge.keys)(token) == KeySet(())(token) == NOT_OURS


def test_the_forge_makes_good_tokens(forge: Any, good_claims: dict[str, Any]) -> None:
    assert isinstance(asked(forge.token(good_claims), forge.keys), Session)


# --- A1: the algorithm is the key's ------------------------------------------------------------


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "noNE", "NONE", "", "eddsa", "es256", "ES256 ", " EdDSA", "ES256", "ES256K",
     "ES512", "RS256", "PS256", "HS256", "HS512", "dir"],
)  # fmt: skip
def test_a1_another_algorithm_is_refused_though_the_signature_is_right(
    alg: str, forge: Any, good_claims: dict[str, Any]
) -> None:
    token = forge.token(good_claims, {**forge.header, "alg": alg})
    assert KeySet(forge.keys)(token) == Unverified(Reason.BAD_SIGNATURE)
    unsigned = token.rpartition(".")[0] + "."
    assert refused_early(unsigned, forge)


@pytest.mark.parametrize("alg", [None, [], ["EdDSA"], {}, 7, True])
def test_a1_an_algorithm_that_is_no_string_is_refused_before_any_key(
    alg: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    assert refused_early(forge.token(good_claims, {**forge.header, "alg": alg}), forge)
    missing = {name: value for name, value in forge.header.items() if name != "alg"}
    assert refused_early(forge.token(good_claims, missing), forge)


def test_a1_a_public_key_is_no_hmac_secret(keys: LocalKeys, good_claims: dict[str, Any]) -> None:
    (public,) = keys.public_keys()
    loaded = load_der_public_key(public.der)
    pem = loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for alg in ("HS256", public.algorithm):
        for secret in (public.der, pem, pem.strip(), public.kid.encode(), b""):
            header = {"alg": alg, "kid": public.kid, "typ": "at+jwt", "version": "1"}
            parts = (json.dumps(part).encode() for part in (header, good_claims))
            body = ".".join(_encoded(part) for part in parts)
            mac = hmac.digest(secret, body.encode(), hashlib.sha256)
            outcome = KeySet((public,))(f"{body}.{_encoded(mac)}")
            assert outcome == Unverified(Reason.BAD_SIGNATURE)


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


# --- A3: the type ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typ",
    ["JWT", "jwt", "dbsc+jwt", "dpop+jwt", "logout+jwt", "AT+JWT", "at+JWT", "application/at+jwt",
     "at+jwt;v=1", "", None, 7, ["at+jwt"]],
)  # fmt: skip
def test_a3_a_token_of_another_type_is_no_access_token(
    typ: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    assert refused_early(forge.token(good_claims, {**forge.header, "typ": typ}), forge)
    missing = {name: value for name, value in forge.header.items() if name != "typ"}
    assert refused_early(forge.token(good_claims, missing), forge)


# --- A4: issuer and audience -------------------------------------------------------------------

ISSUER = "https://api.example.com/auth"


@pytest.mark.parametrize(
    "iss",
    ["", ISSUER[:-1], ISSUER + "/", ISSUER.upper(), "https://API.example.com/auth",
     "http" + ISSUER[5:], ISSUER + " ", "https://evil.example/auth"],
)  # fmt: skip
def test_a4_the_issuer_matches_exactly(iss: str, forge: Any, good_claims: dict[str, Any]) -> None:
    outcome = asked(forge.token({**good_claims, "iss": iss}), forge.keys)
    assert (type(outcome), outcome.reason) == (TryRefreshToken, Reason.WRONG_ISSUER)


@pytest.mark.parametrize("iss", [[ISSUER], {"iss": ISSUER}, None, True, 7])
def test_a4_an_issuer_is_one_string(iss: Any, forge: Any, good_claims: dict[str, Any]) -> None:
    token = forge.token({**good_claims, "iss": iss})
    assert KeySet(forge.keys)(token) == NOT_OURS


@pytest.mark.parametrize(
    "aud", [None, "", "App", "app ", "other", [], ["other"], [["app"]], 7, True]
)
def test_a4_an_audience_that_does_not_name_us_is_refused(
    aud: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    outcome = asked(forge.token({**good_claims, "aud": aud}), forge.keys)
    assert outcome.reason is Reason.WRONG_ISSUER
    missing = {name: value for name, value in good_claims.items() if name != "aud"}
    assert asked(forge.token(missing), forge.keys).reason is Reason.WRONG_ISSUER
    listed = forge.token({**good_claims, "aud": ["other", "app"]})
    assert isinstance(asked(listed, forge.keys), Session)


def test_a4_without_an_audience_tokens_for_others_are_refused_too(
    forge: Any, good_claims: dict[str, Any]
) -> None:
    nobody = attrs.evolve(POLICY, audience=None)
    for aud in ("app", ["app"], "", []):
        outcome = asked(forge.token({**good_claims, "aud": aud}), forge.keys, policy=nobody)
        assert outcome.reason is Reason.WRONG_ISSUER


# --- A5: times ---------------------------------------------------------------------------------

SECOND = LOGIN // 1000


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1", str(SECOND), True, False, None, [SECOND], {"v": SECOND}, float(SECOND), SECOND + 0.5],
)
def test_a5_a_time_is_a_whole_number(
    name: str, value: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    assert KeySet(forge.keys)(forge.token({**good_claims, name: value})) == NOT_OURS
    missing = {key: value for key, value in good_claims.items() if key != name}
    assert KeySet(forge.keys)(forge.token(missing)) == NOT_OURS


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e3", "1.0"]
)
def test_a5_a_time_is_finite_json(
    name: str, literal: str, forge: Any, good_claims: dict[str, Any]
) -> None:
    text = json.dumps({**good_claims, name: "HERE"}).replace('"HERE"', literal)
    assert KeySet(forge.keys)(forge.token(text.encode())) == NOT_OURS


@pytest.mark.parametrize("nbf", [0, SECOND, SECOND + 3600, None, "1"])
def test_a5_nbf_which_is_never_issued_is_refused(
    nbf: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    assert KeySet(forge.keys)(forge.token({**good_claims, "nbf": nbf})) == NOT_OURS


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (59_999, None),
        (60_000, Reason.EXPIRED),  # now == exp is expired
        (60_001, Reason.EXPIRED),
        (120_000, Reason.EXPIRED),  # the clock skew lengthens no life
    ],
)
def test_a5_a_token_expires_to_the_millisecond(
    late: int, reason: Reason | None, forge: Any, good_claims: dict[str, Any]
) -> None:
    token = forge.token({**good_claims, "exp": SECOND + 60})
    outcome = asked(token, forge.keys, now=LOGIN + late)
    assert getattr(outcome, "reason", None) is reason


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [(59, None), (60, None), (61, Reason.NOT_YET_VALID), (3600, Reason.NOT_YET_VALID)],
)
def test_a5_a_token_from_the_future_is_refused(
    ahead: int, reason: Reason | None, forge: Any, good_claims: dict[str, Any]
) -> None:
    token = forge.token({**good_claims, "iat": SECOND + ahead, "exp": SECOND + ahead + 60})
    assert getattr(asked(token, forge.keys), "reason", None) is reason


@pytest.mark.parametrize(
    ("life", "refused"), [(86_400, False), (86_401, True), (10**9, True), (2**70, True)]
)
def test_a5_a_token_that_claims_to_live_too_long_is_refused(
    life: int, refused: bool, forge: Any, good_claims: dict[str, Any]
) -> None:
    token = forge.token({**good_claims, "exp": SECOND + life})
    assert isinstance(asked(token, forge.keys), TryRefreshToken) is refused
    shorter = attrs.evolve(POLICY, longest_access_lifetime=timedelta(minutes=15))
    assert isinstance(asked(token, forge.keys, policy=shorter), TryRefreshToken)


# --- A6, A11, A13: headers that ask for something ----------------------------------------------


@pytest.mark.parametrize("crit", [["x"], [], "x", ["b64"], ["exp"], None, {}, True])
def test_a6_any_critical_extension_is_refused(
    crit: Any, forge: Any, good_claims: dict[str, Any]
) -> None:
    for extra in ({"crit": crit}, {"crit": crit, "b64": False}, {"b64": False}, {"b64": True}):
        assert refused_early(forge.token(good_claims, {**forge.header, **extra}), forge)


@pytest.mark.parametrize("kid", [["a"], {"a": 1}, None, 7, True, "k" * 129])
def test_a11_a_kid_is_a_bounded_string(kid: Any, forge: Any, good_claims: dict[str, Any]) -> None:
    assert refused_early(forge.token(good_claims, {**forge.header, "kid": kid}), forge)


@pytest.mark.parametrize(
    "kid", ["", "../../../../dev/null", "' OR '1'='1", "file:///etc/passwd", "\u0000", "k" * 128]
)
def test_a11_a_kid_is_an_index_into_the_keys_and_nothing_else(
    kid: str, forge: Any, good_claims: dict[str, Any]
) -> None:
    token = forge.token(good_claims, {**forge.header, "kid": kid})
    assert KeySet(forge.keys)(token) == Unverified(Reason.UNKNOWN_KEY)


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c"])
def test_a11_a_token_brings_no_key_along(
    member: str, forge: Any, good_claims: dict[str, Any]
) -> None:
    # That nothing is fetched, the purity of the core says: tests/test_purity.py.
    jwk = LocalKeys.in_memory().jwks()["keys"][0]
    for value in ("https://evil.example/jwks.json", jwk, [jwk], None):
        token = forge.token(good_claims, {**forge.header, member: value})
        assert refused_early(token, forge)


def test_a13_no_encryption_no_compression_no_passwords(
    forge: Any, good_claims: dict[str, Any]
) -> None:
    for extra in ({"zip": "DEF"}, {"enc": "A256GCM"}, {"p2c": 2**31, "p2s": "c2FsdA"}):
        assert refused_early(forge.token(good_claims, {**forge.header, **extra}), forge)
    token = forge.token(good_claims)
    jwe = {"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2**31, "p2s": "c2FsdA"}
    assert refused_early(f"{forge.segment(jwe)}.a.b.c.d", forge)
    assert refused_early(f"{token}.a.b", forge)


# --- A7: one form ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail", ["=", "==", "!", "\n", "\r\n", " ", "\0", "%00", ".", ".a", ".a.b", "\u200b", "\ud800"]
)
def test_a7_nothing_may_follow_a_token(tail: str, forge: Any, good_claims: dict[str, Any]) -> None:
    token = forge.token(good_claims)
    assert refused_early(token + tail, forge)
    header, claims, signature = token.split(".")
    assert refused_early(f"{header}{tail}.{claims}.{signature}", forge)


def test_a7_other_serialisations_are_none(forge: Any, good_claims: dict[str, Any]) -> None:
    header, claims, signature = forge.token(good_claims).split(".")
    general = {"payload": claims, "signatures": [{"protected": header, "signature": signature}]}
    flat = {"payload": claims, "protected": header, "signature": signature}
    for other in (
        json.dumps(general),
        json.dumps(flat),
        f"{header}.{claims}",
        header,
        f"{header}..",
    ):
        assert refused_early(other, forge)


def test_a7_bits_that_are_no_part_of_a_byte_are_zero(
    keys: LocalKeys, good_claims: dict[str, Any]
) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = keys.sign(freeze_object(good_claims))
    verify = KeySet(keys.public_keys())
    assert isinstance(verify(token), AccessToken)
    signature = token.rpartition(".")[2]
    for bit in (1, 2, 4, 8):
        last = alphabet[alphabet.index(token[-1]) ^ bit]
        decoded = urlsafe_b64decode(f"{signature[:-1]}{last}==")
        assert decoded == urlsafe_b64decode(f"{signature}==")
        assert verify(token[:-1] + last) == Unverified(Reason.BAD_SIGNATURE)


# --- A8: revocation is of the session ----------------------------------------------------------


def test_a8_a_twin_of_a_revoked_token_is_revoked(make_app: Any) -> None:
    app = make_app(algorithm="ES256")
    session = app.sessions.create_session("ada")
    body, _, signature = session.access_token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    other_s = P256_ORDER - s
    twin = f"{body}.{_encoded(r.to_bytes(32) + other_s.to_bytes(32))}"
    again = app.keys.sign(session.payload)
    tokens = [session.access_token, twin, again]
    assert len(set(tokens)) == 3
    for token in tokens:
        assert app.sessions.get_session(token, check_database=True).handle == session.handle
    app.sessions.revoke_session(session)
    for token in tokens:
        outcome = app.outcome(app.sessions.get_session, token, check_database=True)
        assert outcome.reason is Reason.SESSION_GONE


# --- A9: no member twice -----------------------------------------------------------------------


def test_a9_a_member_that_is_named_twice_is_refused(
    forge: Any, good_claims: dict[str, Any]
) -> None:
    claims, header = json.dumps(good_claims), json.dumps(forge.header)
    for twice in (
        '"sub":"a","sub":"b",',
        '"sub":"ada",',
        '"\\u0073ub":"ada",',
        '"x":{"a":1,"a":1},',
    ):
        token = forge.token(f"{{{twice}{claims[1:]}".encode())
        assert KeySet(forge.keys)(token) == NOT_OURS
    for twice in ('"alg":"none",', '"alg":"EdDSA",', '"x":1,"x":2,'):
        token = forge.token(claims.encode(), f"{{{twice}{header[1:]}".encode())
        assert refused_early(token, forge)


# --- A10: sizes and nesting --------------------------------------------------------------------

MEBIBYTE = 1 << 20
DEEP = 100_000


def huge(forge: Any) -> dict[str, str]:
    """Inputs that are far too large."""
    arrays, objects = b"[" * DEEP, b'{"a":' * DEEP
    return {
        "letters": "a" * MEBIBYTE,
        "dots": "." * MEBIBYTE,
        "padding": "=" * MEBIBYTE,
        "three segments": ".".join(["a" * (MEBIBYTE // 3)] * 3),
        "a signature": forge.token({}) + "a" * MEBIBYTE,
        "a claim": forge.token({"x": "y" * MEBIBYTE}),
        "a header": forge.token({}, {**forge.header, "x": "y" * MEBIBYTE}),
        "arrays": forge.token(arrays + b"]" * DEEP),
        "objects": forge.token(objects + b"1" + b"}" * DEEP),
        "an open array": forge.token(arrays),
        "arrays in an unsigned header": f"{forge.segment(arrays)}.a.a",
        "objects in an unsigned header": f"{forge.segment(objects)}.a.a",
        "surrogates": "\ud800" * MEBIBYTE,
    }


def test_a10_what_is_too_large_is_refused_before_it_is_parsed(forge: Any) -> None:
    for name, token in huge(forge).items():
        assert refused_early(token, forge), name
        outcome = asked(token, forge.keys)
        assert outcome == Unauthorised(Reason.NOT_OURS), name


@pytest.mark.parametrize(("depth", "taken"), [(31, True), (32, False), (500, False), (2500, False)])
def test_a10_nesting_has_a_limit_within_the_size(
    depth: int, taken: bool, forge: Any, good_claims: dict[str, Any]
) -> None:
    nested = "[" * depth + "1" + "]" * depth
    claims = json.dumps({**good_claims, "x": "HERE"}).replace('"HERE"', nested)
    header = json.dumps({**forge.header, "x": "HERE"}).replace('"HERE"', nested)
    for token in (forge.token(claims.encode()), forge.token(good_claims, header.encode())):
        assert isinstance(KeySet(forge.keys)(token), AccessToken) is taken
        assert taken or KeySet(forge.keys)(token) == NOT_OURS


@pytest.mark.parametrize("kind", ["header", "claims", "both"])
def test_a10_any_json_gives_a_value(kind: str, forge: Any, good_claims: dict[str, Any]) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([*forge.header, *good_claims, "x"]), inner)
        ),
        max_leaves=8,
    )
    verify = KeySet(forge.keys)

    @given(anything, anything)
    def check(one: Any, other: Any) -> None:
        claims = {"header": good_claims, "claims": _joined(good_claims, one), "both": one}[kind]
        header = {"header": _joined(forge.header, other), "claims": forge.header, "both": other}[
            kind
        ]
        token = forge.token(claims, header)
        assert isinstance(verify(token), Unverified | AccessToken)
        outcome = asked(token, forge.keys)
        assert isinstance(outcome, Session | Unauthorised | TryRefreshToken)

    check()


def _joined(known: dict[str, Any], drawn: Any) -> Any:
    return {**known, **cast("dict[str, Any]", drawn)} if isinstance(drawn, dict) else drawn


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a10_any_text_gives_a_value(text: str) -> None:
    outcome = get_session(text, policy=POLICY, verify=KeySet(()), now=0).state
    assert outcome in (
        Unauthorised(Reason.NOT_OURS),
        TryRefreshToken(Reason.UNKNOWN_KEY),
    )


# --- A14: reserved claims ----------------------------------------------------------------------

NAMES = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "typ", "cnf", "auth_time", "amr",
         "acr", "sessionHandle", "refreshTokenHash1", "antiCsrfToken", "rsub", "tId"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES | RESERVED_CLAIMS))
def test_a14_no_payload_overrides_a_reserved_claim(name: str) -> None:
    policy = example_policy()
    drawn: dict[str, Any] = {"policy": policy, "now": LOGIN, "entropy": bytes(32)}
    for value in ("forged", None, 1):
        with pytest.raises(ReservedClaim):
            create_session("ada", payload={"plan": "pro", name: value}, **drawn)
        with pytest.raises(ReservedClaim):
            merge_into_access_token_payload(example_session(), {name: value}, now=LOGIN)
        with pytest.raises(ReservedClaim):
            merge_into_access_token_payload_by_handle("h", {name: value}, policy=policy, now=LOGIN)
    with pytest.raises(InvalidInput):
        PrimitiveClaim(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
KEYS = st.text(max_size=8) | st.sampled_from(["Sub", "SUB", "sub ", "issuer", "__proto__", ""])


@given(st.dictionaries(KEYS.filter(lambda key: key not in RESERVED_CLAIMS), JSON, max_size=4))
def test_a14_every_other_claim_comes_back_unchanged(payload: dict[str, Any]) -> None:
    keys = SIGNER
    step = create_session(
        "ada", payload=payload, policy=POLICY, now=LOGIN, entropy=bytes(32), claims=()
    )
    effect: Any = step.effects[0]
    token = keys.sign(freeze_object({**effect.record.payload, **effect.claims}))
    session = asked(token, keys.public_keys())
    assert isinstance(session, Session)
    held = {key: value for key, value in payload.items() if value is not None}
    assert thaw(application_payload(session.payload)) == held
    assert session.user_id == "ada"


SIGNER = LocalKeys.in_memory()


# --- A15: one answer ---------------------------------------------------------------------------


def told(rejection: Rejection) -> bytes:
    """The response, byte by byte."""
    outward = answer(rejection, POLICY)
    return json.dumps([outward.status, thaw(outward.body)]).encode()


def test_a15_every_reason_looks_the_same_outside() -> None:
    for kind, message in (
        (Unauthorised, b'[401, {"message": "unauthorised"}]'),
        (TryRefreshToken, b'[401, {"message": "try refresh token"}]'),
    ):
        assert {told(kind(reason)) for reason in Reason} == {message}
        assert {told(kind(reason, "handle")) for reason in Reason} == {message}


def test_a15_every_class_of_bad_token_gets_one_of_two_answers(
    forge: Any, good_claims: dict[str, Any]
) -> None:
    good = forge.token(good_claims)
    garbage = [
        "",
        "garbage",
        good + "=",
        good[:-8] + "!",
        forge.token({}),
        forge.token(b"{"),
        "a.b.c",
    ]
    stale = {
        Reason.BAD_SIGNATURE: good[:-8] + "AAAAAAAA",
        Reason.UNKNOWN_KEY: forge.token(good_claims, {**forge.header, "kid": "another"}),
        Reason.EXPIRED: forge.token({**good_claims, "exp": SECOND}),
        Reason.NOT_YET_VALID: forge.token(
            {**good_claims, "iat": SECOND + 999, "exp": SECOND + 1000}
        ),
        Reason.WRONG_ISSUER: forge.token({**good_claims, "iss": "another"}),
    }
    outcomes = {reason: asked(token, forge.keys) for reason, token in stale.items()}
    assert {reason: outcome.reason for reason, outcome in outcomes.items()} == {r: r for r in stale}
    assert len({told(outcome) for outcome in outcomes.values()}) == 1
    assert len({told(asked(token, forge.keys)) for token in garbage}) == 1
