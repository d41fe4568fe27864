"""The smaller values of the core: tokens, keys, claims, requests, cookies, checks."""

import json
import re
import uuid
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    AccessToken,
    AntiCsrf,
    BooleanClaim,
    FrozenDict,
    InvalidInput,
    Json,
    KeySet,
    LocalKeys,
    Policy,
    PrimitiveArrayClaim,
    PrimitiveClaim,
    Reason,
    RequestFacts,
    SameSuccessor,
    Secret,
    SessionClaim,
    SetCookie,
    Theft,
    Transfer,
    Unverified,
    Validator,
    Verdict,
    attach_to_request_response,
    freeze_object,
    set_cookie_line,
)
from counterfoil.core import csrf
from counterfoil.core.access_token import engine_claims, front_token
from counterfoil.core.entropy import draw, fraction, new_handle
from counterfoil.core.examples import example_policy, example_record, example_session
from counterfoil.core.request import bearer_token
from counterfoil.core.rotation import digest, mint, parse, successor
from counterfoil.effects import Algorithm

HANDLES = st.uuids().map(str)
SECRETS = st.binary(min_size=32, max_size=32)


# --- refresh tokens ----------------------------------------------------------------------------


@given(HANDLES, st.integers(0, (1 << 48) - 1), SECRETS, SECRETS)
def test_a_refresh_token_says_what_was_minted(
    handle: str, generation: int, secret: bytes, key: bytes
) -> None:
    token = mint(handle=handle, generation=generation, secret=secret, mac_key=key)
    assert len(token) == 116
    parsed = parse(token)
    assert parsed is not None
    assert (parsed.handle, parsed.generation, parsed.secret) == (handle, generation, secret)
    assert parsed.is_genuine(key)
    assert not parsed.is_genuine(digest(key))


@given(SECRETS, st.integers(0, 115), st.sampled_from("AZaz09-_"))
def test_one_changed_character_makes_a_token_worthless(
    secret: bytes, place: int, other: str
) -> None:
    token = mint(handle=str(uuid.UUID(int=7)), generation=1, secret=secret, mac_key=secret)
    changed = token[:place] + other + token[place + 1 :]
    parsed = parse(changed)
    assert changed == token or parsed is None or not parsed.is_genuine(secret)


@given(st.text() | st.text(alphabet="AZaz09-_=+/ \n", min_size=110, max_size=120))
def test_any_text_is_a_token_or_none(text: str) -> None:
    parsed = parse(text)
    assert parsed is None or len(text) == 116


def test_successors_are_secrets_of_their_own() -> None:
    first = successor(bytes(32), b"salt")
    assert first == successor(bytes(32), b"salt") != successor(bytes(32), b"other")
    assert len(first) == len(digest(first)) == 32


def presented(generation: int, secret: bytes, key: bytes) -> Any:
    """A parsed token of the example's handle."""
    return parse(
        mint(handle=example_record().handle, generation=generation, secret=secret, mac_key=key)
    )


@pytest.mark.parametrize(
    ("generation", "secret", "late", "verdict"),
    [
        (5, b"c", 0, Verdict.ROTATE),
        (4, b"p", -5_000, Verdict.REPLAY),
        (4, b"p", 9_999, Verdict.REPLAY),
        (4, b"p", 10_000, Verdict.REPLAY),
        (4, b"p", 10_001, Verdict.FORK),
        (5, b"x", 0, Theft.ORPHANED),
        (4, b"x", 0, Theft.ORPHANED),
        (3, b"x", 0, Theft.RECENT),
        (2, b"x", 0, Theft.STALE),
        (0, b"x", 0, Theft.STALE),
    ],
)
def test_the_rule(generation: int, secret: bytes, late: int, verdict: Verdict | Theft) -> None:
    record = attrs.evolve(
        example_record(),
        generation=5,
        current_digest=digest(b"c" * 32),
        previous_digest=digest(b"p" * 32),
    )
    now = record.rotated_at + late
    token = presented(generation, secret * 32, record.mac_key)
    assert SameSuccessor().judge(record, token, now=now, leeway=10_000) == verdict
    forged = presented(generation, secret * 32, b"k" * 32)
    assert SameSuccessor().judge(record, forged, now=now, leeway=10_000) is Verdict.FORGED


# --- entropy -----------------------------------------------------------------------------------


@given(st.integers(0, (1 << 48) - 1), SECRETS)
def test_a_handle_is_a_uuid_that_knows_its_time(now: int, entropy: bytes) -> None:
    handle = uuid.UUID(new_handle(now, entropy))
    assert (handle.version, handle.variant) == (7, uuid.RFC_4122)
    assert handle.int >> 80 == now
    assert str(handle) == new_handle(now, entropy)


def test_handles_are_unique_and_labels_apart() -> None:
    assert len({new_handle(1, n.to_bytes(32)) for n in range(20_000)}) == 20_000
    assert draw(bytes(32), b"a") != draw(bytes(32), b"b")
    assert 0 <= fraction(bytes(32), b"a") < 1


# --- access tokens and keys --------------------------------------------------------------------


def test_the_front_token_is_what_the_frontend_reads() -> None:
    access = attrs.evolve(
        example_session().access, claims=FrozenDict({"sub": "ü", "b": 1, "a": 2}), expires_at=5
    )
    raw = b64decode(front_token(access), validate=True).decode()
    assert raw == '{"ate":5,"uid":"ü","up":{"a":2,"b":1,"sub":"ü"}}'


def signed(keys: LocalKeys, **changes: Any) -> str:
    """A token of the example's claims, changed."""
    claims = engine_claims(example_record(), example_policy(), now=10**12, entropy=bytes(32))
    return keys.sign(freeze_object({**claims, **changes}))


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_keys_of_each_algorithm_verify(algorithm: Algorithm) -> None:
    keys = LocalKeys.in_memory(algorithm=algorithm)
    access = KeySet(keys.public_keys())(signed(keys, plan="pro", antiCsrfToken="guard"))
    assert isinstance(access, AccessToken)
    assert access.claims["plan"] == "pro"
    assert access.expires_at == access.claims["exp"] * 1000  # type: ignore[operator]  # a number
    assert isinstance(access.anti_csrf_token, Secret)
    assert "guard" not in repr(access)


def header_of(token: str) -> dict[str, Any]:
    """A token's header."""
    segment = token.split(".")[0]
    header: dict[str, Any] = json.loads(b64decode(segment + "==", altchars=b"-_"))
    return header


def with_header(token: str, header: object) -> str:
    """A token under another header, and so with a signature that isn't its own."""
    segment = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return ".".join((segment, *token.split(".")[1:]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"alg": "ES256"}, Reason.BAD_SIGNATURE),
        ({"alg": None}, Reason.NOT_OURS),
        ({"kid": ["a"]}, Reason.NOT_OURS),
        ({"kid": "k" * 129}, Reason.NOT_OURS),
        ({"kid": "another"}, Reason.UNKNOWN_KEY),
        ({"typ": "JWT"}, Reason.NOT_OURS),
        ({"version": "0"}, Reason.NOT_OURS),
        ({"crit": ["exp"]}, Reason.NOT_OURS),
        ({"note": "n" * 1024}, Reason.NOT_OURS),
        ({"note": "n"}, Reason.BAD_SIGNATURE),
    ],
)
def test_a_header_that_is_not_ours(change: dict[str, Any], reason: Reason) -> None:
    keys = LocalKeys.in_memory()
    token = signed(keys)
    verify = KeySet(keys.public_keys())
    assert verify(with_header(token, {**header_of(token), **change})) == Unverified(reason)


@pytest.mark.parametrize(
    "changes",
    [{"sub": 7}, {"exp": "1"}, {"exp": True}, {"iat": 1.5}, {"antiCsrfToken": 1}, {"nbf": 1}],
)
def test_claims_that_are_not_ours(changes: dict[str, Any]) -> None:
    keys = LocalKeys.in_memory()
    assert KeySet(keys.public_keys())(signed(keys, **changes)) == Unverified(Reason.NOT_OURS)


def under(segment: str) -> Callable[[str], str]:
    """Puts another header segment on a token."""
    return lambda token: ".".join((segment, *token.split(".")[1:]))


MANGLED: list[Callable[[str], str]] = [
    lambda t: t + "=",
    lambda t: t + "\n",
    lambda t: t.replace(".", "..", 1),
    lambda t: t.rpartition(".")[0],
    lambda t: t + ".a",
    lambda t: "a." * 2 + "a" * 9000,
    under("bm8gSlNPTg"),  # no JSON
    under("_w"),  # no UTF-8
    under("W10"),  # []
    under("eyJhIjoxLCJhIjoxfQ"),  # {"a":1,"a":1}
    under("eyJhIjpOYU59"),  # {"a":NaN}
    under("eyJhIjoxfR"),  # {"a":1}, with a stray bit
    under("a"),
]


@pytest.mark.parametrize("mangle", MANGLED)
def test_what_has_not_our_form(mangle: Callable[[str], str]) -> None:
    keys = LocalKeys.in_memory()
    assert KeySet(keys.public_keys())(mangle(signed(keys))) == Unverified(Reason.NOT_OURS)


def test_a_signature_with_stray_bits_is_none() -> None:
    keys = LocalKeys.in_memory()
    token = signed(keys)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    verify = KeySet(keys.public_keys())
    assert isinstance(verify(token), AccessToken)
    assert verify(twin) == verify(token + "A" * 3) == Unverified(Reason.BAD_SIGNATURE)


@given(st.text())
def test_any_text_gives_an_answer(text: str) -> None:
    assert KeySet(())(text) in (Unverified(Reason.NOT_OURS), Unverified(Reason.UNKNOWN_KEY))


# --- claims ------------------------------------------------------------------------------------

PLAN, MFA, ROLES = PrimitiveClaim("plan"), BooleanClaim("mfa"), PrimitiveArrayClaim("roles")


@pytest.mark.parametrize(
    ("validator", "holds", "fails"),
    [
        (PLAN.has_value("pro"), ["pro"], ["free", 1, ["pro"]]),
        (MFA.is_true(), [True], [False, 1, "true"]),
        (MFA.is_false(), [False], [True, 0]),
        (ROLES.includes("a"), [["a"], ["b", "a"]], [[], ["b"], "a"]),
        (ROLES.includes_all(["a", 1]), [[1, "a", "c"]], [["a"], ["a", True]]),
        (ROLES.includes_any(["a", "b"]), [["b"]], [["c"], []]),
        (ROLES.excludes("a"), [[], ["b"]], [["a"], "x"]),
        (ROLES.excludes_all(["a", "b"]), [["c"]], [["b", "c"], 7]),
    ],
)
def test_validators(validator: Validator, holds: list[Any], fails: list[Any]) -> None:
    claim = validator.claim
    for value in holds:
        assert validator.failure(claim.patch(value, now=0), now=10**9) is None
    for value in fails:
        reason = validator.failure(claim.patch(value, now=0), now=10**9)
        assert reason is not None
        assert reason["message"] == "wrong value"
    missing = validator.failure(FrozenDict(), now=0)
    assert missing is not None
    assert (missing["message"], missing["actualValue"]) == ("value does not exist", None)


@pytest.mark.parametrize(
    ("validator", "reason"),
    [
        (PLAN.has_value("pro"), {"expectedValue": "pro"}),
        (ROLES.includes("a"), {"expectedToInclude": "a"}),
        (ROLES.includes_all(["a"]), {"expectedToInclude": ("a",)}),
        (ROLES.includes_any(["a"]), {"expectedToIncludeAtLeastOneOf": ("a",)}),
        (ROLES.excludes("z"), {"expectedToNotInclude": "z"}),
        (ROLES.excludes_all(["z"]), {"expectedToNotInclude": ("z",)}),
    ],
)
def test_the_reason_that_the_client_is_told(validator: Validator, reason: dict[str, Any]) -> None:
    value: Json = ("z",)
    told = validator.failure(validator.claim.patch(value, now=0), now=0)
    assert told == FrozenDict({"message": "wrong value", **reason, "actualValue": value})


@pytest.mark.parametrize(
    ("age", "expired"), [(-5_000, False), (59_999, False), (60_000, False), (60_001, True)]
)
def test_a_value_may_be_too_old(age: int, expired: bool) -> None:
    validator = PLAN.has_value("pro", max_age=timedelta(minutes=1), id="fresh plan")
    payload = PLAN.patch("pro", now=10**9)
    now = 10**9 + age
    assert validator.id == "fresh plan"
    assert validator.must_refetch(payload, now=now) is expired
    told = validator.failure(payload, now=now)
    expected = FrozenDict(
        {"message": "expired", "ageInSeconds": age // 1000, "maxAgeInSeconds": 60}
    )
    assert told == (expected if expired else None)


def test_a_value_of_unknown_age_is_too_old() -> None:
    validator = PLAN.has_value("pro", max_age=timedelta(minutes=1))
    payload = freeze_object({"plan": {"v": "pro", "t": "yesterday"}})
    told = validator.failure(payload, now=0)
    assert told == FrozenDict({"message": "expired", "ageInSeconds": None, "maxAgeInSeconds": 60})
    assert PLAN.value_in(freeze_object({"plan": "bare"})) is None
    by_hand = attrs.evolve(PLAN, fetchable=False).has_value("pro")
    assert not by_hand.must_refetch(FrozenDict(), now=0)


@pytest.mark.parametrize("key", ["", "sub", "exp"])
def test_a_claim_has_a_key_of_its_own(key: str) -> None:
    with pytest.raises(InvalidInput):
        SessionClaim(key)
    with pytest.raises(InvalidInput, match="max_age: must be a"):
        PLAN.has_value("pro", max_age=60)  # type: ignore[arg-type]  # that is the point


# --- requests ----------------------------------------------------------------------------------


def test_headers_as_they_came() -> None:
    request = RequestFacts(
        "post", [("X-A", "1"), ("x-a", "2"), ("COOKIE", "a=%20b; c; =d; a=2;a=2")]
    )
    assert (request.method, request.header("x-a"), request.header("none")) == ("POST", "1, 2", None)
    assert request.cookies("a") == (" b", "2")
    assert request.cookies("c") == ()
    assert "b" not in repr(request).replace("RequestFacts", "")


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", None),
        ("Basic abc", None),
        ("", None),
    ],
)
def test_bearer_tokens(line: str, token: str | None) -> None:
    assert bearer_token(RequestFacts("GET", [("Authorization", line)])) == token


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_cookie_line_gives_back_its_value(value: str) -> None:
    line = set_cookie_line(
        SetCookie(name="n", value=value, path="/p", domain="example.com", secure=False,
                  http_only=False, same_site="none", expires=0, max_age=5)
    )  # fmt: skip
    assert line.isascii()
    assert line.endswith("; Path=/p; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
                         "Max-Age=5; SameSite=None")  # fmt: skip
    morsel = SimpleCookie(line)["n"]
    request = RequestFacts("GET", [("Cookie", f"n={morsel.coded_value}")])
    assert request.cookies("n") == ((value,) if value else ())


# --- anti-CSRF ---------------------------------------------------------------------------------

SITE, API, EVIL = "https://example.com", "https://api.example.com", "https://evil.example"
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"]


def allowed(mode: AntiCsrf, method: str, *, token: str | None = None, **headers: str) -> bool:
    """Whether a request by cookie passes."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    policy = Policy(API, site_origin=SITE, anti_csrf=mode)
    return csrf.passes(RequestFacts(method, pairs), policy, token)


@pytest.mark.parametrize("mode", list(AntiCsrf))
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_a_method_that_changes_nothing_needs_no_proof(mode: AntiCsrf, method: str) -> None:
    assert allowed(mode, method, origin=EVIL, sec_fetch_site="cross-site")


@pytest.mark.parametrize("method", UNSAFE)
def test_each_mode_on_unsafe_methods(method: str) -> None:
    assert allowed(AntiCsrf.NONE, method)
    assert allowed(AntiCsrf.VIA_CUSTOM_HEADER, method, rid="anything")
    assert not allowed(AntiCsrf.VIA_CUSTOM_HEADER, method, origin=SITE)
    assert allowed(AntiCsrf.VIA_TOKEN, method, token="guard", anti_csrf="guard")
    for shown in ("", "guar", "guardd", "ü"):
        assert not allowed(AntiCsrf.VIA_TOKEN, method, token="guard", anti_csrf=shown)
    assert not allowed(AntiCsrf.VIA_TOKEN, method, token="guard")
    assert not allowed(AntiCsrf.VIA_TOKEN, method, anti_csrf="guard")


@pytest.mark.parametrize(
    ("site", "origin", "passes"),
    [
        ("same-origin", None, True),
        ("same-origin", EVIL, True),
        ("same-site", None, False),
        ("same-site", SITE, True),
        ("same-site", "https://blog.example.com", False),
        ("cross-site", SITE, False),
        ("none", SITE, False),
        ("nonsense", SITE, True),
        ("nonsense", EVIL, False),
        (None, SITE, True),
        (None, API, True),
        (None, "https://example.com:8443", False),
        (None, "http://example.com", False),
        (None, "null", False),
        (None, None, False),
    ],
)
def test_fetch_metadata(site: str | None, origin: str | None, passes: bool) -> None:
    headers = {"sec_fetch_site": site, "origin": origin}
    given = {name: value for name, value in headers.items() if value is not None}
    assert allowed(AntiCsrf.FETCH_METADATA, "POST", **given) is passes


@pytest.mark.parametrize(
    ("headers", "may"),
    [({}, True), ({"origin": SITE}, True), ({"origin": EVIL}, False), ({"origin": "null"}, False),
     ({"sec-fetch-site": "cross-site"}, False), ({"sec-fetch-site": "same-origin"}, True)],
)  # fmt: skip
def test_who_may_log_in(headers: dict[str, str], may: bool) -> None:
    policy = Policy(API, site_origin=SITE)
    assert csrf.may_log_in(RequestFacts("POST", headers.items()), policy) is may
    assert csrf.may_log_in(RequestFacts("GET", headers.items()), policy)
    unchecked = attrs.evolve(policy, anti_csrf="NONE")
    assert csrf.may_log_in(RequestFacts("POST", headers.items()), unchecked)


def test_no_value_shows_a_secret() -> None:
    token = mint(handle=example_record().handle, generation=0, secret=b"s" * 32, mac_key=b"k" * 32)
    shown = repr((parse(token), example_record(), example_session()))
    assert re.search(r"s{32}|k{32}|header\.claims", shown) is None


def test_a_token_of_another_version_is_none() -> None:
    token = mint(handle=str(uuid.UUID(int=7)), generation=1, secret=bytes(32), mac_key=bytes(32))
    assert parse(token) is not None
    assert parse("B" + token[1:]) is None


def test_keys_that_are_not_of_their_algorithm_are_refused() -> None:
    names: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")
    rings = {name: LocalKeys.in_memory(algorithm=name) for name in names}
    for name, keys in rings.items():
        for other in rings:
            key = attrs.evolve(keys.public_keys()[0], algorithm=other)
            if other == name:
                assert KeySet((key,)).keys == (key,)
                continue
            with pytest.raises(InvalidInput, match=f"isn't one of {other}"):
                KeySet((key,))
    garbage = attrs.evolve(rings["EdDSA"].public_keys()[0], der=b"garbage")
    with pytest.raises(InvalidInput):
        KeySet((garbage,))
    x25519 = X25519PrivateKey.generate().public_key()
    der = x25519.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InvalidInput):
        KeySet((attrs.evolve(garbage, der=der),))


def test_an_attached_session_without_a_refresh_token_sends_none() -> None:
    session = attrs.evolve(example_session(), access_token_updated=True)
    attached = attach_to_request_response(session, Transfer.COOKIE, now=0)
    names = [effect.name for effect in attached.effects if isinstance(effect, SetCookie)]
    assert names == ["sAccessToken"]


def test_a_cookie_line_with_every_flag() -> None:
    life = 3600
    line = set_cookie_line(
        SetCookie(name="n", value="v", path="/", domain=None, secure=True, http_only=True,
                  same_site="strict", expires=life * 1000, max_age=life)
    )  # fmt: skip
    assert line == (
        "n=v; Path=/; Expires=Thu, 01 Jan 1970 01:00:00 GMT; Max-Age=3600; HttpOnly; Secure; "
        "SameSite=Strict"
    )
