"""What a session costs a web application: a FastAPI route with one against the same without.

One uvicorn worker, plain as our extra `demo` brings it, or with the loop and the parser of
`uvicorn[standard]`; a token seen before.
The worker serves as fast as it can all the while, so it is never idle, and the requests of a second
follow from the processor time that each takes. That is what is compared: unlike the clock's time,
it tells a route that costs more from a machine that is busy. The load comes from a process of its
own; routes take turns in short rounds.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path
from typing import TypeAlias

import attrs
from tests.bench.rows import Row

ROUNDS, REQUESTS, CONNECTIONS = 201, 100, 16
LEAST = 0.88  # of the requests a second of the route that ours is held against

Costs: TypeAlias = dict[str, float]
"""Nanoseconds of the worker for one request, by route; taken in one round."""

ROUTES = ("/bare", "/nothing", "/ours", "/asked", "/decoded")


def serving() -> list[Row]:
    """The route with a session against the bare one, and those that do it in another way."""
    plain, costs = _costs("h11", "asyncio"), _costs("httptools", "uvloop")
    return [
        _row(plain, "/ours", "the bare route, plain uvicorn", "/bare", LEAST),
        _row(costs, "/ours", "the bare route", "/bare", None),
        _row(costs, "/ours", "a dependency that does nothing", "/nothing", LEAST),
        _row(costs, "/ours", "one that calls jwt.decode", "/decoded", 1.2),
        _row(costs, "/asked", "the bare route", "/bare", LEAST),
    ]


def _costs(http: str, loop: str) -> list[Costs]:
    with _worker(http, loop) as (port, token), closing(Load.of(port, token)) as load:
        for route in ROUTES:
            load.cost(route)
        return [{route: load.cost(route) for route in _turn(i)} for i in range(ROUNDS)]


NAMES = {"/ours": "FastAPI route with SessionDep", "/asked": "route that asks its exchange"}


def _turn(i: int) -> tuple[str, ...]:
    return ROUTES if i % 2 else ROUTES[::-1]


def _row(costs: list[Costs], ours: str, name: str, route: str, least: float | None) -> Row:
    mine = statistics.median(cost[ours] for cost in costs)
    theirs = statistics.median(cost[route] for cost in costs)
    ratio = statistics.median(cost[ours] / cost[route] for cost in costs)
    return Row(
        NAMES[ours],
        f"{1e9 / mine:,.0f}/s",
        f"{name}, {1e9 / theirs:,.0f}/s",
        ratio,
        inf if least is None else 1 / least,
        f"{1 / ratio:.2f}" + ("" if least is None else f" (at least {least})"),
    )


@attrs.frozen
class Load:
    """Keeps a worker busy over connections that stay open."""

    sockets: tuple[socket.socket, ...]
    token: str

    @classmethod
    def of(cls, port: int, token: str) -> Load:
        """Connect."""
        address = ("127.0.0.1", port)
        return cls(tuple(socket.create_connection(address) for _ in range(CONNECTIONS)), token)

    def close(self) -> None:
        """Disconnect."""
        for one in self.sockets:
            one.close()

    def cost(self, route: str) -> float:
        """Nanoseconds of the worker's processor time for one request of a route."""
        before = self._used()
        self._serve(self._request(route))
        return (self._used() - before) / REQUESTS

    def _serve(self, request: bytes) -> None:
        with selectors.DefaultSelector() as ready:
            for idle in self.sockets:
                ready.register(idle, selectors.EVENT_READ, idle)
                idle.sendall(request)
            sent, answered = len(self.sockets), 0
            while answered < REQUESTS:
                for key, _ in ready.select():
                    one: socket.socket = key.data
                    _answer(one)
                    answered += 1
                    if sent < REQUESTS:
                        one.sendall(request)
                        sent += 1

    def _used(self) -> int:
        self.sockets[0].sendall(self._request("/used"))
        return int(_answer(self.sockets[0]).rpartition(b"\r\n\r\n")[2][:-1])

    def _request(self, route: str) -> bytes:
        lines = [
            f"GET {route} HTTP/1.1",
            "host: api.example.com",
            "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "accept: */*",
            "accept-encoding: gzip, deflate, br, zstd",
            "sec-fetch-site: same-origin",
            "rid: anti-csrf",
            f"authorization: Bearer {self.token}",
        ]
        return "\r\n".join([*lines, "", ""]).encode()


def _answer(one: socket.socket) -> bytes:
    answer = one.recv(65536)
    while not answer.endswith(b"}"):
        answer += one.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"not served: {answer[:60]!r}")
    return answer


@contextmanager
def _worker(http: str, loop: str) -> Generator[tuple[int, str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    program = Path(__file__).with_name("served.py")
    command = [sys.executable, str(program), str(port), http, loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        try:
            token = worker.stdout.readline().strip()
            _until_it_listens(port, worker)
            yield port, token
        finally:
            worker.terminate()


def _until_it_listens(port: int, worker: subprocess.Popen[str]) -> None:
    while worker.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError("the worker ended")
