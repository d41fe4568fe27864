"""What every store must do, as the `Store` protocol says it, shown on both of ours."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.key_storage import SecretStore
from counterfoil.effects import (
    EMPTY,
    FrozenDict,
    HandleTaken,
    Missing,
    Secret,
    SessionRecord,
    Stale,
    Store,
    TooLarge,
    apply_patch,
    freeze_object,
    json_size,
    to_json,
)
from counterfoil.effects.strategies import payload_patches, session_records

MakeRecord = Callable[..., SessionRecord]

NEVER = 10**9  # a limit that nothing here comes near
FAR = 10**12  # ms: after every end

# One store serves all examples of a property: each replaces what the one before has left.
one_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

records = session_records(handles=st.just("h1"))


def shown(record: SessionRecord | Missing) -> list[tuple[str, type[Any], str]]:
    """A record's fields as text, with their types, which equality overlooks."""
    assert isinstance(record, SessionRecord)
    fields = [(field.name, getattr(record, field.name)) for field in attrs.fields(SessionRecord)]
    return [
        (name, type(value), told(value) if isinstance(value, FrozenDict) else repr(value))
        for name, value in fields
    ]


def told(members: FrozenDict) -> str:
    """JSON, each number as it is written; the members in no order, for a payload has none."""
    return to_json(FrozenDict(sorted(members.items())))


# --- create and load ---------------------------------------------------------------------------


@one_store
@given(record=records)
def test_what_is_created_is_what_is_loaded(store: Store, record: SessionRecord) -> None:
    store.delete((record.handle,))
    assert store.create(record) is None
    loaded = store.load(record.handle)
    assert loaded == record
    assert hash(loaded) == hash(record)
    assert shown(loaded) == shown(record)


def test_a_record_is_of_the_same_types_when_it_comes_back(
    store: Store, make_record: MakeRecord
) -> None:
    payload = freeze_object({"roles": ["a", {"b": [1.5, True, None]}]})
    store.create(make_record(payload=payload, anti_csrf_token="canary"))
    loaded = store.load("h1")
    assert isinstance(loaded, SessionRecord)
    assert type(loaded.anti_csrf_token) is Secret
    assert "canary" not in repr(loaded)
    assert type(loaded.payload) is type(EMPTY)
    assert loaded.payload["roles"] == ("a", FrozenDict({"b": (1.5, True, None)}))


def test_create_changes_nothing_if_the_handle_is_taken(
    store: Store, make_record: MakeRecord
) -> None:
    record = make_record(version=3)
    store.create(record)
    assert store.create(make_record(user_id="eve")) == HandleTaken()
    assert store.load("h1") == record
    assert store.list_for_user("eve", None) == ()
    assert store.list_for_user("ada", None) == (record,)


def test_a_handle_that_was_deleted_is_free_again(store: Store, make_record: MakeRecord) -> None:
    store.create(make_record())
    store.delete(("h1",))
    again = make_record(user_id="eve")
    assert store.create(again) is None
    assert store.load("h1") == again


def test_load_of_an_unknown_handle_is_missing(store: Store) -> None:
    assert store.load("h1") == Missing()


def test_a_record_that_is_over_is_still_answered(store: Store, make_record: MakeRecord) -> None:
    over = make_record(absolute_expires_at=0, idle_lifetime=0, access_lifetime=0, rotated_at=0)
    store.create(over)
    assert store.load("h1") == over
    assert store.list_for_user("ada", None) == (over,)
    payload, data = FrozenDict({"a": 1}), FrozenDict({"b": 1})
    assert store.merge_payload("h1", payload, NEVER) == payload
    assert store.replace_data("h1", data) is None
    written = attrs.evolve(over, version=2, payload=payload, data=data)
    assert store.swap(attrs.evolve(written, version=3), 2) is None
    assert store.delete(("h1",)) == ("h1",)


ALIKE = [
    *("user", "User", "USER", "user ", " user", "user\x00", "user\x00b", "us_r", "us%", "%", "_"),
    *("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}", "ß", "ss"),
    *("1", "01", "1.0", "\N{PINEAPPLE}", "x" * 5_000, "'; DROP TABLE sessions; --", '"', "?1"),
]


def test_names_that_look_alike_are_different_names(store: Store, make_record: MakeRecord) -> None:
    theirs = {name: make_record(name, user_id=name, tenant_id=name) for name in ALIKE}
    assert [store.create(record) for record in theirs.values()] == [None] * len(ALIKE)
    for name, record in theirs.items():
        assert store.load(name) == record
        assert store.list_for_user(name, None) == (record,)
        assert store.list_for_user(name, name) == (record,)
        assert store.list_for_user(name, "public") == ()
    for name in ALIKE:
        assert store.delete_for_user(name, name, ()) == (name,)


# --- swap --------------------------------------------------------------------------------------


@one_store
@given(before=records, after=records)
def test_swap_replaces_the_whole_record(
    store: Store, before: SessionRecord, after: SessionRecord
) -> None:
    store.delete(("h1",))
    store.create(before)
    assert store.swap(after, before.version) is None
    assert shown(store.load("h1")) == shown(after)
    assert store.list_for_user(after.user_id, after.tenant_id) == (after,)
    if before.user_id != after.user_id:
        assert store.list_for_user(before.user_id, None) == ()


@pytest.mark.parametrize("expected", [0, 3, 5, -1])
def test_swap_of_another_version_changes_nothing_and_shows_what_is_there(
    expected: int, store: Store, make_record: MakeRecord
) -> None:
    record = make_record(version=4)
    store.create(record)
    other = make_record(version=expected + 1, user_id="eve", generation=9)
    assert store.swap(other, expected) == Stale(record)
    assert store.load("h1") == record


def test_swap_brings_no_record_back(store: Store, make_record: MakeRecord) -> None:
    assert store.swap(make_record(version=1), 0) == Stale(Missing())
    assert store.load("h1") == Missing()
    assert store.list_for_user("ada", None) == ()


def test_of_two_swaps_of_one_version_the_second_is_stale(
    store: Store, make_record: MakeRecord
) -> None:
    store.create(make_record())
    first, second = make_record(version=1, generation=1), make_record(version=1, generation=2)
    assert store.swap(first, 0) is None
    assert store.swap(second, 0) == Stale(first)


# --- merge -------------------------------------------------------------------------------------


@one_store
@given(record=records, patch=payload_patches())
def test_merge_applies_the_patch_and_counts_the_version(
    store: Store, record: SessionRecord, patch: FrozenDict
) -> None:
    store.delete(("h1",))
    store.create(record)
    merged = store.merge_payload("h1", patch, NEVER)
    assert isinstance(merged, FrozenDict)
    expected = apply_patch(record.payload, patch) if patch else record.payload
    assert told(merged) == told(expected)
    version = record.version + bool(patch)
    assert shown(store.load("h1")) == shown(attrs.evolve(record, payload=expected, version=version))


def test_merge_sets_and_deletes_keys(store: Store, make_record: MakeRecord) -> None:
    store.create(make_record(payload=freeze_object({"a": 1, "b": 2, "c": {"d": 1}})))
    patch = freeze_object({"b": None, "c": {"e": None}, "f": [], "never": None})
    merged = freeze_object({"a": 1, "c": {"e": None}, "f": []})
    assert store.merge_payload("h1", patch, NEVER) == merged


def test_a_merge_of_what_is_there_already_is_a_write(store: Store, make_record: MakeRecord) -> None:
    record = make_record(payload=FrozenDict({"a": 1}))
    store.create(record)
    store.merge_payload("h1", record.payload, NEVER)
    assert store.load("h1") == attrs.evolve(record, version=1)


def test_a_merge_that_exceeds_the_limit_changes_nothing(
    store: Store, make_record: MakeRecord
) -> None:
    record = make_record(payload=FrozenDict({"a": 1}))
    store.create(record)
    merged = FrozenDict({"a": 1, "b": "é\N{PINEAPPLE}"})
    patch, limit = FrozenDict({"b": "é\N{PINEAPPLE}"}), json_size(merged)  # bytes, not characters
    assert store.merge_payload("h1", patch, limit - 1) == TooLarge(merged)
    assert store.load("h1") == record
    assert store.merge_payload("h1", patch, limit) == merged
    assert store.load("h1") == attrs.evolve(record, payload=merged, version=1)


def test_a_merge_that_shrinks_a_payload_may_still_exceed_the_limit(
    store: Store, make_record: MakeRecord
) -> None:
    record = make_record(payload=FrozenDict({"a": "x" * 99, "b": "x" * 99}))
    store.create(record)
    patch = FrozenDict({"b": None})
    assert store.merge_payload("h1", patch, 50) == TooLarge({"a": "x" * 99})
    assert store.load("h1") == record


def test_an_empty_patch_writes_nothing_and_ignores_the_limit(
    store: Store, make_record: MakeRecord
) -> None:
    record = make_record(payload=FrozenDict({"a": 1, "none": None}))
    store.create(record)
    assert store.merge_payload("h1", EMPTY, 0) == record.payload
    assert store.load("h1") == record


def test_merge_of_an_unknown_handle_is_missing(store: Store) -> None:
    assert store.merge_payload("h1", FrozenDict({"a": 1}), NEVER) == Missing()
    assert store.merge_payload("h1", FrozenDict({"a": 1}), 0) == Missing()
    assert store.merge_payload("h1", EMPTY, 0) == Missing()
    assert store.load("h1") == Missing()


# --- data --------------------------------------------------------------------------------------


def test_replace_data_writes_and_counts_the_version(store: Store, make_record: MakeRecord) -> None:
    record = make_record(payload=FrozenDict({"a": 1}), data=FrozenDict({"old": 1}))
    store.create(record)
    data = freeze_object({"new": [1, {"city": "Zürich"}]})
    assert store.replace_data("h1", data) is None
    assert store.load("h1") == attrs.evolve(record, data=data, version=1)
    assert store.replace_data("h1", EMPTY) is None
    assert store.load("h1") == attrs.evolve(record, data=EMPTY, version=2)


def test_replace_data_never_creates(store: Store) -> None:
    assert store.replace_data("h1", FrozenDict({"a": 1})) == Missing()
    assert store.load("h1") == Missing()


def test_64_kib_of_data_are_kept(store: Store, make_record: MakeRecord) -> None:
    data = FrozenDict({"text": "\N{PINEAPPLE}\x00" * 8_192, "more": tuple(range(8_192))})
    assert json_size(data) > 65_536
    store.create(make_record(data=data))
    assert store.load("h1") == make_record(data=data)
    payload, twice = FrozenDict({"a": 1}), FrozenDict({**data, "twice": data})
    assert store.merge_payload("h1", payload, NEVER) == payload
    assert store.replace_data("h1", twice) is None
    written = make_record(data=twice, payload=payload, version=2)
    assert store.list_for_user("ada", None) == (written,)


# --- delete ------------------------------------------------------------------------------------


def test_delete_answers_what_was_there_in_the_order_given(
    store: Store, make_record: MakeRecord
) -> None:
    for handle in ("h1", "h2", "h3", "h4"):
        store.create(make_record(handle))
    assert store.delete(("h3", "nobody's", "h1", "h3", "h1", "h4")) == ("h3", "h1", "h4")
    assert [store.load(h) for h in ("h1", "h3", "h4")] == [Missing()] * 3
    assert store.list_for_user("ada", None) == (make_record("h2"),)
    assert store.delete(("h3", "h1")) == ()


def test_delete_of_nothing_is_nothing(store: Store, make_record: MakeRecord) -> None:
    store.create(make_record())
    assert store.delete(()) == ()
    assert store.load("h1") == make_record()


def test_delete_takes_a_thousand_handles(store: Store, make_record: MakeRecord) -> None:
    handles = tuple(f"h{n}" for n in range(0, 2_000, 2))
    for handle in handles[:50]:
        store.create(make_record(handle))
    assert store.delete(tuple(f"h{n}" for n in range(2_000))) == handles[:50]


def a_household(store: Store, make_record: MakeRecord) -> dict[str, SessionRecord]:
    """Four sessions of ada's, in two tenants, and one of eve's, stored in no order."""
    household = {
        "h9": make_record("h9", created_at=1),
        "h2": make_record("h2", created_at=2),
        "h5": make_record("h5", created_at=2, tenant_id="blue"),
        "h1": make_record("h1", created_at=3),
        "h3": make_record("h3", created_at=0, user_id="eve"),
    }
    for handle in ("h5", "h1", "h3", "h9", "h2"):
        store.create(household[handle])
    return household


@pytest.mark.parametrize(
    ("tenant_id", "keep", "deleted"),
    [
        (None, (), ("h9", "h2", "h5", "h1")),
        (None, ("h2", "h1"), ("h9", "h5")),
        ("public", (), ("h9", "h2", "h1")),
        ("public", ("h9", "h5", "h3", "nobody's"), ("h2", "h1")),
        ("blue", ("h5",), ()),
        ("green", (), ()),
    ],
)
def test_delete_for_user_takes_all_of_a_tenant_but_those_kept(
    tenant_id: str | None,
    keep: tuple[str, ...],
    deleted: tuple[str, ...],
    store: Store,
    make_record: MakeRecord,
) -> None:
    household = a_household(store, make_record)
    assert store.delete_for_user("ada", tenant_id, keep) == deleted
    left = {handle for handle in household if store.load(handle) != Missing()}
    assert left == household.keys() - set(deleted)
    assert store.delete_for_user("ada", tenant_id, keep) == ()


def test_delete_for_a_user_of_none_is_nothing(store: Store) -> None:
    assert store.delete_for_user("ada", None, ()) == ()


# --- list --------------------------------------------------------------------------------------


def test_a_users_records_are_listed_by_age_then_by_handle(
    store: Store, make_record: MakeRecord
) -> None:
    household = a_household(store, make_record)
    ages = ("h9", "h2", "h5", "h1")
    assert store.list_for_user("ada", None) == tuple(household[h] for h in ages)
    assert store.list_for_user("ada", "public") == tuple(household[h] for h in ages if h != "h5")
    assert store.list_for_user("ada", "blue") == (household["h5"],)
    assert store.list_for_user("ada", "") == ()
    assert store.list_for_user("nobody", None) == ()


def test_a_list_shows_what_was_written_last(store: Store, make_record: MakeRecord) -> None:
    a_household(store, make_record)
    store.merge_payload("h5", FrozenDict({"a": 1}), NEVER)
    store.replace_data("h5", FrozenDict({"b": 1}))
    (listed,) = store.list_for_user("ada", "blue")
    assert listed == store.load("h5")
    store.swap(attrs.evolve(listed, version=3, created_at=9), 2)
    assert [r.handle for r in store.list_for_user("ada", None)] == ["h9", "h2", "h1", "h5"]


# --- purge -------------------------------------------------------------------------------------


def test_purge_takes_what_is_over_at_its_idle_or_absolute_end(
    store: Store, make_record: MakeRecord
) -> None:
    store.create(make_record("idle", rotated_at=90, idle_lifetime=10))
    store.create(make_record("absolute", absolute_expires_at=100))
    store.create(make_record("alive", rotated_at=91, idle_lifetime=10))
    assert store.purge(99, NEVER) == 0
    assert store.purge(100, NEVER) == 2
    assert [r.handle for r in store.list_for_user("ada", None)] == ["alive"]
    assert store.purge(100, NEVER) == 0


def test_purge_is_bounded_and_begins_with_what_ended_first(
    store: Store, make_record: MakeRecord
) -> None:
    for n in (3, 1, 4, 0, 2):
        store.create(make_record(f"h{n}", absolute_expires_at=n))
    for limit, left in ((0, 5), (-1, 5), (2, 3), (1, 2), (9, 0)):
        store.purge(FAR, limit)
        ended = [r.absolute_expires_at for r in store.list_for_user("ada", None)]
        assert ended == list(range(5 - left, 5))


def test_purge_goes_by_the_end_that_a_record_has_now(store: Store, make_record: MakeRecord) -> None:
    refreshed, ended = make_record("refreshed"), make_record("ended")
    for record in (refreshed, ended):
        store.create(record)
    store.swap(attrs.evolve(refreshed, rotated_at=50_000, version=1), 0)
    store.swap(attrs.evolve(ended, absolute_expires_at=5, version=1), 0)
    store.merge_payload("refreshed", FrozenDict({"a": 1}), NEVER)
    assert store.purge(11_000, NEVER) == 1
    assert [r.handle for r in store.list_for_user("ada", None)] == ["refreshed"]


# --- secrets -----------------------------------------------------------------------------------


def test_a_secret_is_kept_by_compare_and_swap(store: SecretStore) -> None:
    assert store.load_secret("ring") is None
    assert not store.swap_secret("ring", b"something", b"one")
    assert store.load_secret("ring") is None
    assert store.swap_secret("ring", None, b"one")
    assert not store.swap_secret("ring", None, b"two")
    assert not store.swap_secret("ring", b"another", b"two")
    assert store.load_secret("ring") == b"one"
    assert store.swap_secret("ring", b"one", b"\x00two\xff")
    assert store.load_secret("ring") == b"\x00two\xff"


def test_an_empty_secret_is_a_secret(store: SecretStore) -> None:
    assert store.swap_secret("ring", None, b"")
    assert store.load_secret("ring") == b""
    assert not store.swap_secret("ring", None, b"one")
    assert store.swap_secret("ring", b"", b"one")


def test_secrets_have_names_and_are_no_sessions(store: SecretStore) -> None:
    assert store.swap_secret("ring", None, b"one")
    assert store.swap_secret("Ring", None, b"two")
    assert store.swap_secret("", None, b"three")
    names = ("ring", "Ring", "", "rin")
    assert [store.load_secret(name) for name in names] == [b"one", b"two", b"three", None]
