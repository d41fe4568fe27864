"""Whose signature a token carries: real keys of each algorithm, and everything that is not one."""

import json
import pickle
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    AccessToken,
    FrozenDict,
    InvalidInput,
    KeySet,
    LocalKeys,
    PublicKey,
    Reason,
    Secret,
    Unverified,
    freeze_object,
)
from counterfoil.core.access_token import engine_claims
from counterfoil.core.examples import example_policy, example_record
from counterfoil.core.keyset import MAX_TOKEN_CHARACTERS
from counterfoil.effects import Algorithm

ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")
KEYS = {algorithm: LocalKeys.in_memory(algorithm=algorithm) for algorithm in ALGORITHMS}
ALL = KeySet(tuple(key for keys in KEYS.values() for key in keys.public_keys()))
CLAIMS = engine_claims(example_record(), example_policy(), now=1_700_000_000_000)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NOT_OURS = Unverified(Reason.NOT_OURS)
UNKNOWN_KEY = Unverified(Reason.UNKNOWN_KEY)
BAD_SIGNATURE = Unverified(Reason.BAD_SIGNATURE)

# A key whose private half signs whatever bytes a test wants, also those that no signer would.
PRIVATE = Ed25519PrivateKey.generate()
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
(OURS,) = LocalKeys.from_pem(PEM).public_keys()
VERIFY = KeySet((OURS,))
HEADER = {"alg": "EdDSA", "kid": OURS.kid, "typ": "at+jwt", "version": "1"}


def encoded(raw: bytes) -> str:
    """A segment."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def signed(claims: bytes | object = CLAIMS, header: bytes | object = HEADER) -> str:
    """A token with a right signature over any header and any claims."""
    parts = (
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    )
    body = ".".join(encoded(part) for part in parts)
    return f"{body}.{encoded(PRIVATE.sign(body.encode()))}"


def with_claims(**changes: Any) -> str:
    """A token with a right signature whose claims are changed."""
    return signed({**CLAIMS, **changes})


# --- what verifies -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_each_algorithm_verifies(algorithm: Algorithm) -> None:
    claims = freeze_object({**CLAIMS, "plan": "pro", "nested": {"a": [1, None, "ü"]}})
    token = KEYS[algorithm].sign(claims)
    access = ALL(token)
    assert access == AccessToken(Secret(token), claims, 1_700_000_000_000 + access_life(claims))
    assert KeySet(KEYS[algorithm].public_keys())(token) == access
    others = tuple(key for key in ALL.keys if key.algorithm != algorithm)
    assert KeySet(others)(token) == UNKNOWN_KEY


def access_life(claims: FrozenDict) -> int:
    """Milliseconds from issue to expiry."""
    issued, expires = claims["iat"], claims["exp"]
    assert isinstance(issued, int)
    assert isinstance(expires, int)
    return (expires - issued) * 1000


def test_the_raw_tokens_of_these_tests_are_good_ones() -> None:
    assert isinstance(VERIFY(signed()), AccessToken)
    access = VERIFY(with_claims(antiCsrfToken="guard", parentRefreshTokenHash1="p", aud=["a"]))
    assert isinstance(access, AccessToken)
    assert isinstance(access.anti_csrf_token, Secret)
    assert "guard" not in repr(access)


def test_any_key_of_a_ring_verifies() -> None:
    now = [1_700_000_000_000]
    keys = LocalKeys.in_memory(clock=lambda: now[0])
    first = keys.sign(CLAIMS)
    keys.rotate()
    now[0] += 3_600_000
    second = keys.sign(CLAIMS)
    verify = KeySet(keys.public_keys())
    assert len(verify.keys) == 2
    for token in (first, second):
        assert isinstance(verify(token), AccessToken)
    assert KeySet(verify.keys[1:])(first) == UNKNOWN_KEY


def test_equal_tokens_get_equal_answers() -> None:
    token = signed()
    assert VERIFY(token) == VERIFY("".join(token)) == KeySet((OURS,))(token)


# --- what does not -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data())
def test_one_changed_character_makes_a_token_worthless(algorithm: Algorithm, data: Any) -> None:
    token = KEYS[algorithm].sign(CLAIMS)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(ALPHABET + ".=+/ \n"))
    changed = token[:place] + other + token[place + 1 :]
    assert changed == token or isinstance(ALL(changed), Unverified)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_of_another_token_is_none(algorithm: Algorithm) -> None:
    one = KEYS[algorithm].sign(CLAIMS)
    other = KEYS[algorithm].sign(FrozenDict({**CLAIMS, "sub": "user-2"}))
    body, signature = one.rpartition(".")[0], other.rpartition(".")[2]
    assert ALL(f"{body}.{signature}") == BAD_SIGNATURE
    for length in (1, 2, 3, 43, 85, 87, 200, 700):
        assert ALL(f"{body}.{(signature * 20)[:length]}") == BAD_SIGNATURE


def test_a_key_of_the_same_name_is_another_key() -> None:
    impostor = Ed25519PrivateKey.generate().public_key()
    der = impostor.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert KeySet((attrs.evolve(OURS, der=der),))(signed()) == BAD_SIGNATURE


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "noNE", "NONE", "eddsa", "EDDSA", "EdDSA ", " EdDSA", "ES256", "ES384",
     "RS256", "HS256", "Ed25519", ""],
)  # fmt: skip
def test_the_algorithm_is_the_keys_exactly(alg: str) -> None:
    assert VERIFY(signed(header={**HEADER, "alg": alg})) == BAD_SIGNATURE


@pytest.mark.parametrize("value", [None, 7, True, ["EdDSA"], {"a": 1}, 1.5])
@pytest.mark.parametrize("member", ["alg", "kid", "typ", "version"])
def test_a_header_says_strings(member: str, value: Any) -> None:
    assert VERIFY(signed(header={**HEADER, member: value})) == NOT_OURS
    without = {name: HEADER[name] for name in HEADER if name != member}
    assert VERIFY(signed(header=without)) == NOT_OURS


@pytest.mark.parametrize(
    "kid",
    ["", "k", "../../etc/passwd", "' OR 1=1 --", "k" * 128,
     pytest.param(OURS.kid[:-1], id="all but its end")],
)  # fmt: skip
def test_a_kid_is_an_index_and_no_more(kid: str) -> None:
    assert VERIFY(signed(header={**HEADER, "kid": kid})) == UNKNOWN_KEY
    assert VERIFY(signed(header={**HEADER, "kid": "k" * 129})) == NOT_OURS


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "dpop+jwt", "at+jwt "]
)
def test_a_type_is_that_of_access_tokens(typ: str) -> None:
    assert VERIFY(signed(header={**HEADER, "typ": typ})) == NOT_OURS


@pytest.mark.parametrize(
    ("member", "value"),
    [("crit", ["exp"]), ("crit", []), ("crit", "x"), ("crit", None), ("b64", False), ("b64", True),
     ("jku", "https://evil.example/jwks"), ("x5u", "https://evil.example"), ("jwk", {"kty": "OKP"}),
     ("x5c", ["MII"]), ("zip", "DEF"), ("enc", "A256GCM"), ("p2c", 2**31)],
)  # fmt: skip
def test_a_header_asks_for_nothing_that_is_not_done_here(member: str, value: Any) -> None:
    assert VERIFY(signed(header={**HEADER, member: value})) == NOT_OURS


def test_a_header_may_say_what_nobody_asks_for() -> None:
    assert isinstance(VERIFY(signed(header={**HEADER, "note": "n", "cty": "JWT"})), AccessToken)


TEXTS = ["sub", "rsub", "tId", "iss", "sessionHandle", "refreshTokenHash1"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [None, 7, True, ["x"], {"x": 1}])
def test_a_claim_of_the_engine_is_a_string(name: str, value: Any) -> None:
    assert VERIFY(with_claims(**{name: value})) == NOT_OURS
    without = {key: CLAIMS[key] for key in CLAIMS if key != name}
    assert VERIFY(signed(without)) == NOT_OURS


@pytest.mark.parametrize("name", ["parentRefreshTokenHash1", "antiCsrfToken"])
@pytest.mark.parametrize("value", [7, True, ["x"], {"x": 1}])
def test_some_may_be_null_but_not_left_out(name: str, value: Any) -> None:
    assert VERIFY(with_claims(**{name: value})) == NOT_OURS
    assert isinstance(VERIFY(with_claims(**{name: None})), AccessToken)
    without = {key: CLAIMS[key] for key in CLAIMS if key != name}
    assert VERIFY(signed(without)) == NOT_OURS


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize(
    "value", ["1", None, True, False, 1.5, 1e3, [1], {}, "1e3", float("nan"), float("inf")]
)
def test_a_time_is_a_whole_number(name: str, value: Any) -> None:
    assert VERIFY(with_claims(**{name: value})) == NOT_OURS
    without = {key: CLAIMS[key] for key in CLAIMS if key != name}
    assert VERIFY(signed(without)) == NOT_OURS


@pytest.mark.parametrize("value", [1, None, "1", 0])
def test_nobody_asks_for_nbf(value: Any) -> None:
    assert VERIFY(with_claims(nbf=value)) == NOT_OURS


@pytest.mark.parametrize(
    "claims",
    [b"", b" ", b"null", b"[]", b'"sub"', b"7", b"{", b"{}", b"{'a':1}", b'{"a":1}x', b"\xff\xfe",
     b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":01}', b'{"a":"\\ud800"}',
     b'{"a":\x00}', b"\xef\xbb\xbf{}", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}',
     b'{"a":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_json_object(claims: bytes) -> None:
    assert VERIFY(signed(claims)) == NOT_OURS
    # Of a header, these are refused before any key is used.
    assert VERIFY(signed(header=claims)) == NOT_OURS


def test_a_member_named_twice_is_refused_in_claims_that_are_otherwise_right() -> None:
    claims = json.dumps(dict(CLAIMS))
    assert isinstance(VERIFY(signed(claims.encode())), AccessToken)
    for twice in ('"sub":"admin",', '"sub":"user-1",', '"\\u0073ub":"admin",'):
        assert VERIFY(signed(f"{{{twice}{claims[1:]}".encode())) == NOT_OURS


GOOD = signed()
FORMS: dict[str, Callable[[str], str]] = {
    "nothing": lambda t: "",
    "a dot": lambda t: ".",
    "two dots": lambda t: "..",
    "no signature": lambda t: t.rpartition(".")[0] + ".",
    "two segments": lambda t: t.rpartition(".")[0],
    "four segments": lambda t: f"{t}.{t.rpartition('.')[2]}",
    "five segments": lambda t: f"{t}.a.b",
    "an empty one": lambda t: t.replace(".", "..", 1),
    "padding": lambda t: t + "=",
    "padding within": lambda t: t.replace(".", "=.", 1),
    "a space before": lambda t: " " + t,
    "a newline after": lambda t: t + "\n",
    "NUL after": lambda t: t + "\0",
    "the other alphabet": lambda t: t[:9] + "+" + t[10:],
    "percent-encoding": lambda t: t.replace(".", "%2E"),
    "a wide dot": lambda t: t.replace(".", "\uff0e"),
    "a surrogate": lambda t: t + "\ud800",
    "quotes": lambda t: f'"{t}"',
    "json": lambda t: json.dumps({"payload": t.split(".")[1], "signature": t.split(".")[2]}),
    "bearer": lambda t: f"Bearer {t}",
    "too long": lambda t: "a." * 2 + "a" * MAX_TOKEN_CHARACTERS,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_only_the_compact_form_is_taken(form: Callable[[str], str]) -> None:
    assert VERIFY(form(GOOD)) == NOT_OURS


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_segment_has_no_stray_bits(segment: int) -> None:
    # Of these lengths, the last character carries bits that are no part of any byte.
    header = {**HEADER, "note": "n" * ((1 - len(json.dumps({**HEADER, "note": ""}))) % 3)}
    claims = {**CLAIMS, "note": "n" * ((1 - len(json.dumps({**CLAIMS, "note": ""}))) % 3)}
    parts = [*signed(claims, header).split(".")]
    assert isinstance(VERIFY(".".join(parts)), AccessToken)
    last = parts[segment][-1]
    twin = parts[segment][:-1] + ALPHABET[ALPHABET.index(last) ^ 1]
    assert urlsafe_b64decode(twin + "==") == urlsafe_b64decode(parts[segment] + "==")
    parts[segment] = twin
    if segment < 2:  # signed as it stands, stray bits and all
        parts[2] = encoded(PRIVATE.sign(".".join(parts[:2]).encode()))
    assert VERIFY(".".join(parts)) == (BAD_SIGNATURE if segment == 2 else NOT_OURS)


def test_a_signature_may_end_in_any_character() -> None:
    private = rsa.generate_private_key(65537, 3072)  # 384 bytes: base64 without spare bits
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys = LocalKeys.from_pem(pem)
    verify, left = KeySet(keys.public_keys()), set(ALPHABET)
    for n in range(2_000):
        token = keys.sign(FrozenDict({**CLAIMS, "n": n}))
        if token[-1] in left:
            assert isinstance(verify(token), AccessToken)
            left.remove(token[-1])
        if not left:
            return
    pytest.fail(f"no signature ended in one of {left}")  # a chance of 1 in 10**12


def test_sizes_have_limits() -> None:
    header = {**HEADER, "note": "n" * 1024}
    assert VERIFY(signed(header=header)) == NOT_OURS
    room = MAX_TOKEN_CHARACTERS - len(with_claims(fill=""))
    assert isinstance(VERIFY(with_claims(fill="x" * (room * 3 // 4 - 2))), AccessToken)
    assert VERIFY(with_claims(fill="x" * (room * 3 // 4 + 2))) == NOT_OURS
    assert VERIFY(with_claims(deep=json.loads("[" * 30 + "]" * 30))) != NOT_OURS
    assert VERIFY(with_claims(deep=json.loads("[" * 40 + "]" * 40))) == NOT_OURS


def padded(content: dict[str, Any], size: int) -> dict[str, Any]:
    """The content with a note, so that it is this many bytes of JSON."""
    return {**content, "note": "n" * (size - len(json.dumps({**content, "note": ""})))}


def test_what_is_as_large_as_may_be_is_taken() -> None:
    assert isinstance(VERIFY(signed(header=padded(HEADER, 768))), AccessToken)
    assert VERIFY(signed(header=padded(HEADER, 769))) == NOT_OURS

    header, others = padded(HEADER, 300), 400 + len("..") + 86
    size = (MAX_TOKEN_CHARACTERS - others) * 3 // 4
    largest = signed(padded(dict(CLAIMS), size), header)
    assert len(largest) == MAX_TOKEN_CHARACTERS
    assert isinstance(VERIFY(largest), AccessToken)
    assert VERIFY(signed(padded(dict(CLAIMS), size + 1), header)) == NOT_OURS


@given(st.text() | st.from_regex(r"[\w-]{0,60}\.[\w-]{0,60}\.[\w-]{0,60}", fullmatch=True))
def test_any_text_gives_an_answer(text: str) -> None:
    assert VERIFY(text) == NOT_OURS


# --- the set itself ----------------------------------------------------------------------------


def test_a_key_set_is_a_value() -> None:
    again = KeySet((PublicKey(kid=OURS.kid, algorithm="EdDSA", der=bytes(OURS.der)),))
    assert again == VERIFY
    assert hash(again) == hash(VERIFY)
    assert pickle.loads(pickle.dumps(VERIFY)) == VERIFY  # noqa: S301  # our own bytes
    assert repr(OURS.der) not in repr(VERIFY)


def public_der(key: Any) -> bytes:
    """The public half in DER."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(der, bytes)
    return der


MATERIAL = {
    "nothing": b"",
    "a secret": bytes(32),
    "a PEM": PEM,
    "half a key": OURS.der[:-1],
    "Ed25519": OURS.der,
    "P-256": KEYS["ES256"].public_keys()[0].der,
    "P-384": public_der(ec.generate_private_key(ec.SECP384R1())),
    "P-256K": public_der(ec.generate_private_key(ec.SECP256K1())),
    "RSA": KEYS["RS256"].public_keys()[0].der,
    "Ed448": public_der(ed448.Ed448PrivateKey.generate()),
}
FITTING = {("Ed25519", "EdDSA"), ("P-256", "ES256"), ("RSA", "RS256")}


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "HS256", "none"])
@pytest.mark.parametrize("kind", MATERIAL)
def test_a_key_is_one_of_its_algorithm_when_the_set_is_built(kind: str, algorithm: Any) -> None:
    key = PublicKey(kid="k", algorithm=algorithm, der=MATERIAL[kind])
    if (kind, algorithm) in FITTING:
        assert KeySet((key,)).keys == (key,)
        return
    with pytest.raises(InvalidInput) as problem:
        KeySet((OURS, key))
    assert str(problem.value) == (
        f"the key 'k' isn't one of {algorithm}: give the DER of a public key on Ed25519 (EdDSA) "
        "or P-256 (ES256), or of RSA (RS256) with 2048 bits."
    )


def test_an_rsa_key_has_2048_bits_at_least() -> None:
    weak = public_der(rsa.generate_private_key(65537, 1024))  # noqa: S505  # what is refused
    with pytest.raises(InvalidInput, match="with 2048 bits"):
        KeySet((PublicKey(kid="k", algorithm="RS256", der=weak),))


def test_a_private_key_is_no_public_one() -> None:
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(InvalidInput) as problem:
        KeySet((PublicKey(kid="k", algorithm="RS256", der=private),))
    assert private.hex() not in str(problem.value)
    assert repr(private) not in str(problem.value)


def test_an_empty_set_knows_nobody() -> None:
    assert KeySet(())(GOOD) == UNKNOWN_KEY
    assert KeySet(())("garbage") == NOT_OURS
