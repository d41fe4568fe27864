"""What can be announced: one frozen class for each thing that happens to a session.

Events name sessions by handle and carry times and reasons, never a token. `at` is milliseconds
since the Unix epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import attrs


class Theft(StrEnum):
    """How old the refresh token was that betrayed a copy."""

    RECENT = "recent"
    """The predecessor's own predecessor: one refresh behind what an honest client may hold."""
    ORPHANED = "orphaned"
    """Of a line that a fork displaced: its successor was never used, another took its place."""
    STALE = "stale"
    """Older than that."""


class Reason(StrEnum):
    """Why a request was rejected, for logs and audits. The client never sees it (ASVS 16.5.1)."""

    NO_TOKEN = "no token"  # noqa: S105  # a reason, not a credential
    NOT_OURS = "not a token of ours"
    UNKNOWN_KEY = "signed with an unknown key"
    BAD_SIGNATURE = "bad signature"
    WRONG_ISSUER = "another issuer or audience"
    EXPIRED = "access token expired"
    NOT_YET_VALID = "issued in the future"
    SESSION_GONE = "session revoked or never there"
    SESSION_EXPIRED = "session expired"
    FORGED = "refresh token forged"
    SPENT = "refresh token used before"
    DISPLACED = "of a displaced line"
    CSRF = "anti-CSRF check failed"
    DUPLICATE_COOKIES = "several cookies of one name"
    LEGACY_COOKIE = "cookie of an older protocol"
    WRONG_METHOD = "not a POST"


@attrs.frozen(kw_only=True)
class SessionCreated:
    """A user logged in; `replaces` is the session that was re-keyed into this one, if any."""

    handle: str
    user_id: str
    tenant_id: str
    at: int
    replaces: str | None = None


@attrs.frozen(kw_only=True)
class SessionRefreshed:
    """The refresh token was rotated; `generation` is the new one."""

    handle: str
    generation: int
    at: int


@attrs.frozen(kw_only=True)
class RefreshReplayed:
    """The predecessor came again within the leeway and was given the same successor."""

    handle: str
    generation: int
    at: int


@attrs.frozen(kw_only=True)
class RefreshForked:
    """The predecessor came again later; a new successor displaced the unused one."""

    handle: str
    generation: int
    at: int


@attrs.frozen(kw_only=True)
class TheftDetected:
    """A used refresh token came again; the session was revoked."""

    handle: str
    user_id: str
    tenant_id: str
    kind: Theft
    generation: int
    at: int


@attrs.frozen(kw_only=True)
class SessionsRevoked:
    """Sessions were revoked; only the handles that were really there."""

    handles: tuple[str, ...]
    at: int


@attrs.frozen(kw_only=True)
class RequestRejected:
    """A request was turned away; `handle` where it is known."""

    reason: Reason
    at: int
    handle: str | None = None


Event: TypeAlias = (
    SessionCreated
    | SessionRefreshed
    | RefreshReplayed
    | RefreshForked
    | TheftDetected
    | SessionsRevoked
    | RequestRejected
)
