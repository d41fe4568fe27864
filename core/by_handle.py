"""Changing a session by its handle, for a user who is away. No token is signed.

The client gets the change with its next refresh. Each operation reads the record first: to know
how large its payload may grow, and that the session is not over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import attrs

from ..effects import (
    ClaimFetched,
    Done,
    FrozenDict,
    Json,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    Replaced,
    ReplaceData,
    SessionRecord,
    Step,
    TooLarge,
    freeze_object,
)
from .access_token import engine_claims, payload_limit, too_large
from .claims import SessionClaim
from .entropy import check_now
from .fetching import Subject
from .policy import Policy
from .reserved import check_payload


@attrs.frozen
class SessionDoesNotExist:
    """There is no such session, or it is over."""


def merge_into_access_token_payload_by_handle(
    handle: str, update: Mapping[str, object], *, policy: Policy, now: int
) -> Step[bool]:
    """Merge an update into a session's payload; None deletes its key. [Load, Regenerate]

    Ends in whether the session was there.

    Raises:
        NotJson, ReservedClaim, PayloadTooLarge: the update can't be accepted; nothing was changed.

    >>> merge_into_access_token_payload_by_handle(
    ...     "a", {"plan": "pro"}, policy=example_policy(), now=0
    ... ).effect
    Load(handle='a')
    """
    check_now(now)
    change = AfterLoadToMerge(check_payload(update, "update"), policy, now)
    return Load(handle).then(change)


@attrs.frozen
class AfterLoadToMerge:
    """Merges, within what the session's tokens have room for."""

    patch: FrozenDict
    policy: Policy = attrs.field(repr=False)
    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[bool]:
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return Done(False)
        claims = engine_claims(record, self.policy, now=self.now)
        limit = payload_limit(claims, self.policy)
        return Regenerate(record.handle, self.patch, None, limit).then(AfterMergeAway(limit))


@attrs.frozen
class AfterMergeAway:
    """Tells whether the session was there."""

    limit: int

    def __call__(self, reply: Regenerated | TooLarge | Missing) -> Step[bool]:
        match reply:
            case Regenerated():
                return Done(True)
            case TooLarge(payload):
                raise too_large(payload, self.limit)
            case Missing():
                return Done(False)
            case _:
                assert_never(reply)


def set_claim_value_by_handle(
    handle: str, claim: SessionClaim, value: object, *, policy: Policy, now: int
) -> Step[bool]:
    """Set a session's claim by hand. [Load, Regenerate]

    Ends and raises as `merge_into_access_token_payload_by_handle` does.

    >>> set_claim_value_by_handle(
    ...     "a", PrimitiveClaim("plan"), "pro", policy=example_policy(), now=0
    ... ).effect
    Load(handle='a')
    """
    return merge_into_access_token_payload_by_handle(
        handle, claim.patch(value, now=now), policy=policy, now=now
    )


def remove_claim_by_handle(
    handle: str, claim: SessionClaim, *, policy: Policy, now: int
) -> Step[bool]:
    """Remove a session's claim. [Load, Regenerate]

    Ends and raises as `merge_into_access_token_payload_by_handle` does.

    >>> remove_claim_by_handle("a", PrimitiveClaim("p"), policy=example_policy(), now=0).effect
    Load(handle='a')
    """
    return merge_into_access_token_payload_by_handle(
        handle, claim.removal(), policy=policy, now=now
    )


def fetch_and_set_claim_by_handle(
    handle: str, claim: SessionClaim, *, policy: Policy, now: int
) -> Step[bool]:
    """Fetch a claim for a session's user and set it; None removes it.
    [Load, FetchClaim, Regenerate]

    Ends and raises as `merge_into_access_token_payload_by_handle` does.

    >>> fetch_and_set_claim_by_handle(
    ...     "a", PrimitiveClaim("plan"), policy=example_policy(), now=0
    ... ).effect
    Load(handle='a')
    """
    return Load(handle).then(AfterLoadToFetch(claim, policy, now))


@attrs.frozen
class AfterLoadToFetch:
    """Asks for the claim of the session's user."""

    claim: SessionClaim
    policy: Policy = attrs.field(repr=False)
    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[bool]:
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return Done(False)
        who = Subject(
            user_id=record.user_id,
            recipe_user_id=record.recipe_user_id,
            tenant_id=record.tenant_id,
        )
        after = AfterFetchAway(record, self.claim, self.policy, self.now)
        return who.question(self.claim).then(after)


@attrs.frozen
class AfterFetchAway:
    """Merges the claim into the record."""

    record: SessionRecord
    claim: SessionClaim
    policy: Policy = attrs.field(repr=False)
    now: int

    def __call__(self, reply: ClaimFetched) -> Step[bool]:
        claim = self.claim
        gone = reply.value is None
        patch = claim.removal() if gone else claim.patch(reply.value, now=self.now)
        return AfterLoadToMerge(patch, self.policy, self.now)(self.record)


def get_claim_value_by_handle(
    handle: str, claim: SessionClaim, *, now: int
) -> Step[Json | SessionDoesNotExist]:
    """A claim's value in a session's stored payload, or None. [Load]

    Ends in `SessionDoesNotExist` if the session is over.

    >>> get_claim_value_by_handle("a", PrimitiveClaim("plan"), now=0).effect
    Load(handle='a')
    """
    return Load(handle).then(AfterLoadForClaim(claim, now))


@attrs.frozen
class AfterLoadForClaim:
    """Reads the claim in the record."""

    claim: SessionClaim
    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[Json | SessionDoesNotExist]:
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return Done(SessionDoesNotExist())
        return Done(self.claim.value_in(record.payload))


def update_session_data_in_database_by_handle(
    handle: str, data: Mapping[str, object]
) -> Step[bool]:
    """Replace a session's server-side data. [ReplaceData]

    Ends in whether the session was there.

    Raises:
        NotJson: the data holds what JSON cannot say; says where.

    >>> update_session_data_in_database_by_handle("a", {"cart": [1]}).effect
    ReplaceData(handle='a', data={'cart': (1,)})
    """
    return ReplaceData(handle, freeze_object(data, "data")).then(AfterReplaceAway())


@attrs.frozen
class AfterReplaceAway:
    """Tells whether the session was there."""

    def __call__(self, reply: Replaced | Missing) -> Step[bool]:
        return Done(isinstance(reply, Replaced))
