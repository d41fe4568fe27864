"""One signing key as a value: made, checked, opened, and shown to others as a JWK.

A `KeyPair` is what is kept: the public half in the open, the private half as PKCS#8, encrypted if
there is a passphrase. It is checked when it is built, so garbage never reaches a signature. The
algorithm follows from the type of the key (RFC 8725, 3.1), the `kid` from its public half
(RFC 7638): neither is ever taken on someone's word.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, TypeAlias, assert_never, cast

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from jwt.utils import to_base64url_uint

from ..effects import Algorithm, InvalidInput, PublicKey
from ..effects.base64url import base64url
from ..effects.record import hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

PrivateKey: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

RSA_BITS = 2048  # the least that RFC 7518, 3.3 allows, and what is made here

_PLAIN = b"-----BEGIN PRIVATE KEY-----"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class InvalidKeys(InvalidInput):
    """A key or a key ring can't be used: damaged, not ours, or open to others. Nothing changed."""


def _genuine(instance: object, attribute: object, value: PublicKey) -> None:
    if value != public_key(value.der):
        raise InvalidKeys(f"the key's kid {value.kid!r} or its algorithm isn't that of its bytes.")


def _pkcs8(instance: object, attribute: object, value: bytes) -> None:
    if not value.startswith((_PLAIN, _ENCRYPTED)):
        raise InvalidKeys("a private key is kept as PKCS#8 in PEM, and this is something else.")


@attrs.frozen(kw_only=True)
class KeyPair:
    """A key that signs, and the public key that its signatures are verified with.

    Attributes:
        public: the public key; its `kid` and algorithm are those of its bytes.
        private: the private key, PKCS#8 in PEM, encrypted (PBES2) if there is a passphrase.

    Raises:
        InvalidKeys: it is no key of a kind that signs here, or its parts don't fit.
    """

    public: PublicKey = attrs.field(validator=_genuine)
    private: bytes = attrs.field(repr=hidden, validator=_pkcs8, metadata={"secret": True})

    def __attrs_post_init__(self) -> None:
        # An unencrypted half is compared at once; an encrypted one when it is opened.
        if self.private.startswith(_PLAIN):
            open_private(self, None)


def generate(algorithm: Algorithm, passphrase: bytes | None = None) -> KeyPair:
    """A new key from the system's entropy, its private half encrypted with the passphrase.

    >>> generate("EdDSA").public.algorithm
    'EdDSA'
    """
    match algorithm:
        case "EdDSA":
            return _paired(Ed25519PrivateKey.generate(), passphrase)
        case "ES256":
            return _paired(ec.generate_private_key(ec.SECP256R1()), passphrase)
        case "RS256":
            return _paired(rsa.generate_private_key(65537, RSA_BITS), passphrase)
        case _:
            assert_never(algorithm)


def from_pem(pem: str | bytes, passphrase: bytes | None = None) -> KeyPair:
    """The pair of a private key in PEM; the passphrase opens it, and keeps it.

    Raises:
        InvalidKeys: not a private key, not of a kind that signs here, or another passphrase.
    """
    return _paired(_loaded(pem.encode() if isinstance(pem, str) else pem, passphrase), passphrase)


def open_private(pair: KeyPair, passphrase: bytes | None) -> PrivateKey:
    """The private key, ready to sign.

    Raises:
        InvalidKeys: a passphrase is missing, wrong or needless, or the halves are of two keys.
    """
    key = _loaded(pair.private, passphrase)
    if _public_der(key) != pair.public.der:
        raise InvalidKeys(f"the private key kept for {pair.public.kid} is that of another key.")
    return key


def public_key(der: bytes) -> PublicKey:
    """A public key of its SubjectPublicKeyInfo, DER: with its thumbprint and its algorithm.

    Raises:
        InvalidKeys: it is no key, or not Ed25519, P-256 or RSA of 2048 bits or more.
    """
    algorithm, members = _described(der)
    return PublicKey(kid=thumbprint(members), algorithm=algorithm, der=der)


def public_jwk(key: PublicKey) -> dict[str, str]:
    """The key as a JWK (RFC 7517): its public members, `kid`, `alg` and `use`."""
    _, members = _described(key.der)
    return {**members, "kid": key.kid, "alg": key.algorithm, "use": "sig"}


def thumbprint(members: Mapping[str, str]) -> str:
    """The SHA-256 thumbprint of a JWK's required members, base64url (RFC 7638, 3).

    >>> thumbprint({  # the key of RFC 8037, A.3
    ...     "crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    ... })
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'
    """
    canonical = json.dumps(dict(members), sort_keys=True, separators=(",", ":"))
    return base64url(hashlib.sha256(canonical.encode()).digest())


def _paired(key: PrivateKey, passphrase: bytes | None) -> KeyPair:
    shield = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, shield)
    return KeyPair(public=public_key(_public_der(key)), private=private)


def _public_der(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _loaded(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError:
        raise InvalidKeys(
            "the private key is encrypted, and no passphrase was given; pass the one it was "
            "kept with."
            if passphrase is None
            else "a passphrase was given, but the private key is kept without one; leave it out, "
            "or start anew: delete the ring, at the price of one refresh for each client."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKeys(
            "the private key can't be opened: it is damaged, or the passphrase is another one."
        ) from None
    # Any other type is refused with the public half, by `_described`.
    return cast("PrivateKey", key)


def _described(der: bytes) -> tuple[Algorithm, dict[str, str]]:
    """The algorithm of a public key, and the members that make it one (RFC 7638, 3.2)."""
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKeys("the public key isn't a SubjectPublicKeyInfo in DER.") from None
    match key:
        case Ed25519PublicKey():
            return "EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_bytes_raw())}
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            # 0x04, then both coordinates at their full 32 bytes (RFC 7518, 6.2.1.2).
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            x, y = base64url(point[1:33]), base64url(point[33:])
            return "ES256", {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        case rsa.RSAPublicKey() if key.key_size >= RSA_BITS:
            numbers = key.public_numbers()
            n, e = (to_base64url_uint(number).decode() for number in (numbers.n, numbers.e))
            return "RS256", {"kty": "RSA", "n": n, "e": e}
        case _:
            raise InvalidKeys(
                f"a key of type {type(key).__name__} doesn't sign here; use Ed25519, P-256, "
                f"or RSA of at least {RSA_BITS} bits."
            )
