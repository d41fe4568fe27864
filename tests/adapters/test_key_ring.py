"""The life of keys, over any sequence of rotations and times, and the kept form of a ring."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.adapters.key_pair import InvalidKeys, generate
from counterfoil.adapters.key_ring import (
    KeyRing,
    RingKey,
    dump,
    is_due,
    load,
    next_change,
    prune,
    public_keys,
    rotate,
    signing_key,
    state_of,
)

START = 1_800_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
LEAD, LONGEST = timedelta(hours=1), timedelta(days=1)

PAIRS = [generate("EdDSA") for _ in range(24)]
LOCKED = generate("ES256", b"sixteen bytes or more")


def turned(ring: KeyRing, now: int) -> KeyRing:
    """The ring with one more key, published at `now`."""
    used = {key.kid for key in ring.keys}
    pair = next(pair for pair in PAIRS if pair.public.kid not in used)
    return rotate(ring, pair, now=now, lead=LEAD, longest_token=LONGEST)


def kids(ring: KeyRing, now: int) -> list[str]:
    return [key.kid for key in public_keys(ring, now)]


ONE = turned(KeyRing(), START)
TWO = turned(ONE, START + DAY)

# Steps in time that meet every boundary of a key's life, and its neighbours.
steps = st.sampled_from(
    [0, 1, HOUR - 1, HOUR, HOUR + 1, DAY - 1, DAY, DAY + 1, DAY + HOUR - 1, DAY + HOUR]
) | st.integers(0, 3 * DAY)
acts = st.sampled_from(["rotate", "prune", "wait"])


@given(st.lists(st.tuples(steps, acts), max_size=20))
def test_every_live_token_verifies_and_every_key_was_published_in_time(
    history: list[tuple[int, str]],
) -> None:
    now, ring = START, ONE
    first = ring.keys[0].kid
    signed: list[tuple[str, int]] = []
    for step, act in history:
        now += step
        if act == "rotate":
            ring = turned(prune(ring, now), now)
        elif act == "prune":
            ring = prune(ring, now)
        signer = signing_key(ring, now)
        assert state_of(signer, now) == "active"
        assert signer.kid == first or signer.published_at + HOUR <= now
        signed.append((signer.kid, now))
        live = {kid for kid, at in signed if now < at + DAY}
        assert live <= set(kids(ring, now))


@given(st.lists(st.tuples(steps, acts), max_size=20))
def test_nothing_changes_between_two_changes(history: list[tuple[int, str]]) -> None:
    now, ring = START, ONE
    for step, act in history:
        now += step
        ring = turned(ring, now) if act == "rotate" else ring
        change = next_change(ring, now)
        if change is None:
            change = now + 10 * DAY
        else:
            changed = signing_key(ring, change), kids(ring, change)
            assert changed != (signing_key(ring, change - 1), kids(ring, change - 1))
        assert signing_key(ring, change - 1) == signing_key(ring, now)
        assert kids(ring, change - 1) == kids(ring, now)


@given(st.lists(st.tuples(steps, acts), max_size=12))
def test_a_ring_survives_being_kept(history: list[tuple[int, str]]) -> None:
    now, ring = START, KeyRing((attrs.evolve(ONE.keys[0], pair=LOCKED),))
    for step, act in history:
        now += step
        ring = turned(ring, now) if act == "rotate" else prune(ring, now)
    assert load(dump(ring)) == ring


def test_the_first_key_signs_at_once() -> None:
    assert ONE.keys == (RingKey(pair=PAIRS[0], published_at=START, active_from=START),)
    assert state_of(ONE.keys[0], START) == "active"
    assert signing_key(ONE, START) == ONE.keys[0]


def test_a_key_goes_from_next_over_active_and_retired_to_gone() -> None:
    old, new = TWO.keys
    third = turned(TWO, START + 3 * DAY)
    states = [
        (START + DAY - 1, "active", "next"),
        (START + DAY + HOUR - 1, "active", "next"),
        (START + DAY + HOUR, "retired", "active"),
        (START + 2 * DAY + 2 * HOUR - 1, "retired", "active"),
        (START + 2 * DAY + 2 * HOUR, "gone", "active"),
    ]
    for now, of_old, of_new in states:
        assert (state_of(old, now), state_of(new, now)) == (of_old, of_new)
        assert signing_key(TWO, now) == (old if of_old == "active" else new)
        assert kids(TWO, now) == [key.kid for key in (old, new) if key != old or of_old != "gone"]
    assert state_of(third.keys[1], START + 3 * DAY + HOUR) == "retired"


def test_a_rotation_under_way_stays_as_it_is() -> None:
    assert turned(TWO, START + DAY + HOUR - 1) is TWO
    assert len(turned(TWO, START + DAY + HOUR).keys) == 3


def test_a_clock_that_runs_behind_the_creators_finds_a_key_to_sign_with() -> None:
    assert signing_key(ONE, START - 5) == ONE.keys[0]
    assert kids(ONE, START - 5) == [ONE.keys[0].kid]


def test_only_what_is_gone_is_pruned() -> None:
    gone_at = START + 2 * DAY + 2 * HOUR
    assert prune(TWO, gone_at - 1) == TWO
    assert [key.kid for key in prune(TWO, gone_at).keys] == [TWO.keys[1].kid]


def test_a_key_is_due_when_there_is_none_or_the_newest_is_old() -> None:
    assert is_due(KeyRing(), START, None)
    assert not is_due(ONE, START + 400 * DAY, None)
    assert not is_due(ONE, START + 30 * DAY - 1, timedelta(days=30))
    assert is_due(ONE, START + 30 * DAY, timedelta(days=30))
    assert not is_due(TWO, START + 30 * DAY, timedelta(days=30))


@pytest.mark.parametrize(
    "times",
    [
        {"active_from": START - 1},
        {"retired_at": START - 1, "gone_at": START},
        {"retired_at": START + 1, "gone_at": START},
        {"retired_at": START},
        {"gone_at": START},
    ],
)
def test_times_out_of_order_are_refused(times: dict[str, Any]) -> None:
    with pytest.raises(InvalidKeys, match="times of key"):
        attrs.evolve(ONE.keys[0], **times)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (TWO.keys[:1], "leaves none to sign"),
        (TWO.keys[::-1], "follow one another"),
        ((ONE.keys[0], TWO.keys[1]), "follow one another"),
        ((TWO.keys[0], attrs.evolve(TWO.keys[0], retired_at=None, gone_at=None)), "twice"),
        (
            (TWO.keys[0], attrs.evolve(TWO.keys[1], active_from=START + DAY)),
            "follow one another",
        ),
    ],
)
def test_keys_that_are_no_sequence_are_refused(keys: tuple[RingKey, ...], problem: str) -> None:
    with pytest.raises(InvalidKeys, match=problem):
        KeyRing(keys)


def changed(**members: object) -> bytes:
    """The kept form of `ONE`, with members of its key replaced; those None deleted."""
    document: dict[str, Any] = json.loads(dump(ONE))
    key = {**document["keys"][0], **members}
    document["keys"] = [{name: value for name, value in key.items() if value != "absent"}]
    return json.dumps(document).encode()


def test_unchanged_is_accepted() -> None:
    assert load(changed()) == ONE


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "0 bytes that are no key ring"),
        (b"\xff\xfe", "2 bytes that are no key ring"),
        (b"null", "no key ring"),
        (b"[]", "no key ring"),
        (b"[" * 100_000, "no key ring"),
        (b'{"keys":[]}', "no key ring"),
        (b'{"format":1}', "no key ring"),
        (b'{"format":1,"keys":[]}', "no key ring"),
        (b'{"format":1,"keys":{}}', "no key ring"),
        (b'{"format":"1","keys":[1]}', "no key ring"),
        (b'{"format":2,"rings":[]}', "of format 2, and this version reads 1"),
        (b'{"format":1,"keys":[null]}', "lacks a member"),
        (changed(kid="absent"), "lacks a member"),
        (changed(kid=1), "another type"),
        (changed(kid="\ud800"), "isn't that of its bytes"),
        (changed(kid=PAIRS[1].public.kid), "isn't that of its bytes"),
        (changed(algorithm="HS256"), "another type"),
        (changed(algorithm="RS256"), "isn't that of its bytes"),
        (changed(public="*"), "isn't base64"),
        (changed(public="ü"), "isn't base64"),
        (changed(public="AAAA"), "SubjectPublicKeyInfo"),
        (changed(private="secret"), "PKCS#8"),
        (changed(private="\ud800"), "PKCS#8"),
        (changed(private=PAIRS[1].private.decode()), "another key"),
        (changed(private=PAIRS[0].private.decode()[:60]), "can't be opened"),
        (changed(active_from=0.5), "another type"),
        (changed(active_from=START - 1), "out of order"),
        (changed(retired_at="never"), "another type"),
    ],
)
def test_garbage_is_refused_with_a_reason(raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidKeys, match=problem):
        load(raw)


@given(st.binary(max_size=60) | st.integers(0, len(dump(ONE)) - 1).map(lambda cut: dump(ONE)[:cut]))
def test_no_garbage_raises_anything_else(raw: bytes) -> None:
    with pytest.raises(InvalidKeys) as caught:
        load(raw)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
