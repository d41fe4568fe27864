"""Session claims: values that the application can fetch anew, and validators of them.

A claim is kept in the access token's payload as `{key: {"v": value, "t": ms}}`, where `t` is when
it was fetched. A validator says whether the payload's value will do, and whether it must be
fetched again first. Both are frozen values; subclass them for your own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import cast

import attrs

from ..effects import FetchClaim, FrozenDict, InvalidInput, Json, freeze
from .lifetime import ms, positive_duration
from .reserved import RESERVED_CLAIMS


def _own_key(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not value or value in RESERVED_CLAIMS:
        raise InvalidInput(f"{value!r} can't be a claim's key: it is empty or reserved.")


@attrs.frozen
class SessionClaim:
    """A claim by its key in the payload.

    Attributes:
        key: its name in the payload; no reserved one.
        fetchable: whether the application can be asked for its value. If not, the claim is only
            ever set by hand, and a stale value is never fetched but fails validation.

    Subclasses add validators, and may narrow `value_in`.
    """

    key: str = attrs.field(validator=_own_key)
    fetchable: bool = attrs.field(default=True, kw_only=True)

    def value_in(self, payload: Mapping[str, Json]) -> Json:
        """The claim's value in a payload, or None.

        >>> SessionClaim("plan").value_in(freeze({"plan": {"v": "pro", "t": 0}}))
        'pro'
        """
        entry = payload.get(self.key)
        return entry.get("v") if isinstance(entry, FrozenDict) else None

    def fetched_at(self, payload: Mapping[str, Json]) -> int | None:
        """When the value was fetched or set, ms since the epoch, or None."""
        entry = payload.get(self.key)
        time = entry.get("t") if isinstance(entry, FrozenDict) else None
        return time if type(time) is int else None

    def patch(self, value: object, *, now: int) -> FrozenDict:
        """The payload update that sets the claim.

        Raises:
            NotJson: the value cannot be said in JSON.
        """
        entry = FrozenDict({"v": freeze(value, self.key), "t": now})
        return FrozenDict({self.key: entry})

    def removal(self) -> FrozenDict:
        """The payload update that removes the claim."""
        return FrozenDict({self.key: None})

    def fetch(self, *, user_id: str, recipe_user_id: str, tenant_id: str) -> FetchClaim:
        """The effect that asks the application for the value.

        Raises:
            InvalidInput: the claim is only ever set by hand.
        """
        if not self.fetchable:
            raise InvalidInput(f"the claim {self.key!r} isn't fetchable: set its value by hand.")
        return FetchClaim(
            key=self.key, user_id=user_id, recipe_user_id=recipe_user_id, tenant_id=tenant_id
        )


def _optional_duration(
    instance: object, attribute: attrs.Attribute[timedelta | None], value: timedelta | None
) -> None:
    if value is not None:
        positive_duration(instance, cast("attrs.Attribute[timedelta]", attribute), value)


def _key_of_claim(validator: Validator) -> str:
    return validator.claim.key


def without_claims(payload: FrozenDict) -> FrozenDict:
    """What a payload holds beside claims: whatever is not of their form.

    >>> without_claims(freeze_object({"plan": {"v": "pro", "t": 0}, "theme": "dark"}))
    {'theme': 'dark'}
    """
    return FrozenDict({key: value for key, value in payload.items() if not _is_claim(value)})


def _is_claim(value: Json) -> bool:
    return isinstance(value, FrozenDict) and set(value) == {"v", "t"}


@attrs.frozen
class Validator:
    """Whether a claim's value will do. Subclass it and write `mismatch`.

    Attributes:
        claim: the claim that it is about.
        max_age: how old the value may be, or None for any age. An older one is fetched again
            before it is validated.
        id: what the client is told of a failure under; by default the claim's key.
    """

    claim: SessionClaim
    max_age: timedelta | None = attrs.field(
        default=None, validator=_optional_duration, kw_only=True
    )
    id: str = attrs.field(default=attrs.Factory(_key_of_claim, takes_self=True), kw_only=True)

    def must_refetch(self, payload: Mapping[str, Json], *, now: int) -> bool:
        """Whether the claim has no value, or one too old, and can be fetched."""
        missing = self.claim.value_in(payload) is None
        return self.claim.fetchable and (missing or self._expired(payload, now))

    def failure(self, payload: Mapping[str, Json], *, now: int) -> FrozenDict | None:
        """Why the payload fails, as the client is told it, or None if it will do."""
        value = self.claim.value_in(payload)
        if value is None:
            return FrozenDict(
                {"message": "value does not exist", **self.expectation(), "actualValue": None}
            )
        if self._expired(payload, now):
            return self._too_old(payload, now)
        if self.mismatch(value):
            return FrozenDict(
                {"message": "wrong value", **self.expectation(), "actualValue": value}
            )
        return None

    def expectation(self) -> FrozenDict:
        """What the client is told was expected."""
        return FrozenDict()

    def mismatch(self, value: Json) -> bool:
        """Whether a value that is there, and fresh enough, will not do."""
        raise NotImplementedError(f"{type(self).__name__} must say what a mismatch is")

    def _age(self, payload: Mapping[str, Json], now: int) -> int | None:
        fetched_at = self.claim.fetched_at(payload)
        return None if fetched_at is None else now - fetched_at

    def _expired(self, payload: Mapping[str, Json], now: int) -> bool:
        if self.max_age is None:
            return False
        age = self._age(payload, now)
        return age is None or age > ms(self.max_age)

    def _too_old(self, payload: Mapping[str, Json], now: int) -> FrozenDict:
        age = self._age(payload, now)
        return FrozenDict(
            {
                "message": "expired",
                "ageInSeconds": None if age is None else age // 1000,
                "maxAgeInSeconds": ms(self.max_age or timedelta()) // 1000,
            }
        )


def given_validators(validators: object) -> tuple[Validator, ...]:
    """The validators that a caller gives: each one that can be asked.

    Raises:
        InvalidInput: they are no list of validators; says what to write.

    >>> given_validators(["plan"])
    Traceback (most recent call last):
    counterfoil.effects.errors.InvalidInput: validators must hold validators, not str.
    """
    try:
        each = _each(validators)
    except TypeError:
        hint = "; write [validator]" if isinstance(validators, Validator) else ""
        kind = type(validators).__name__
        raise InvalidInput(f"validators must be a list of validators, not {kind}{hint}.") from None
    given = tuple(each)
    for one in given:
        if not isinstance(one, Validator):
            raise InvalidInput(f"validators must hold validators, {_what_instead(one)}")
    return cast("tuple[Validator, ...]", given)


def _each(several: object) -> Iterator[object]:
    if isinstance(several, str):
        raise TypeError  # it is one value
    return iter(cast("Iterable[object]", several))


def _what_instead(slip: object) -> str:
    if isinstance(slip, SessionClaim):
        return (
            f"and {slip.key!r} is a claim itself ({type(slip).__name__}): say what must be true of "
            "it, as in claim.is_true(), claim.has_value(...) or claim.includes(...)."
        )
    call = "; call it, as in claim.is_true()" if callable(slip) else ""
    return f"not {type(slip).__name__}{call}."
