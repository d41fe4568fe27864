"""A memory of requests that were recognised: of one seen before, only the time is asked again."""

from __future__ import annotations

from threading import Lock

from ..core import Policy, RequestFacts, Session, Verifier
from ..core.recognising import is_plain, recognise, still_holds
from ..effects import Done
from .memo import Memo


class Recognised:
    """A `Recogniser` that remembers, for as long as the keys stay. Shared by all threads.

    Bounded in number: the oldest is forgotten first. Only what was recognised is remembered.
    """

    def __init__(self, memo: Memo, size: int) -> None:
        self._memo = memo
        self._size = size
        self._keys = memo.keys
        self._seen: dict[tuple[RequestFacts, bool], Done[Session]] = {}
        self._lock = Lock()

    def __call__(
        self,
        request: RequestFacts,
        *,
        policy: Policy,
        verify: Verifier,
        now: int,
        check_anti_csrf: bool,
    ) -> Done[Session]:
        """Recognise a request, or remember that it was."""
        seen = self._seen.get((request, check_anti_csrf))
        if seen is not None and self._keys is self._memo.keys and still_holds(seen, now):
            return seen
        found = recognise(
            request, policy=policy, verify=verify, now=now, check_anti_csrf=check_anti_csrf
        )
        if isinstance(found.state, Session) and is_plain(request, policy):
            self._remember((request, check_anti_csrf), found)
        return found

    def _remember(self, key: tuple[RequestFacts, bool], found: Done[Session]) -> None:
        with self._lock:
            if self._keys is not self._memo.keys:
                self._keys, self._seen = self._memo.keys, {}
            while len(self._seen) >= self._size:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = found
