"""An engine for the tests of operations: the real core, a memory world, really signed tokens."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from counterfoil import (
    Announce,
    AnnouncementEffect,
    Backend,
    ByFamily,
    ClaimEffect,
    ClaimFetched,
    Event,
    FetchClaim,
    KeySet,
    LocalKeys,
    MemoryStore,
    Policy,
    Rejection,
    RequestRejected,
    ResponseEffect,
    Session,
    Step,
    StoreEffect,
    TryRefreshToken,
    Unauthorised,
    World,
    create_session,
    refresh_session,
    run,
)

T = TypeVar("T")

LOGIN = 1_700_000_000_000


class Engine:
    """One policy over one memory store; the clock moves by hand."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.store = MemoryStore()
        self.signer = LocalKeys.in_memory(clock=lambda: LOGIN)
        self.verify = KeySet(self.signer.public_keys())
        self.now = LOGIN
        self.events: list[Event] = []
        self.response: list[Any] = []
        self.claims: dict[str, Any] = {}
        self.fetched: list[str] = []
        self._draws = itertools.count(1)

    @property
    def world(self) -> World:
        """What the store holds."""
        return self.store.world

    def entropy(self) -> bytes:
        """Bytes that were not drawn before."""
        return next(self._draws).to_bytes(32)

    def run(self, step: Step[T]) -> T:
        """Carry a step out."""
        backend = Backend(self.store, self.signer)
        routes = (
            (StoreEffect, backend),
            (ClaimEffect, _Told(self._fetch)),
            (AnnouncementEffect, _Told(self._hear)),
            (ResponseEffect, _Told(self.response.append)),
        )
        return run(step, ByFamily(routes))

    def outcome(self, step: Step[T]) -> T | Rejection:
        """Carry a step out; a rejection is given, not raised, and was announced just now."""
        try:
            return self.run(step)
        except Rejection as rejection:
            self._check_announced(rejection)
            return rejection

    def login(self, user_id: str = "ada", **options: Any) -> Session:
        """A new session."""
        return self.run(
            create_session(
                user_id, policy=self.policy, now=self.now, entropy=self.entropy(), **options
            )
        )

    def refresh(self, token: str | None, **options: Any) -> Session | Rejection:
        """Present a refresh token."""
        return self.outcome(
            refresh_session(
                token, policy=self.policy, now=self.now, entropy=self.entropy(), **options
            )
        )

    def _check_announced(self, rejection: Rejection) -> None:
        if isinstance(rejection, Unauthorised | TryRefreshToken):
            assert self.events[-1] == RequestRejected(
                reason=rejection.reason, handle=rejection.handle, at=self.now
            )

    def _fetch(self, effect: FetchClaim) -> ClaimFetched:
        self.fetched.append(effect.key)
        return ClaimFetched(self.claims.get(effect.key))

    def _hear(self, effect: Announce) -> None:
        self.events.append(effect.event)


class _Told:
    def __init__(self, tell: Callable[[Any], Any]) -> None:
        self._tell = tell

    def perform(self, effect: Any) -> Any:
        return self._tell(effect)


@pytest.fixture
def engine() -> Engine:
    """An engine for an API on https."""
    return make_engine()


def make_engine(**settings: Any) -> Engine:
    """An engine under a policy with these settings."""
    settings.setdefault("site_origin", "https://example.com")
    return Engine(Policy("https://api.example.com", **settings))


@pytest.fixture
def engine_with() -> Callable[..., Engine]:
    """Makes an engine under a policy with the given settings."""
    return make_engine
