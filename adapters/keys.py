"""The local signer: reads the clock, makes keys, keeps the ring, signs access tokens.

What the ring means at a moment is `key_ring.py`; here it is read, rotated when that is due, and
used. Signing is on the path of every refresh, so `sign` reads one attribute, a `View` that holds
all that it needs until a known time, and takes no lock. Whoever finds the view out of date takes
the lock, looks and puts another view in its place.

A key is published `lead` before it signs, and the ring is read every `reload_every`, which is no
longer: so every process knows a key before it meets its tokens, and nobody is logged out. Should
a key have leaked, delete the ring: each process then makes or finds a new one at its next look,
tokens of the old keys count no more, and each client refreshes once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict, get_args

import attrs

from ..core.lifetime import ms
from ..effects import Algorithm, FrozenDict, InvalidInput, PublicKey, StoreUnavailable, to_json
from ..effects.base64url import base64url
from .key_pair import InvalidKeys, KeyPair, from_pem, generate, public_jwk
from .key_ring import KeyRing, RingKey, dump, is_due, prune, rotate, state_of
from .key_storage import SecretFiles, SecretInMemory, SecretStore
from .key_view import Known, View, recognised, view_of

if TYPE_CHECKING:
    from typing import Unpack

_log = logging.getLogger(__name__)

_ATTEMPTS = 16  # lost compare-and-swaps in a row; others change a ring once in weeks


def _now() -> int:
    return time.time_ns() // 1_000_000


def _duration(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, timedelta) or value < timedelta():
        raise InvalidInput(
            f"{attribute.name} must be a datetime.timedelta of zero or more, "
            f"and this {type(value).__name__} isn't."
        )


def _optional_duration(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        _duration(instance, attribute, value)


def _algorithm(instance: object, attribute: object, value: object) -> None:
    if value not in get_args(Algorithm):
        raise InvalidInput(f"algorithm must be one of {', '.join(get_args(Algorithm))}.")


def _passphrase(instance: object, attribute: object, value: Any) -> None:
    if value is not None and not (isinstance(value, bytes) and 16 <= len(value) <= 1023):
        raise InvalidInput(
            f"passphrase must be 16 to 1023 bytes, and this {type(value).__name__} isn't; "
            "make one with secrets.token_bytes(32)."
        )


class KeyOptions(TypedDict, total=False):
    """The options of every constructor of `LocalKeys`, which says what they mean."""

    algorithm: Algorithm
    clock: Callable[[], int]
    lead: timedelta
    longest_token: timedelta
    passphrase: bytes | None
    rotate_every: timedelta | None
    reload_every: timedelta


@attrs.define(eq=False, kw_only=True)
class LocalKeys:
    """A signer whose keys are kept here: in a file, in the store, or in memory.

    Nothing is read or made before the first use; call `public_keys()` at start to learn of a
    problem then. Any number of threads and processes may share a ring.

    Attributes:
        algorithm: of the keys made from now on; those of the ring keep theirs.
        clock: milliseconds since the Unix epoch.
        lead: how long a key is published before it signs.
        longest_token: no token lives longer; a retired key verifies for this and `lead`.
        passphrase: encrypts the private keys where they are kept, so that who reads the store
            can't sign. At least 16 random bytes: the encoding stretches no human password.
        rotate_every: how long a key signs before the next is planned; None: only by hand.
        reload_every: how often the ring is read at most, to learn what other processes did.

    Raises:
        InvalidInput: an option that can't work.

    >>> keys = LocalKeys.in_memory()
    >>> [key["crv"] for key in keys.jwks()["keys"]]
    ['Ed25519']
    """

    store: SecretStore = attrs.field(repr=False)
    name: str
    algorithm: Algorithm = attrs.field(default="EdDSA", validator=_algorithm)
    clock: Callable[[], int] = attrs.field(default=_now, repr=False)
    lead: timedelta = attrs.field(default=timedelta(hours=1), validator=_duration)
    longest_token: timedelta = attrs.field(default=timedelta(days=1), validator=_duration)
    passphrase: bytes | None = attrs.field(default=None, repr=False, validator=_passphrase)
    rotate_every: timedelta | None = attrs.field(
        default=timedelta(days=30), validator=_optional_duration
    )
    reload_every: timedelta = attrs.field(default=timedelta(seconds=60), validator=_duration)
    _view: View | None = attrs.field(default=None, init=False, repr=False)
    _turn: Lock = attrs.field(factory=Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.reload_every > self.lead:
            raise InvalidInput(
                "reload_every must not be longer than lead: a process would meet tokens of a key "
                "that it has not read of."
            )

    @classmethod
    def in_file(cls, path: str | Path, **options: Unpack[KeyOptions]) -> LocalKeys:
        """Keys in a file, made on first use with mode 0600. Its folder must exist.

        For one machine. A file that others may read is refused.
        """
        return cls(store=SecretFiles(), name=str(Path(path).absolute()), **options)

    @classmethod
    def in_store(
        cls, store: SecretStore, *, name: str = "access-token-keys", **options: Unpack[KeyOptions]
    ) -> LocalKeys:
        """Keys in the store, for any number of machines. Give a passphrase as well."""
        return cls(store=store, name=name, **options)

    @classmethod
    def in_memory(cls, **options: Unpack[KeyOptions]) -> LocalKeys:
        """Keys that end with this object: for tests, and for a process that is alone."""
        return cls(store=SecretInMemory(), name="memory", **options)

    @classmethod
    def from_pem(cls, pem: str | bytes, **options: Unpack[KeyOptions]) -> LocalKeys:
        """One given private key, opened with the passphrase if there is one.

        Every process that is given it signs with it, so it isn't rotated unless one is told to.

        Raises:
            InvalidKeys: `pem` is no key that signs here.
        """
        options.setdefault("rotate_every", None)
        memory = SecretInMemory()
        keys = cls(store=memory, name="pem", **options)
        pair = from_pem(pem, keys.passphrase)
        memory.secret = dump(keys._rotated(KeyRing(), pair, keys.clock()))
        return keys

    def sign(self, claims: FrozenDict) -> str:
        """A compact JWS (RFC 7515) of the claims, signed with the active key.

        Raises:
            InvalidKeys: the ring can't be used, and says why.
            StoreUnavailable: it could not be read for as long as `lead`.
        """
        view = self._current()
        body = view.header + base64url(to_json(claims).encode())
        signature = view.signature.sign(body.encode(), view.private)
        return f"{body}.{base64url(signature)}"

    def public_keys(self) -> tuple[PublicKey, ...]:
        """Every key that a live token may be signed with, those about to be used included.

        Raises as `sign` does.
        """
        return self._current().public

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK Set (RFC 7517, 5), to be served to other verifiers."""
        return {"keys": [public_jwk(key) for key in self.public_keys()]}

    def reload(self) -> KeyRing:
        """Read the ring now, and rotate it if that is due; answers what it is.

        Raises:
            InvalidKeys, StoreUnavailable: it can't be read, and the keys known stay in use.
        """
        with self._turn:
            return self._settle(self.clock()).known.ring

    def rotate(self) -> RingKey:
        """Publish a new key, unless one is on its way; answers that key.

        It signs from its `active_from`. Two processes that rotate at once publish one key.

        Raises as `reload` does.
        """
        with self._turn:
            now = self.clock()
            newest = self._settle(now).known.ring.keys[-1]
            if state_of(newest, now) == "next":
                return newest
            return self._settle(now, replacing=newest.kid).known.ring.keys[-1]

    def _current(self) -> View:
        now = self.clock()
        view = self._view
        if view is not None and view.since <= now < view.until:
            return view
        with self._turn:
            return self._renewed(self.clock(), self._view)

    def _renewed(self, now: int, view: View | None) -> View:
        if view is None:
            return self._settle(now)
        known = view.known
        # A clock that was set back doesn't say when the ring was read: look again.
        if view.since <= now < known.look_at:
            return self._show(known, now)
        try:
            return self._settle(now)
        except (StoreUnavailable, InvalidKeys) as problem:
            known = (self._view or view).known  # newer, if only the writing failed
            if now - known.read_at >= ms(self.lead):
                raise
            _log.warning("signing goes on with the keys known: %s", problem)
            return self._show(attrs.evolve(known, look_at=now + ms(self.reload_every)), now)

    def _settle(self, now: int, *, replacing: str | None = None) -> View:
        """Read the ring, and give it a key if it needs one, or if its newest is `replacing`."""
        for _ in range(_ATTEMPTS):
            ring = KeyRing()
            raw = self.store.load_secret(self.name)
            if raw is not None:
                view = self._show(self._read(raw, now), now)
                ring = view.known.ring
                if not is_due(ring, now, self.rotate_every) and ring.keys[-1].kid != replacing:
                    return view
            pair = generate(self.algorithm, self.passphrase)
            planned = dump(self._rotated(ring, pair, now))
            if self.store.swap_secret(self.name, raw, planned):
                return self._show(self._read(planned, now), now)
        raise StoreUnavailable(f"the key ring {self.name} changed {_ATTEMPTS} times in a row.")

    def _rotated(self, ring: KeyRing, pair: KeyPair, now: int) -> KeyRing:
        kept = prune(ring, now)
        return rotate(kept, pair, now=now, lead=self.lead, longest_token=self.longest_token)

    def _read(self, raw: bytes, now: int) -> Known:
        before = None if self._view is None else self._view.known
        try:
            return recognised(
                raw,
                before=before,
                passphrase=self.passphrase,
                read_at=now,
                look_at=now + ms(self.reload_every),
            )
        except InvalidKeys as problem:
            raise InvalidKeys(f"the key ring {self.name}: {problem}") from problem

    def _show(self, known: Known, now: int) -> View:
        self._view = view = view_of(known, now)
        return view
