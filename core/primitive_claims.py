"""Ready-made claims, of one value, of a truth, and of a list; and their validators.

The reasons that a failed validator gives are the frontend protocol's own (WIRE: claim errors).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

import attrs

from ..effects import FrozenDict, InvalidInput, Json, freeze
from .claims import SessionClaim, Validator

Values: TypeAlias = tuple[Json, ...] | list[Json]


@attrs.frozen
class PrimitiveClaim(SessionClaim):
    """A claim whose value is a string, a number or a boolean.

    >>> PrimitiveClaim("plan").has_value("pro").failure(freeze({}), now=0)
    {'message': 'value does not exist', 'expectedValue': 'pro', 'actualValue': None}
    """

    def has_value(
        self, value: Json, *, max_age: timedelta | None = None, id: str | None = None
    ) -> HasValue:
        """Holds if the claim has exactly this value."""
        return HasValue(self, max_age=max_age, id=id or self.key, expected=value)


@attrs.frozen
class BooleanClaim(PrimitiveClaim):
    """A claim that is true or false.

    >>> verified = BooleanClaim("verified")
    >>> verified.is_true().failure(verified.patch(True, now=0), now=5) is None
    True
    """

    def is_true(self, *, max_age: timedelta | None = None, id: str | None = None) -> HasValue:
        """Holds if the claim is True."""
        return self.has_value(True, max_age=max_age, id=id)

    def is_false(self, *, max_age: timedelta | None = None, id: str | None = None) -> HasValue:
        """Holds if the claim is False; a missing value is not."""
        return self.has_value(False, max_age=max_age, id=id)


@attrs.frozen
class PrimitiveArrayClaim(SessionClaim):
    """A claim whose value is a list of strings, numbers or booleans.

    >>> roles = PrimitiveArrayClaim("roles")
    >>> roles.includes("admin").failure(roles.patch(["user"], now=0), now=5)
    {'message': 'wrong value', 'expectedToInclude': 'admin', 'actualValue': ('user',)}
    """

    def includes(
        self, value: Json, *, max_age: timedelta | None = None, id: str | None = None
    ) -> IncludesAll:
        """Holds if the list has this value."""
        return IncludesAll(self, max_age=max_age, id=id or self.key, expected=(value,), single=True)

    def includes_all(
        self,
        values: Values,
        *,
        max_age: timedelta | None = None,
        id: str | None = None,
    ) -> IncludesAll:
        """Holds if the list has each of these values."""
        return IncludesAll(self, max_age=max_age, id=id or self.key, expected=values)

    def includes_any(
        self,
        values: Values,
        *,
        max_age: timedelta | None = None,
        id: str | None = None,
    ) -> IncludesAny:
        """Holds if the list has at least one of these values."""
        return IncludesAny(self, max_age=max_age, id=id or self.key, expected=values)

    def excludes(
        self, value: Json, *, max_age: timedelta | None = None, id: str | None = None
    ) -> ExcludesAll:
        """Holds if the list does not have this value."""
        return ExcludesAll(self, max_age=max_age, id=id or self.key, expected=(value,), single=True)

    def excludes_all(
        self,
        values: Values,
        *,
        max_age: timedelta | None = None,
        id: str | None = None,
    ) -> ExcludesAll:
        """Holds if the list has none of these values."""
        return ExcludesAll(self, max_age=max_age, id=id or self.key, expected=values)


def _frozen_json(value: object) -> Json:
    return freeze(value, "expected")


def _frozen_members(values: Values) -> tuple[Json, ...]:
    frozen = freeze(values, "expected")
    if not isinstance(frozen, tuple):  # a string would be taken for a list of its letters
        kind = type(values).__name__
        raise InvalidInput(f"expected must be a list of values, not {kind}; write [value].")
    return frozen


@attrs.frozen
class HasValue(Validator):
    """Holds if the value is exactly the expected one: True is not 1."""

    expected: Json = attrs.field(converter=_frozen_json, kw_only=True)

    def expectation(self) -> FrozenDict:
        return FrozenDict({"expectedValue": self.expected})

    def mismatch(self, value: Json) -> bool:
        return not _same(value, self.expected)


@attrs.frozen
class _Membership(Validator):
    expected: tuple[Json, ...] = attrs.field(converter=_frozen_members, kw_only=True)
    single: bool = attrs.field(default=False, kw_only=True)

    def _present(self, value: Json) -> tuple[bool, ...]:
        members = value if isinstance(value, tuple) else ()
        return tuple(any(_same(have, want) for have in members) for want in self.expected)

    def _shown(self) -> Json:
        return self.expected[0] if self.single else self.expected


@attrs.frozen
class IncludesAll(_Membership):
    """Holds if each expected value is in the list."""

    def expectation(self) -> FrozenDict:
        return FrozenDict({"expectedToInclude": self._shown()})

    def mismatch(self, value: Json) -> bool:
        return not all(self._present(value))


@attrs.frozen
class IncludesAny(_Membership):
    """Holds if at least one expected value is in the list."""

    def expectation(self) -> FrozenDict:
        return FrozenDict({"expectedToIncludeAtLeastOneOf": self._shown()})

    def mismatch(self, value: Json) -> bool:
        return not any(self._present(value))


@attrs.frozen
class ExcludesAll(_Membership):
    """Holds if no expected value is in the list; what is no list holds nothing, and fails."""

    def expectation(self) -> FrozenDict:
        return FrozenDict({"expectedToNotInclude": self._shown()})

    def mismatch(self, value: Json) -> bool:
        return not isinstance(value, tuple) or any(self._present(value))


def _same(one: Json, other: Json) -> bool:
    # JSON's true is not its 1, though Python's True is.
    return one == other and isinstance(one, bool) == isinstance(other, bool)
