"""What an issuer keeps of a session: digests and lifetimes, never a token.

Sizes in bytes: every digest is SHA-256 (32), `salt` and `mac_key` are 32 each. All times are
milliseconds since the Unix epoch, all lifetimes milliseconds. A reader of the record can mint no
token: the refresh secret is known to the client alone, its successor is
HMAC-SHA256(presented secret, salt), and only SHA-256 of either is here.
"""

from __future__ import annotations

import attrs

from .frozen import EMPTY, FrozenDict, Secret


def hidden(value: bytes | None) -> str:
    """The `repr` of key material: its length only."""
    return "None" if value is None else f"<{len(value)} bytes>"


def as_secret(value: str | None) -> Secret | None:
    """An optional token that hides itself."""
    return None if value is None else Secret(value)


@attrs.frozen(kw_only=True)
class SessionRecord:
    """A session as the store holds it.

    Attributes:
        handle: the session's public name, a UUIDv7 in 36 characters (RFC 9562). No credential.
        user_id: whose session it is; `recipe_user_id` the login method's own id of the user.
        tenant_id: the tenant that the user logged in to.
        version: 0 at first, one more with every write; `swap` compares it.
        created_at: when the user logged in, ms.
        absolute_expires_at: when the session ends whatever happens, ms.
        idle_lifetime: how long it lives without a refresh, ms.
        access_lifetime: how long its access tokens live, ms.
        rotated_at: when the refresh token was last rotated (at first: created), ms.
        generation: how often it was rotated; the current refresh token carries this number.
        current_digest: SHA-256 of the current refresh secret, 32 bytes.
        previous_digest: the same of its predecessor, or None before the first rotation.
        salt: what the current secret was derived from its predecessor with, 32 bytes, or None.
        mac_key: the key of this session's refresh-token MACs, 32 bytes.
        anti_csrf_token: fixed for the session's life, or None where none is used.
        payload: the application's claims in the access token.
        data: the application's data that stays on the server.
    """

    handle: str
    user_id: str
    recipe_user_id: str
    tenant_id: str
    created_at: int
    absolute_expires_at: int
    idle_lifetime: int
    access_lifetime: int
    rotated_at: int
    current_digest: bytes = attrs.field(repr=hidden)
    mac_key: bytes = attrs.field(repr=hidden, metadata={"secret": True})
    version: int = 0
    generation: int = 0
    previous_digest: bytes | None = attrs.field(default=None, repr=hidden)
    salt: bytes | None = attrs.field(default=None, repr=hidden)
    anti_csrf_token: Secret | None = attrs.field(default=None, converter=as_secret)
    payload: FrozenDict = EMPTY
    data: FrozenDict = EMPTY

    @property
    def expires_at(self) -> int:
        """When the session ends unless it is refreshed: the idle or the absolute end, ms."""
        return min(self.rotated_at + self.idle_lifetime, self.absolute_expires_at)
