"""Lifetimes: durations with a unit, in an order that can be."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import InvalidPolicy, Lifetime
from counterfoil.core.lifetime import ms

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.mark.parametrize("field", ["access", "idle", "absolute"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (900, "must be a datetime.timedelta, not int"),
        (True, "must be a datetime.timedelta, not bool"),
        ("15 minutes", "must be a datetime.timedelta, not str"),
        (None, "must be a datetime.timedelta, not NoneType"),
        (timedelta(), "must be longer than zero"),
        (-DAY, "must be longer than zero"),
        (timedelta(microseconds=999), "must be longer than zero, in whole milliseconds"),
    ],
)
def test_a_duration_has_its_unit_and_is_above_zero(field: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidPolicy, match=f"Policy.{field}: {problem}"):
        Lifetime(**{field: value})


@given(*[st.timedeltas(MILLISECOND, 10 * DAY)] * 3)
def test_access_is_within_idle_is_within_absolute(
    access: timedelta, idle: timedelta, absolute: timedelta
) -> None:
    if timedelta(seconds=1) <= access <= idle <= absolute:
        Lifetime(access=access, idle=idle, absolute=absolute)
        return
    with pytest.raises(InvalidPolicy) as problem:
        Lifetime(access=access, idle=idle, absolute=absolute)
    assert problem.value.field == ("lifetime.idle" if idle > absolute else "lifetime.access")


def test_each_may_reach_the_next() -> None:
    Lifetime(access=DAY, idle=DAY, absolute=DAY)
    with pytest.raises(InvalidPolicy, match=r"lifetime.idle: .* is beyond the absolute end"):
        Lifetime(access=DAY, idle=DAY + MILLISECOND, absolute=DAY)
    with pytest.raises(InvalidPolicy, match=r"lifetime.access: .* is beyond the idle end"):
        Lifetime(access=DAY + MILLISECOND, idle=DAY, absolute=2 * DAY)


def test_an_access_token_lives_a_second_or_more() -> None:
    second = timedelta(seconds=1)
    assert Lifetime(access=second).access == second
    with pytest.raises(InvalidPolicy, match=r"lifetime.access: .* is below a token's unit, 1 s"):
        Lifetime(access=second - MILLISECOND)


def test_the_presets_are_those_of_nist() -> None:
    assert (Lifetime.AAL1.idle, Lifetime.AAL1.absolute) == (30 * DAY, 30 * DAY)
    assert (Lifetime.AAL2.idle, Lifetime.AAL2.absolute) == (timedelta(hours=1), DAY)
    assert (Lifetime.AAL3.idle, Lifetime.AAL3.absolute) == (timedelta(minutes=15), DAY / 2)


def test_a_lifetime_is_a_value() -> None:
    assert Lifetime() == Lifetime(access=timedelta(minutes=15), idle=14 * DAY, absolute=90 * DAY)
    assert len({Lifetime(), Lifetime(), Lifetime.AAL1}) == 2


@given(st.integers(0, 10**15), st.integers(0, 999))
def test_milliseconds_are_whole_and_exact(whole: int, micro: int) -> None:
    assert ms(whole * MILLISECOND + timedelta(microseconds=micro)) == whole
