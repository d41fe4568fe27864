"""One key: its thumbprint and JWK against the RFCs' vectors, and what is refused."""

from __future__ import annotations

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.utils import base64url_decode, from_base64url_uint

from counterfoil.adapters.key_pair import (
    InvalidKeys,
    KeyPair,
    from_pem,
    generate,
    open_private,
    public_jwk,
    public_key,
    thumbprint,
)
from counterfoil.effects import Algorithm

PASSPHRASE = b"sixteen bytes or more"
ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")

# RFC 7638, 3.1.
RFC_7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJEC"
    "PebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Qvz"
    "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZ"
    "u0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
RFC_7638_KID = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

# RFC 8037, A.2 and A.3.
RFC_8037_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_8037_KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def spki(key: Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pkcs8(key: ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_rsa_key_of_rfc_7638_has_its_thumbprint() -> None:
    numbers = rsa.RSAPublicNumbers(65537, from_base64url_uint(RFC_7638_N))
    key = public_key(spki(numbers.public_key()))
    assert (key.kid, key.algorithm) == (RFC_7638_KID, "RS256")
    assert public_jwk(key) == {
        "kty": "RSA",
        "n": RFC_7638_N,
        "e": "AQAB",
        "kid": RFC_7638_KID,
        "alg": "RS256",
        "use": "sig",
    }


def test_the_ed25519_key_of_rfc_8037_has_its_thumbprint() -> None:
    key = public_key(spki(Ed25519PublicKey.from_public_bytes(base64url_decode(RFC_8037_X))))
    assert (key.kid, key.algorithm) == (RFC_8037_KID, "EdDSA")
    assert public_jwk(key) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": RFC_8037_X,
        "kid": RFC_8037_KID,
        "alg": "EdDSA",
        "use": "sig",
    }


def test_the_thumbprint_does_not_depend_on_the_order_of_the_members() -> None:
    members = {"n": RFC_7638_N, "kty": "RSA", "e": "AQAB"}
    assert thumbprint(members) == thumbprint(dict(sorted(members.items()))) == RFC_7638_KID


def test_a_coordinate_that_begins_with_zeros_keeps_its_32_bytes() -> None:
    points = (
        ec.derive_private_key(scalar, ec.SECP256R1()).public_key() for scalar in range(1, 5000)
    )
    short = next(point for point in points if point.public_numbers().x >> 248 == 0)
    jwk = public_jwk(public_key(spki(short)))
    assert (jwk["kty"], jwk["crv"], jwk["alg"]) == ("EC", "P-256", "ES256")
    assert len(base64url_decode(jwk["x"])) == len(base64url_decode(jwk["y"])) == 32


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_generated_pair_opens_again(algorithm: Algorithm, passphrase: bytes | None) -> None:
    pair = generate(algorithm, passphrase)
    assert pair.public.algorithm == algorithm
    assert (b"ENCRYPTED" in pair.private) == (passphrase is not None)
    assert spki(open_private(pair, passphrase).public_key()) == pair.public.der
    assert from_pem(pair.private.decode(), passphrase).public == pair.public


def test_two_generated_pairs_differ() -> None:
    assert generate("EdDSA").public.kid != generate("EdDSA").public.kid


@pytest.mark.parametrize(
    ("kept_with", "given", "problem"),
    [
        (PASSPHRASE, None, "no passphrase was given"),
        (PASSPHRASE, PASSPHRASE + b"!", "the passphrase is another one"),
        (None, PASSPHRASE, "kept without one"),
    ],
)
def test_the_wrong_passphrase_is_named(
    kept_with: bytes | None, given: bytes | None, problem: str
) -> None:
    with pytest.raises(InvalidKeys, match=problem):
        open_private(generate("EdDSA", kept_with), given)


@pytest.mark.parametrize(
    "pem",
    [
        pkcs8(ed448.Ed448PrivateKey.generate()),
        pkcs8(ec.generate_private_key(ec.SECP384R1())),
        pkcs8(rsa.generate_private_key(65537, 1024)),  # noqa: S505  # refused below
    ],
    ids=["Ed448", "P-384", "RSA-1024"],
)
def test_keys_of_other_kinds_are_refused(pem: bytes) -> None:
    with pytest.raises(InvalidKeys, match="use Ed25519, P-256, or RSA of at least 2048 bits"):
        from_pem(pem)


def test_a_pair_whose_private_key_belongs_to_another_is_refused() -> None:
    one, other = generate("EdDSA"), generate("EdDSA")
    with pytest.raises(InvalidKeys, match="that of another key"):
        KeyPair(public=one.public, private=other.private)
    locked = KeyPair(public=one.public, private=generate("EdDSA", PASSPHRASE).private)
    with pytest.raises(InvalidKeys, match="that of another key"):
        open_private(locked, PASSPHRASE)


def test_a_public_key_is_called_by_its_own_name_only() -> None:
    pair = generate("EdDSA")
    with pytest.raises(InvalidKeys, match="isn't that of its bytes"):
        KeyPair(public=attrs.evolve(pair.public, kid=RFC_8037_KID), private=pair.private)
    with pytest.raises(InvalidKeys, match="isn't that of its bytes"):
        KeyPair(public=attrs.evolve(pair.public, algorithm="ES256"), private=pair.private)
