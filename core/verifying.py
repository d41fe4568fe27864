"""Getting a session from its access token.

Pure as long as the store needn't be asked: the token's signature, its times and its claims say
all. Nothing here ever writes, save a claim that was fetched anew.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Literal, Never, assert_never, overload

import attrs

from ..effects import (
    Announce,
    Done,
    Load,
    Missing,
    Reason,
    RequestRejected,
    SessionRecord,
    Step,
)
from ..effects.base64url import base64url
from .access_token import AccessToken, lasting_reason
from .claims import Validator, given_validators
from .csrf import token_matches
from .entropy import check_now, check_text
from .keyset import Unverified, Verifier
from .merging import claims_asserted
from .policy import Policy
from .rejections import TryRefreshToken, Unauthorised
from .session import Session


@overload
def get_session(
    access_token: str | None,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: Literal[True] = True,
    anti_csrf_token: str | None = None,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session]: ...
@overload
def get_session(
    access_token: str | None,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: bool,
    anti_csrf_token: str | None = None,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session | None]: ...
def get_session(
    access_token: str | None,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: bool = True,
    anti_csrf_token: str | None = None,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session] | Step[Session | None]:
    """The session of an access token. [Load with `check_database`; FetchClaim, Regenerate]

    `verify` is a `KeySet`, or a memory of what one said. `anti_csrf_token` must be the session's,
    if it has one, unless `check_anti_csrf` is false. `check_database` also asks whether the
    session was revoked, or displaced by a fork. `validators` are the policy's by default.

    Ends in the session, or in None if there is no token and `required` is false; or in
    `Unauthorised` (no token of ours, session over), `TryRefreshToken` (expired, unknown key, bad
    signature, anti-CSRF) or `InvalidClaims`.

    Raises:
        InvalidInput: a time, a token or validators of the wrong kind.

    >>> get_session(None, policy=example_policy(), verify=KeySet(()), now=0).state
    Unauthorised(clear_tokens=False, reason=<Reason.NO_TOKEN: 'no token'>, handle=None)
    """
    check_now(now)
    asked = policy.validators if validators is None else given_validators(validators)
    if access_token is None:
        return rejected(Unauthorised(Reason.NO_TOKEN), now) if required else Done(None)
    check_text(access_token, "access_token")
    access = verify(access_token)
    if isinstance(access, Unverified):
        return rejected(unverified(access.reason), now)
    reason = lasting_reason(access, policy, now)
    guard = access.anti_csrf_token if check_anti_csrf else None
    if reason is None and guard is not None and not token_matches(anti_csrf_token, guard):
        reason = Reason.CSRF
    if reason is not None:
        return rejected(TryRefreshToken(reason, access.handle), now)
    session = Session(access=access, policy=policy)
    if not check_database:
        return claims_asserted(session, asked, now=now)
    return check_in_database(session, now=now).then(AssertClaims(asked, now))


def check_in_database(session: Session, *, now: int) -> Step[Session]:
    """Whether the store still has the session, and the token is of its line. [Load]"""
    return Load(session.handle).then(AfterLoadToCheck(session, now), state=session)


@attrs.frozen
class AfterLoadToCheck:
    """Compares the access token with what the store holds."""

    session: Session
    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[Session]:
        handle = self.session.handle
        match record:
            case Missing():
                gone = Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=handle)
                return rejected(gone, self.now)
            case SessionRecord():
                if self.now >= record.expires_at:
                    over = Unauthorised(Reason.SESSION_EXPIRED, clear_tokens=True, handle=handle)
                    return rejected(over, self.now)
                if is_displaced(self.session.access, record):
                    return rejected(TryRefreshToken(Reason.DISPLACED, handle), self.now)
                return Done(self.session)
            case _:
                assert_never(record)


@attrs.frozen
class AssertClaims:
    """Asserts claims of whatever session came out."""

    validators: tuple[Validator, ...]
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        return claims_asserted(session, self.validators, now=self.now)


def unverified(reason: Reason) -> Unauthorised | TryRefreshToken:
    """The rejection of a token that could not be verified."""
    return Unauthorised(reason) if reason is Reason.NOT_OURS else TryRefreshToken(reason)


def rejected(rejection: Unauthorised | TryRefreshToken, now: int) -> Done[Never]:
    """The end of a request that was turned away, announced."""
    event = RequestRejected(reason=rejection.reason, handle=rejection.handle, at=now)
    return Done(rejection, (Announce(event),))


def is_displaced(access: AccessToken, record: SessionRecord) -> bool:
    """Whether a fork has put another line of tokens in the place of the access token's."""
    # A token names the refresh token that it was issued with. The record knows the current and
    # the previous one; a token of neither is of a line that a fork displaced, or so old that a
    # refresh is due anyway.
    known = (record.current_digest, record.previous_digest)
    named = str(access.claims["refreshTokenHash1"]).encode()  # bytes: it need not be ASCII
    return not any(
        digest is not None and hmac.compare_digest(base64url(digest).encode(), named)
        for digest in known
    )
