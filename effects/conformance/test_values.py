"""What is created is what is loaded: every field, any text, any JSON, and 64 KiB of it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given

from ..backend import Store
from ..descriptions import HandleTaken, Missing
from ..frozen import EMPTY, MAX_DEPTH, FrozenDict, Json, Secret, freeze_object, json_size
from ..record import SessionRecord
from .drawing import one_store, records
from .records import NO_LIMIT, record, shown, sort

ALIKE = [
    *("user", "User", "USER", "user ", " user", "user\x00", "user\x00b", "us_r", "us%", "%", "_"),
    *("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}", "ß", "ss"),
    *("1", "01", "1.0", "\N{PINEAPPLE}", "x" * 5_000, "'; DROP TABLE sessions; --", '"', "?1"),
    *("user:*", "user\\", "user\\u0000", "{user}", "user\n", "\ufeffuser", "us\u200ber"),
]

VALUES: dict[str, Json] = {
    "nothing": None,
    "no member": FrozenDict(),
    "no item": (),
    "booleans": (True, False),
    "one, in three sorts": (1, True, "1"),
    "past the doubles": (2**53 + 1, -(2**63), 2**64, 2**70),
    "small and large": (0.1, 5e-324, 1.7976931348623157e308, -1.5, 1e-7),
    "quotes": ("'", '"', "\\", "\\\\", "''", "%s", "?", "$1", ":a", "{}", "\x00", "\\u0000"),
    "lines": "\r\n\t\u2028\u2029\x7f\x1b",
    "letters": "\N{PINEAPPLE}é e\u0301 \u202e\ufeff\ufffd\uffff",
    "nested": freeze_object({"a": [{"b": [None, {"": [(), EMPTY]}]}]}),
}
KEYS = (
    *("", " ", "a.b", "a", "A", "$set", "__proto__", "0", "é", "e\u0301", "'", '"'),
    *("\x00", "a\x00", "\\", "\N{PINEAPPLE}"),
)


@one_store
@given(drawn=records)
def test_what_is_created_is_what_is_loaded(store: Store, drawn: SessionRecord) -> None:
    store.delete((drawn.handle,))
    assert store.create(drawn) is None
    loaded = store.load(drawn.handle)
    assert shown(loaded) == shown(drawn)
    assert loaded == drawn
    assert hash(loaded) == hash(drawn)


def test_a_record_is_of_the_same_types_when_it_comes_back(store: Store) -> None:
    payload = freeze_object({"roles": ["a", {"b": [1.5, True, None]}]})
    store.create(record(payload=payload, anti_csrf_token=Secret("canary")))
    loaded = store.load("h1")
    assert isinstance(loaded, SessionRecord)
    assert type(loaded.anti_csrf_token) is Secret
    assert "canary" not in repr(loaded)
    assert type(loaded.payload) is type(loaded.data) is FrozenDict
    assert loaded.payload["roles"] == ("a", FrozenDict({"b": (1.5, True, None)}))


@pytest.mark.parametrize("content", [bytes(32), b"\xff" * 32, bytes(range(32)), b"\x00'\\" * 10])
def test_bytes_come_back_as_they_were(store: Store, content: bytes) -> None:
    kept = record(current_digest=content, previous_digest=content, salt=content, mac_key=content)
    store.create(kept)
    assert shown(store.load("h1")) == shown(kept)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_json_comes_back_as_it_was(store: Store, value: Json) -> None:
    payload = FrozenDict({"value": (value,), "array": ()})
    store.create(record(payload=payload))
    assert shown(store.load("h1")) == shown(record(payload=payload))
    merged = store.merge_payload("h1", FrozenDict({"more": (value,)}), NO_LIMIT)
    assert isinstance(merged, FrozenDict)
    assert sort(merged) == sort(FrozenDict({**payload, "more": (value,)}))
    store.replace_data("h1", payload)
    written = record(payload=merged, data=payload, version=2)
    assert shown(store.load("h1")) == shown(written)


def test_keys_that_look_alike_are_different_keys(store: Store) -> None:
    store.create(record())
    for number, key in enumerate(KEYS):
        store.merge_payload("h1", FrozenDict({key: number}), NO_LIMIT)
    payload = FrozenDict({key: number for number, key in enumerate(KEYS)})
    assert shown(store.load("h1")) == shown(record(payload=payload, version=len(KEYS)))
    for left, key in reversed(list(enumerate(KEYS))):
        merged = store.merge_payload("h1", FrozenDict({key: None}), NO_LIMIT)
        assert merged == FrozenDict({other: number for number, other in enumerate(KEYS[:left])})


def test_json_may_be_nested_as_deeply_as_the_engine_takes_it(store: Store) -> None:
    deep: Json = 1
    for _ in range(MAX_DEPTH - 1):
        deep = (deep,)
    kept = record(data=freeze_object({"deep": deep}))
    store.create(kept)
    assert shown(store.load("h1")) == shown(kept)


def test_names_that_look_alike_are_different_names(store: Store) -> None:
    theirs = {name: record(name, user_id=name, tenant_id=name) for name in ALIKE}
    assert [store.create(one) for one in theirs.values()] == [None] * len(ALIKE)
    for name, one in theirs.items():
        assert store.load(name) == one
        assert store.list_for_user(name, None) == (one,)
        assert store.list_for_user(name, name) == (one,)
        assert store.list_for_user(name, "public") == ()
    for name in ALIKE:
        assert store.delete_for_user(name, name, ()) == (name,)


def test_64_kib_of_data_are_kept(store: Store) -> None:
    data = FrozenDict({"text": "\N{PINEAPPLE}\x00" * 8_192, "more": tuple(range(8_192))})
    assert json_size(data) > 65_536
    store.create(record(data=data))
    assert store.load("h1") == record(data=data)
    payload, twice = FrozenDict({"a": 1}), FrozenDict({**data, "twice": data})
    assert store.merge_payload("h1", payload, NO_LIMIT) == payload
    assert store.replace_data("h1", twice) is None
    written = record(data=twice, payload=payload, version=2)
    assert store.list_for_user("ada", None) == (written,)


def test_create_changes_nothing_if_the_handle_is_taken(store: Store) -> None:
    first = record(version=3)
    store.create(first)
    assert store.create(record(user_id="eve")) == HandleTaken()
    assert store.load("h1") == first
    assert store.list_for_user("eve", None) == ()
    assert store.list_for_user("ada", None) == (first,)


def test_a_handle_that_was_deleted_is_free_again(store: Store) -> None:
    store.create(record())
    store.delete(("h1",))
    again = attrs.evolve(record(), user_id="eve")
    assert store.create(again) is None
    assert store.load("h1") == again
    assert store.list_for_user("ada", None) == ()
    assert store.list_for_user("eve", None) == (again,)


def test_load_of_an_unknown_handle_is_missing(store: Store) -> None:
    assert store.load("h1") == Missing()
