"""Whose session a request's access token speaks of, before the store or a claim is asked.

Nothing but the request, the keys and the time decides it, and the time only by the token's own
life: so the outcome can be remembered for as long as the token holds.
"""

from __future__ import annotations

from typing import cast

from ..effects import Done
from .keyset import Verifier
from .lifetime import ms
from .policy import Policy
from .presented import Presented, present
from .request import RequestFacts, bearer_token, used_transfers
from .session import Session
from .transport import Attachment, private_response
from .verifying import rejected


def recognise(
    request: RequestFacts, *, policy: Policy, verify: Verifier, now: int, check_anti_csrf: bool
) -> Done[Session]:
    """The session of a request's access token, attached; or why there is none. Asks nothing.

    >>> recognise(
    ...     RequestFacts("GET"), policy=example_policy(), verify=KeySet(()), now=0,
    ...     check_anti_csrf=True,
    ... ).state
    Unauthorised(clear_tokens=False, reason=<Reason.NO_TOKEN: 'no token'>, handle=None)
    """
    found = present(request, policy, verify, now, check_anti_csrf=check_anti_csrf)
    if not isinstance(found, Presented):
        refused = rejected(found, now)
        return Done(refused.state, (*refused.effects, *private_response()))
    attachment = Attachment(found.transfer, used_transfers(request, policy))
    session = Session(access=found.access, policy=policy, attachment=attachment)
    return Done(session, private_response())


def lasting(session: Session) -> range:
    """The times (ms) at which what was recognised in a plain request is recognised in its like."""
    access, policy = session.access, session.policy
    issued_at = cast("int", access.claims["iat"]) * 1000
    return range(issued_at - ms(policy.clock_skew), access.expires_at)


def is_plain(request: RequestFacts, policy: Policy) -> bool:
    """Whether a request shows one access token: of several, time could tell which is used."""
    cookies = request.cookies(policy.access_cookie)
    return len(cookies) + (bearer_token(request) is not None) == 1
