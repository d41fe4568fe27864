"""Sessions of an HTTP request: from its facts to the effects of its response.

The same operations as without a request, with the tokens found in headers and cookies, the
anti-CSRF check, and the response effects that the outcome asks for (WIRE.md). A rejection clears
tokens only if it ends the session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ..effects import (
    EMPTY,
    Done,
    Reason,
    Rejection,
    Step,
)
from .candidates import left_overs, refresh_with_one_of
from .claims import SessionClaim
from .creating import create_session
from .csrf import may_log_in, passes
from .from_request import Answer
from .keyset import Verifier
from .lifetime import Lifetime
from .policy import AntiCsrf, Policy, Transfer
from .presented import carried_handles
from .rejections import Unauthorised
from .request import (
    RequestFacts,
    bearer_token,
    used_transfers,
    wanted_transfer,
)
from .revoking import revoke_multiple_sessions
from .rotation import parse
from .session import Session, attach_to_request_response
from .transport import (
    ANTI_CSRF_HEADER,
    clear_transfer,
)
from .verifying import rejected


@attrs.frozen
class Attach:
    """Attaches the session that was found to the request's exchange."""

    request: RequestFacts
    transfer: Transfer
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        used = used_transfers(self.request, session.policy)
        return attach_to_request_response(session, self.transfer, used=used, now=self.now)


def create_session_in_request(
    request: RequestFacts,
    user_id: str,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    entropy: bytes,
    payload: Mapping[str, object] = EMPTY,
    data: Mapping[str, object] = EMPTY,
    tenant_id: str = "public",
    recipe_user_id: str | None = None,
    lifetime: Lifetime | None = None,
    claims: Iterable[SessionClaim] | None = None,
    check_anti_csrf: bool = True,
) -> Step[Session]:
    """Log a user in and send the tokens as the client asks. [FetchClaim each, Establish, Revoke]

    The sessions that the client already had are revoked: nothing that was known of it holds for the
    new one (session fixation, OWASP ASVS 7.2.4). Tokens that it holds by the other transfer are
    cleared. Where cookies are to be set or were sent, a login that another site's page sent is
    `Unauthorised`, unless `check_anti_csrf` is false.

    Raises as `create_session` does.

    >>> request = RequestFacts("POST", [("st-auth-mode", "cookie")])
    >>> type(create_session_in_request(request, "user-1", policy=example_policy(),
    ...     verify=KeySet(()), now=0, entropy=bytes(32)).effect).__name__
    'Establish'
    """
    transfer = wanted_transfer(request, policy)
    by_cookie = transfer is Transfer.COOKIE or Transfer.COOKIE in used_transfers(request, policy)
    if by_cookie and check_anti_csrf and not may_log_in(request, policy):
        return rejected(Unauthorised(Reason.CSRF), now).always(Answer(request, policy))
    created = create_session(
        user_id,
        policy=policy,
        now=now,
        entropy=entropy,
        payload=payload,
        data=data,
        tenant_id=tenant_id,
        recipe_user_id=recipe_user_id,
        lifetime=lifetime,
        claims=claims,
        anti_csrf=transfer is Transfer.COOKIE,
    )
    old = carried_handles(request, policy, verify, now)
    return created.then(RevokeOld(old, now)).then(Send(request, transfer, now))


@attrs.frozen
class RevokeOld:
    """Revokes the sessions that the client had before, if any."""

    handles: tuple[str, ...]
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        if not self.handles:
            return Done(session)
        revoked = revoke_multiple_sessions(self.handles, now=self.now)
        return revoked.then(Instead(session))


@attrs.frozen
class Instead:
    """Goes on with this session, whatever came before."""

    session: Session

    def __call__(self, _: object) -> Step[Session]:
        return Done(self.session)


@attrs.frozen
class Send:
    """Sends a session's new tokens, and clears what the client holds by the other transfer."""

    request: RequestFacts
    transfer: Transfer
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        policy = session.policy
        used = used_transfers(self.request, policy)
        others = (way for way in used if way is not self.transfer)
        told = [effect for way in others for effect in clear_transfer(policy, way)]
        return Done(session, (*told, *left_overs(self.request, policy))).then(
            Attach(self.request, self.transfer, self.now)
        )


def refresh_session_in_request(
    request: RequestFacts, *, policy: Policy, now: int, entropy: bytes
) -> Step[Session]:
    """Refresh the session of a request; POST only. [as `refresh_session`]

    Takes the refresh token from `Authorization: Bearer`, else from the cookie, which must pass the
    anti-CSRF check. Cookies that are left over from an older domain or protocol are cleared.

    Raises:
        InvalidInput: a time or entropy of the wrong kind.

    >>> refresh_session_in_request(
    ...     RequestFacts("GET"), policy=example_policy(), now=0, entropy=bytes(32)
    ... ).state.reason
    <Reason.WRONG_METHOD: 'not a POST'>
    """
    bearer = bearer_token(request)
    by_header = bearer is not None and parse(bearer) is not None
    refusal = _refusal(request, policy, by_cookie=not by_header)
    if refusal is not None:
        return rejected(Unauthorised(refusal), now).always(Answer(request, policy))
    tokens = (bearer,) if bearer and by_header else request.cookies(policy.refresh_cookie)
    refreshed = refresh_with_one_of(
        tokens,
        policy=policy,
        now=now,
        entropy=entropy,
        anti_csrf_token=request.header(ANTI_CSRF_HEADER),
        check_anti_csrf=not by_header,
    )
    transfer = Transfer.HEADER if by_header else Transfer.COOKIE
    return refreshed.always(AfterRefresh(request, policy, transfer, now))


@attrs.frozen
class AfterRefresh:
    """Sends the new tokens, or says why there are none."""

    request: RequestFacts
    policy: Policy = attrs.field(repr=False)
    transfer: Transfer
    now: int

    def __call__(self, outcome: Session | Rejection) -> Step[Session]:
        if isinstance(outcome, Session):
            return Send(self.request, self.transfer, self.now)(outcome)
        return Answer(self.request, self.policy)(outcome)


def _refusal(request: RequestFacts, policy: Policy, *, by_cookie: bool) -> Reason | None:
    if request.method != "POST":
        return Reason.WRONG_METHOD
    # With VIA_TOKEN the header is compared with the record's token, which isn't loaded yet.
    if not by_cookie or policy.anti_csrf is AntiCsrf.VIA_TOKEN:
        return None
    if not request.cookies(policy.refresh_cookie) or passes(request, policy, None):
        return None
    return Reason.CSRF
