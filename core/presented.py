"""Which access token a request presents: by header first, then by cookie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import attrs

from ..effects import Reason
from .access_token import AccessToken, lasting_reason
from .csrf import passes
from .keyset import Unverified, Verification, Verifier
from .policy import Policy, Transfer
from .rejections import TryRefreshToken, Unauthorised
from .request import LEGACY_COOKIE, RequestFacts, bearer_token
from .verifying import unverified


@attrs.frozen
class Presented:
    """An access token that holds, and how it came."""

    access: AccessToken
    transfer: Transfer


def present(
    request: RequestFacts, policy: Policy, verify: Verifier, now: int, *, check_anti_csrf: bool
) -> Presented | Unauthorised | TryRefreshToken:
    """The access token of a request, verified; or why there is none that it may use.

    A bearer token that isn't one of ours is ignored. Of several cookies of one name, any of which
    may be left over from another domain, the newest that holds is used; if the policy names the
    older domain, a refresh is asked for instead, which clears them.
    """
    bearer = bearer_token(request)
    if bearer is not None:
        verified = verify(bearer)
        if not (isinstance(verified, Unverified) and verified.reason is Reason.NOT_OURS):
            return _held(verified, Transfer.HEADER, policy, now)
    cookies = request.cookies(policy.access_cookie)
    if request.cookies(LEGACY_COOKIE):
        return TryRefreshToken(Reason.LEGACY_COOKIE)
    if not cookies:
        return Unauthorised(Reason.NO_TOKEN)
    if len(cookies) > 1 and policy.older_cookie_domain is not None:
        return TryRefreshToken(Reason.DUPLICATE_COOKIES)
    best = _best([_held(verify(cookie), Transfer.COOKIE, policy, now) for cookie in cookies])
    if isinstance(best, Presented) and check_anti_csrf:
        return _checked(request, policy, best)
    return best


def carried_handles(
    request: RequestFacts, policy: Policy, verify: Verifier, now: int
) -> tuple[str, ...]:
    """The handles of all sessions whose access tokens the request carries, each once.

    By cookie, which only the browser that was given it sends, an expired token counts too. A
    bearer token must hold: old ones are found in logs.
    """
    bearer = bearer_token(request)
    cookies = request.cookies(policy.access_cookie)
    by_header = _handles(() if bearer is None else (verify(bearer),), policy, now, {None})
    by_cookie = _handles(map(verify, cookies), policy, now, {None, Reason.EXPIRED})
    return tuple(dict.fromkeys([*by_header, *by_cookie]))


def _handles(
    shown: Iterable[Verification], policy: Policy, now: int, accepted: set[Reason | None]
) -> list[str]:
    return [
        access.handle
        for access in shown
        if isinstance(access, AccessToken) and lasting_reason(access, policy, now) in accepted
    ]


Held = Presented | Unauthorised | TryRefreshToken


def _held(verified: Verification, transfer: Transfer, policy: Policy, now: int) -> Held:
    if isinstance(verified, Unverified):
        return unverified(verified.reason)
    reason = lasting_reason(verified, policy, now)
    if reason is not None:
        return TryRefreshToken(reason, verified.handle)
    return Presented(verified, transfer)


def _checked(request: RequestFacts, policy: Policy, presented: Presented) -> Held:
    access = presented.access
    if passes(request, policy, access.anti_csrf_token):
        return presented
    return TryRefreshToken(Reason.CSRF, access.handle)


def _best(candidates: list[Held]) -> Held:
    # The newest that holds; else one that a refresh may cure; else whatever there is.
    return max(candidates, key=_rank)


def _rank(candidate: Held) -> tuple[int, int]:
    match candidate:
        case Presented(access):
            issued_at = access.claims["iat"]
            return 2, issued_at if isinstance(issued_at, int) else 0
        case TryRefreshToken():
            return 1, 0
        case Unauthorised():
            return 0, 0
        case _:
            assert_never(candidate)
