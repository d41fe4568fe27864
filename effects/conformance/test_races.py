"""Acts that meet: of threads that share a store, tasks on one event loop, and processes.

Each act is one atomic step, so whatever comes between, exactly one wins, nothing is lost, and
nothing that was deleted comes back.
"""

from __future__ import annotations

from collections import Counter

import attrs
import pytest

from ..backend import Store
from ..descriptions import Missing
from ..frozen import EMPTY
from ..record import SessionRecord
from . import works
from .crowds import THREADS, Crowd
from .records import NO_LIMIT, THEN, record
from .secret_keeping import KeepsSecrets
from .works import KEYS, ROUNDS, SESSIONS, WRITES, whole


def held(store: Store, handle: str = "h1") -> SessionRecord:
    """The record that all have fought for."""
    found = store.load(handle)
    assert isinstance(found, SessionRecord)
    return found


def test_of_all_who_swap_one_version_exactly_one_wins(crowd: Crowd, store: Store) -> None:
    store.create(whole(0))
    won = crowd.do(works.swap_in_rounds)
    assert Counter(version for mine in won for version in mine) == Counter(range(ROUNDS))
    assert held(store).version == ROUNDS


def test_concurrent_merges_of_different_keys_all_survive(crowd: Crowd, store: Store) -> None:
    store.create(attrs.evolve(whole(1), payload=EMPTY))
    seen = crowd.do(works.merge_own_keys)
    merged = len(seen) * KEYS
    assert set(held(store).payload) == {f"{w}-{n}" for w in range(len(seen)) for n in range(KEYS)}
    assert held(store).version == 1 + merged
    assert sorted(size for sizes in seen for size in sizes) == list(range(1, merged + 1))


def test_merges_among_swaps_and_new_data_are_kept_and_each_write_is_counted(
    crowd: Crowd, store: Store
) -> None:
    store.create(record())
    done = crowd.do(works.merge_or_swap_own_keys)
    after = held(store)
    assert set(after.payload) == {f"{w}-{n}" for w in range(len(done)) for n in range(KEYS)}
    assert after.version == sum(writes for (writes,) in done)
    assert after.generation == KEYS * len(range(0, len(done), 3))
    assert len(after.data) == 1


def test_readers_among_writers_see_whole_records(crowd: Crowd, store: Store) -> None:
    store.create(whole(0))
    for seen in crowd.do(works.write_or_read):
        assert seen == sorted(seen)
        assert seen[-1] >= WRITES


def test_what_is_revoked_among_refreshes_and_merges_stays_so(crowd: Crowd, store: Store) -> None:
    for number in range(SESSIONS):
        store.create(record(f"h{number}", user_id=f"user-{number}"))
    ended = crowd.do(works.revoke_among_writers)
    assert sorted(number for mine in ended for number in mine) == list(range(SESSIONS))
    for number in range(SESSIONS):
        assert store.load(f"h{number}") == Missing()
        assert store.list_for_user(f"user-{number}", None) == ()


def test_what_is_rekeyed_while_all_are_revoked_does_not_survive(crowd: Crowd, store: Store) -> None:
    users = [f"user-{number}" for number in range(SESSIONS)]
    for number, user in enumerate(users):
        for worker in range(1, THREADS):
            store.create(record(f"{number}-{worker}", user_id=user))
    lived_on = crowd.do(works.revoke_all_among_rekeyers)
    assert not any(lived_on)
    for user in users:
        assert store.list_for_user(user, None) == ()


def test_of_all_who_create_one_handle_exactly_one_does(crowd: Crowd, store: Store) -> None:
    given = crowd.do(works.take_handles)
    assert sorted(number for mine in given for number in mine) == list(range(KEYS))
    for worker, mine in enumerate(given):
        assert all(held(store, f"h{number}").payload == {"by": worker} for number in mine)
    assert len(store.list_for_user("ada", None)) == KEYS


def test_of_all_who_delete_one_record_exactly_one_is_told_so(crowd: Crowd, store: Store) -> None:
    for number in range(KEYS):
        store.create(record(f"h{number}"))
    ended = crowd.do(works.end_sessions)
    assert sorted(number for mine in ended for number in mine) == list(range(KEYS))
    assert store.list_for_user("ada", None) == ()


def test_writers_of_different_sessions_do_not_disturb_each_other(
    crowd: Crowd, store: Store
) -> None:
    purged = crowd.do(works.establish_and_end)
    left = store.purge(THEN, NO_LIMIT)
    assert sum(gone for (gone,) in purged) + left == len(purged) * KEYS
    assert store.list_for_user("ada", None) == ()


def test_of_all_who_swap_a_secret_exactly_one_wins(crowd: Crowd, store: Store) -> None:
    if not isinstance(store, KeepsSecrets):
        pytest.skip("keeps no secrets")
    won = crowd.do(works.swap_secrets)
    assert Counter(number for mine in won for number in mine) == Counter(range(ROUNDS))
