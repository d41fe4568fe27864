"""Whose signature an access token carries: a pure function of the token and the public keys.

What is too big is refused before it is parsed, what is malformed before any key is used. The
algorithm comes from the key that the token's `kid` names, never from the token (RFC 8725, 3.1).
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import Any, NoReturn, Protocol, TypeAlias, cast

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwt.algorithms import get_default_algorithms

from ..effects import (
    TOKEN_TYPE,
    TOKEN_VERSION,
    FrozenDict,
    InvalidInput,
    PublicKey,
    Reason,
    Secret,
    freeze,
)
from ..effects.base64url import base64url, from_base64url
from .access_token import AccessToken, access_token_of

MAX_TOKEN_CHARACTERS = 8192  # twice what a cookie holds
_MAX_HEADER_CHARACTERS = 1024
_MAX_KID_CHARACTERS = 128
_SMALLEST_RSA = 2048  # bits; RFC 7518, 3.3

# Three segments of URL-safe base64 without padding (RFC 7515, 7.1).
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)

# What these ask for is not done here, so a token that carries one is refused (RFC 7515, 4.1.11).
_REFUSED = frozenset({"crit", "b64", "jku", "x5u", "jwk", "x5c", "zip", "enc", "p2c"})


@attrs.frozen
class Unverified:
    """A token that is not (`Reason.NOT_OURS`), or not provably, ours."""

    reason: Reason


Verification: TypeAlias = AccessToken | Unverified


class Verifier(Protocol):
    """Whoever tells whether a token is ours: a `KeySet`, or a memory of what one said."""

    def __call__(self, token: str, /) -> Verification: ...


def _of_their_algorithms(
    instance: object, attribute: attrs.Attribute[Any], keys: tuple[PublicKey, ...]
) -> None:
    for key in keys:
        if not _is_of_its_algorithm(key):
            raise InvalidInput(
                f"the key {key.kid!r} isn't one of {key.algorithm}: give the DER of a public key "
                f"on Ed25519 (EdDSA) or P-256 (ES256), or of RSA (RS256) with {_SMALLEST_RSA} bits."
            )


def _is_of_its_algorithm(key: PublicKey) -> bool:
    try:
        public = _public_key(key.der)
    except (ValueError, UnsupportedAlgorithm):
        return False
    match public:
        case Ed25519PublicKey():
            return key.algorithm == "EdDSA"
        case EllipticCurvePublicKey():
            return key.algorithm == "ES256" and isinstance(public.curve, SECP256R1)
        case RSAPublicKey():
            return key.algorithm == "RS256" and public.key_size >= _SMALLEST_RSA
        case _:
            return False


@attrs.frozen
class KeySet:
    """The public keys that access tokens are verified with, as a value.

    Calling it with a token gives an `AccessToken`, or an `Unverified` with the reason. It looks at
    no clock: whether the token still holds is another question.

    Raises:
        InvalidInput: a key isn't of its algorithm.

    >>> KeySet(())("garbage")
    Unverified(reason=<Reason.NOT_OURS: 'not a token of ours'>)
    """

    keys: tuple[PublicKey, ...] = attrs.field(validator=_of_their_algorithms)

    def __call__(self, token: str, /) -> Verification:
        """Verify a compact JWS of at most 8,192 characters. Raises nothing."""
        if len(token) > MAX_TOKEN_CHARACTERS or (form := _COMPACT.fullmatch(token)) is None:
            return Unverified(Reason.NOT_OURS)
        header = _header(form[1])
        if header is None:
            return Unverified(Reason.NOT_OURS)
        key = self._find(header.kid)
        if key is None:
            return Unverified(Reason.UNKNOWN_KEY)
        if header.alg != key.algorithm or not _is_signed(form, key):
            return Unverified(Reason.BAD_SIGNATURE)
        return _access_token(token, form[2])

    def _find(self, kid: str) -> PublicKey | None:
        return next((key for key in self.keys if key.kid == kid), None)


@attrs.frozen(kw_only=True)
class _Header:
    kid: str
    alg: str


# A key's tokens all have the same header, so that it is parsed once.
@lru_cache(maxsize=64)
def _header(segment: str) -> _Header | None:
    if len(segment) > _MAX_HEADER_CHARACTERS:
        return None
    header = _object(segment)
    if header is None or not _REFUSED.isdisjoint(header):
        return None
    kid, alg = header.get("kid"), header.get("alg")
    if header.get("typ") != TOKEN_TYPE or header.get("version") != TOKEN_VERSION:
        return None
    if not isinstance(kid, str) or not isinstance(alg, str) or len(kid) > _MAX_KID_CHARACTERS:
        return None
    return _Header(kid=kid, alg=alg)


def _is_signed(form: re.Match[str], key: PublicKey) -> bool:
    signature = _decoded(form[3])
    if signature is None:
        return False
    signed = form[0][: form.end(2)].encode()
    return _algorithms()[key.algorithm].verify(signed, _public_key(key.der), signature)


def _access_token(token: str, segment: str) -> Verification:
    claims = _object(segment)
    if claims is None or not _has_our_claims(claims):
        return Unverified(Reason.NOT_OURS)
    guard = claims["antiCsrfToken"]
    hidden = Secret(guard) if isinstance(guard, str) else None
    return access_token_of(token, FrozenDict({**claims, "antiCsrfToken": hidden}))


def _has_our_claims(claims: FrozenDict) -> bool:
    texts = ("sub", "rsub", "tId", "iss", "sessionHandle", "refreshTokenHash1")
    optional = ("parentRefreshTokenHash1", "antiCsrfToken")
    return (
        all(isinstance(claims.get(name), str) for name in texts)
        and all(isinstance(claims.get(name, 0), str | None) for name in optional)
        and all(type(claims.get(name)) is int for name in ("iat", "exp"))
        and "nbf" not in claims
    )


def _decoded(segment: str) -> bytes | None:
    # Python's decoder ignores stray bits at the end: two texts would be one token.
    try:
        raw = from_base64url(segment)
    except ValueError:
        return None
    return raw if base64url(raw) == segment else None


def _object(segment: str) -> FrozenDict | None:
    raw = _decoded(segment)
    if raw is None:
        return None
    try:
        parsed = _parse(raw.decode())
        return cast("FrozenDict", freeze(parsed)) if isinstance(parsed, FrozenDict) else None
    except (ValueError, RecursionError):
        return None


def _pairs(pairs: list[tuple[str, Any]]) -> FrozenDict:
    members = FrozenDict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")  # RFC 7515, 4: reject duplicates
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_parse = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse_constant).decode
_algorithms = cache(get_default_algorithms)
_public_key = lru_cache(maxsize=64)(load_der_public_key)
