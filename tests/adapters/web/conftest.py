"""A browser's share of HTTP, as far as these tests need it: requests with a cookie jar."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest

from counterfoil import MemoryStore, Policy, Sessions, StoreUnavailable
from counterfoil.adapters.web.exchange import ASGIApp

from ...listening import quiet

START = 1_800_000_000_000
ORIGIN = "https://api.example.com"


@attrs.frozen
class Response:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: Any

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        """The one value of a header, or None."""
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None


@attrs.define
class Browser:
    """Sends requests to an ASGI application, and keeps cookies by name and path."""

    app: ASGIApp
    jar: dict[tuple[str, str], str] = attrs.field(factory=dict[tuple[str, str], str])
    sent: dict[str, str] = attrs.field(factory=lambda: {"sec-fetch-site": "same-origin"})

    def __call__(self, method: str, path: str, scope: Any = None, **headers: str) -> Response:
        """Send one request; `st_auth_mode="cookie"` is a header."""
        cookies = "; ".join(f"{n}={v}" for (n, p), v in self.jar.items() if path.startswith(p))
        told = {**self.sent, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if cookies:
            told["cookie"] = cookies
        asked: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            **(scope or {}),
        }
        messages = call(self.app, asked)
        start, *rest = messages
        text = b"".join(message.get("body", b"") for message in rest)
        shown = [(name.decode(), value.decode()) for name, value in start["headers"]]
        self._keep([value for name, value in shown if name == "set-cookie"])
        return Response(start["status"], shown, json.loads(text) if text else None)

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            path = next(one for one in attributes if one.startswith("Path="))[5:]
            self.jar.pop((name, path), None)
            if value:
                self.jar[name, path] = value


def call(app: ASGIApp, scope: Any, *incoming: Any, backend: str = "asyncio") -> list[Any]:
    """Call an ASGI application once; what it sent."""
    waiting = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def serve() -> None:
        try:
            await app(scope, receive, send)
        finally:
            scope["sent"] = sent

    anyio.run(serve, backend=backend)
    return sent


class Clock:
    """A clock that tests move."""

    now = START

    def __call__(self) -> int:
        return self.now


class Away(MemoryStore):
    """A store that can be made to be away."""

    away = False

    def load(self, handle: str) -> Any:
        """As the store, unless it is away."""
        if self.away:
            raise StoreUnavailable("the database is away")
        return super().load(handle)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Away:
    return Away()


@pytest.fixture
def make_sessions(clock: Clock, store: Away) -> Callable[..., Sessions]:
    """Builds sessions of a policy's settings."""

    def make(**settings: Any) -> Sessions:
        options: Any = {"clock": clock, "listener": quiet}
        return Sessions(Policy(ORIGIN, access_jitter=0, **settings), store, **options)

    return make


@pytest.fixture
def sessions(make_sessions: Callable[..., Sessions]) -> Sessions:
    return make_sessions()
