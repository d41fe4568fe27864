"""An engine for the security rows: the real core over a memory store, all it does kept in a log."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from counterfoil import (
    Announce,
    Backend,
    Event,
    KeySet,
    LocalKeys,
    MemoryStore,
    Policy,
    Rejection,
    RequestFacts,
    ResponseHeaders,
    Session,
    SetCookie,
    Step,
    StoreEffect,
    create_session,
    create_session_in_request,
    get_session,
    get_session_from_request,
    refresh_session,
    refresh_session_in_request,
    run,
    sign_out,
)

LOGIN = 1_700_000_000_000


class Engine:
    """One policy over one store, and an interpreter of everything. The clock moves by hand.

    `log` holds each effect with its reply; `response` the headers of the last run. `fault` is
    called with an effect of the store and "before" or "after" it, and may raise.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.store = MemoryStore()
        self.signer = LocalKeys.in_memory(algorithm=policy.algorithm, clock=lambda: LOGIN)
        self.verify = KeySet(self.signer.public_keys())
        self.now = LOGIN
        self.events: list[Event] = []
        self.log: list[tuple[Any, Any]] = []
        self.cookies: list[SetCookie] = []
        self.response = ResponseHeaders()
        self.fault: Callable[[Any, str], None] = lambda effect, when: None
        self._draws = itertools.count(1)

    def entropy(self) -> bytes:
        """Bytes that were not drawn before."""
        return next(self._draws).to_bytes(32)

    def perform(self, effect: Any) -> Any:
        """Carry one effect out."""
        reply = None
        if isinstance(effect, StoreEffect):
            self.fault(effect, "before")
            reply = Backend(self.store, self.signer).perform(effect)
            self.fault(effect, "after")
        elif isinstance(effect, Announce):
            self.events.append(effect.event)
        else:
            if isinstance(effect, SetCookie):
                self.cookies.append(effect)
            self.response.perform(effect)
        self.log.append((effect, reply))
        return reply

    def run(self, step: Step[Any]) -> Any:
        """Carry a step out; a rejection is given, not raised."""
        self.response = ResponseHeaders()
        self.cookies = []
        try:
            return run(step, self)
        except Rejection as rejection:
            return rejection

    def login(self, user_id: str = "ada", **options: Any) -> Session:
        """A new session."""
        session = self.run(
            create_session(
                user_id, policy=self.policy, now=self.now, entropy=self.entropy(), **options
            )
        )
        assert isinstance(session, Session)
        return session

    def get(self, token: str | None, **options: Any) -> Any:
        """Present an access token."""
        return self.run(
            get_session(token, policy=self.policy, verify=self.verify, now=self.now, **options)
        )

    def refresh(self, token: str | None, **options: Any) -> Any:
        """Present a refresh token."""
        return self.run(
            refresh_session(
                token, policy=self.policy, now=self.now, entropy=self.entropy(), **options
            )
        )

    def get_by(self, request: RequestFacts, **options: Any) -> Any:
        """The session of a request."""
        return self.run(
            get_session_from_request(
                request, policy=self.policy, verify=self.verify, now=self.now, **options
            )
        )

    def refresh_by(self, request: RequestFacts) -> Any:
        """Refresh by a request."""
        return self.run(
            refresh_session_in_request(
                request, policy=self.policy, now=self.now, entropy=self.entropy()
            )
        )

    def login_by(self, request: RequestFacts, user_id: str = "ada", **options: Any) -> Any:
        """Log in by a request."""
        return self.run(
            create_session_in_request(
                request,
                user_id,
                policy=self.policy,
                verify=self.verify,
                now=self.now,
                entropy=self.entropy(),
                **options,
            )
        )

    def sign_out_by(self, request: RequestFacts) -> Any:
        """Sign out by a request."""
        return self.run(sign_out(request, policy=self.policy, verify=self.verify, now=self.now))


def make_engine(**settings: Any) -> Engine:
    """An engine under a policy with these settings."""
    settings.setdefault("site_origin", "https://example.com")
    return Engine(Policy("https://api.example.com", **settings))


@pytest.fixture
def engine() -> Engine:
    """An engine for an API on https, with pages on its parent domain."""
    return make_engine()


@pytest.fixture
def engine_with() -> Callable[..., Engine]:
    """Makes an engine under a policy with the given settings."""
    return make_engine
