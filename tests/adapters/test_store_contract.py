"""What our embedded stores do beyond the `Store` protocol, which the conformance kit judges."""

from collections.abc import Callable

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.effects import FrozenDict, SessionRecord, Store, apply_patch, to_json
from counterfoil.effects.strategies import payload_patches, session_records

MakeRecord = Callable[..., SessionRecord]

NEVER = 10**9  # a limit that nothing here comes near
FAR = 10**12  # ms: after every end

# One store serves all examples of a property: each replaces what the one before has left.
one_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

records = session_records(handles=st.just("h1"))


@one_store
@given(record=records, patch=payload_patches())
def test_keys_keep_their_order_and_numbers_their_sort(
    store: Store, record: SessionRecord, patch: FrozenDict
) -> None:
    store.delete(("h1",))
    store.create(record)
    loaded = store.load("h1")
    assert isinstance(loaded, SessionRecord)
    assert to_json(loaded.payload) == to_json(record.payload)
    assert to_json(loaded.data) == to_json(record.data)
    merged = store.merge_payload("h1", patch, NEVER)
    assert isinstance(merged, FrozenDict)
    assert to_json(merged) == to_json(apply_patch(record.payload, patch))


def test_a_record_that_is_over_is_still_answered(store: Store, make_record: MakeRecord) -> None:
    over = make_record(absolute_expires_at=0, idle_lifetime=0, access_lifetime=0, rotated_at=0)
    store.create(over)
    assert store.load("h1") == over
    written = attrs.evolve(over, version=1)
    assert store.swap(written, 0) is None
    assert store.list_for_user("ada", None) == (written,)


def test_purge_begins_with_what_ended_first(store: Store, make_record: MakeRecord) -> None:
    for n in (3, 1, 4, 0, 2):
        store.create(make_record(f"h{n}", absolute_expires_at=n))
    for limit, left in ((0, 5), (2, 3), (1, 2), (9, 0)):
        store.purge(FAR, limit)
        ended = [r.absolute_expires_at for r in store.list_for_user("ada", None)]
        assert ended == list(range(5 - left, 5))
