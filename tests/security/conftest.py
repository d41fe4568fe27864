"""An application under attack, its browsers, and tokens signed over whatever a test wants."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from counterfoil import (
    BlockingSessions,
    Event,
    LocalKeys,
    MemoryStore,
    Policy,
    PublicKey,
    Rejection,
    RequestFacts,
    ResponseHeaders,
    Session,
    Step,
)
from counterfoil.effects import Algorithm

LOGIN = 1_700_000_000_000
API, SITE = "https://api.example.com", "https://example.com"


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

    def run(self, step: Step[Any]) -> Any:
        """Where a step ends."""
        return self.outcome(self.sessions.run, step)


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


class Forge:
    """A genuine key that signs any bytes: what a broken signer, or a thief of the key, could."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.public,) = LocalKeys.from_pem(pem).public_keys()
        self.header: dict[str, Any] = {
            "alg": "EdDSA",
            "kid": self.public.kid,
            "typ": "at+jwt",
            "version": "1",
        }

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """What its tokens are verified with."""
        return (self.public,)

    def token(self, claims: Any, header: Any = None) -> str:
        """A token with a right signature over these bytes, or over the JSON of these values."""
        parts = (self.header if header is None else header, claims)
        body = ".".join(self.segment(part) for part in parts)
        return f"{body}.{self.encoded(self._private.sign(body.encode()))}"

    def segment(self, part: Any) -> str:
        """Bytes, or JSON of a value, in base64url."""
        return self.encoded(part if isinstance(part, bytes) else json.dumps(part).encode())

    def encoded(self, raw: bytes) -> str:
        """base64url without padding."""
        return urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture(scope="session")
def forge() -> Forge:
    """A key that signs anything."""
    return Forge()


@pytest.fixture(scope="session", params=["EdDSA", "ES256", "RS256"])
def keys(request: pytest.FixtureRequest) -> LocalKeys:
    """A signer of each algorithm."""
    algorithm: Algorithm = request.param
    return LocalKeys.in_memory(algorithm=algorithm)


@pytest.fixture
def good_claims() -> dict[str, Any]:
    """The claims of an access token that holds at the time of the login."""
    app = Application(Policy(API, site_origin=SITE, audience="app"))
    session = app.sessions.create_session("ada")
    assert isinstance(session, Session)
    return dict(session.payload)
