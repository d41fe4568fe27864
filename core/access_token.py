"""Access tokens: what is in one, and whether it still holds.

The claims are the application's payload with the engine's own on top (`reserved.py`). `iat` and
`exp` are whole seconds, as the frontend protocol wants them; everything else here is
milliseconds. Whether a token's signature is right is `keyset.py`'s to say.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import cast

import attrs

from ..effects import (
    Algorithm,
    FrozenDict,
    Json,
    PayloadTooLarge,
    Reason,
    Secret,
    SessionRecord,
    json_size,
)
from ..effects.base64url import base64url
from .lifetime import ms
from .policy import COOKIE_LIMIT, Policy
from .reserved import ENGINE_CLAIMS

_ENGINE = frozenset(ENGINE_CLAIMS)

# Characters of a token beside its claims: a header of 43-character kid, algorithm, type and
# version takes 135; RSA signatures are those of a 4096-bit key.
_HEADER_CHARACTERS = 160
_PARENT_BYTES = len('"') * 2 + 43 - len("null")
_SIGNATURE_CHARACTERS: dict[Algorithm, int] = {"EdDSA": 86, "ES256": 86, "RS256": 683}


@attrs.frozen
class AccessToken:
    """A verified access token.

    Attributes:
        token: the compact JWS itself.
        claims: all its claims, those of the engine included.
        expires_at: ms since the epoch.
    """

    token: Secret
    claims: FrozenDict
    expires_at: int

    @property
    def handle(self) -> str:
        """The handle of its session."""
        return cast("str", self.claims["sessionHandle"])

    @property
    def anti_csrf_token(self) -> Secret | None:
        """The anti-CSRF token that it is bound to, or None."""
        return cast("Secret | None", self.claims["antiCsrfToken"])


def access_token_of(token: str, claims: Mapping[str, Json]) -> AccessToken:
    """An access token that was just signed, from its claims."""
    return AccessToken(Secret(token), FrozenDict(claims), cast("int", claims["exp"]) * 1000)


def lasting_reason(access: AccessToken, policy: Policy, now: int) -> Reason | None:
    """Why a verified token does not hold now, under this policy; None if it does.

    A token holds until the millisecond of its expiry, exclusively (RFC 7519, 4.1.4).
    """
    claims = access.claims
    if now >= access.expires_at:
        return Reason.EXPIRED
    if claims["iss"] != policy.issuer or not _is_audience(claims.get("aud"), policy.audience):
        return Reason.WRONG_ISSUER
    issued_at = cast("int", claims["iat"]) * 1000
    if issued_at > now + ms(policy.clock_skew):
        return Reason.NOT_YET_VALID
    if access.expires_at - issued_at > ms(policy.longest_access_lifetime):
        return Reason.EXPIRED
    return None


def engine_claims(record: SessionRecord, policy: Policy, *, now: int) -> FrozenDict:
    """The engine's claims of a new access token for a record.

    It expires after the record's access lifetime less the jitter, and never after the session's
    absolute end.
    """
    share = 1 - policy.access_jitter * _chance(record)
    expires_at = min(now + int(record.access_lifetime * share), record.absolute_expires_at)
    parent = record.previous_digest
    claims: dict[str, Json] = {
        "sub": record.user_id,
        "rsub": record.recipe_user_id,
        "tId": record.tenant_id,
        "iat": now // 1000,
        "exp": expires_at // 1000,
        "iss": policy.issuer,
        "sessionHandle": record.handle,
        "refreshTokenHash1": base64url(record.current_digest),
        "parentRefreshTokenHash1": None if parent is None else base64url(parent),
        "antiCsrfToken": record.anti_csrf_token,
    }
    if policy.audience is not None:
        claims["aud"] = policy.audience
    return FrozenDict(claims)


def renewed_claims(access: AccessToken, now: int) -> FrozenDict:
    """The engine's claims of a token that replaces this one after a merge: only `iat` is new."""
    return FrozenDict({**engine_part(access.claims), "iat": now // 1000})


def engine_part(claims: Mapping[str, Json]) -> FrozenDict:
    """The engine's own claims alone."""
    return FrozenDict([item for item in claims.items() if item[0] in _ENGINE])


def application_payload(claims: Mapping[str, Json]) -> FrozenDict:
    """The claims without the engine's own.

    >>> application_payload({"sub": "user-1", "plan": "pro"})
    {'plan': 'pro'}
    """
    return FrozenDict([item for item in claims.items() if item[0] not in _ENGINE])


def signature_size(algorithm: Algorithm) -> int:
    """Characters that a signature takes in a token, at most."""
    return _SIGNATURE_CHARACTERS[algorithm]


def payload_limit(claims: FrozenDict, policy: Policy) -> int:
    """Bytes of JSON that the payload may have beside these engine claims to fit in a cookie."""
    name = max(len(policy.access_cookie), len("st-access-token"))
    other = _HEADER_CHARACTERS + signature_size(policy.algorithm) + len("=..")
    room = (COOKIE_LIMIT - name - other) * 3 // 4
    # A first token has no parent yet; its successors have, and must fit as well.
    parent = _PARENT_BYTES if claims.get("parentRefreshTokenHash1") is None else 0
    return room - json_size(engine_part(claims)) - parent


def check_size(payload: FrozenDict, limit: int) -> None:
    """Refuse a payload whose token would not fit.

    Raises:
        PayloadTooLarge: names the fattest claim.
    """
    if json_size(payload) > limit:
        raise too_large(payload, limit)


def too_large(payload: FrozenDict, limit: int) -> PayloadTooLarge:
    """The error for a payload that would not fit."""
    fattest = max(payload, key=lambda name: json_size(payload[name]) + len(name), default="")
    return PayloadTooLarge(json_size(payload), limit, fattest)


def front_token(access: AccessToken) -> Secret:
    """What the frontend reads of an access token: standard base64 of compact, sorted JSON.

    `{"ate": expiry in ms, "uid": user id, "up": claims}` (WIRE: front-token).
    """
    content = {"ate": access.expires_at, "uid": access.claims["sub"], "up": access.claims}
    text = json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return Secret(b64encode(text.encode()).decode())


def _chance(record: SessionRecord) -> float:
    # From 0 up to, not including, 1. A digest of random bytes is as good as a draw, and the token
    # shows it anyway.
    return int.from_bytes(record.current_digest[:6]) / (1 << 48)


def _is_audience(found: Json, wanted: str | None) -> bool:
    # RFC 7519, 4.1.3: one string, or a list that names us. A policy without one expects none.
    if wanted is None:
        return found is None
    return found == wanted or (isinstance(found, tuple) and wanted in found)
