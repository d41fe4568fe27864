"""The ready-made claims: each validator against values that are right, wrong, old, not there."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    BooleanClaim,
    FrozenDict,
    InvalidInput,
    Json,
    NotJson,
    PrimitiveArrayClaim,
    PrimitiveClaim,
    Validator,
    freeze,
)

NOW = 1_700_000_000_000

PLAN = PrimitiveClaim("plan")
LEVEL = PrimitiveClaim("level")
MFA = BooleanClaim("mfa")
ROLES = PrimitiveArrayClaim("roles")

PRIMITIVES = st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "a", "1"])
LISTS = st.lists(PRIMITIVES, max_size=4)

# The validator, what the client is told was expected, values that hold, values that don't.
TABLE: list[tuple[Validator, dict[str, Any], list[Any], list[Any]]] = [
    (
        PLAN.has_value("pro"),
        {"expectedValue": "pro"},
        ["pro"],
        ["free", "Pro", "pro ", "", 1, True, ["pro"], {"pro": True}],
    ),
    (LEVEL.has_value(1), {"expectedValue": 1}, [1, 1.0], [True, "1", 0, 2, [1]]),
    (LEVEL.has_value(0), {"expectedValue": 0}, [0, 0.0, -0.0], [False, "", "0", []]),
    (LEVEL.has_value(True), {"expectedValue": True}, [True], [1, 1.0, "true", False]),
    (MFA.is_true(), {"expectedValue": True}, [True], [False, 1, 1.0, "true", [True]]),
    (MFA.is_false(), {"expectedValue": False}, [False], [True, 0, 0.0, "", "false", []]),
    (
        ROLES.includes("a"),
        {"expectedToInclude": "a"},
        [["a"], ["b", "a"], ["a", "a"]],
        [[], ["b"], ["A"], [["a"]], "a", {"a": True}, True, 0],
    ),
    (ROLES.includes(1), {"expectedToInclude": 1}, [[1], [0, 1.0]], [[True], ["1"], [0], 1]),
    (
        ROLES.includes_all(["a", "b"]),
        {"expectedToInclude": ["a", "b"]},
        [["a", "b"], ["b", "c", "a"]],
        [["a"], ["b"], [], "ab", {"a": 1, "b": 1}],
    ),
    (ROLES.includes_all([]), {"expectedToInclude": []}, [[], ["x"]], []),
    (
        ROLES.includes_any(["a", True]),
        {"expectedToIncludeAtLeastOneOf": ["a", True]},
        [["a"], [True], ["x", True]],
        [["b"], [1], [], "a", True],
    ),
    (ROLES.includes_any([]), {"expectedToIncludeAtLeastOneOf": []}, [], [[], ["x"]]),
    (
        ROLES.excludes("banned"),
        {"expectedToNotInclude": "banned"},
        [[], ["a"], ["Banned"]],
        [["banned"], ["a", "banned"], "free", {}, 0, False],
    ),
    (ROLES.excludes(1), {"expectedToNotInclude": 1}, [[True], ["1"]], [[1], [1.0]]),
    (
        ROLES.excludes_all(["a", "b"]),
        {"expectedToNotInclude": ["a", "b"]},
        [[], ["c"]],
        [["a"], ["c", "b"], ["a", "b"], "c", 7],
    ),
]
IDS = [f"{type(row[0]).__name__}-{row[1]}" for row in TABLE]


def told(message: str, expected: dict[str, Any], actual: Any) -> FrozenDict:
    """The reason of a failure, as the client is told it."""
    reason = freeze({"message": message, **expected, "actualValue": actual})
    assert isinstance(reason, FrozenDict)
    return reason


@pytest.mark.parametrize(("validator", "expected", "right", "wrong"), TABLE, ids=IDS)
def test_a_right_value_holds_and_a_wrong_one_is_told(
    validator: Validator, expected: dict[str, Any], right: list[Any], wrong: list[Any]
) -> None:
    assert validator.max_age is None
    for value in right:
        payload = validator.claim.patch(value, now=NOW)
        assert validator.failure(payload, now=NOW + 10**9) is None
    for value in wrong:
        payload = validator.claim.patch(value, now=NOW)
        reason = validator.failure(payload, now=NOW)
        assert reason == told("wrong value", expected, value)
        assert list(reason or ()) == list(told("wrong value", expected, value))


@pytest.mark.parametrize(("validator", "expected", "right", "wrong"), TABLE, ids=IDS)
def test_a_missing_value_never_holds(
    validator: Validator, expected: dict[str, Any], right: list[Any], wrong: list[Any]
) -> None:
    key = validator.claim.key
    for entry in (None, {}, {"v": None, "t": NOW}, *right, *wrong):
        payload = freeze({} if entry is None else {key: entry})
        assert isinstance(payload, FrozenDict)
        reason = validator.failure(payload, now=NOW)
        assert reason == told("value does not exist", expected, None)
        assert validator.must_refetch(payload, now=NOW)


FACTORIES: list[Callable[..., Validator]] = [
    partial(PLAN.has_value, "pro"),
    MFA.is_true,
    MFA.is_false,
    partial(ROLES.includes, "a"),
    partial(ROLES.includes_all, ["a"]),
    partial(ROLES.includes_any, ["a"]),
    partial(ROLES.excludes, "a"),
    partial(ROLES.excludes_all, ["a"]),
]


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("value", ["pro", True, False, ["a"], []])
def test_an_old_value_is_told_whatever_it_is(factory: Callable[..., Validator], value: Any) -> None:
    validator = factory(max_age=timedelta(seconds=5))
    payload = validator.claim.patch(value, now=NOW)
    at_most = validator.failure(payload, now=NOW + 5_000)
    assert at_most == factory().failure(payload, now=NOW)
    reason: dict[str, Json] = {"message": "expired", "ageInSeconds": 5, "maxAgeInSeconds": 5}
    assert validator.failure(payload, now=NOW + 5_001) == FrozenDict(reason)
    assert not validator.must_refetch(payload, now=NOW + 5_000)
    assert validator.must_refetch(payload, now=NOW + 5_001)


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_id_is_the_key_or_what_is_given(factory: Callable[..., Validator]) -> None:
    assert factory().id == factory().claim.key
    assert factory(id="mine").id == "mine"
    assert factory(id="mine") != factory()


@given(PRIMITIVES, PRIMITIVES)
def test_has_value_is_the_equality_of_json(one: Any, other: Any) -> None:
    failure = PLAN.has_value(one).failure(PLAN.patch(other, now=NOW), now=NOW)
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    assert (failure is None) is same


@given(PRIMITIVES)
def test_a_boolean_claim_is_true_or_false_and_nothing_else(value: Any) -> None:
    payload = MFA.patch(value, now=NOW)
    assert (MFA.is_true().failure(payload, now=NOW) is None) is (value is True)
    assert (MFA.is_false().failure(payload, now=NOW) is None) is (value is False)


@given(PRIMITIVES)
def test_what_was_expected_is_told_as_it_was_asked_for(value: Any) -> None:
    having, lacking = ROLES.patch([value], now=NOW), ROLES.patch([], now=NOW)
    for one, many, payload, name in (
        (ROLES.includes(value), ROLES.includes_all([value]), lacking, "expectedToInclude"),
        (ROLES.excludes(value), ROLES.excludes_all([value]), having, "expectedToNotInclude"),
    ):
        told_one, told_many = (v.failure(payload, now=NOW) for v in (one, many))
        assert told_one is not None
        assert told_many is not None
        assert told_one[name] == value
        assert told_many[name] == (value,)


@given(LISTS, LISTS, PRIMITIVES)
def test_the_array_validators_agree_with_each_other(have: Any, want: Any, one: Any) -> None:
    payload = ROLES.patch(have, now=NOW)

    def holds(validator: Validator) -> bool:
        return validator.failure(payload, now=NOW) is None

    each = [holds(ROLES.includes(value)) for value in want]
    assert holds(ROLES.includes_all(want)) is all(each)
    assert holds(ROLES.includes_any(want)) is any(each)
    assert holds(ROLES.excludes_all(want)) is not any(each)
    assert holds(ROLES.excludes(one)) is not holds(ROLES.includes(one))
    assert all(holds(ROLES.includes(value)) for value in have)


@pytest.mark.parametrize("values", ["admin", {"admin": True}, 7, None])
def test_a_string_is_no_list_of_its_letters(values: Any) -> None:
    for method in (ROLES.includes_all, ROLES.includes_any, ROLES.excludes_all):
        kind = type(values).__name__
        with pytest.raises(
            InvalidInput, match=rf"expected must be a list of values, not {kind}; write \[value"
        ):
            method(values)


def test_what_is_expected_is_frozen_json() -> None:
    wanted: list[Any] = ["a"]
    validator = ROLES.includes_all(wanted)
    wanted.append("b")
    assert validator == ROLES.includes_all(["a"])
    assert hash(validator) == hash(ROLES.includes_all(("a",)))
    with pytest.raises(NotJson, match="expected is of type object"):
        PLAN.has_value(object())  # type: ignore[arg-type]  # that is the point
    with pytest.raises(NotJson, match=r"expected\[0\]"):
        ROLES.includes(object())  # type: ignore[arg-type]  # that is the point
