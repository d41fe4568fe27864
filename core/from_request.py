"""The session of an HTTP request, and what a response says of one that is over (WIRE.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, overload

import attrs

from ..effects import Done, Reason, Rejection, Step
from .claims import Validator, given_validators
from .entropy import check_now
from .keyset import Verifier
from .policy import Policy
from .recognising import recognise
from .rejections import Unauthorised
from .request import RequestFacts, used_transfers
from .session import Session
from .transport import clear_tokens, private_response
from .verifying import AssertClaims, check_in_database


@overload
def get_session_from_request(
    request: RequestFacts,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: Literal[True] = True,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session]: ...
@overload
def get_session_from_request(
    request: RequestFacts,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: bool,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session | None]: ...
def get_session_from_request(
    request: RequestFacts,
    *,
    policy: Policy,
    verify: Verifier,
    now: int,
    required: bool = True,
    check_anti_csrf: bool = True,
    check_database: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Step[Session] | Step[Session | None]:
    """The session of a request, attached to its exchange. [Load with `check_database`; claims]

    Takes the access token from `Authorization: Bearer`, else from the cookie, which on an unsafe
    method must pass the anti-CSRF check. Ends in the session, or in None if there is no token and
    `required` is false, or in a rejection as `get_session` does.

    Raises:
        InvalidInput: a time or validators of the wrong kind.

    >>> request = RequestFacts("GET", [])
    >>> get_session_from_request(
    ...     request, policy=example_policy(), verify=KeySet(()), now=0, required=False
    ... ).state is None
    True
    """
    check_now(now)
    asked = policy.validators if validators is None else given_validators(validators)
    found: Step[Session] = recognise(
        request, policy=policy, verify=verify, now=now, check_anti_csrf=check_anti_csrf
    )
    if not required and found.state == Unauthorised(Reason.NO_TOKEN):
        return Done(None, private_response())
    if check_database:
        found = found.then(CheckInDatabase(now)).always(ClearIfOver(request, policy))
    return found.then(AssertClaims(asked, now)) if asked else found


@attrs.frozen
class CheckInDatabase:
    """Asks the store whether the session that was recognised is still there."""

    now: int

    def __call__(self, session: Session) -> Step[Session]:
        return check_in_database(session, now=self.now)


@attrs.frozen
class ClearIfOver:
    """Clears the client's tokens if the session is over."""

    request: RequestFacts
    policy: Policy = attrs.field(repr=False)

    def __call__(self, outcome: Session | Rejection) -> Step[Session]:
        if isinstance(outcome, Rejection) and outcome.clear_tokens:
            used = used_transfers(self.request, self.policy)
            return Done(outcome, clear_tokens(self.policy, used))
        return Done(outcome)


@attrs.frozen
class Answer:
    """Marks the response as private, and clears the client's tokens if the session is over."""

    request: RequestFacts
    policy: Policy = attrs.field(repr=False)

    def __call__(self, outcome: Session | Rejection) -> Step[Session]:
        cleared = ClearIfOver(self.request, self.policy)
        return Done(outcome, private_response()).always(cleared)
