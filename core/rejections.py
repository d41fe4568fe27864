"""The engine's negative answers. Each says whether it ends the session for the client.

Only a rejection that no retry could cure clears the client's tokens. Outwardly each kind is one
status and one body, whatever its reason (OWASP ASVS 16.5.1); the reason is for logs.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from ..effects import FrozenDict, Reason, Rejection, Theft


@attrs.frozen(auto_exc=False)
class Unauthorised(Rejection):
    """There is no session: none was shown, it is over, or it never was."""

    message: ClassVar[str] = "unauthorised"

    reason: Reason
    handle: str | None = None

    def __str__(self) -> str:
        if self.reason in (Reason.SESSION_GONE, Reason.SESSION_EXPIRED):
            return "Session does not exist anymore."
        return f"unauthorised: {self.reason.value}"


@attrs.frozen(auto_exc=False)
class TryRefreshToken(Rejection):
    """The access token won't do, but a refresh may give one that does. Clears nothing."""

    message: ClassVar[str] = "try refresh token"

    reason: Reason
    handle: str | None = None

    def __str__(self) -> str:
        return f"try refresh token: {self.reason.value}"


@attrs.frozen(auto_exc=False)
class TokenTheftDetected(Rejection):
    """A used refresh token came again: two hold the session, which is revoked now."""

    message: ClassVar[str] = "token theft detected"

    handle: str
    user_id: str
    tenant_id: str
    kind: Theft
    clear_tokens: bool = attrs.field(default=True, kw_only=True)


@attrs.frozen
class ClaimFailure:
    """A validator that failed: its id, and the reason that the client is told."""

    id: str
    reason: FrozenDict


@attrs.frozen(auto_exc=False)
class InvalidClaims(Rejection):
    """Claim validators failed: all of them, in order. Clears nothing."""

    message: ClassVar[str] = "invalid claim"

    failures: tuple[ClaimFailure, ...]

    def __str__(self) -> str:
        return "invalid claim: " + ", ".join(failure.id for failure in self.failures)
