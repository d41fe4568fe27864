"""The memory world as a value, and what a session costs in it.

Run as a program, this file measures the cost: a process of its own has no memory of other tests.
"""

import gc
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.adapters.memory import EMPTY_WORLD, MemoryStore, UnsignedTokens, World, interpret
from counterfoil.core.examples import example_record
from counterfoil.effects import (
    Backend,
    Establish,
    Established,
    FrozenDict,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    ReplaceData,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Secret,
    SessionRecord,
    StoreEffect,
    freeze_object,
)
from counterfoil.effects.conformance.crowds import hasty
from counterfoil.effects.strategies import payload_patches, store_effects

MakeRecord = Callable[..., SessionRecord]

SIGNER = UnsignedTokens()
CLAIMS = FrozenDict({"sub": "ada"})
STATM = Path("/proc/self/statm")
COUNT = 50_000
BEGUN = example_record()


def record(handle: str, user: str = "ada", tenant: str = "public") -> SessionRecord:
    return attrs.evolve(BEGUN, handle=handle, user_id=user, tenant_id=tenant)


# Few names and versions, so that effects meet.
effects = store_effects(
    handles=st.sampled_from(["h1", "h2", "h3"]),
    user_ids=st.sampled_from(["ada", "eve"]),
    tenant_ids=st.sampled_from(["public", "blue"]),
    generations=st.just(0),
    patches=payload_patches(keys=st.sampled_from("abc"), max_size=2),
    limits=st.integers(0, 40),
)


def content(world: World) -> tuple[object, ...]:
    """All that a world holds, in plain and separate containers."""
    return dict(world.records.items()), dict(world.users.items()), dict(world.secrets.items())


@given(st.lists(effects, max_size=12))
def test_a_world_that_is_kept_never_changes(history: list[StoreEffect]) -> None:
    world, kept = EMPTY_WORLD, list[tuple[World, tuple[object, ...]]]()
    for effect in history:
        kept.append((world, content(world)))
        world, _ = interpret(world, effect, SIGNER)
    for before, was in kept:
        assert content(before) == was
    assert content(EMPTY_WORLD) == ({}, {}, {})


@given(st.lists(effects, max_size=12), effects)
def test_interpreting_is_a_function_of_the_world_and_the_effect(
    history: list[StoreEffect], effect: StoreEffect
) -> None:
    world = EMPTY_WORLD
    for earlier in history:
        world, _ = interpret(world, earlier, SIGNER)
    assert interpret(world, effect, SIGNER) == interpret(world, effect, SIGNER)
    again = EMPTY_WORLD
    for earlier in history:
        again, _ = interpret(again, earlier, SIGNER)
    assert again == world
    assert hash(again) == hash(world)
    assert interpret(again, effect, SIGNER) == interpret(world, effect, SIGNER)


@given(st.lists(effects, max_size=12))
def test_a_store_answers_as_its_worlds_do(history: list[StoreEffect]) -> None:
    world, store = EMPTY_WORLD, MemoryStore()
    for effect in history:
        world, reply = interpret(world, effect, SIGNER)
        assert Backend(store, SIGNER).perform(effect) == reply
        assert store.world == world


@given(st.lists(effects, max_size=12))
def test_a_world_survives_pickling(history: list[StoreEffect]) -> None:
    world = EMPTY_WORLD
    for effect in history:
        world, _ = interpret(world, effect, SIGNER)
    copy = pickle.loads(pickle.dumps(world))  # noqa: S301  # our own bytes
    assert copy == world
    assert hash(copy) == hash(world)
    assert copy.list_for_user("ada", None) == world.list_for_user("ada", None)


@given(st.lists(effects, max_size=16))
def test_the_list_of_a_users_handles_follows_from_the_records(history: list[StoreEffect]) -> None:
    world = EMPTY_WORLD
    for effect in history:
        world, _ = interpret(world, effect, SIGNER)
    listed = {user: frozenset(theirs) for user, theirs in world.users.items()}
    held = list(world.records.values())
    assert listed == {
        user: frozenset(r.handle for r in held if r.user_id == user)
        for user in {r.user_id for r in held}
    }


def test_every_effect_of_the_family_is_interpreted() -> None:
    world, _ = EMPTY_WORLD.create(record("h1"))
    family: list[StoreEffect] = [
        Establish(record("h2"), CLAIMS),
        Load("h1"),
        Rotate(attrs.evolve(record("h1"), version=1), 0, CLAIMS),
        Regenerate("h1", {"a": 1}, CLAIMS, 99),
        ReplaceData("h1", {"a": 1}),
        Revoke(("h1",)),
        RevokeUser("ada"),
        ListSessions("ada"),
    ]
    assert {type(effect) for effect in family} == set(get_args(StoreEffect))
    for effect in family:
        after, _ = interpret(world, effect, SIGNER)
        assert (after == world) is isinstance(effect, Load | ListSessions)


def test_worlds_are_equal_if_they_hold_the_same_however_they_came_to_it() -> None:
    one, _ = EMPTY_WORLD.create(record("h1"))
    one, _ = one.create(record("h2"))
    other, _ = EMPTY_WORLD.create(record("h2"))
    other, _ = other.create(record("h3", user="eve"))
    other, _ = other.create(record("h1"))
    assert one != other
    assert len({one, other}) == 2
    other, _ = other.delete(("h3",))
    assert one == other
    assert len({one, other}) == 1


def test_a_world_can_be_gone_back_to(make_record: MakeRecord) -> None:
    store = MemoryStore()
    store.create(make_record("h1"))
    before = store.world
    store.delete(("h1",))
    assert store.load("h1") == Missing()
    assert MemoryStore(before).load("h1") == make_record("h1")
    assert interpret(before, Revoke(("h1",)), SIGNER) == (store.world, Revoked(("h1",)))


def test_secrets_are_part_of_the_world_but_are_not_shown(make_record: MakeRecord) -> None:
    store = MemoryStore()
    store.create(make_record(mac_key=b"canary" * 6, anti_csrf_token=Secret("canary")))
    without = store.world
    assert store.swap_secret("ring", None, b"canary")
    assert store.world != without
    assert store.world.secrets["ring"] == b"canary"
    assert "h1" in repr(store.world)
    assert "canary" not in repr(store.world)
    assert "canary" not in repr(store)


def test_unsigned_tokens_show_their_claims_and_verify_with_nothing() -> None:
    _, reply = interpret(EMPTY_WORLD, Establish(record("h1"), CLAIMS), SIGNER)
    assert reply == Established('unsigned:{"plan":"free","sub":"ada"}')
    assert SIGNER.public_keys() == ()
    assert UnsignedTokens() == SIGNER


def test_a_closed_memory_store_still_holds_its_world(make_record: MakeRecord) -> None:
    store = MemoryStore()
    store.create(make_record())
    store.close()
    assert store.load("h1") == make_record()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns at almost every step, not every 5 ms."""
    with hasty():
        yield


@pytest.mark.usefixtures("hasty_threads")
def test_no_act_of_many_threads_is_lost(make_record: MakeRecord) -> None:
    store, count = MemoryStore(), 50
    store.create(make_record())

    def write(name: str) -> None:
        for number in range(count):
            store.merge_payload("h1", FrozenDict({f"{name}-{number}": number}), 10**6)
            store.create(make_record(f"{name}-{number}"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, "abcdefgh"))
    held = store.load("h1")
    assert isinstance(held, SessionRecord)
    assert set(held.payload) == {f"{name}-{n}" for name in "abcdefgh" for n in range(count)}
    assert held.version == 8 * count
    assert len(store.list_for_user("ada", None)) == 8 * count + 1


@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc to read the resident set")
def test_a_session_costs_at_most_2_kib() -> None:
    command = [sys.executable, __file__]
    measured = subprocess.run(command, capture_output=True, text=True, check=True)  # this file
    assert 500 < float(measured.stdout) <= 2_048


def refreshed_session(number: int) -> SessionRecord:
    """A record as it is after a refresh, sharing nothing with others that real ones don't."""
    now = 1_800_000_000_000 + number
    return attrs.evolve(
        BEGUN,
        handle=str(UUID(bytes=secrets.token_bytes(16))),
        user_id=f"user-{number}",
        recipe_user_id=f"user-{number}",
        created_at=now,
        absolute_expires_at=now + 7_776_000_000,
        rotated_at=now + 900_000,
        version=1_000 + number,
        generation=1_000 + number,
        current_digest=secrets.token_bytes(32),
        previous_digest=secrets.token_bytes(32),
        mac_key=secrets.token_bytes(32),
        salt=secrets.token_bytes(32),
        anti_csrf_token=Secret(secrets.token_urlsafe(24)),
        payload=freeze_object({"plan": f"plan-{number}", "roles": ["admin", "editor"]}),
    )


def resident_bytes() -> int:
    """The process's resident set: what is allocated outside of Python is in it too."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def bytes_a_session() -> float:
    """By how much the process grows for each session."""
    store = MemoryStore()
    store.create(refreshed_session(COUNT))
    before = resident_bytes()
    for number in range(COUNT):
        store.create(refreshed_session(number))
    return (resident_bytes() - before) / COUNT


if __name__ == "__main__":
    print(bytes_a_session())
