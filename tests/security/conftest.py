"""Engines for the security rows: the real core over a memory store.

`engine` keeps all it does in a log, `app` is the facade with browsers, `lab` interleaves steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from counterfoil import (
    Announce,
    Ask,
    Backend,
    BlockingSessions,
    ClaimFetched,
    Event,
    FetchClaim,
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
    World,
    create_session,
    create_session_in_request,
    get_session,
    get_session_from_request,
    refresh_session,
    refresh_session_in_request,
    run,
    sign_out,
)
from counterfoil.adapters.memory import UnsignedTokens, interpret

LOGIN = 1_700_000_000_000
API, SITE = "https://api.example.com", "https://example.com"


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
        self.claims: dict[str, Any] = {}
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
        reply: Any = None
        if isinstance(effect, StoreEffect):
            self.fault(effect, "before")
            reply = Backend(self.store, self.signer).perform(effect)
            self.fault(effect, "after")
        elif isinstance(effect, FetchClaim):
            reply = ClaimFetched(self.claims.get(effect.key))
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


class Application:
    """The engine on a memory store with real keys; the clock moves by hand."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.now = LOGIN
        self.events: list[Event] = []
        self.claims: dict[str, Any] = {}
        self.store = MemoryStore()
        self.keys = LocalKeys.in_memory(algorithm=policy.algorithm, clock=lambda: LOGIN)
        self.sessions = BlockingSessions(
            policy,
            self.store,
            self.keys,
            fetchers={"roles": lambda effect, _: self.claims.get(effect.user_id)},
            listener=lambda event, _: self.events.append(event),
            clock=lambda: self.now,
        )

    def browser(self, *headers: tuple[str, str]) -> Browser:
        """A browser whose every request has these headers."""
        return Browser(self, headers)

    def outcome(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What a call gives, or the rejection that it raises."""
        try:
            return call(*args, **options)
        except Rejection as rejection:
            return rejection

    def ask(self, operation: str, request: RequestFacts, *args: Any, **options: Any) -> Any:
        """What a request ends in, whatever its response says."""
        sessions = self.sessions.using(response=ResponseHeaders())
        return self.outcome(getattr(sessions, operation), request, *args, **options)


class Browser:
    """A cookie jar, and pages of the site that send it along."""

    def __init__(self, app: Application, headers: tuple[tuple[str, str], ...]) -> None:
        self.app = app
        self.fixed = headers or (("Sec-Fetch-Site", "same-origin"), ("Origin", SITE))
        self.jar: dict[str, tuple[str, str]] = {}
        self.response: list[tuple[str, str]] = []

    def request(self, method: str, path: str, *headers: tuple[str, str]) -> RequestFacts:
        """A request as it leaves the browser."""
        cookies = "; ".join(f"{n}={v}" for n, (v, at) in self.jar.items() if path.startswith(at))
        sent = (("Cookie", cookies),) if cookies else ()
        return RequestFacts(method, [*self.fixed, *sent, *headers])

    def login(self, user: str = "ada", *headers: tuple[str, str], **options: Any) -> Any:
        """Log in by cookie."""
        request = self.request("POST", "/login", ("st-auth-mode", "cookie"), *headers)
        return self._exchange("create_session_in_request", request, user, **options)

    def get(self, *headers: tuple[str, str], method: str = "GET", **options: Any) -> Any:
        """Ask for something of the API."""
        request = self.request(method, "/api", *headers)
        return self._exchange("get_session_from_request", request, **options)

    def post(self, *headers: tuple[str, str], **options: Any) -> Any:
        """Change something of the API."""
        return self.get(*headers, method="POST", **options)

    def refresh(self, *headers: tuple[str, str], method: str = "POST") -> Any:
        """Refresh the session."""
        request = self.request(method, "/auth/session/refresh", *headers)
        return self._exchange("refresh_session_in_request", request)

    def sign_out(self, *headers: tuple[str, str], method: str = "POST") -> Any:
        """Sign out."""
        return self._exchange("sign_out", self.request(method, "/auth/signout", *headers))

    def header(self, name: str) -> str | None:
        """A header of the last response."""
        found = [value for key, value in self.response if key.lower() == name.lower()]
        return found[0] if found else None

    @property
    def set_cookies(self) -> list[str]:
        """The Set-Cookie lines of the last response."""
        return [value for name, value in self.response if name == "Set-Cookie"]

    def _exchange(self, operation: str, request: RequestFacts, *args: Any, **options: Any) -> Any:
        response = ResponseHeaders()
        sessions = self.app.sessions.using(response=response)
        outcome = self.app.outcome(getattr(sessions, operation), request, *args, **options)
        self.response = response.headers
        for line in self.set_cookies:
            self._keep(line)
        return outcome

    def _keep(self, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        parts = (attribute.partition("=") for attribute in attributes)
        said = {attribute: told for attribute, _, told in parts}
        if said["Max-Age"] == "0":
            self.jar.pop(name, None)
        else:
            self.jar[name] = (value, said["Path"])


@pytest.fixture
def make_app() -> Callable[..., Application]:
    """Makes an application; settings of its policy as keywords."""

    def made(**settings: Any) -> Application:
        strict = settings.pop("strict", False)
        settings.setdefault("site_origin", SITE)
        policy = Policy(API, **settings)
        return Application(policy.strict() if strict else policy)

    return made


@pytest.fixture
def app(make_app: Callable[..., Application]) -> Application:
    """An application with the defaults."""
    return make_app()


class Lab:
    """Operations on an immutable world, one effect at a time."""

    def act(self, world: World, effect: Any) -> tuple[World, Any]:
        """Carry one effect of the store out: the next world, and the reply."""
        return interpret(world, effect, UnsignedTokens())

    def run(self, world: World, step: Step[Any]) -> tuple[World, Any]:
        """Carry a step out that is alone."""
        while isinstance(step, Ask):
            world, reply = self.act(world, step.effect)
            step = step.resume(reply)
        return world, step.state

    def orders(self, world: World, *steps: Step[Any]) -> Iterator[tuple[World, list[Any]]]:
        """Where steps end that happen at once, for every order of their effects."""
        if not any(isinstance(step, Ask) for step in steps):
            yield world, [step.state for step in steps]
        for n, step in enumerate(steps):
            if isinstance(step, Ask):
                following, reply = self.act(world, step.effect)
                advanced = (*steps[:n], step.resume(reply), *steps[n + 1 :])
                yield from self.orders(following, *advanced)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Where operations interleave."""
    return Lab()
