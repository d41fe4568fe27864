"""Re-keying: another handle and other tokens for the same session (OWASP ASVS 7.2.4).

A session's name and secrets change when what it may do changes, so that whoever knew them before
gains nothing. The new record is stored before the old one is retired, so that a crash in between
leaves the client with the session that it has. The old one is retired by compare-and-swap, then
deleted: a merge that came before it was retired is carried over (one that comes later names a
session that is over, and goes with it), and whoever revoked the old one before we deleted it has
revoked the new one too.
"""

from __future__ import annotations

from typing import assert_never

import attrs

from ..effects import (
    EMPTY,
    Done,
    FrozenDict,
    Load,
    Missing,
    Reason,
    Revoke,
    Revoked,
    Rotate,
    Rotated,
    SessionRecord,
    Stale,
    Step,
    apply_patch,
)
from .claims import without_claims
from .creating import Birth, check_identifier, check_lifetime
from .entropy import check_entropy, check_now, draw
from .fetching import Subject, fetch_claims
from .lifetime import Lifetime, ms
from .rejections import TryRefreshToken
from .revoking import announced_revocation
from .session import Session, gone, tokens_to_response
from .verifying import is_displaced, rejected

_RETIRED_FOR = 60_000  # ms


def rekey_session(
    session: Session,
    *,
    now: int,
    entropy: bytes,
    user_id: str | None = None,
    recipe_user_id: str | None = None,
    lifetime: Lifetime | None = None,
) -> Step[Session]:
    """Give a session a new handle and new tokens; its payload and data stay.
    [FetchClaim each for another user, Load, Establish, Rotate, Revoke]

    For a change of privilege. `user_id` makes it another user's (a guest who logs in), with the
    login method's `recipe_user_id` if that differs. No claim that was made for the former user
    goes over to another: the policy's are fetched anew, other claims are dropped. `lifetime` starts
    the lifetimes anew: without it the absolute end stays where it was. The anti-CSRF token is new.

    Ends in the new session, whose tokens go to the response if the old one was attached; or in
    `Unauthorised` if the old one was revoked meanwhile, or in `TryRefreshToken` if a fork has
    displaced its line of tokens: whoever lost that race may be a thief. Announces
    `SessionCreated` with `replaces`, and `SessionsRevoked`.

    The access token alone opens the way to new refresh tokens here, so do this on a fresh proof of
    who the user is (a password, a second factor), never on a request's session alone.

    Raises:
        InvalidInput: a time, entropy, user id or lifetime that can't be.

    >>> rekey_session(example_session(), now=0, entropy=bytes(32)).effect.handle
    '018bcfe5-6800-7727-82d6-bb4b702604b7'
    """
    check_now(now)
    check_entropy(entropy)
    rekey = Rekey(
        session,
        now,
        entropy,
        who=Subject(
            user_id=check_identifier(session.user_id if user_id is None else user_id, "user_id"),
            recipe_user_id=check_identifier(
                recipe_user_id or user_id or session.recipe_user_id, "recipe_user_id"
            ),
            tenant_id=session.tenant_id,
        ),
        lifetime=None if lifetime is None else check_lifetime(lifetime, session.policy),
    )
    if rekey.who.user_id == session.user_id:
        return rekey.begin()
    fetched = fetch_claims(session.policy.claims, rekey.who, held=EMPTY, now=now)
    return fetched.then(AfterNewUsersClaims(rekey))


@attrs.frozen
class Rekey:
    """One re-keying: everything about it but the records."""

    session: Session
    now: int
    entropy: bytes = attrs.field(repr=False)
    who: Subject = attrs.field(kw_only=True)
    lifetime: Lifetime | None = attrs.field(kw_only=True)
    claims: FrozenDict = attrs.field(kw_only=True, default=EMPTY)

    def begin(self) -> Step[Session]:
        """Ask for the record that is to be re-keyed."""
        return Load(self.session.handle).then(AfterLoadToRekey(self), state=self.session)

    def birth(self, old: SessionRecord) -> Birth:
        """Where the new record's secrets come from."""
        return Birth(
            self.session.policy,
            self.now,
            self.entropy,
            with_anti_csrf=old.anti_csrf_token is not None,
            replaces=old.handle,
        )

    def successor(self, old: SessionRecord) -> SessionRecord:
        """The new record: new secrets, the old one's substance."""
        lifetime = self.lifetime
        born = attrs.evolve(
            self.birth(old).record_like(old),
            user_id=self.who.user_id,
            recipe_user_id=self.who.recipe_user_id,
            payload=self._payload(old),
        )
        if lifetime is not None:
            born = attrs.evolve(
                born,
                absolute_expires_at=self.now + ms(lifetime.absolute),
                idle_lifetime=ms(lifetime.idle),
                access_lifetime=ms(lifetime.access),
            )
        return born

    def _payload(self, old: SessionRecord) -> FrozenDict:
        if old.user_id == self.who.user_id:
            return old.payload
        return apply_patch(without_claims(old.payload), self.claims)

    def retire(self, old: SessionRecord, born: SessionRecord, session: Session) -> Step[Session]:
        """End the old record, if it is still the one that the new one was made of.

        No token of it is genuine any more. It expires soon, in case that we never come to delete
        it, but not before: that it was deleted by another must mean that it was revoked.
        """
        retired = attrs.evolve(
            old,
            version=old.version + 1,
            mac_key=draw(self.entropy, b"retired"),
            current_digest=draw(self.entropy, b"nobody's"),
            previous_digest=None,
            absolute_expires_at=min(old.absolute_expires_at, self.now + _RETIRED_FOR),
        )
        swap = Rotate(retired, expected_version=old.version, claims=EMPTY)
        return swap.then(AfterRetire(self, old.handle, born, session))


@attrs.frozen
class AfterNewUsersClaims:
    """Takes the claims of the user whose the session becomes."""

    rekey: Rekey

    def __call__(self, claims: FrozenDict) -> Step[Session]:
        return attrs.evolve(self.rekey, claims=claims).begin()


@attrs.frozen
class AfterLoadToRekey:
    """Stores the new record beside the old one."""

    rekey: Rekey

    def __call__(self, old: SessionRecord | Missing) -> Step[Session]:
        if isinstance(old, Missing) or self.rekey.now >= old.expires_at:
            return gone(self.rekey.session, self.rekey.now)
        if is_displaced(self.rekey.session.access, old):
            displaced = TryRefreshToken(Reason.DISPLACED, old.handle)
            return rejected(displaced, self.rekey.now)
        born = self.rekey.successor(old)
        established = self.rekey.birth(old).establish(born)
        return established.then(AfterBirth(self.rekey, old, born))


@attrs.frozen
class AfterBirth:
    """Retires the old record."""

    rekey: Rekey
    old: SessionRecord
    born: SessionRecord

    def __call__(self, session: Session) -> Step[Session]:
        return self.rekey.retire(self.old, self.born, session)


@attrs.frozen
class AfterRetire:
    """Takes the outcome of retiring the old record."""

    rekey: Rekey
    old_handle: str
    born: SessionRecord
    session: Session

    def __call__(self, reply: Rotated | Stale) -> Step[Session]:
        if isinstance(reply, Rotated):
            return Revoke((self.old_handle,)).then(AfterOldIsGone(self.rekey, self.session))
        if isinstance(reply.current, Missing):
            return Revoke((self.born.handle,)).then(AfterRevokedMeanwhile(self.rekey))
        return self._carry_over(reply.current)

    def _carry_over(self, current: SessionRecord) -> Step[Session]:
        # Something was merged into the old record since it was loaded: the new one takes it over.
        version = self.born.version + 1
        born = attrs.evolve(self.rekey.successor(current), version=version)
        claims = self.rekey.birth(current).claims(born)
        swap = Rotate(born, expected_version=self.born.version, claims=claims)
        return swap.then(AfterCarryOver(self.rekey, current, born, claims))


@attrs.frozen
class AfterCarryOver:
    """Retires the old record again, now that the new one has what was merged."""

    rekey: Rekey
    old: SessionRecord
    born: SessionRecord
    claims: FrozenDict

    def __call__(self, reply: Rotated | Stale) -> Step[Session]:
        match reply:
            case Rotated(token):
                session = self.rekey.birth(self.old).session(self.born, self.claims, token)
                return self.rekey.retire(self.old, self.born, session)
            case Stale():
                # Nobody was told the new handle yet, so only a revocation of all can have met it.
                return Revoke((self.born.handle, self.old.handle)).then(
                    AfterRevokedMeanwhile(self.rekey)
                )
            case _:
                assert_never(reply)


@attrs.frozen
class AfterOldIsGone:
    """The old record is gone: the new session takes its place in the exchange."""

    rekey: Rekey
    session: Session

    def __call__(self, reply: Revoked) -> Step[Session]:
        old, now = self.rekey.session, self.rekey.now
        if old.handle not in reply.handles:
            return Revoke((self.session.handle,)).then(AfterRevokedMeanwhile(self.rekey))
        session = attrs.evolve(self.session, attachment=old.attachment)
        told = announced_revocation(reply, now)
        return Done(session, (*told, *tokens_to_response(session, now)))


@attrs.frozen
class AfterRevokedMeanwhile:
    """The old session was revoked while it was re-keyed: so is the new one."""

    rekey: Rekey

    def __call__(self, reply: Revoked) -> Step[Session]:
        rekey = self.rekey
        end = gone(rekey.session, rekey.now)
        return Done(end.state, (*announced_revocation(reply, rekey.now), *end.effects))
