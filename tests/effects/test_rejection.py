"""Rejections: values that compare, and exceptions that can be raised."""

import copy
import pickle
import traceback
from typing import ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.effects import CounterfoilError, Rejection


@attrs.frozen(auto_exc=False)
class Denied(Rejection):
    """One with fields, and one of them derived."""

    message: ClassVar[str] = "denied"

    who: str
    attempts: int = 1
    locked: bool = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.attempts > 3, takes_self=True)
    )


DENIALS = st.builds(Denied, st.sampled_from("ab"), st.integers(0, 5))


@given(DENIALS, DENIALS)
def test_rejections_compare_by_value(one: Denied, other: Denied) -> None:
    same = (one.who, one.attempts) == (other.who, other.attempts)
    assert (one == other) is same
    assert (len({one, other}) == 1) is same


@given(DENIALS)
def test_a_rejection_survives_pickle_and_copy(denied: Denied) -> None:
    again = pickle.loads(pickle.dumps(denied))  # noqa: S301  # what we pickled just now
    assert again == denied == copy.copy(denied) == copy.deepcopy(denied)
    assert again.locked is denied.locked
    assert hash(again) == hash(denied)


def test_raising_takes_an_equal_but_distinct_object() -> None:
    denied = Denied("ada")
    with pytest.raises(Denied) as caught:
        raise denied.raised()
    assert caught.value == denied
    assert caught.value is not denied
    assert denied.__traceback__ is None
    assert caught.value.__traceback__ is not None


def test_a_raised_rejection_can_be_chained_and_formatted() -> None:
    with pytest.raises(Denied) as caught:
        raise Denied("ada", 4).raised() from KeyError("cause")
    assert isinstance(caught.value.__cause__, KeyError)
    assert "Denied: denied" in "".join(traceback.format_exception(caught.value))


def test_a_rejection_is_no_fault_of_the_caller_or_the_infrastructure() -> None:
    assert not issubclass(Rejection, CounterfoilError)
    assert str(Rejection()) == "rejected"
    assert str(Denied("ada")) == "denied"
    assert repr(Denied("ada")) == "Denied(clear_tokens=False, who='ada', attempts=1, locked=False)"
    assert Rejection() != Denied("ada")
