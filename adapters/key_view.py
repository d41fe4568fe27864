"""What a signer needs of a ring at one moment: computed once, then read without a lock.

Between `since` and `until` nothing of it changes, so a signature costs no more than encoding the
claims and the signature itself. Both classes are frozen: a view is replaced, never changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
from jwt.algorithms import get_default_algorithms

from ..effects import TOKEN_TYPE, TOKEN_VERSION, PublicKey
from ..effects.base64url import base64url
from .key_pair import PrivateKey, open_private
from .key_ring import KeyRing, load, next_change, public_keys, signing_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt.algorithms import Algorithm as Signature

_SIGNATURES = get_default_algorithms()


@attrs.frozen(kw_only=True)
class Known:
    """A ring as it was read at `read_at`; the time to read it again is `look_at`."""

    raw: bytes = attrs.field(repr=False)
    ring: KeyRing
    opened: Mapping[str, PrivateKey] = attrs.field(repr=False)
    read_at: int
    look_at: int


@attrs.frozen(kw_only=True)
class View:
    """What the known ring means for one who signs from `since` until `until`."""

    known: Known
    since: int
    until: int
    header: str
    signature: Signature
    private: PrivateKey = attrs.field(repr=False)
    public: tuple[PublicKey, ...]


def recognised(
    raw: bytes, *, before: Known | None, passphrase: bytes | None, read_at: int, look_at: int
) -> Known:
    """The ring of these bytes, with its keys open; what is known from `before` isn't redone.

    Every key is opened, those retired too: so a public key that someone put there without
    knowing the passphrase is refused, and with it the tokens that it would verify.

    Raises:
        InvalidKeys: it is no ring, or a key of it can't be opened.
    """
    if before is not None and before.raw == raw:
        return attrs.evolve(before, read_at=read_at, look_at=look_at)
    ring = load(raw)
    opened: Mapping[str, PrivateKey] = {} if before is None else before.opened
    return Known(
        raw=raw,
        ring=ring,
        opened={
            key.kid: opened.get(key.kid) or open_private(key.pair, passphrase) for key in ring.keys
        },
        read_at=read_at,
        look_at=look_at,
    )


def view_of(known: Known, now: int) -> View:
    """The view of the ring at `now`."""
    active = signing_key(known.ring, now).pair.public
    change = next_change(known.ring, now)
    return View(
        known=known,
        since=now,
        until=known.look_at if change is None else min(known.look_at, change),
        header=_header(active) + ".",
        signature=_SIGNATURES[active.algorithm],
        private=known.opened[active.kid],
        public=public_keys(known.ring, now),
    )


def _header(key: PublicKey) -> str:
    members = {"alg": key.algorithm, "kid": key.kid, "typ": TOKEN_TYPE, "version": TOKEN_VERSION}
    return base64url(json.dumps(members, separators=(",", ":")).encode())
