"""Validating claims of a payload, without a session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ..effects import Done, FrozenDict, Json, Step, apply_patch, freeze_object
from .claims import Validator, given_validators
from .fetching import Subject, claims_to_refetch, fetch_claims
from .rejections import ClaimFailure


@attrs.frozen
class ClaimValidation:
    """What validating a payload found.

    Attributes:
        failures: the validators that failed, in order; empty if all hold.
        update: the payload update that refetching asks for; empty if nothing was stale.
    """

    failures: tuple[ClaimFailure, ...]
    update: FrozenDict


def validate_claims(
    user_id: str,
    payload: Mapping[str, object],
    validators: Iterable[Validator],
    *,
    now: int,
    recipe_user_id: str | None = None,
    tenant_id: str = "public",
) -> Step[ClaimValidation]:
    """Validate a payload that belongs to no session at hand. [FetchClaim for each stale claim]

    Merges nothing: ends in the failures and the update that the caller may merge.

    Raises:
        NotJson: the payload holds what JSON cannot say.
        InvalidInput: what was given are no validators.

    >>> plan = PrimitiveClaim("plan", fetchable=False)
    >>> held = plan.patch("pro", now=0)
    >>> validate_claims("user-1", held, [plan.has_value("pro")], now=5).state
    ClaimValidation(failures=(), update={})
    """
    asked, frozen = given_validators(validators), freeze_object(payload, "payload")
    who = Subject(user_id=user_id, recipe_user_id=recipe_user_id or user_id, tenant_id=tenant_id)
    stale = claims_to_refetch(asked, frozen, now=now)
    fetched = fetch_claims(stale, who, held=frozen, now=now)
    return fetched.then(AfterAllFetched(frozen, asked, now))


@attrs.frozen
class AfterAllFetched:
    """Validates the payload with what was fetched."""

    payload: FrozenDict
    validators: tuple[Validator, ...]
    now: int

    def __call__(self, update: FrozenDict) -> Step[ClaimValidation]:
        payload = apply_patch(self.payload, update)
        return Done(ClaimValidation(failures(self.validators, payload, now=self.now), update))


def failures(
    validators: Iterable[Validator], payload: Mapping[str, Json], *, now: int
) -> tuple[ClaimFailure, ...]:
    """The failures of a payload, in the order of the validators."""
    found = ((validator.id, validator.failure(payload, now=now)) for validator in validators)
    return tuple(ClaimFailure(id, reason) for id, reason in found if reason is not None)
