"""Applications served from a thread of the test: their clock is the test's, and so is the network.

A `Site` tells what was asked of it, and holds the requests or the answers of a path until the test
lets them go: what is lost, late, or at once is then a fact and no accident.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, cast

import anyio.to_thread
import attrs
import uvicorn

from counterfoil import MemoryStore, Policy, StoreUnavailable
from counterfoil.adapters.demo.app import demo
from counterfoil.adapters.demo.watching import Log, WatchedSessions
from counterfoil.adapters.web.exchange import ASGIApp, Message, Receive, Scope, Send

from ..listening import quiet

MINUTE = 60_000  # ms
LIFE = 16 * MINUTE  # longer than an access token's
REFRESH = "/auth/session/refresh"
LIMIT = 20  # s that a test waits for what must come

Headers = list[tuple[str, str]]

# A proxy answers in the server's place, or the connection dies.
Loss = Literal["replaced", "dropped"]


class Clock:
    """The server's clock, in ms: it stands still until the test moves it. The browser's goes on."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now


@attrs.define
class Seen:
    """A request that was answered."""

    method: str
    path: str
    status: int
    asked: Headers
    told: Headers

    def request(self, name: str) -> str | None:
        """A header of the request."""
        return next((value for key, value in self.asked if key == name), None)

    def all(self, name: str) -> list[str]:
        """The values of a header of the answer."""
        return [value for key, value in self.told if key == name]


class Gate:
    """Holds those who come first, as many as it has room for, until it is opened."""

    def __init__(self, room: int) -> None:
        self.loss: Loss | None = None
        self._room = room
        self._here = threading.Semaphore(0)
        self._open = threading.Event()

    async def go_through(self) -> Loss | None:
        """Arrive, and wait for it to open; what becomes of who was held."""
        self._room -= 1
        if self._room < 0:
            return None
        self._here.release()
        await anyio.to_thread.run_sync(self._open.wait, LIMIT * 2)
        return self.loss

    def wait_for(self, count: int) -> None:
        """Wait until so many have arrived."""
        for _ in range(count):
            assert self._here.acquire(timeout=LIMIT), "fewer came than the test waits for"

    def open(self) -> None:
        """Let all go, and whoever comes later."""
        self._open.set()


class Site:
    """An application that is served, watched and slowed down. It is ASGI itself."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.origin = origin
        self.seen: list[Seen] = []
        self._app = app
        self._gates: dict[tuple[str, str], Gate] = {}

    def calls(self, path: str, method: str = "POST") -> list[Seen]:
        """The answered requests of a path."""
        return [one for one in self.seen if (one.method, one.path) == (method, path)]

    @contextmanager
    def holding_requests(self, path: str, first: int) -> Generator[Gate]:
        """The first requests of this path wait before the application sees them."""
        with self._holding("request", path, first) as gate:
            yield gate

    @contextmanager
    def holding_answers(self, path: str, first: int) -> Generator[Gate]:
        """What is asked first of this path is done, but the answers wait."""
        with self._holding("answer", path, first) as gate:
            yield gate

    @contextmanager
    def losing_answers(self, path: str, how: Loss) -> Generator[Gate]:
        """What is asked first of this path is done, but once the gate opens its answer is lost."""
        with self._holding("answer", path, 1) as gate:
            gate.loss = how
            yield gate

    @contextmanager
    def _holding(self, what: str, path: str, room: int) -> Generator[Gate]:
        gate = self._gates[what, path] = Gate(room)
        try:
            yield gate
        finally:
            self._gates.pop((what, path), None)
            gate.open()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope["path"]

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked, told = _text(scope["headers"]), _text(message["headers"])
                self.seen.append(Seen(scope["method"], path, message["status"], asked, told))
                loss = await self._pass("answer", path)
                if loss == "replaced":
                    message = {**message, "status": 504, "headers": []}
                elif loss == "dropped":
                    cast("Any", send).__self__.transport.abort()  # uvicorn's, of this connection
            await send(message)

        await self._pass("request", path)
        await self._app(scope, receive, watched)

    async def _pass(self, what: str, path: str) -> Loss | None:
        gate = self._gates.get((what, path))
        return None if gate is None else await gate.go_through()


def _text(headers: Any) -> Headers:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


@contextmanager
def serving(make: Callable[[str], ASGIApp], host: str = "localhost") -> Generator[Site]:
    """Serve the application that is made for an origin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://{host}:{listener.getsockname()[1]}"
        site = Site(make(origin), origin)
        config = uvicorn.Config(
            site,
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_keep_alive=3 * LIMIT,  # no connection ends but by a test's own doing
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield site
        finally:
            server.should_exit = True
            thread.join()


class Away(MemoryStore):
    """A store that can be made to be away."""

    away = False

    def load(self, handle: str) -> Any:
        """As the store, unless it is away."""
        if self.away:
            raise StoreUnavailable("the database is away")
        return super().load(handle)


def demo_of(
    clock: Clock, store: MemoryStore | None = None, **settings: Any
) -> Callable[[str], ASGIApp]:
    """The demo's application at an origin, with a clock of its own and these settings."""
    store = store or MemoryStore()

    def make(origin: str) -> ASGIApp:
        policy = Policy(origin, access_jitter=0, **settings)
        sessions = WatchedSessions(policy, store, clock=clock, listener=quiet)
        sessions.log = Log()
        return demo(sessions)

    return make
