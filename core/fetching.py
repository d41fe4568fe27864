"""Asking the application for claims: one question after another, and the patch that results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ..effects import EMPTY, ClaimFetched, Done, FetchClaim, FrozenDict, Json, Step
from .claims import SessionClaim, Validator


@attrs.frozen(kw_only=True)
class Subject:
    """Whom claims are fetched for."""

    user_id: str
    recipe_user_id: str
    tenant_id: str

    def question(self, claim: SessionClaim) -> FetchClaim:
        """The effect that asks for one claim of this user."""
        return claim.fetch(
            user_id=self.user_id, recipe_user_id=self.recipe_user_id, tenant_id=self.tenant_id
        )


def fetch_claims(
    claims: tuple[SessionClaim, ...],
    who: Subject,
    *,
    held: FrozenDict,
    now: int,
    patch: FrozenDict = EMPTY,
) -> Step[FrozenDict]:
    """Fetch claims in order; ends in the payload patch that sets them. [FetchClaim each]

    A claim that the application answers None for is removed, if the payload `held` has it.
    """
    if not claims:
        return Done(patch)
    first, *others = claims
    after = AfterClaim(first, tuple(others), who, held, now, patch)
    return who.question(first).then(after)


@attrs.frozen
class AfterClaim:
    """Takes one claim's value and asks for the next."""

    claim: SessionClaim
    others: tuple[SessionClaim, ...]
    who: Subject
    held: FrozenDict
    now: int
    patch: FrozenDict

    def __call__(self, reply: ClaimFetched) -> Step[FrozenDict]:
        patch = FrozenDict({**self.patch, **self._change(reply.value)})
        return fetch_claims(self.others, self.who, held=self.held, now=self.now, patch=patch)

    def _change(self, value: Json) -> FrozenDict:
        if value is not None:
            return self.claim.patch(value, now=self.now)
        return self.claim.removal() if self.claim.key in self.held else EMPTY


def claims_to_refetch(
    validators: Iterable[Validator], payload: Mapping[str, Json], *, now: int
) -> tuple[SessionClaim, ...]:
    """The claims that must be fetched before validating, each once, in order."""
    stale = (v.claim for v in validators if v.must_refetch(payload, now=now))
    return tuple({claim.key: claim for claim in stale}.values())
