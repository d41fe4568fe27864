"""Claims and validators: what is in a payload, how old it is, and how one writes one's own."""

import pickle
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    RESERVED_CLAIMS,
    BooleanClaim,
    FetchClaim,
    FrozenDict,
    InvalidInput,
    InvalidPolicy,
    Json,
    KeySet,
    NotJson,
    RequestFacts,
    SessionClaim,
    Validator,
    apply_patch,
    assert_claims,
    freeze_object,
    get_session,
    get_session_from_request,
    validate_claims,
)
from counterfoil.core.examples import example_policy, example_session
from counterfoil.core.strategies import moments
from counterfoil.effects.strategies import json_values

NOW = 1_700_000_000_000
MINUTE = 60_000


@attrs.frozen
class AtLeast(Validator):
    """Holds if a number is large enough: as an application would write it."""

    least: int = attrs.field(kw_only=True)

    def expectation(self) -> FrozenDict:
        return FrozenDict({"expectedAtLeast": self.least})

    def mismatch(self, value: Json) -> bool:
        return type(value) is not int or value < self.least


@attrs.frozen
class LevelClaim(SessionClaim):
    """A claim whose value is a number, with a validator of its own."""

    def value_in(self, payload: Mapping[str, Json]) -> int | None:
        value = SessionClaim.value_in(self, payload)
        return value if type(value) is int else None

    def at_least(self, least: int, *, max_age: timedelta | None = None) -> AtLeast:
        return AtLeast(self, max_age=max_age, id=f"{self.key} of {least}", least=least)


LEVEL = LevelClaim("level")
BY_HAND = LevelClaim("level", fetchable=False)


def holding(**entries: Any) -> FrozenDict:
    """A payload."""
    return freeze_object(entries)


# --- a claim -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", *sorted(RESERVED_CLAIMS)])
def test_a_key_is_the_applications_own(key: str) -> None:
    with pytest.raises(InvalidInput, match="can't be a claim's key: it is empty or reserved"):
        SessionClaim(key)


@given(json_values(), moments())
def test_a_value_that_is_set_is_there(value: Any, now: int) -> None:
    claim = SessionClaim("mine")
    payload = apply_patch(holding(other=1), claim.patch(value, now=now))
    assert payload["mine"] == freeze_object({"v": value, "t": now})
    assert claim.value_in(payload) == freeze_object({"v": value})["v"]
    assert claim.fetched_at(payload) == now
    assert apply_patch(payload, claim.removal()) == {"other": 1}


@pytest.mark.parametrize(
    "entry",
    [None, "bare", 7, True, ["v"], {}, {"t": 1}, {"value": "x", "t": 1}, {"v": None, "t": 1}],
)
def test_what_is_no_entry_has_no_value(entry: Any) -> None:
    assert SessionClaim("mine").value_in(holding(mine=entry)) is None
    assert SessionClaim("mine").value_in(FrozenDict()) is None


@pytest.mark.parametrize("time", [None, "yesterday", 1.5, True, [1], {}])
def test_a_time_is_whole_milliseconds_or_unknown(time: Any) -> None:
    payload = holding(level={"v": 3, "t": time})
    assert LEVEL.fetched_at(payload) is None
    assert LEVEL.fetched_at(holding(level={"v": 3})) is None
    assert LEVEL.fetched_at(holding(level=3)) is None
    assert LEVEL.value_in(payload) == 3


def test_what_json_can_not_say_is_no_value() -> None:
    with pytest.raises(NotJson, match="level"):
        LEVEL.patch(object(), now=NOW)


def test_fetching_asks_for_the_user() -> None:
    asked = LEVEL.fetch(user_id="u", recipe_user_id="r", tenant_id="t")
    assert asked == FetchClaim(key="level", user_id="u", recipe_user_id="r", tenant_id="t")


# --- a validator -------------------------------------------------------------------------------


def test_a_claim_and_a_validator_of_ones_own() -> None:
    validator = LEVEL.at_least(2)
    assert validator.failure(LEVEL.patch(2, now=NOW), now=NOW) is None
    assert validator.failure(LEVEL.patch(1, now=NOW), now=NOW) == FrozenDict(
        {"message": "wrong value", "expectedAtLeast": 2, "actualValue": 1}
    )
    assert validator.failure(FrozenDict(), now=NOW) == FrozenDict(
        {"message": "value does not exist", "expectedAtLeast": 2, "actualValue": None}
    )
    # What the claim itself doesn't take for a value is none.
    assert validator.must_refetch(LEVEL.patch("two", now=NOW), now=NOW)


def test_a_validator_must_say_what_a_mismatch_is() -> None:
    bare = Validator(LEVEL)
    assert bare.expectation() == FrozenDict()
    with pytest.raises(NotImplementedError, match="Validator must say what a mismatch is"):
        bare.failure(LEVEL.patch(1, now=NOW), now=NOW)


def test_a_validator_is_a_value() -> None:
    one, other = LEVEL.at_least(2), LEVEL.at_least(2)
    assert one == other
    assert len({one, other, LEVEL.at_least(3), BY_HAND.at_least(2)}) == 3
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own bytes


def test_the_client_is_told_of_the_key_unless_an_id_is_given() -> None:
    assert AtLeast(LEVEL, least=1).id == "level"
    assert AtLeast(LEVEL, least=1, id="grown up").id == "grown up"


@pytest.mark.parametrize("max_age", [60, 0.5, "1m", timedelta(), -timedelta(seconds=1)])
def test_an_age_has_its_unit_and_is_above_zero(max_age: Any) -> None:
    with pytest.raises(InvalidPolicy, match="max_age"):
        AtLeast(LEVEL, least=1, max_age=max_age)


# --- age ---------------------------------------------------------------------------------------

FRESH = LEVEL.at_least(2, max_age=timedelta(minutes=1))


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (-3_600_000, None),  # another server's clock is ahead
        (-1, None),
        (0, None),
        (MINUTE - 1, None),
        (MINUTE, None),
        (MINUTE + 1, 60),
        (MINUTE + 999, 60),
        (MINUTE + 1000, 61),
        (100 * MINUTE, 6000),
    ],
)
def test_a_value_is_too_old_beyond_its_age(age: int, seconds: int | None) -> None:
    payload = LEVEL.patch(2, now=NOW)
    told = FRESH.failure(payload, now=NOW + age)
    if seconds is None:
        assert told is None
    else:
        reason = {"message": "expired", "ageInSeconds": seconds, "maxAgeInSeconds": 60}
        assert told is not None
        assert told == freeze_object(reason)
        assert type(told["maxAgeInSeconds"]) is type(told["ageInSeconds"]) is int
    assert FRESH.must_refetch(payload, now=NOW + age) is (seconds is not None)


@given(st.integers(1, 10**9), st.integers(-(10**10), 10**10))
def test_expired_is_older_than_the_greatest_age(max_age: int, age: int) -> None:
    validator = LEVEL.at_least(2, max_age=timedelta(milliseconds=max_age))
    told = validator.failure(LEVEL.patch(2, now=NOW), now=NOW + age)
    assert (told is not None) is (age > max_age)


def test_without_a_greatest_age_nothing_is_too_old() -> None:
    payload = LEVEL.patch(2, now=0)
    assert LEVEL.at_least(2).failure(payload, now=NOW) is None
    assert not LEVEL.at_least(2).must_refetch(payload, now=NOW)


def test_a_value_of_unknown_age_is_too_old() -> None:
    payload = holding(level={"v": 2})
    told = FrozenDict({"message": "expired", "ageInSeconds": None, "maxAgeInSeconds": 60})
    assert FRESH.failure(payload, now=NOW) == told
    assert FRESH.must_refetch(payload, now=NOW)
    assert LEVEL.at_least(2).failure(payload, now=NOW) is None


def test_a_missing_value_is_told_before_an_old_one_and_that_before_a_wrong_one() -> None:
    later = NOW + 2 * MINUTE
    missing = FRESH.failure(LEVEL.patch(None, now=NOW), now=later)
    old_and_wrong = FRESH.failure(LEVEL.patch(1, now=NOW), now=later)
    assert missing is not None
    assert old_and_wrong is not None
    assert (missing["message"], old_and_wrong["message"]) == ("value does not exist", "expired")


@pytest.mark.parametrize("value", [None, 1, 2, "two"])
@pytest.mark.parametrize("age", [0, 2 * MINUTE])
def test_what_can_not_be_fetched_is_never_asked_for(value: Any, age: int) -> None:
    validator = BY_HAND.at_least(2, max_age=timedelta(minutes=1))
    payload = BY_HAND.patch(value, now=NOW)
    assert not validator.must_refetch(payload, now=NOW + age)
    assert (validator.failure(payload, now=NOW + age) is None) is (value == 2 and age == 0)


def test_a_wrong_value_that_is_fresh_is_not_fetched_again() -> None:
    assert not FRESH.must_refetch(LEVEL.patch(1, now=NOW), now=NOW)


SLIPS = {
    "a claim": (
        [BooleanClaim("admin")],
        r"'admin' is a claim itself \(BooleanClaim\): say what must be true of it, as in "
        r"claim\.is_true\(\), claim\.has_value\(\.\.\.\) or claim\.includes\(\.\.\.\)\.$",
    ),
    "one of several": ([BY_HAND.at_least(1), LEVEL], "'level' is a claim itself"),
    "a method": ([BooleanClaim("admin").is_true], r"not method; call it, as in claim.is_true\(\)"),
    "a class": ([AtLeast], "not type; call it"),
    "a word": (["admin"], r"must hold validators, not str\.$"),
    "nothing": ([None], r"must hold validators, not NoneType\.$"),
    "no list": (BY_HAND.at_least(1), r"a list of validators, not AtLeast; write \[validator\]"),
    "a claim that is in no list": (LEVEL, r"must be a list of validators, not LevelClaim\.$"),
    "a text": ("admin", r"must be a list of validators, not str\.$"),
}

TAKERS: dict[str, Callable[[Any], Any]] = {
    "get_session": lambda given: get_session(
        None, policy=example_policy(), verify=KeySet(()), now=NOW, validators=given
    ),
    "get_session_from_request": lambda given: get_session_from_request(
        RequestFacts("GET"),
        policy=example_policy(),
        verify=KeySet(()),
        now=NOW,
        required=False,
        validators=given,
    ),
    "assert_claims": lambda given: assert_claims(example_session(), given, now=NOW),
    "validate_claims": lambda given: validate_claims("ada", {}, given, now=NOW),
}


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_no_validator_is_refused_where_it_is_given(taker: str, slip: str) -> None:
    given, told = SLIPS[slip]
    with pytest.raises(InvalidInput, match=told):
        TAKERS[taker](given)
    TAKERS[taker](each for each in [BY_HAND.at_least(1)])
