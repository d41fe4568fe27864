"""What each of many does that ask one store at once: plain functions, which a process can be given.

Each is told the store and its own number, and answers numbers. No barrier stands between the rounds
of a work: whoever has tried a version knows that it is taken, by itself or by another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from time import monotonic, sleep

import attrs

from ..backend import Store
from ..descriptions import HandleTaken, Missing, Stale
from ..frozen import FrozenDict
from ..record import SessionRecord
from .records import NO_LIMIT, THEN, record
from .secret_keeping import KeepsSecrets

ROUNDS, KEYS, WRITES, SESSIONS = 24, 12, 40, 8
PATIENCE = 20.0  # s, for what takes a store that does its work a few attempts


def attempts(problem: str) -> Iterator[None]:
    """One after another, until there is no hope any more: a broken store fails, and never hangs."""
    last = monotonic() + PATIENCE
    while monotonic() < last:
        yield
        sleep(0)  # another thread's turn
    raise AssertionError(problem)


def whole(version: int, writer: int = 0) -> SessionRecord:
    """A record that shows its version in every part of it."""
    return record(
        version=version,
        generation=version,
        rotated_at=THEN + version,
        current_digest=version.to_bytes(32),
        mac_key=version.to_bytes(32),
        payload=FrozenDict({"version": version, "writer": writer}),
        data=FrozenDict({"version": version, "filling": str(version) * 2_000}),
    )


def is_whole(held: SessionRecord) -> bool:
    """Whether every part of the record is of one version."""
    writer = held.payload["writer"]
    return isinstance(writer, int) and held == whole(held.version, writer)


def swap_in_rounds(store: Store, writer: int) -> list[int]:
    """Swaps version after version; answers those that it won."""
    won: list[int] = []
    for version in range(ROUNDS):
        match store.swap(whole(version + 1, writer), version):
            case None:
                won.append(version)
            case Stale(current):
                assert isinstance(current, SessionRecord)
                assert current.version > version
    return won


def merge_own_keys(store: Store, writer: int) -> list[int]:
    """Merges keys that nobody else does; answers how many keys it saw after each."""
    seen: list[int] = []
    for number in range(KEYS):
        merged = store.merge_payload("h1", FrozenDict({f"{writer}-{number}": number}), NO_LIMIT)
        assert isinstance(merged, FrozenDict)
        assert all(f"{writer}-{own}" in merged for own in range(number + 1))
        seen.append(len(merged))
    return seen


def merge_or_swap_own_keys(store: Store, writer: int) -> list[int]:
    """Writes keys that nobody else does, every third worker as a refresh does: by reading the
    record and swapping the whole of it, again and again until nobody came between.
    """
    for number in range(KEYS):
        patch = FrozenDict({f"{writer}-{number}": number})
        if writer % 3 == 1:
            assert store.replace_data("h1", patch) is None
        if writer % 3:
            assert isinstance(store.merge_payload("h1", patch, NO_LIMIT), FrozenDict)
            continue
        held = store.load("h1")
        for _ in attempts("no swap of the latest version wins"):
            assert isinstance(held, SessionRecord)
            payload, version = FrozenDict({**held.payload, **patch}), held.version
            rotated = attrs.evolve(
                held, payload=payload, version=version + 1, generation=held.generation + 1
            )
            swapped = store.swap(rotated, version)
            if swapped is None:
                break
            held = swapped.current
    return [KEYS * (2 if writer % 3 == 1 else 1)]


def write_or_read(store: Store, worker: int) -> list[int]:
    """Every other worker writes whole records, the others read them; answers the versions."""
    seen: list[int] = []
    for _ in attempts("no swap of the latest version wins"):
        loaded = store.load("h1")
        (listed,) = store.list_for_user("ada", None)
        assert isinstance(loaded, SessionRecord)
        assert is_whole(loaded)
        assert is_whole(listed)
        assert loaded.version <= listed.version
        seen.append(listed.version)
        if listed.version >= WRITES:
            break
        if worker % 2 == 0:
            store.swap(whole(listed.version + 1, worker), listed.version)
    return seen


def revoke_among_writers(store: Store, worker: int) -> list[int]:
    """The first two revoke each session once others have written to it; those refresh and merge
    until they are told that it is gone, and then go on a little. Answers which were deleted.
    """
    if worker > 1:
        return [number for n in range(SESSIONS) for number in _write_to_the_end(store, worker, n)]
    gone: list[int] = []
    for number in range(SESSIONS):
        handle, user = f"h{number}", f"user-{number}"
        for _ in attempts(f"nobody's write to {handle} is kept"):
            held = store.load(handle)
            if isinstance(held, Missing) or held.version > 3:
                break
        ended = store.delete((handle,)) if worker else store.delete_for_user(user, None, ())
        gone += [number] * len(ended)
        assert store.load(handle) == Missing()
        assert store.list_for_user(user, None) == ()
    return gone


def _write_to_the_end(store: Store, worker: int, number: int) -> list[int]:
    handle, missing = f"h{number}", 0
    for _ in attempts(f"{handle} was revoked, and is written to all the same"):
        patch = FrozenDict({f"{worker}": missing})
        held = store.load(handle)
        if worker % 2:
            answer: object = store.merge_payload(handle, patch, NO_LIMIT)
        elif worker % 4 and missing == 0:
            answer = store.replace_data(handle, patch)
        else:
            now = held if isinstance(held, SessionRecord) else record(handle)
            swapped = store.swap(attrs.evolve(now, version=now.version + 1), now.version)
            answer = Missing() if swapped == Stale(Missing()) else swapped
        if missing:
            assert held == answer == Missing(), f"{handle} is there again"
        missing += answer == Missing()
        if missing == 3:
            break
    return []


def revoke_all_among_rekeyers(store: Store, worker: int) -> list[int]:
    """The first revokes all sessions of one user after another; the others each have one of them,
    and re-key it, as the engine does, until it is gone. Answers the users of whom one lived on.
    """
    if worker:
        return [n for n in range(SESSIONS) if not _rekeys_to_the_end(store, worker, n)]
    for number in range(SESSIONS):
        user = f"user-{number}"
        for _ in attempts(f"nobody re-keys a session of {user}"):
            if any(one.generation for one in store.list_for_user(user, None)):
                break
        store.delete_for_user(user, None, ())
        assert store.create(record(f"{user} is revoked")) is None
    return []


def _rekeys_to_the_end(store: Store, worker: int, number: int) -> bool:
    user, old, is_gone = f"user-{number}", f"{number}-{worker}", False
    for turn, _ in enumerate(attempts(f"{user} is never revoked"), 1):
        was_revoked = store.load(f"{user} is revoked") != Missing()
        born = record(f"{number}-{worker}-{turn}", user_id=user, generation=turn)
        assert store.create(born) is None
        is_gone = store.delete((old,)) == ()
        if is_gone or was_revoked:
            store.delete((born.handle,))
            break
        old = born.handle
    return is_gone


def establish_and_end(store: Store, worker: int) -> list[int]:
    """Creates, writes and deletes sessions of its own, and purges whatever is over."""
    gone = 0
    for number in range(KEYS):
        handle = f"{worker}-{number}"
        over = record(f"{handle}, over", absolute_expires_at=THEN)
        assert store.create(record(handle)) is None
        assert store.create(over) is None
        assert store.replace_data(handle, FrozenDict({"number": number})) is None
        assert store.delete((handle, "nobody's")) == (handle,)
        gone += store.purge(THEN, 2)
    return [gone]


def take_handles(store: Store, worker: int) -> list[int]:
    """Creates sessions that all others create too; answers those that it was given."""
    given: list[int] = []
    for number in range(KEYS):
        answer = store.create(record(f"h{number}", payload=FrozenDict({"by": worker})))
        assert answer in (None, HandleTaken())
        given += [number] if answer is None else []
    return given


def end_sessions(store: Store, worker: int) -> list[int]:
    """Deletes sessions that all others delete too, in another order; answers those that it did."""
    gone: list[int] = []
    for number in (*range(worker % KEYS, KEYS), *range(worker % KEYS)):
        gone += [int(handle[1:]) for handle in store.delete((f"h{number}", "nobody's"))]
    return gone


def swap_secrets(store: Store, worker: int) -> list[int]:
    """Counts in a secret, by compare-and-swap; answers the numbers that it wrote."""
    assert isinstance(store, KeepsSecrets)
    won: list[int] = []
    for number in range(ROUNDS):
        expected = (number - 1).to_bytes(4) if number else None
        if store.swap_secret("ring", expected, number.to_bytes(4)):
            won.append(number)
        held = store.load_secret("ring")
        assert held is not None
        assert int.from_bytes(held) >= number
    return won


def write_until_killed(store: Store, begin: int) -> Iterator[int]:
    """Creates a session, then counts it in another; tells its number once both are answered."""
    for number in count(begin):
        assert store.create(record(f"session-{number}")) is None
        store.merge_payload("h1", FrozenDict({"last": number}), NO_LIMIT)
        yield number
