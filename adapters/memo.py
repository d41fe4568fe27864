"""A memory of verified tokens: one seen before costs a look-up.

Verifying is a pure function of the token and the keys, so its answer may be remembered, bounded in
number. Only what was verified is remembered: garbage can push nothing out. When the keys change,
all is forgotten. Whether a token still *holds* is asked anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ..core import AccessToken, KeySet, Unverified, Verification
from ..effects import FrozenDict, PublicKey, Reason, Signer

DEFAULT_SIZE = 4096  # tokens; each takes its own length and its claims


class Memo:
    """A `Verifier` that remembers, and the signer whose keys it goes by. Shared by all threads.

    Verifying asks nobody; `learn` and `sign` ask the signer, which may read a file or the store.
    """

    def __init__(self, signer: Signer, size: int = DEFAULT_SIZE) -> None:
        self._signer = signer
        self._size = size
        self.is_outdated = False
        """Whether a token was met whose key isn't known: time to `learn`."""
        self._take(signer.public_keys())

    @property
    def keys(self) -> KeySet:
        """The keys that it verifies with."""
        return self._keys

    def __call__(self, token: str, /) -> Verification:
        """Verify a token, or remember that it was."""
        try:
            return self._verified(token)
        except _NotVerified as problem:
            outcome = problem.outcome
        if outcome.reason is Reason.UNKNOWN_KEY:
            self.is_outdated = True
        return outcome

    def learn(self) -> None:
        """Take over the signer's keys; if they changed, forget what the old ones verified."""
        self.is_outdated = False
        keys = self._signer.public_keys()
        if keys != self._keys.keys:
            self._take(keys)

    def sign(self, claims: FrozenDict) -> str:
        """Have the signer sign, and notice if that changed the keys."""
        token = self._signer.sign(claims)
        self.learn()
        return token

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The signer's keys."""
        return self._signer.public_keys()

    def _take(self, keys: tuple[PublicKey, ...]) -> None:
        self._keys = KeySet(keys)
        self._verified = lru_cache(self._size)(_verified_by(self._keys))


class _NotVerified(Exception):  # exceptions aren't remembered
    def __init__(self, outcome: Unverified) -> None:
        super().__init__()
        self.outcome = outcome


def _verified_by(keys: KeySet) -> Callable[[str], AccessToken]:
    def verified(token: str) -> AccessToken:
        outcome = keys(token)
        if isinstance(outcome, Unverified):
            raise _NotVerified(outcome)
        return outcome

    return verified
