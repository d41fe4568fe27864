"""A session that exists, and what can be read of it.

A session is a value: operations give a new one and leave the old as it was. It carries its policy,
so that no operation on it needs to be told the rules again.
"""

from __future__ import annotations

from typing import Never, cast

import attrs

from ..effects import (
    Announce,
    Done,
    Effect,
    FrozenDict,
    Reason,
    RequestRejected,
    Secret,
    Step,
)
from .access_token import AccessToken, front_token
from .policy import Policy, Transfer
from .rejections import Unauthorised
from .transport import (
    Attachment,
    access_to_response,
    anti_csrf_to_response,
    clear_tokens,
    private_response,
    refresh_to_response,
)


@attrs.frozen(kw_only=True)
class Session:
    """A session as one request holds it.

    Attributes:
        access: its verified access token.
        policy: the rules that it lives under.
        refresh_token: the refresh token, where this request created or rotated it.
        refresh_expires_at: when that one expires, ms since the epoch.
        access_token_updated: whether the access token is new in this request.
        attachment: the exchange that its tokens travel with, once it is attached to one.
    """

    access: AccessToken
    policy: Policy = attrs.field(repr=False)
    refresh_token: Secret | None = None
    refresh_expires_at: int | None = None
    access_token_updated: bool = False
    attachment: Attachment | None = None

    @property
    def handle(self) -> str:
        """The session's public name."""
        return self.access.handle

    @property
    def user_id(self) -> str:
        """Whose session it is."""
        return cast("str", self.access.claims["sub"])

    @property
    def recipe_user_id(self) -> str:
        """The login method's own id of the user."""
        return cast("str", self.access.claims["rsub"])

    @property
    def tenant_id(self) -> str:
        """The tenant that the user logged in to."""
        return cast("str", self.access.claims["tId"])

    @property
    def payload(self) -> FrozenDict:
        """The access token's claims, those of the engine included."""
        return self.access.claims

    @property
    def access_token(self) -> Secret:
        """The access token itself."""
        return self.access.token

    @property
    def front_token(self) -> Secret:
        """What the frontend reads of the access token."""
        return front_token(self.access)

    @property
    def anti_csrf_token(self) -> Secret | None:
        """The session's anti-CSRF token, or None."""
        return self.access.anti_csrf_token


def get_user_id(session: Session) -> Step[str]:
    """Whose session it is. No effect.

    >>> get_user_id(example_session()).state
    'user-1'
    """
    return Done(session.user_id)


def get_recipe_user_id(session: Session) -> Step[str]:
    """The login method's own id of the user. No effect.

    >>> get_recipe_user_id(example_session()).state
    'user-1'
    """
    return Done(session.recipe_user_id)


def get_tenant_id(session: Session) -> Step[str]:
    """The tenant that the user logged in to. No effect.

    >>> get_tenant_id(example_session()).state
    'public'
    """
    return Done(session.tenant_id)


def get_handle(session: Session) -> Step[str]:
    """The session's public name, fit for logs and admin pages; no credential. No effect.

    >>> len(get_handle(example_session()).state)
    36
    """
    return Done(session.handle)


def get_access_token(session: Session) -> Step[Secret]:
    """The access token. No effect.

    >>> get_access_token(example_session()).state == example_session().access.token
    True
    """
    return Done(session.access.token)


def get_access_token_payload(session: Session) -> Step[FrozenDict]:
    """The access token's claims, those of the engine included, frozen. No effect.

    >>> get_access_token_payload(example_session()).state["plan"]
    'free'
    """
    return Done(session.access.claims)


def get_all_session_tokens_dangerously(session: Session) -> Step[FrozenDict]:
    """Every token that this request knows of the session. No effect; handle with care.

    `accessToken`, `accessAndFrontTokenUpdated`, `refreshToken` or None, `frontToken`,
    `antiCsrfToken` or None.

    >>> sorted(get_all_session_tokens_dangerously(example_session()).state)
    ['accessAndFrontTokenUpdated', 'accessToken', 'antiCsrfToken', 'frontToken', 'refreshToken']
    """
    return Done(
        FrozenDict(
            {
                "accessToken": session.access.token,
                "accessAndFrontTokenUpdated": session.access_token_updated,
                "refreshToken": session.refresh_token,
                "frontToken": session.front_token,
                "antiCsrfToken": session.anti_csrf_token,
            }
        )
    )


def attach_to_request_response(
    session: Session,
    transfer: Transfer,
    *,
    now: int,
    used: tuple[Transfer, ...] = (),
) -> Step[Session]:
    """Remember how the session's tokens travel; send those that are new in this request.

    `used` are the ways in which the request carried tokens. Without a new access token there is
    no effect.

    >>> session, effects = attach_to_request_response(
    ...     example_session(), Transfer.HEADER, now=0
    ... )
    >>> session.attachment, effects
    (Attachment(transfer=<Transfer.HEADER: 'header'>, used=()), ())
    """
    attached = attrs.evolve(session, attachment=Attachment(Transfer(transfer), used))
    return Done(attached, tokens_to_response(attached, now))


def tokens_to_response(session: Session, now: int) -> tuple[Effect[None], ...]:
    """The response effects of all tokens that are new; none if the session isn't attached."""
    effects = access_token_to_response(session, now)
    if session.attachment is None or not effects:
        return ()
    policy, transfer = session.policy, session.attachment.transfer
    if session.refresh_token is not None and session.refresh_expires_at is not None:
        expires = session.refresh_expires_at
        effects += refresh_to_response(
            session.refresh_token, policy, transfer, expires=expires, now=now
        )
    if session.anti_csrf_token is not None and transfer is Transfer.COOKIE:
        effects += anti_csrf_to_response(session.anti_csrf_token)
    return effects


def access_token_to_response(session: Session, now: int) -> tuple[Effect[None], ...]:
    """The response effects of a new access token alone, which no cache is to keep."""
    if session.attachment is None or not session.access_token_updated:
        return ()
    transfer = session.attachment.transfer
    return private_response() + access_to_response(session.access, session.policy, transfer, now)


def is_told_of(session: Session) -> bool:
    """Whether operations on the session tell a response: whether it is attached to one.

    Each of them may: at the least when the session turns out to be over.

    >>> is_told_of(example_session())
    False
    """
    return session.attachment is not None


def clear_if_attached(session: Session) -> tuple[Effect[None], ...]:
    """The response effects that clear the client's tokens; none if it isn't attached."""
    if session.attachment is None:
        return ()
    return clear_tokens(session.policy, session.attachment.all_transfers)


def gone(session: Session, now: int, reason: Reason = Reason.SESSION_GONE) -> Done[Never]:
    """The end of an operation whose session was revoked meanwhile, or is over."""
    event = RequestRejected(reason=reason, handle=session.handle, at=now)
    rejection = Unauthorised(reason, clear_tokens=True, handle=session.handle)
    return Done(rejection, (Announce(event), *clear_if_attached(session)))
