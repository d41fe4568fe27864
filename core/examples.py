"""The session, the policy and the record that the examples in this package's docstrings use.

Fixed values without entropy: good in documentation and in tests of your own, never in service.
"""

from __future__ import annotations

from ..effects import Secret, SessionRecord, freeze_object
from .access_token import access_token_of, engine_claims
from .entropy import draw, new_handle
from .lifetime import ms
from .policy import Policy
from .rotation import digest
from .session import Session

_ENTROPY = bytes(32)
_LOGIN = 1_700_000_000_000  # ms


def example_policy() -> Policy:
    """A policy for an API on this machine."""
    return Policy("http://localhost:8000")


def example_record() -> SessionRecord:
    """A session's record as it is after the login."""
    lifetime = example_policy().lifetime
    return SessionRecord(
        handle=new_handle(_LOGIN, _ENTROPY),
        user_id="user-1",
        recipe_user_id="user-1",
        tenant_id="public",
        created_at=_LOGIN,
        absolute_expires_at=_LOGIN + ms(lifetime.absolute),
        idle_lifetime=ms(lifetime.idle),
        access_lifetime=ms(lifetime.access),
        rotated_at=_LOGIN,
        current_digest=digest(draw(_ENTROPY, b"refresh secret")),
        mac_key=draw(_ENTROPY, b"mac key"),
        payload=freeze_object({"plan": "free"}),
    )


def example_session() -> Session:
    """That record's session, with an access token that nobody signed."""
    record = example_record()
    claims = engine_claims(record, example_policy(), now=_LOGIN)
    access = access_token_of(Secret("header.claims.signature"), {**record.payload, **claims})
    return Session(access=access, policy=example_policy())
