"""Frozen JSON: what comes in comes out, what JSON can't say is refused where it enters."""

import copy
import json
import math
import pickle
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.effects import (
    FrozenDict,
    InvalidInput,
    Json,
    NotJson,
    Secret,
    apply_patch,
    freeze,
    freeze_object,
    from_json,
    json_size,
    thaw,
    to_json,
)
from counterfoil.effects.frozen import MAX_INTEGER_BITS

TEXTS = st.text(max_size=8)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(TEXTS, VALUES, max_size=5)
# Few keys, so that a patch often meets what it patches.
MEMBERS = st.integers(0, 3) | TEXTS | st.lists(TEXTS, max_size=2)
PAYLOADS = st.dictionaries(st.sampled_from("abcd"), MEMBERS).map(freeze_object)
PATCHES = st.dictionaries(st.sampled_from("abcd"), st.none() | MEMBERS).map(freeze_object)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@given(VALUES)
def test_what_is_frozen_thaws_to_an_equal_value(value: Any) -> None:
    frozen = freeze(value)
    assert thaw(frozen) == value
    assert freeze(thaw(frozen)) == frozen == freeze(frozen)


@given(VALUES)
def test_equal_values_hash_alike(value: Any) -> None:
    assert hash(freeze(value)) == hash(freeze(copy.deepcopy(value)))


@given(OBJECTS)
def test_the_order_of_keys_is_no_part_of_the_value(value: dict[str, Any]) -> None:
    forwards = freeze_object(value)
    backwards = freeze_object(dict(reversed(value.items())))
    assert forwards == backwards
    assert hash(forwards) == hash(backwards)


@given(OBJECTS)
def test_pickle_and_copy_give_an_equal_frozen_value(value: dict[str, Any]) -> None:
    frozen = freeze_object(value)
    hash(frozen)  # a hash that is kept must not travel: strings hash otherwise elsewhere
    again = pickle.loads(pickle.dumps(frozen))  # noqa: S301  # what we pickled just now
    assert again == frozen
    assert type(again) is FrozenDict
    assert hash(again) == hash(frozen)
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    assert cast("Any", frozen).copy() is frozen


@given(OBJECTS)
def test_json_is_compact_and_reads_back(value: dict[str, Any]) -> None:
    frozen = freeze_object(value)
    text = to_json(frozen)
    assert json.loads(text) == value == json.loads(json.dumps(frozen))
    assert from_json(text) == frozen == from_json(text.encode())
    assert json_size(frozen) == len(text.encode())
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(OBJECTS, st.text(" \t\n\r"), st.text(" \t\n\r"))
def test_blanks_around_what_is_stored_are_no_part_of_it(
    value: dict[str, Any], before: str, after: str
) -> None:
    text = before + json.dumps(value) + after
    assert from_json(text) == from_json(text.encode("utf-8-sig")) == freeze_object(value)


@pytest.mark.parametrize("text", ["", " ", "{", "{} {}", '{"a": 1}]', "{}x", "\xa0{}", b"\xff"])
def test_what_is_no_json_or_more_than_one_value_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|after the JSON value|can't decode"):
        from_json(text)


def test_what_was_copied_in_no_longer_follows_the_caller() -> None:
    roles = ["admin"]
    payload = {"roles": roles}
    frozen = freeze_object(payload)
    roles.append("owner")
    payload["plan"] = ["pro"]
    assert frozen == {"roles": ("admin",)}


def test_subclasses_become_the_plain_type_except_a_secret() -> None:
    frozen = freeze_object({"colour": Colour.RED, "level": Level.HIGH, "token": Secret("t")})
    assert [type(value) for value in frozen.values()] == [str, int, Secret]
    assert freeze(True) is True
    thawed = cast("dict[str, object]", thaw(frozen))
    assert (thawed["token"], type(thawed["token"])) == ("t", str)


def _nested(levels: int) -> object:
    value: object = "core"
    for _ in range(levels):
        value = [value]
    return value


def _cycle() -> dict[str, object]:
    value: dict[str, object] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"a": [0, math.nan]}, "value.a[1]", "is nan, which JSON cannot express"),
        (math.inf, "value", "is inf"),
        ({"a": (-math.inf,)}, "value.a[0]", "is -inf"),
        ({"a": {"b": b"x"}}, "value.a.b", "is of type bytes"),
        ([{1, 2}], "value[0]", "is of type set"),
        ({"a": object()}, "value.a", "is of type object"),
        ({"a": {1: "x"}}, "value.a", "has a key of type int"),
        ({None: "x"}, "value", "has a key of type NoneType"),
        ({"a": "\ud800"}, "value.a", "value.a holds half a surrogate pair, which is no text."),
        ({"\udfff": 1}, "value.'\\udfff'", "half a surrogate pair"),
        (_nested(33), "value" + "[0]" * 32, "nested deeper than 32 levels"),
        (_cycle(), "value" + ".self" * 32, "contains itself"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_path(
    value: object, path: str, problem: str
) -> None:
    with pytest.raises(NotJson) as caught:
        freeze(value)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path} ")
    assert problem in str(caught.value)
    assert isinstance(caught.value, InvalidInput)


def test_nesting_is_allowed_up_to_the_limit() -> None:
    assert thaw(freeze(_nested(32))) == _nested(32)


@pytest.mark.parametrize("value", [["a"], "a", None, 1])
def test_an_object_must_be_a_mapping(value: object) -> None:
    kind = type(value).__name__
    with pytest.raises(NotJson, match=f"payload must be a mapping with string keys, not {kind}"):
        freeze_object(value, "payload")


def _set_item(frozen: Any) -> None:
    frozen["a"] = 2


def _delete_item(frozen: Any) -> None:
    del frozen["a"]


def _in_place_union(frozen: Any) -> None:
    frozen |= {"a": 2}


MUTATIONS: list[Callable[[Any], object]] = [
    _set_item,
    _delete_item,
    _in_place_union,
    lambda frozen: frozen.clear(),
    lambda frozen: frozen.pop("a"),
    lambda frozen: frozen.popitem(),
    lambda frozen: frozen.setdefault("b", 1),
    lambda frozen: frozen.update(a=2),
]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_frozen_dict_refuses_every_change(mutation: Callable[[Any], object]) -> None:
    frozen = FrozenDict({"a": 1})
    with pytest.raises(TypeError, match="frozen; build a new one"):
        mutation(frozen)
    assert frozen == {"a": 1}


def test_a_union_is_a_new_frozen_dict() -> None:
    frozen: Any = FrozenDict({"a": 1})
    union = frozen | {"b": [2]}
    assert type(union) is FrozenDict
    assert union == {"a": 1, "b": (2,)}
    assert frozen == {"a": 1}


@given(PAYLOADS, PATCHES)
def test_a_patch_applied_twice_is_applied_once(payload: FrozenDict, patch: FrozenDict) -> None:
    once = apply_patch(payload, patch)
    assert apply_patch(once, patch) == once


@given(PAYLOADS)
def test_an_empty_patch_changes_nothing(payload: FrozenDict) -> None:
    assert apply_patch(payload, {}) == payload


@given(PAYLOADS, PATCHES, PATCHES)
def test_two_patches_are_one_patch(
    payload: FrozenDict, first: FrozenDict, second: FrozenDict
) -> None:
    both: dict[str, Json] = {**first, **second}
    assert apply_patch(apply_patch(payload, first), second) == apply_patch(payload, both)


@given(PAYLOADS, PATCHES, PATCHES)
def test_patches_of_different_keys_commute(
    payload: FrozenDict, one: FrozenDict, patch: FrozenDict
) -> None:
    other = FrozenDict([(key, value) for key, value in patch.items() if key not in one])
    ab = apply_patch(apply_patch(payload, one), other)
    assert ab == apply_patch(apply_patch(payload, other), one)


@given(PAYLOADS, PATCHES)
def test_a_patch_sets_its_keys_and_deletes_those_of_none(
    payload: FrozenDict, patch: FrozenDict
) -> None:
    merged = apply_patch(payload, patch)
    for key in payload.keys() | patch.keys():
        assert merged.get(key) == (patch[key] if key in patch else payload[key])
        assert (key in merged) == (merged.get(key) is not None)


@given(st.text(min_size=3).filter(lambda text: text not in "<secret, 0123456789 characters>"))
def test_a_secret_shows_its_length_only(text: str) -> None:
    secret = Secret(text)
    assert secret == text
    assert hash(secret) == hash(text)
    assert repr(secret) == f"<secret, {len(text)} characters>"
    assert text not in repr(FrozenDict({"token": secret}))
    assert text not in repr((secret,))


def test_a_patch_deletes_no_key_but_those_that_it_names() -> None:
    assert apply_patch(freeze_object({"a": None, "b": 1}), {"b": None}) == {"a": None}
    assert apply_patch(freeze_object({"a": 1}), {"unknown": None}) == {"a": 1}


def test_an_integer_that_python_would_not_print_is_refused() -> None:
    longest = (1 << MAX_INTEGER_BITS) - 1
    for sign in (1, -1):
        assert freeze(sign * longest) == sign * longest
        for far in (1, longest):
            with pytest.raises(NotJson) as problem:
                freeze({"n": sign * (longest + far)}, "payload")
            told = "payload.n is an integer too long for JSON. Use a string."
            assert str(problem.value) == told
