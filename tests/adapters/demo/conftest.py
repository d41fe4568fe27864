"""The demo without a server: requests handed to its ASGI application."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from counterfoil import SqliteStore
from counterfoil.adapters.demo.app import demo
from counterfoil.adapters.demo.settings import DemoSettings
from counterfoil.adapters.demo.watching import WatchedSessions, watched

Headers = Sequence[tuple[bytes, bytes]]


@attrs.frozen
class Response:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    text: bytes

    @property
    def body(self) -> Any:
        """The JSON that it is."""
        return json.loads(self.text)

    def get(self, name: str) -> str:
        """The one value of a header."""
        (value,) = [value for key, value in self.headers if key == name]
        return value


@attrs.define
class Client:
    """Sends requests in header mode, with the tokens that it was given last."""

    app: Callable[..., Any]
    access: str = ""
    refresh: str = ""

    def raw(
        self, method: str, path: str, body: bytes = b"", headers: Headers = (), query: bytes = b""
    ) -> Response:
        """Send these bytes."""
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": list(headers),
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def serve() -> None:
            await self.app(scope, receive, send)

        anyio.run(serve)
        start, *rest = sent
        headers_sent = [
            (name.decode(), value.decode("latin-1")) for name, value in start["headers"]
        ]
        return Response(start["status"], headers_sent, b"".join(m.get("body", b"") for m in rest))

    def __call__(self, method: str, path: str, body: object = None, token: str = "") -> Response:
        """Call the API as the page does."""
        text = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        bearer = f"Bearer {token or self.access}".encode()
        headers = [(b"authorization", bearer), (b"st-auth-mode", b"header"), (b"rid", b"anti-csrf")]
        response = self.raw(method, path, text, headers, query.encode())
        given = dict(response.headers)
        self.access = given.get("st-access-token", self.access)
        self.refresh = given.get("st-refresh-token", self.refresh)
        return response


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[WatchedSessions]:
    with SqliteStore(tmp_path / "sessions.db") as store:
        yield watched(DemoSettings().policy, store)


@pytest.fixture
def client(sessions: WatchedSessions) -> Client:
    return Client(demo(sessions))
