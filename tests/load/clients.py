"""Clients that keep at it while servers come and go: what they were told must be so.

Each has a session. It refreshes, merges, asks the store, signs out and in again, at random; where
the store is away it asks once more, as the frontend SDK does with a 503. What was acknowledged is
remembered and looked for at the end.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import attrs

from counterfoil import Rejection, Session, Sessions, StoreUnavailable, Unauthorised

T = TypeVar("T")

AGAIN = 0.1  # s before what failed is tried again
KEYS = 8  # of the payload; each is merged over and over


@attrs.define
class Told:
    """What all clients were told, and how soon.

    Attributes:
        taken: for each act that was answered, when (s, monotonic) and how many ms it took.
        outages: how often the store was away.
        logged_out: acts of honest clients that ended in a rejection.
        lost: what was acknowledged and is not so.
    """

    taken: list[tuple[float, float]] = attrs.field(factory=list[tuple[float, float]])
    acts: Counter[str] = attrs.field(factory=Counter[str])
    outages: int = 0
    logged_out: list[str] = attrs.field(factory=list[str])
    lost: list[str] = attrs.field(factory=list[str])


class Client:
    """One client, with one session at a time."""

    def __init__(self, sessions: Sessions, told: Told, number: int, pause: float) -> None:
        self._sessions = sessions
        self._told = told
        self._user = f"client-{number}"
        self._pause = pause  # s between two acts, on average
        self._chance = random.Random(number)  # noqa: S311  # which act is next
        self._session: Session
        self._merged: dict[str, tuple[int, int]] = {}  # by key: acknowledged, tried
        self._count = 0

    async def live(self, until: Callable[[], bool]) -> None:
        """Log in, act, and see in the end that all is as it was told."""
        await self._log_in()
        acts = (self._refresh, self._merge, self._verify, self._leave)
        while not until():
            await anyio.sleep(self._pause * 2 * self._chance.random())
            (act,) = self._chance.choices(acts, weights=(40, 35, 20, 5))
            try:
                await act()
            except Rejection as rejection:
                self._told.logged_out.append(f"{self._user}: {act.__name__}: {rejection}")
                await self._log_in()
        await self._look()

    async def _log_in(self) -> None:
        self._merged = {}
        self._session = await self._asked("login", self._sessions.create_session, self._user)

    async def _refresh(self) -> None:
        token = self._session.refresh_token
        assert token is not None
        self._session = await self._asked("refresh", self._sessions.refresh_session, token)

    async def _merge(self) -> None:
        self._count += 1
        key, value = f"k{self._count % KEYS}", self._count
        acknowledged, _ = self._merged.get(key, (0, 0))
        self._merged[key] = acknowledged, value
        merge = self._sessions.merge_into_access_token_payload
        merged = await self._asked("merge", merge, self._session, {key: value})
        self._merged[key] = value, value
        token, expires_at = self._session.refresh_token, self._session.refresh_expires_at
        self._session = attrs.evolve(merged, refresh_token=token, refresh_expires_at=expires_at)

    async def _verify(self) -> None:
        get, token = self._sessions.get_session, self._session.access_token
        await self._asked("verify", get, token, check_database=True)

    async def _leave(self) -> None:
        left, token = self._session, self._session.refresh_token
        await self._asked("revoke", self._sessions.revoke_session, left)
        try:
            await self._asked("refresh", self._sessions.refresh_session, token)
            self._told.lost.append(f"{self._user}: a revocation")
        except Unauthorised:
            await self._log_in()

    async def _look(self) -> None:
        handle = self._session.handle
        known = await self._asked("look", self._sessions.get_session_information, handle)
        if known is None:
            self._told.lost.append(f"{self._user}: a session")
            return
        for key, (acknowledged, tried) in self._merged.items():
            held = known.payload.get(key, 0)
            if not (isinstance(held, int) and acknowledged <= held <= tried):
                self._told.lost.append(f"{self._user}: a merge")

    async def _asked(
        self, name: str, operation: Callable[..., Awaitable[T]], *what: object, **how: object
    ) -> T:
        start = time.monotonic()
        while True:
            try:
                answer = await operation(*what, **how)
            except StoreUnavailable:
                self._told.outages += 1
                await anyio.sleep(AGAIN)
                continue
            finally:
                self._told.acts[name] += 1
            now = time.monotonic()
            self._told.taken.append((now, (now - start) * 1000))
            return answer
