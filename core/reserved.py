"""The claims that only the engine may write, and the check that a payload names none of them."""

from __future__ import annotations

from typing import Final

from ..effects import FrozenDict, ReservedClaim, freeze_object

ENGINE_CLAIMS: Final = (
    "sub",
    "rsub",
    "tId",
    "iat",
    "exp",
    "iss",
    "aud",
    "sessionHandle",
    "refreshTokenHash1",
    "parentRefreshTokenHash1",
    "antiCsrfToken",
)
"""What the engine itself puts in an access token, in this order."""

RESERVED_CLAIMS: Final = frozenset(ENGINE_CLAIMS) | {
    # Registered names that verifiers act on, or that say how the user was authenticated (RFC 7519,
    # RFC 9068): a payload that could set them could forge what they mean (RFC 8725, 3.10).
    "nbf", "jti", "sid", "typ", "cnf", "auth_time", "amr", "acr",
}  # fmt: skip


def check_payload(payload: object, path: str = "payload") -> FrozenDict:
    """Freeze a payload or a patch of one, refusing reserved names.

    Raises:
        NotJson: it holds what JSON cannot say; says where.
        ReservedClaim: it names claims that the engine writes.

    >>> check_payload({"plan": "pro"})
    {'plan': 'pro'}
    """
    frozen = freeze_object(payload, path)
    if not RESERVED_CLAIMS.isdisjoint(frozen):
        raise ReservedClaim(tuple(sorted(RESERVED_CLAIMS.intersection(frozen))))
    return frozen
