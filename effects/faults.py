"""A store that fails as a plan says: for tests of what your application does then.

An act may be delayed, may fail before it is done, or may *fail after* it was done: the record is
written, and whoever asked is told that the store is unavailable. No clock is in here: who wants
delays gives what waits.

>>> from counterfoil import BlockingSessions, LocalKeys, MemoryStore, Policy
>>> store = MemoryStore()
>>> faulty = Faulty(store, Scripted((SOUND, SOUND, AFTER)))
>>> keys = LocalKeys.in_store(store)  # a key ring of its own: only sessions meet faults
>>> sessions = BlockingSessions(Policy("http://localhost:8000"), faulty, keys)
>>> session = sessions.create_session("ada")
>>> sessions.refresh_session(session.refresh_token)  # rotated, and nobody was told
Traceback (most recent call last):
counterfoil.effects.errors.StoreUnavailable: swap failed after it was done, as act 2 of the plan
>>> sessions.refresh_session(session.refresh_token).user_id  # the old token is good for a retry
'ada'
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import attrs

from .async_store import AsyncStore, HasAsyncForm
from .errors import InvalidInput, StoreUnavailable
from .fault_plans import AFTER, BEFORE, SOUND, Fate, Plan, Scripted, Seeded

if TYPE_CHECKING:
    from .backend import Store
    from .descriptions import HandleTaken, Missing, Stale, TooLarge
    from .frozen import FrozenDict
    from .record import SessionRecord

__all__ = [
    "AFTER",
    "BEFORE",
    "SOUND",
    "AsyncFaulty",
    "Fate",
    "Faulty",
    "Plan",
    "Scripted",
    "Seeded",
]

T = TypeVar("T")


@attrs.define
class Turns:
    """Numbers the acts of a store in both of its forms, and meets their fates.

    Attributes:
        plan: says what becomes of each; give another one, and it holds from then on.
        met: the acts so far, by name, each with its fate.
    """

    plan: Plan
    met: list[tuple[str, Fate]] = attrs.Factory(list[tuple[str, Fate]])
    _numbers: count[int] = attrs.Factory(count)

    def next(self, act: str) -> Turn:
        """The next act."""
        number = next(self._numbers)
        fate = self.plan.fate(number, act)
        self.met.append((act, fate))
        return Turn(act, number, fate)


@attrs.frozen
class Turn:
    """One act, and what becomes of it."""

    act: str
    number: int
    fate: Fate

    def fail_if(self, when: str) -> None:
        """Fail, if it is to fail at this point."""
        if self.fate.fails == when:
            told = f"{self.act} failed {when} it was done, as act {self.number} of the plan"
            raise StoreUnavailable(told)

    def waiting(self, wait: Callable[[float], T] | None, name: str) -> T | None:
        """Whatever waits, if this act is delayed."""
        if not self.fate.delay:
            return None
        if wait is None:
            raise InvalidInput(f"the plan delays {self.act}: give {name}, which waits for seconds.")
        return wait(self.fate.delay)


class Faulty:
    """A blocking store whose acts fail as a plan says. Implements the `Store` protocol.

    It has an async form where the store has one: the same acts, numbered in the same row.
    `turns.met` tells what has happened; `turns.plan` may be given another plan.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        *,
        wait: Callable[[float], object] | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Wrap a store. `wait` (`time.sleep`) carries out delays, `sleep` (`anyio.sleep`) those of
        the async form; without one, a plan that delays is refused when it does.
        """
        self.store = store
        self.turns = Turns(plan)
        self._wait = wait
        self._sleep = sleep

    @property
    def awaited(self) -> AsyncStore | None:
        """The async form for the event loop that runs here, if the store has one."""
        store = self.store
        inner = store.awaited if isinstance(store, HasAsyncForm) else None
        return None if inner is None else AsyncFaulty(inner, self.turns, sleep=self._sleep)

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """As `Store.create`, or not."""
        return self._act("create", lambda: self.store.create(record))

    def load(self, handle: str) -> SessionRecord | Missing:
        """As `Store.load`, or not."""
        return self._act("load", lambda: self.store.load(handle))

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """As `Store.swap`, or not."""
        return self._act("swap", lambda: self.store.swap(record, expected_version))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """As `Store.merge_payload`, or not."""
        return self._act("merge_payload", lambda: self.store.merge_payload(handle, patch, limit))

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """As `Store.replace_data`, or not."""
        return self._act("replace_data", lambda: self.store.replace_data(handle, data))

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """As `Store.delete`, or not."""
        return self._act("delete", lambda: self.store.delete(handles))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """As `Store.delete_for_user`, or not."""
        store = self.store
        return self._act("delete_for_user", lambda: store.delete_for_user(user_id, tenant_id, keep))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """As `Store.list_for_user`, or not."""
        return self._act("list_for_user", lambda: self.store.list_for_user(user_id, tenant_id))

    def purge(self, now: int, limit: int) -> int:
        """As `Store.purge`, or not."""
        return self._act("purge", lambda: self.store.purge(now, limit))

    def _act(self, name: str, act: Callable[[], T]) -> T:
        turn = self.turns.next(name)
        turn.waiting(self._wait, "wait")
        turn.fail_if("before")
        answer = act()
        turn.fail_if("after")
        return answer


class AsyncFaulty:
    """A store that is awaited, whose acts fail as a plan says. Implements `AsyncStore`."""

    def __init__(
        self,
        store: AsyncStore,
        plan: Plan | Turns,
        *,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Wrap a store, as `Faulty` does."""
        self.store = store
        self.turns = plan if isinstance(plan, Turns) else Turns(plan)
        self._sleep = sleep

    async def create(self, record: SessionRecord) -> HandleTaken | None:
        """As `Store.create`, or not."""
        return await self._act("create", lambda: self.store.create(record))

    async def load(self, handle: str) -> SessionRecord | Missing:
        """As `Store.load`, or not."""
        return await self._act("load", lambda: self.store.load(handle))

    async def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """As `Store.swap`, or not."""
        return await self._act("swap", lambda: self.store.swap(record, expected_version))

    async def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """As `Store.merge_payload`, or not."""
        store = self.store
        return await self._act("merge_payload", lambda: store.merge_payload(handle, patch, limit))

    async def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """As `Store.replace_data`, or not."""
        return await self._act("replace_data", lambda: self.store.replace_data(handle, data))

    async def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """As `Store.delete`, or not."""
        return await self._act("delete", lambda: self.store.delete(handles))

    async def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """As `Store.delete_for_user`, or not."""
        asked = (user_id, tenant_id, keep)
        return await self._act("delete_for_user", lambda: self.store.delete_for_user(*asked))

    async def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """As `Store.list_for_user`, or not."""
        store = self.store
        return await self._act("list_for_user", lambda: store.list_for_user(user_id, tenant_id))

    async def purge(self, now: int, limit: int) -> int:
        """As `Store.purge`, or not."""
        return await self._act("purge", lambda: self.store.purge(now, limit))

    async def _act(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        turn = self.turns.next(name)
        delay = turn.waiting(self._sleep, "sleep")
        if delay is not None:
            await delay
        turn.fail_if("before")
        answer = await act()
        turn.fail_if("after")
        return answer
