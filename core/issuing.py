"""The session that a client is given: a record's, with the tokens that were just made for it."""

from __future__ import annotations

from ..effects import FrozenDict, SessionRecord
from .access_token import access_token_of
from .policy import Policy
from .rotation import mint
from .session import Session


def issued_session(
    record: SessionRecord, policy: Policy, claims: FrozenDict, *, secret: bytes, token: str
) -> Session:
    """A session with a new access token, signed from `claims`, and a new refresh token.

    `secret` is the refresh secret whose digest the record keeps as the current one.
    """
    return Session(
        access=access_token_of(token, {**record.payload, **claims}),
        policy=policy,
        refresh_token=mint(
            handle=record.handle,
            generation=record.generation,
            secret=secret,
            mac_key=record.mac_key,
        ),
        refresh_expires_at=record.expires_at,
        access_token_updated=True,
    )
