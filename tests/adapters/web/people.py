"""People with browsers of several tabs, each of which does what the frontend SDK does (WIRE.md).

A request that is answered "try refresh token" refreshes once for all tabs that share a lock, and is
sent again. Tabs of a browser without that lock (server-side rendering, sibling domains, web views)
race. Responses get lost: the connection is closed once the request is sent, or the answer is never
heard. And some are late: heard only after one that another tab got meanwhile.

Time passes with the answers, a little with each: a machine that is busy delays nobody.
"""

from __future__ import annotations

import asyncio
import mmap
import random
import sys
from collections import Counter
from contextlib import AbstractAsyncContextManager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import attrs
import httpx2 as httpx

START = 1_800_000_000_000
A_ROUND = 1000  # ms that pass while everybody asks once
AT_ONCE = 48  # requests on their way; a browser sends tokens as they are when there is room
MOST_TRIES = 10  # as the SDK has it
REFRESH = "/auth/session/refresh"


class LoggedOut(Exception):
    """Somebody lost a session: what the server said."""


class Lost(Exception):
    """A response that never came: the SDK hands the network's error on."""


class Clock:
    """The time of all servers, in a file that they look at."""

    def __init__(self, path: Path) -> None:
        self.tick = 1
        """How many ms pass with each answer."""
        path.write_bytes(START.to_bytes(8, sys.byteorder))
        with path.open("r+b") as file:
            self._shown = mmap.mmap(file.fileno(), 8)
        self.now = START

    def pass_on(self) -> None:
        """It is a little later."""
        self.now += self.tick
        self._shown[:8] = self.now.to_bytes(8, sys.byteorder)


class World:
    """The network between all browsers and the servers."""

    def __init__(self, ports: list[int], clock: Clock, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # the same faults each time
        self.seen: Counter[str] = Counter()
        self._ports = ports
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        # Each browser keeps its own cookies: the client must keep none, or people would share them.
        nothing = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(limits=limits, timeout=None, cookies=nothing)

    async def send(self, browser: Browser, method: str, path: str, body: object) -> httpx.Response:
        """Send a request as the browser's tokens are when its turn comes."""
        url = f"http://127.0.0.1:{self.random.choice(self._ports)}{path}"
        async with self._room:
            headers = browser.headers(path)
            request = self._client.build_request(method, url, headers=headers, json=body)
            if self._happens(0.03):
                await self._send_and_hang_up(request)
                raise Lost
            response = await self._client.send(request)
        self._clock.pass_on()
        self.seen[f"{response.status_code} {path}"] += 1
        if self._happens(0.05):
            self.seen["lost"] += 1
            raise Lost
        return response

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    def _happens(self, share: float) -> bool:
        return self.random.random() < share

    async def _send_and_hang_up(self, request: httpx.Request) -> None:
        head = [f"{request.method} {request.url.path} HTTP/1.1".encode()]
        head += [name + b": " + value for name, value in request.headers.raw]
        _, writer = await asyncio.open_connection(request.url.host, request.url.port)
        writer.write(b"\r\n".join([*head, b"", request.content]))
        await writer.drain()
        writer.close()
        self.seen["hung up"] += 1


class Browser:
    """One person's tokens, which all of their tabs share."""

    def __init__(self, world: World, name: str, mode: str, *, locks: bool) -> None:
        self.world = world
        self.name = name
        self.handle = ""
        self.merged: dict[str, int] = {}
        self._mode = mode
        self._lock = asyncio.Lock() if locks else None
        self._kept: dict[str, str] = {}
        self._awake = 0
        self._late: list[asyncio.Event] = []

    async def live(self, tabs: int, rounds: int) -> None:
        """Log in, and use all tabs until they are done."""
        logged_in = await self._until_heard("POST", "/login", {"userId": self.name})
        self.handle = logged_in.json()["handle"]
        self._awake = tabs
        async with asyncio.TaskGroup() as group:
            for number in range(tabs):
                group.create_task(Tab(self, f"t{number}", self._lock or asyncio.Lock()).use(rounds))

    def headers(self, path: str) -> dict[str, str]:
        """What the browser and the SDK put on a request."""
        told = {"st-auth-mode": self._mode, "rid": "anti-csrf", "sec-fetch-site": "same-origin"}
        token = "refresh" if path == REFRESH else "access"
        if token not in self._kept:
            return told
        if self._mode == "header":
            return {**told, "authorization": f"Bearer {self._kept[token]}"}
        cookies = {"sAccessToken": self._kept["access"]}
        if path == REFRESH:
            cookies["sRefreshToken"] = self._kept["refresh"]
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return {**told, "cookie": cookie, "anti-csrf": self._kept["anti-csrf"]}

    @property
    def state(self) -> str | None:
        """What tells the SDK whether another tab has refreshed meanwhile."""
        return self._kept.get("front-token")

    async def exchange(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request, and keep what the answer brings."""
        response = await self.world.send(self, method, path, body)
        all_wait = path == REFRESH and self._lock is not None
        if self._awake > 1 and not all_wait and self.world.random.random() < 0.05:
            await self._be_late()
        self._hear(response.headers)
        return response

    def rest(self) -> None:
        """One tab less is in use: nothing is left to be later than."""
        self._awake -= 1
        self._release()

    async def _until_heard(self, method: str, path: str, body: object) -> httpx.Response:
        while True:
            try:
                return await self.exchange(method, path, body)
            except Lost:
                continue

    def _hear(self, headers: httpx.Headers) -> None:
        for line in headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._keep({"sAccessToken": "access", "sRefreshToken": "refresh"}[name], value)
        for name, key in (("st-access-token", "access"), ("st-refresh-token", "refresh")):
            if name in headers:
                self._keep(key, headers[name])
        for name in ("front-token", "anti-csrf"):
            if name in headers:
                self._keep(name, headers[name])
        self._release()

    def _keep(self, key: str, value: str) -> None:
        self._kept[key] = value
        if value in ("", "remove"):
            del self._kept[key]

    async def _be_late(self) -> None:
        self.world.seen["late"] += 1
        waiting = asyncio.Event()
        self._late.append(waiting)
        self._awake -= 1
        await waiting.wait()
        self._awake += 1

    def _release(self) -> None:
        while self._late:
            self._late.pop().set()


@attrs.frozen
class Tab:
    """One tab: asks several things at once, again and again."""

    browser: Browser
    name: str
    lock: AbstractAsyncContextManager[Any]

    async def use(self, rounds: int) -> None:
        """Read and merge so many times."""
        for number in range(rounds):
            key = f"{self.name}{number}"
            async with asyncio.TaskGroup() as group:
                group.create_task(self._call("GET", "/me"))
                group.create_task(self._call("POST", "/claims", {key: number}))
            self.browser.merged[key] = number
        self.browser.rest()

    async def _call(self, method: str, path: str, body: object = None) -> None:
        tries = 0
        while tries < MOST_TRIES:
            before = self.browser.state
            try:
                response = await self.browser.exchange(method, path, body)
            except Lost:
                continue  # the person tries again
            if response.status_code == 200:
                return
            self._check(response)
            await self._refresh(before)
            tries += 1
        raise LoggedOut(f"{self.browser.name}: still refused after {tries} refreshes")

    async def _refresh(self, before: str | None) -> None:
        async with self.lock:
            while self.browser.state == before:
                try:
                    response = await self.browser.exchange("POST", REFRESH)
                except Lost:
                    continue
                if response.status_code == 200:
                    return
                raise LoggedOut(f"{self.browser.name}: {response.text}")

    def _check(self, response: httpx.Response) -> None:
        if response.status_code != 401 or response.json() != {"message": "try refresh token"}:
            raise LoggedOut(f"{self.browser.name}: {response.status_code} {response.text}")


async def live_together(
    ports: list[int], clock: Clock, people: int, *, tabs: int, rounds: int, seed: int
) -> tuple[list[Browser], list[str], Counter[str]]:
    """Have so many people use the servers; who they were, who was logged out, what was seen."""
    clock.tick = A_ROUND // (people * tabs * 2)
    world = World(ports, clock, seed)
    modes = ("cookie", "header")
    browsers = [Browser(world, f"user-{i}", modes[i % 2], locks=i % 4 < 2) for i in range(people)]
    out: list[str] = []

    async def live(browser: Browser) -> None:
        try:
            await browser.live(tabs, rounds)
        except* LoggedOut as told:
            out.extend(map(_said, _leaves(told)))

    try:
        async with asyncio.TaskGroup() as group:
            for browser in browsers:
                group.create_task(live(browser))
    finally:
        await world.close()
    return browsers, out, world.seen


def _leaves(error: BaseException) -> list[BaseException]:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [error]


def _said(error: BaseException) -> str:
    return str(error)
