"""The keys of an issuer as one frozen value, and what time makes of them.

A key lives as

    next      published, so that every verifier knows it before it signs
    active    signs, until its successor does
    retired   signs no more, and verifies for longer than the longest token lives
    gone      nobody has a use for it; the next rotation drops it

Where a key stands follows from its times and `now` alone. Everything here is pure: who reads the
clock, makes keys and keeps the ring is `keys.py`. All times are milliseconds since the Unix
epoch. A ring is only ever changed by a rotation, and there is one at a time.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

import attrs

from ..core.lifetime import ms
from ..effects import Json, PublicKey, from_json
from .key_pair import InvalidKeys, KeyPair

KeyState: TypeAlias = Literal["next", "active", "retired", "gone"]

FORMAT = 1  # of the kept JSON; a reader refuses any other


@attrs.frozen(kw_only=True)
class RingKey:
    """A key and its times, ms since the epoch.

    Attributes:
        pair: the key itself; `kid` names it.
        published_at: since when others can read of it.
        active_from: since when it signs, unless a newer one does.
        retired_at: since when it signs no more, or None while no successor is planned.
        gone_at: since when it verifies no more, or None likewise.

    Raises:
        InvalidKeys: the times are out of order.
    """

    pair: KeyPair
    published_at: int
    active_from: int
    retired_at: int | None = None
    gone_at: int | None = None

    def __attrs_post_init__(self) -> None:
        ends = (self.retired_at, self.gone_at)
        times = (self.published_at, self.active_from, *(end for end in ends if end is not None))
        if len(times) == 3 or any(later < earlier for earlier, later in pairwise(times)):
            raise InvalidKeys(f"the times of key {self.kid} are out of order.")

    @property
    def kid(self) -> str:
        """The key's RFC 7638 thumbprint."""
        return self.pair.public.kid


def _in_turn(instance: object, attribute: object, value: tuple[RingKey, ...]) -> None:
    if len({key.kid for key in value}) < len(value):
        raise InvalidKeys("the ring holds a key twice.")
    for older, newer in pairwise(value):
        if (
            older.retired_at is None
            or not older.active_from <= older.retired_at <= newer.active_from
        ):
            raise InvalidKeys("the keys of the ring don't follow one another, oldest first.")
    if value and value[-1].retired_at is not None:
        raise InvalidKeys("the newest key of the ring retires and leaves none to sign.")


@attrs.frozen
class KeyRing:
    """An issuer's keys, oldest first. Each retires when its successor takes over.

    Raises:
        InvalidKeys: a key twice, or keys that don't follow one another.
    """

    keys: tuple[RingKey, ...] = attrs.field(default=(), validator=_in_turn)


def state_of(key: RingKey, now: int) -> KeyState:
    """Where the key stands at `now`."""
    if now < key.active_from:
        return "next"
    if key.retired_at is None or now < key.retired_at:
        return "active"
    return "retired" if key.gone_at is None or now < key.gone_at else "gone"


def signing_key(ring: KeyRing, now: int) -> RingKey:
    """The key that signs at `now`: the newest that is active. The ring has one at least.

    Before any is active, the oldest: whose clock runs behind that of the ring's creator would
    otherwise have none.
    """
    started = [key for key in ring.keys if key.active_from <= now]
    return started[-1] if started else ring.keys[0]


def public_keys(ring: KeyRing, now: int) -> tuple[PublicKey, ...]:
    """Every key that a live token may be signed with, or soon will be: all but those gone."""
    return tuple(key.pair.public for key in ring.keys if state_of(key, now) != "gone")


def next_change(ring: KeyRing, now: int) -> int | None:
    """When `signing_key` or `public_keys` will next answer otherwise, or None if never."""
    times = (time for key in ring.keys for time in (key.active_from, key.gone_at))
    return min((time for time in times if time is not None and time > now), default=None)


def is_due(ring: KeyRing, now: int, every: timedelta | None) -> bool:
    """Whether the ring needs a key: it has none, or its newest has signed for `every`."""
    if not ring.keys:
        return True
    return every is not None and now >= ring.keys[-1].active_from + ms(every)


def rotate(
    ring: KeyRing, pair: KeyPair, *, now: int, lead: timedelta, longest_token: timedelta
) -> KeyRing:
    """Publish a key at `now`: it signs after `lead`, the first of a ring at once.

    Its predecessor retires then, and is gone `longest_token` and `lead` later: the last token
    that it signed is dead by then, and so is one signed by a process that read of the rotation
    as late as `lead` allows. While a rotation is under way the ring stays as it is.
    """
    if not ring.keys:
        return KeyRing((RingKey(pair=pair, published_at=now, active_from=now),))
    *older, newest = ring.keys
    if state_of(newest, now) == "next":
        return ring
    start = now + ms(lead)
    retiring = attrs.evolve(newest, retired_at=start, gone_at=start + ms(longest_token + lead))
    return KeyRing((*older, retiring, RingKey(pair=pair, published_at=now, active_from=start)))


def prune(ring: KeyRing, now: int) -> KeyRing:
    """The ring without the keys that are gone at `now`."""
    return KeyRing(tuple(key for key in ring.keys if state_of(key, now) != "gone"))


def dump(ring: KeyRing) -> bytes:
    """The ring as JSON, private keys included: for the place where it is kept, nowhere else."""
    document = {"format": FORMAT, "keys": [_dumped(key) for key in ring.keys]}
    return json.dumps(document, indent=1).encode()


def load(raw: bytes) -> KeyRing:
    """The ring of what `dump` wrote.

    Raises:
        InvalidKeys: it is something else, of a newer format, or has no key.

    >>> load(b"garbage")
    Traceback (most recent call last):
    counterfoil.adapters.key_pair.InvalidKeys: 7 bytes that are no key ring; restore it or delete it
    """
    match _parsed(raw):
        case {"format": 1, "keys": [_, *_] as members}:
            return KeyRing(tuple(_loaded(member) for member in members))
        case {"format": int(other)} if other != FORMAT:
            raise InvalidKeys(
                f"the key ring is of format {other}, and this version reads {FORMAT}; "
                "use the version that wrote it, or a newer one"
            )
        case _:
            raise InvalidKeys(f"{len(raw)} bytes that are no key ring; restore it or delete it")


def _parsed(raw: bytes) -> Json:
    # Not chained to the parser's error: that holds the whole document, keys and all.
    try:
        return from_json(raw)
    except (ValueError, RecursionError):
        return None


def _dumped(key: RingKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "algorithm": key.pair.public.algorithm,
        "public": base64.b64encode(key.pair.public.der).decode(),
        "private": key.pair.private.decode(),
        "published_at": key.published_at,
        "active_from": key.active_from,
        "retired_at": key.retired_at,
        "gone_at": key.gone_at,
    }


def _loaded(member: Json) -> RingKey:
    match member:
        case {
            "kid": str(kid),
            "algorithm": "EdDSA" | "ES256" | "RS256" as algorithm,
            "public": str(public),
            "private": str(private),
            "published_at": int(published_at),
            "active_from": int(active_from),
            "retired_at": int() | None as retired_at,
            "gone_at": int() | None as gone_at,
        }:
            key = PublicKey(kid=kid, algorithm=algorithm, der=_der(public))
            return RingKey(
                pair=KeyPair(public=key, private=private.encode(errors="replace")),
                published_at=published_at,
                active_from=active_from,
                retired_at=retired_at,
                gone_at=gone_at,
            )
        case _:
            raise InvalidKeys("a key of the ring lacks a member, or has one of another type")


def _der(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidKeys("a public key of the ring isn't base64") from None
