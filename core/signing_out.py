"""Signing out: the end of a request's session, and of what its client keeps."""

from __future__ import annotations

import attrs

from ..effects import Done, Reason, Revoke, SetHeader, Step
from .from_request import Answer, get_session_from_request
from .keyset import Verifier
from .policy import Policy
from .presented import carried_handles
from .rejections import Unauthorised
from .request import RequestFacts
from .revoking import AfterRevoke
from .session import Session
from .verifying import rejected


def sign_out(request: RequestFacts, *, policy: Policy, verify: Verifier, now: int) -> Step[bool]:
    """End the session of a request and clear the client's tokens; POST only. [Revoke]

    With it ends every other session whose access token the request carries, since their tokens are
    cleared too. Claim validators aren't applied. Ends in whether the session was still there, or in
    a rejection as `get_session` does.

    >>> sign_out(
    ...     RequestFacts("POST"), policy=example_policy(), verify=KeySet(()), now=0
    ... ).state.reason
    <Reason.NO_TOKEN: 'no token'>
    """
    if request.method != "POST":
        refusal = rejected(Unauthorised(Reason.WRONG_METHOD), now)
        return refusal.always(Answer(request, policy)).then(EndSessions((), now))
    found = get_session_from_request(request, policy=policy, verify=verify, now=now, validators=())
    return found.then(EndSessions(carried_handles(request, policy, verify, now), now))


@attrs.frozen
class EndSessions:
    """Revokes the session that was found, and what else the request carries."""

    carried: tuple[str, ...]
    now: int

    def __call__(self, session: Session) -> Step[bool]:
        handles = dict.fromkeys((session.handle, *self.carried))
        ended = Revoke(tuple(handles)).then(AfterRevoke(session, self.now))
        if not session.policy.clear_site_data:
            return ended
        return ended.then(ClearSite())


@attrs.frozen
class ClearSite:
    """Has the browser clear the origin's cookies and storage (ASVS 14.3.1)."""

    def __call__(self, was_there: bool) -> Step[bool]:
        return Done(was_there, (SetHeader("Clear-Site-Data", '"cookies", "storage"'),))
