"""What a client is told of a rejection: one status and one body a kind, whatever the reason."""

from __future__ import annotations

import attrs

from ..effects import FrozenDict, Rejection
from .policy import Policy
from .rejections import InvalidClaims


@attrs.frozen
class Answer:
    """An HTTP status and a JSON body."""

    status: int
    body: FrozenDict


REFRESHED = Answer(200, FrozenDict())
"""What follows a refresh, whose tokens are in the headers."""

SIGNED_OUT = Answer(200, FrozenDict({"status": "OK"}))
"""What follows a sign-out."""

UNAVAILABLE = Answer(503, FrozenDict({"message": "temporarily unavailable"}))
"""What follows `StoreUnavailable`: nothing is known, so nothing is cleared."""


def answer(rejection: Rejection, policy: Policy) -> Answer:
    """The answer to a request that was rejected (WIRE: routes and answers).

    >>> answer(Unauthorised(Reason.NO_TOKEN), example_policy())
    Answer(status=401, body={'message': 'unauthorised'})
    """
    if not isinstance(rejection, InvalidClaims):
        return Answer(policy.unauthorised_status, FrozenDict({"message": rejection.message}))
    failures = tuple(
        FrozenDict({"id": failure.id, "reason": failure.reason}) for failure in rejection.failures
    )
    body = FrozenDict({"message": rejection.message, "claimValidationErrors": failures})
    return Answer(policy.invalid_claim_status, body)
