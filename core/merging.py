"""Changing what a session's access token says: merging a patch, and claims.

An update is a patch that the store merges into what it holds, in one atomic act: of two requests
that change different keys at once, both changes survive. Nothing here recreates a session that
was revoked meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

import attrs

from ..effects import (
    ClaimFetched,
    Done,
    FrozenDict,
    Json,
    Missing,
    Regenerate,
    Regenerated,
    Step,
    TooLarge,
)
from .access_token import (
    access_token_of,
    application_payload,
    check_size,
    payload_limit,
    renewed_claims,
    too_large,
)
from .claims import SessionClaim, Validator, given_validators
from .entropy import check_now
from .fetching import Subject, claims_to_refetch, fetch_claims
from .rejections import InvalidClaims
from .reserved import check_payload
from .session import Session, access_token_to_response, gone
from .validating import failures


def merge_into_access_token_payload(
    session: Session, update: Mapping[str, object], *, now: int
) -> Step[Session]:
    """Merge an update into the payload; None as a value deletes its key. [Regenerate]

    Ends in the session with its new payload and access token, or in `Unauthorised` if it was
    revoked meanwhile. If the access token has expired meanwhile, only the store is updated: the
    client gets the change with its next refresh.

    Raises:
        NotJson: the update holds what JSON cannot say; says where.
        ReservedClaim: it names claims that the engine writes.
        PayloadTooLarge: the access token would not fit in a cookie; nothing was changed.

    >>> step = merge_into_access_token_payload(example_session(), {"plan": "pro"}, now=0)
    >>> step.effect.patch
    {'plan': 'pro'}
    """
    check_now(now)
    patch = check_payload(update, "update")
    policy, access = session.policy, session.access
    limit = payload_limit(access.claims, policy)
    check_size(patch, limit)
    claims = None if now >= access.expires_at else renewed_claims(access, now)
    effect = Regenerate(session.handle, patch, claims, limit)
    return effect.then(AfterMerge(session, now, limit), state=session)


@attrs.frozen
class AfterMerge:
    """Takes what the store made of the patch."""

    session: Session
    now: int
    limit: int

    def __call__(self, reply: Regenerated | TooLarge | Missing) -> Step[Session]:
        match reply:
            case Regenerated(payload, token):
                return _merged(self.session, payload, token, self.now)
            case TooLarge(payload):
                raise too_large(payload, self.limit)
            case Missing():
                return gone(self.session, self.now)
            case _:
                assert_never(reply)


def _merged(session: Session, payload: FrozenDict, token: str | None, now: int) -> Done[Session]:
    if token is None:
        claims = {**payload, **renewed_claims(session.access, now)}
        kept = attrs.evolve(session.access, claims=FrozenDict(claims))
        return Done(attrs.evolve(session, access=kept))
    access = access_token_of(token, {**payload, **renewed_claims(session.access, now)})
    merged = attrs.evolve(session, access=access, access_token_updated=True)
    return Done(merged, access_token_to_response(merged, now))


def set_claim_value(
    session: Session, claim: SessionClaim, value: object, *, now: int
) -> Step[Session]:
    """Set a claim by hand, as if it were fetched now. [Regenerate]

    Ends and raises as `merge_into_access_token_payload` does.

    >>> set_claim_value(example_session(), PrimitiveClaim("plan"), "pro", now=5).effect.patch
    {'plan': {'v': 'pro', 't': 5}}
    """
    return merge_into_access_token_payload(session, claim.patch(value, now=now), now=now)


def get_claim_value(session: Session, claim: SessionClaim) -> Step[Json]:
    """A claim's value in the payload, or None. No effect.

    >>> get_claim_value(example_session(), PrimitiveClaim("mail")).state is None
    True
    """
    return Done(claim.value_in(session.payload))


def remove_claim(session: Session, claim: SessionClaim, *, now: int) -> Step[Session]:
    """Remove a claim from the payload. [Regenerate]

    Ends and raises as `merge_into_access_token_payload` does.

    >>> remove_claim(example_session(), PrimitiveClaim("plan"), now=0).effect.patch
    {'plan': None}
    """
    return merge_into_access_token_payload(session, claim.removal(), now=now)


def fetch_and_set_claim(session: Session, claim: SessionClaim, *, now: int) -> Step[Session]:
    """Fetch a claim's value and set it; a value of None removes it. [FetchClaim, Regenerate]

    Ends and raises as `merge_into_access_token_payload` does.

    >>> fetch_and_set_claim(example_session(), PrimitiveClaim("plan"), now=0).effect.key
    'plan'
    """
    question = _subject(session).question(claim)
    return question.then(AfterFetch(session, claim, now), state=session)


@attrs.frozen
class AfterFetch:
    """Takes the claim's value and sets it."""

    session: Session
    claim: SessionClaim
    now: int

    def __call__(self, reply: ClaimFetched) -> Step[Session]:
        if reply.value is None:
            return remove_claim(self.session, self.claim, now=self.now)
        return set_claim_value(self.session, self.claim, reply.value, now=self.now)


def assert_claims(session: Session, validators: Iterable[Validator], *, now: int) -> Step[Session]:
    """Demand that claims hold. [FetchClaim for each stale one, Regenerate if any changed]

    Stale claims are fetched first, what changed is merged, then all validators are asked. Ends in
    the session, which may have a new payload, or in `InvalidClaims` with every failure, in order.

    Raises:
        InvalidInput: what was given are no validators.

    >>> admins_only = PrimitiveArrayClaim("roles", fetchable=False).includes("admin")
    >>> assert_claims(example_session(), [admins_only], now=0).state
    InvalidClaims(clear_tokens=False, failures=(ClaimFailure(id='roles', reason={...}),))
    """
    return claims_asserted(session, given_validators(validators), now=now)


def claims_asserted(session: Session, asked: tuple[Validator, ...], *, now: int) -> Step[Session]:
    """As `assert_claims`, of validators that are known to be some."""
    if not asked:
        return Done(session)
    stale = claims_to_refetch(asked, session.payload, now=now)
    if not stale:
        return _validated(session, asked, now)
    fetched = fetch_claims(stale, _subject(session), held=session.payload, now=now)
    return fetched.then(AfterRefetch(session, asked, now))


@attrs.frozen
class AfterRefetch:
    """Merges the refetched claims, if they say anything new."""

    session: Session
    validators: tuple[Validator, ...]
    now: int

    def __call__(self, patch: FrozenDict) -> Step[Session]:
        if not patch:
            return _validated(self.session, self.validators, self.now)
        merge = merge_into_access_token_payload(self.session, patch, now=self.now)
        return merge.then(AfterClaimsMerged(self.validators, self.now))


@attrs.frozen
class AfterClaimsMerged:
    """Validates the payload that the merge has made."""

    validators: tuple[Validator, ...]
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        return _validated(session, self.validators, self.now)


def _validated(session: Session, validators: tuple[Validator, ...], now: int) -> Done[Session]:
    failed = failures(validators, application_payload(session.payload), now=now)
    return Done(InvalidClaims(failed) if failed else session)


def _subject(session: Session) -> Subject:
    return Subject(
        user_id=session.user_id,
        recipe_user_id=session.recipe_user_id,
        tenant_id=session.tenant_id,
    )
