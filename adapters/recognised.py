"""A memory of requests whose session was recognised: seen again, only the time is asked anew.

What `core.recognise` finds in a plain request stays the same until the token expires or the keys
change. A policy that validates claims has more to ask, and nothing is remembered under it.
"""

from __future__ import annotations

from threading import Lock
from typing import TypeAlias

from ..core import KeySet, Policy, RequestFacts, Session
from ..core.recognising import is_plain, lasting
from .memo import Memo

_LARGEST = 8192  # octets of headers: what one client makes us keep is bounded in size too

Key: TypeAlias = tuple[str, tuple[tuple[bytes, bytes], ...]]
"""A request's method, and its headers that decisions are made by, as ASGI has them."""


class Recognised:
    """The sessions of requests seen before. Shared by all threads.

    Bounded in number and in size: the oldest is forgotten first.
    """

    def __init__(self, policy: Policy, memo: Memo, size: int) -> None:
        self._policy = policy
        self._memo = memo
        self._size = 0 if policy.validators else size
        self._keys = memo.keys
        self._seen: dict[Key, tuple[range, Session]] = {}
        self._lock = Lock()

    def recall(self, key: Key, now: int) -> Session | None:
        """The session of such a request, if it was seen and the token still holds."""
        times, session = self._seen.get(key, _UNSEEN)
        memo = self._memo
        return session if now in times and now in memo.current and self._keys is memo.keys else None

    def remember(self, request: RequestFacts, session: Session, keys: KeySet) -> None:
        """Keep what `core.get_session_from_request` found without another question, by these keys.

        Other keys may have come meanwhile, which would not have verified its token.
        """
        key = _key(request)
        if not is_plain(request, self._policy) or _octets(key) > _LARGEST:
            return
        with self._lock:
            if self._keys is not self._memo.keys:
                self._seen, self._keys = {}, self._memo.keys
            if keys is not self._keys:
                return
            if len(self._seen) >= self._size > 0:
                del self._seen[next(iter(self._seen))]
            if len(self._seen) < self._size:
                self._seen[key] = lasting(session), session


def _key(request: RequestFacts) -> Key:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers]
    return request.method, tuple(headers)


def _octets(key: Key) -> int:
    return sum(len(value) for _, value in key[1])


_UNSEEN: tuple[range, None] = range(0), None
