"""Specimens: the very response that a policy gives to a login, a refresh and a sign-out.

The operations themselves are rehearsed over a session that nobody has, so that what is shown is
what will be sent, in its order; only the access token is a placeholder.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, cast

import attrs

from ..effects import (
    ClaimFetched,
    DryRun,
    Effect,
    Establish,
    FetchClaim,
    ResponseEffect,
    SessionRecord,
    SetCookie,
    dry_run,
)
from .access_token import AccessToken, payload_limit
from .creating import create_session
from .in_request import create_session_in_request, refresh_session_in_request
from .keyset import KeySet, Verification
from .policy import Policy, Transfer
from .request import RequestFacts
from .session import Session
from .signing_out import sign_out
from .transport import ANTI_CSRF_HEADER

_ENTROPY = bytes(32)


class Occasion(StrEnum):
    """What is answered."""

    LOGIN = "login"
    REFRESH = "refresh"
    SIGN_OUT = "sign-out"


@attrs.frozen(kw_only=True)
class Specimen:
    """The response effects of one occasion, in their order."""

    occasion: Occasion
    transfer: Transfer
    effects: tuple[ResponseEffect, ...]

    @property
    def cookies(self) -> tuple[SetCookie, ...]:
        """The cookies that it sets or deletes."""
        return tuple(effect for effect in self.effects if isinstance(effect, SetCookie))


def specimens(policy: Policy, *, now: int) -> tuple[Specimen, ...]:
    """A login, a refresh and a sign-out by each transfer that the policy allows. No effect.

    Raises:
        PayloadTooLarge: the policy's names leave no room for an access token.

    >>> policy = Policy("https://api.example.com", transfer="cookie")
    >>> [specimen.occasion.value for specimen in specimens(policy, now=0)]
    ['login', 'refresh', 'sign-out']
    """
    ways = tuple(Transfer) if policy.transfer is None else (policy.transfer,)
    return tuple(specimen for way in ways for specimen in _life(policy, way, now))


def payload_room(policy: Policy, *, now: int) -> int:
    """Bytes of JSON that a payload may have, beside a user id of six characters. No effect.

    Raises:
        PayloadTooLarge: there is no room at all.

    >>> payload_room(Policy("https://api.example.com"), now=0)
    2558
    """
    step = create_session("user-1", policy=policy, now=now, entropy=_ENTROPY, claims=())
    return payload_limit(_established(dry_run(step, _Reads(None))).claims, policy)


def _life(policy: Policy, transfer: Transfer, now: int) -> tuple[Specimen, ...]:
    login = dry_run(
        create_session_in_request(
            _request(policy, ("st-auth-mode", transfer.value)),
            "user-1",
            policy=policy,
            verify=KeySet(()),
            now=now,
            entropy=_ENTROPY,
        ),
        _Reads(None),
    )
    session = cast("Session", login.outcome)
    record = _established(login).record
    jar = _Jar(policy, transfer, record)
    refresh = refresh_session_in_request(
        jar.request(policy.refresh_cookie, cast("str", session.refresh_token)),
        policy=policy,
        now=now,
        entropy=_ENTROPY,
    )
    leave = sign_out(
        jar.request(policy.access_cookie, session.access_token),
        policy=policy,
        verify=_Knows(session.access),
        now=now,
    )
    reads = _Reads(record)
    return (
        _specimen(Occasion.LOGIN, transfer, login),
        _specimen(Occasion.REFRESH, transfer, dry_run(refresh, reads)),
        _specimen(Occasion.SIGN_OUT, transfer, dry_run(leave, reads)),
    )


@attrs.frozen
class _Jar:
    """What the site's page sends with a token."""

    policy: Policy
    transfer: Transfer
    record: SessionRecord

    def request(self, cookie: str, token: str) -> RequestFacts:
        """A request that carries this token."""
        if self.transfer is Transfer.HEADER:
            return _request(self.policy, ("authorization", f"Bearer {token}"))
        guard = self.record.anti_csrf_token
        shown = () if guard is None else ((ANTI_CSRF_HEADER, guard),)
        return _request(self.policy, ("cookie", f"{cookie}={token}"), *shown)


@attrs.frozen
class _Reads:
    """Answers the reads of a rehearsal."""

    record: SessionRecord | None

    def perform(self, effect: Effect[Any]) -> Any:
        """The one record, and no value of any claim."""
        return ClaimFetched(None) if isinstance(effect, FetchClaim) else self.record


@attrs.frozen
class _Knows:
    """Verifies one token: the placeholder."""

    access: AccessToken

    def __call__(self, token: str, /) -> Verification:
        return self.access


def _established(run: DryRun[Session]) -> Establish:
    return next(effect for effect in run.effects if isinstance(effect, Establish))


def _request(policy: Policy, *headers: tuple[str, str]) -> RequestFacts:
    return RequestFacts("POST", [("origin", str(policy.site_origin)), ("rid", "session"), *headers])


def _specimen(occasion: Occasion, transfer: Transfer, run: DryRun[Any]) -> Specimen:
    told = tuple(effect for effect in run.effects if isinstance(effect, ResponseEffect))
    return Specimen(occasion=occasion, transfer=transfer, effects=told)
