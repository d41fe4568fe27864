"""A memory of verified tokens: one seen before costs a look-up.

Verifying is a pure function of the token and the keys, so its answer may be remembered, bounded in
number. Only what was verified is remembered: garbage can push nothing out. When the keys change,
all is forgotten. Whether a token still *holds* is asked anew each time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

from ..core import AccessToken, KeySet, Unverified, Verification
from ..effects import FrozenDict, PublicKey, Reason, Signer

DEFAULT_SIZE = 4096  # tokens; each takes its own length and its claims
_CURRENT_FOR = 60_000  # ms: a key that was withdrawn verifies no longer than that
_AT_MOST_EACH = 1_000  # ms: whatever garbage arrives, the signer isn't asked more often
_log = logging.getLogger("counterfoil")


class Memo:
    """A `Verifier` that remembers, and the signer whose keys it goes by. Shared by all threads.

    Verifying asks nobody; `learn` and `sign` ask the signer, which may read a file or the store.
    """

    keys: KeySet
    """Those that it verifies with."""

    def __init__(self, signer: Signer, clock: Callable[[], int], size: int = DEFAULT_SIZE) -> None:
        self._signer = signer
        self._clock = clock
        self._size = size
        self._header = ""  # of the token that was signed last: it names the key
        self.current = _minute_from(clock())
        """The times (ms) at which the keys are known well enough; at others, `learn`."""
        self._take(signer.public_keys())

    def __call__(self, token: str, /) -> Verification:
        """Verify a token, or remember that it was."""
        try:
            return self._verified(token)
        except _NotVerified as problem:
            outcome = problem.outcome
        if outcome.reason is Reason.UNKNOWN_KEY:
            asked_at = self.current.start
            self.current = range(asked_at, asked_at + _AT_MOST_EACH)
        return outcome

    @property
    def is_outdated(self) -> bool:
        """Whether it is time to `learn`: a minute is over, or a token has an unknown key."""
        return self._clock() not in self.current

    def learn(self) -> bool:
        """Take over the signer's keys; if they changed, forget what the old ones verified.

        Answers whether the signer gave them.

        A signer that fails is asked again in a second; until then, what is known holds: whoever
        made us ask is not to be the one who stops the others.
        """
        now = self._clock()
        try:
            keys = self._signer.public_keys()
        except Exception as problem:  # a signer of one's own may raise anything
            self.current = range(now, now + _AT_MOST_EACH)
            _log.warning(
                "The signer gave no keys (%s): going on with those known.", type(problem).__name__
            )
            return False
        self.current = _minute_from(now)
        if keys != self.keys.keys:
            self._take(keys)
        return True

    def sign(self, claims: FrozenDict) -> str:
        """Have the signer sign, and notice if it signs with another key than before."""
        token = self._signer.sign(claims)
        header, _, _ = token.partition(".")
        if header != self._header and self.learn():
            self._header = header
        return token

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The signer's keys."""
        return self._signer.public_keys()

    def _take(self, keys: tuple[PublicKey, ...]) -> None:
        known = KeySet(keys)
        self._verified = lru_cache(self._size)(_verified_by(known))
        self.keys = known  # last: what was verified before is never taken for verified by these


def _minute_from(now: int) -> range:
    return range(now, now + _CURRENT_FOR)


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
