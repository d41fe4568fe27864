"""Ending sessions: one, others, all of a user.

Revoking clears the client's tokens whether or not the record was still there: a half-finished
sign-out must not leave a client that believes in its session.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..effects import (
    Announce,
    Done,
    Effect,
    InvalidInput,
    Revoke,
    Revoked,
    RevokeUser,
    SessionsRevoked,
    Step,
)
from .session import Session, clear_if_attached


def revoke_session(session: Session, *, now: int) -> Step[bool]:
    """End a session; if it is attached, the client's tokens are cleared. [Revoke]

    Ends in whether it was still there; announces `SessionsRevoked` if so.

    >>> revoke_session(example_session(), now=0).effect.handles
    ('018bcfe5-6800-7727-82d6-bb4b702604b7',)
    """
    return Revoke((session.handle,)).then(AfterRevoke(session, now))


@attrs.frozen
class AfterRevoke:
    """Clears the client's tokens, whatever was found."""

    session: Session
    now: int

    def __call__(self, reply: Revoked) -> Step[bool]:
        told = (*announced_revocation(reply, self.now), *clear_if_attached(self.session))
        return Done(self.session.handle in reply.handles, told)


def revoke_other_sessions(
    session: Session, *, now: int, all_tenants: bool = False
) -> Step[tuple[str, ...]]:
    """End every other session of the user, as after a change of password. [RevokeUser]

    Of this session's tenant, or of all. Ends in the handles that were revoked.

    >>> revoke_other_sessions(example_session(), now=0).effect.keep
    ('018bcfe5-6800-7727-82d6-bb4b702604b7',)
    """
    tenant_id = None if all_tenants else session.tenant_id
    effect = RevokeUser(session.user_id, tenant_id, keep=(session.handle,))
    return effect.then(AfterRevokeMany(now))


def revoke_all_sessions_for_user(
    user_id: str, *, now: int, tenant_id: str | None = None
) -> Step[tuple[str, ...]]:
    """End every session of a user, of one tenant or (None) of all. [RevokeUser]

    Ends in the handles that were really revoked; access tokens that are out hold until they
    expire, unless `check_database` asks.

    >>> revoke_all_sessions_for_user("user-1", now=0).effect
    RevokeUser(user_id='user-1', tenant_id=None, keep=())
    """
    return RevokeUser(user_id, tenant_id).then(AfterRevokeMany(now))


def revoke_multiple_sessions(handles: Iterable[str], *, now: int) -> Step[tuple[str, ...]]:
    """End sessions by their handles. [Revoke]

    Ends in the handles that were really revoked.

    Raises:
        InvalidInput: one handle instead of several.

    >>> revoke_multiple_sessions(["a", "b"], now=0).effect
    Revoke(handles=('a', 'b'))
    """
    if isinstance(handles, str):
        raise InvalidInput("handles must be several handles, not one str: write [handle].")
    return Revoke(tuple(handles)).then(AfterRevokeMany(now))


@attrs.frozen
class AfterRevokeMany:
    """Answers the handles that were really there."""

    now: int

    def __call__(self, reply: Revoked) -> Step[tuple[str, ...]]:
        return Done(reply.handles, announced_revocation(reply, self.now))


def announced_revocation(reply: Revoked, now: int) -> tuple[Effect[None], ...]:
    """What is told of a revocation: nothing, if nothing was there."""
    if not reply.handles:
        return ()
    return (Announce(SessionsRevoked(handles=reply.handles, at=now)),)
