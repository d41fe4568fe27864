"""WebSockets: who may open one, and that it closes when the session is over."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from fastapi import FastAPI

from counterfoil import (
    BooleanClaim,
    InvalidInput,
    Lifetime,
    MemoryStore,
    Policy,
    Session,
    Sessions,
    StoreUnavailable,
    Unauthorised,
)
from counterfoil.adapters.web.asgi import SessionMiddleware
from counterfoil.adapters.web.exchange import Exchange, exchange_of
from counterfoil.adapters.web.fastapi import add_sessions
from counterfoil.effects import Reason

from ...listening import quiet
from .conftest import ORIGIN, START

TOP = 300  # s after which a client of these tests leaves


class AtOnce:
    """A store's acts as coroutines that never wait, so that only timers move the clock."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        async def act(*arguments: Any) -> Any:
            if self.store.away and trio.current_time() > 1:
                raise StoreUnavailable("the database is away")
            return getattr(self.store, name)(*arguments)

        return act


class Store(MemoryStore):
    """A store in memory, with an async form; it may be away after the first second."""

    away = False

    @property
    def awaited(self) -> Any:
        """Its async form."""
        return AtOnce(self)


def now() -> int:
    """The clock that trio's timers go by."""
    try:
        return START + round(trio.current_time() * 1000)
    except RuntimeError:  # outside of trio
        return START


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def sessions(store: Store) -> Sessions:
    lifetime = Lifetime(
        access=timedelta(seconds=30), idle=timedelta(seconds=100), absolute=timedelta(seconds=200)
    )
    policy = Policy(ORIGIN, access_jitter=0, lifetime=lifetime)
    return Sessions(policy, store, clock=now, listener=quiet)


def play(act: Callable[[], Awaitable[Any]]) -> Any:
    """Run it with a clock that begins at 0 and jumps from timer to timer."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return anyio.run(act, backend="trio", backend_options={"clock": clock})


class Socket:
    """One client's socket. `at` says what happens while it is open, by the second."""

    def __init__(
        self, application: Any, sessions: Sessions, at: dict[float, Any], **headers: str
    ) -> None:
        self.app = SessionMiddleware(application, sessions, recheck=timedelta(seconds=20))
        self.at = at
        self.sent: list[tuple[float, Any]] = []
        self.scope: Any = {
            "type": "websocket",
            "path": "/",
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }

    def run(self) -> None:
        """Play it."""
        play(self._run)

    async def _run(self) -> None:
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            for second, act in self.at.items():
                group.start_soon(self._act, second, act)
            try:
                await self.app(self.scope, self._receive, self._send)
            except Exception as error:
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _act(self, second: float, act: Callable[[], Awaitable[Any]]) -> None:
        await anyio.sleep(second)
        await act()

    async def _receive(self) -> Any:
        await anyio.sleep(TOP)
        return {"type": "websocket.disconnect", "code": 1001}

    async def _send(self, message: Any) -> None:
        self.sent.append((trio.current_time(), message))

    @property
    def story(self) -> list[tuple[int, str]]:
        """When, in whole seconds rounded up, what was sent."""
        return [(math.ceil(at), _word(message)) for at, message in self.sent]


def _word(message: Any) -> str:
    kind: str = message["type"].removeprefix("websocket.")
    return f"{kind} {message['code']}" if kind == "close" else kind


class Chat:
    """An application that takes the session, accepts, and listens until it is told to stop."""

    def __init__(self, **checks: Any) -> None:
        self.checks = checks
        self.got: list[Any] = []
        self.session: Session | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.session = await exchange_of(scope).get_session(**self.checks)
        await send({"type": "websocket.accept", "headers": [(b"x", b"y")]})
        self.got.append(await receive())
        self.got.append(await receive())


def token_of(sessions: Sessions) -> Session:
    async def create() -> Session:
        return await sessions.create_session("ada")

    session: Session = play(create)
    keep_keys(sessions)
    return session


def keep_keys(sessions: Sessions) -> None:
    """Don't ask for the keys anew, which takes a thread, for which this clock doesn't wait."""
    sessions.memo.current = range(2**53)


def bearer(session: Session) -> dict[str, str]:
    return {"authorization": f"Bearer {str.__str__(session.access_token)}"}


def test_a_socket_outlives_its_access_token_and_ends_with_the_session(sessions: Sessions) -> None:
    chat = Chat()
    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    # The access token lives for 30 s, the session for 100 s without a refresh.
    assert socket.story == [(0, "accept"), (100, "close 4401")]
    assert [message["type"] for message in chat.got] == ["websocket.disconnect"] * 2
    assert {message["code"] for message in chat.got} == {4401}


def test_a_refresh_elsewhere_keeps_it_until_the_absolute_end(sessions: Sessions) -> None:
    session = token_of(sessions)

    async def refresh() -> None:
        nonlocal session
        session = await sessions.refresh_session(session.refresh_token)
        keep_keys(sessions)  # signing asked for them

    socket = Socket(Chat(), sessions, {50: refresh, 140: refresh}, **bearer(session))
    socket.run()
    assert socket.story == [(0, "accept"), (200, "close 4401")]


def test_a_revocation_is_noticed_at_the_next_look(sessions: Sessions) -> None:
    session = token_of(sessions)

    async def revoke() -> None:
        await sessions.revoke_multiple_sessions([session.handle])

    socket = Socket(Chat(), sessions, {45: revoke}, **bearer(session))
    socket.run()
    assert socket.story == [(0, "accept"), (60, "close 4401")]


def test_a_session_that_was_revoked_opens_nothing_for_long(sessions: Sessions) -> None:
    session = token_of(sessions)

    async def revoke() -> Any:
        return await sessions.revoke_multiple_sessions([session.handle])

    play(revoke)
    socket = Socket(Chat(check_database=True), sessions, {}, **bearer(session))
    socket.run()
    assert socket.story == [(0, "close 4401")]
    socket = Socket(Chat(), sessions, {}, **bearer(session))
    socket.run()
    assert socket.story[-1] == (0, "close 4401")


def test_while_the_store_is_away_the_known_end_still_counts(
    sessions: Sessions, store: Store
) -> None:
    session = token_of(sessions)
    store.away = True
    socket = Socket(Chat(), sessions, {}, **bearer(session))
    socket.run()
    assert socket.story == [(0, "accept"), (100, "close 4401")]


def test_what_the_application_sends_to_a_closed_socket_is_an_error(sessions: Sessions) -> None:
    failed: list[int] = []

    async def ticks(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).get_session()
        await send({"type": "websocket.accept"})
        while True:
            await anyio.sleep(30)
            try:
                await send({"type": "websocket.send", "text": "tick"})
            except OSError:
                failed.append(round(trio.current_time()))
                return

    socket = Socket(ticks, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert [word for _, word in socket.story] == ["accept", "send", "send", "send", "close 4401"]
    assert failed == [120]


@pytest.mark.parametrize("can_answer", [True, False])
def test_without_a_session_it_is_refused(sessions: Sessions, can_answer: bool) -> None:
    socket = Socket(Chat(), sessions, {})
    if can_answer:
        socket.scope["extensions"] = {"websocket.http.response": {}}
    socket.run()
    if not can_answer:
        assert socket.story == [(0, "close 4401")]
        return
    (_, start), (_, body) = socket.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"cache-control", b"no-store") in start["headers"]
    assert body == {
        "type": "websocket.http.response.body",
        "body": b'{"message":"unauthorised"}',
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [(None, 4403), (StoreUnavailable("away"), 1013)],
)
@pytest.mark.parametrize("accepted", [True, False])
def test_other_refusals_have_their_codes(
    sessions: Sessions, error: Exception | None, code: int, accepted: bool
) -> None:
    verified = BooleanClaim("verified", fetchable=False)

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        if accepted:
            await send({"type": "websocket.accept"})
        if error is not None:
            raise error
        await exchange_of(scope).get_session(validators=[verified.is_true()])

    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert socket.story[-1] == (0, f"close {code}")


def test_an_error_of_the_application_leaves_as_it_was(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Socket(chat, sessions, {}).run()


def test_one_that_the_application_closed_is_closed_once(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).get_session()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        await anyio.sleep(250)
        await exchange_of(scope).get_session(check_database=True)

    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert socket.story == [(0, "accept"), (0, "close 1000")]


@pytest.mark.parametrize("mode", ["VIA_TOKEN", "VIA_CUSTOM_HEADER", "FETCH_METADATA"])
@pytest.mark.parametrize(
    ("told", "opens"),
    [
        ({"origin": ORIGIN}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({}, True),  # no browser
    ],
)
def test_a_page_of_another_site_opens_none_by_cookie(
    store: Store, mode: str, told: dict[str, str], opens: bool
) -> None:
    policy = Policy(ORIGIN, access_jitter=0, anti_csrf=mode)
    sessions = Sessions(policy, store, clock=now, listener=quiet)
    token = str.__str__(token_of(sessions).access_token)
    for asked in ({}, {"check_database": True}):
        socket = Socket(Chat(**asked), sessions, {}, cookie=f"sAccessToken={token}", **told)
        socket.run()
        assert socket.story[0] == (0, "accept" if opens else "close 4401")


def test_what_is_told_travels_with_the_accepting(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        exchange: Exchange = exchange_of(scope)
        session = await exchange.get_session()
        await exchange.sessions.merge_into_access_token_payload(session, {"in": "chat"})
        await send({"type": "websocket.accept"})

    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    names = [name for name, _ in socket.sent[0][1]["headers"]]
    assert b"st-access-token" in names
    assert b"front-token" in names


def test_one_that_asks_again_and_again_is_watched_once(sessions: Sessions, store: Store) -> None:
    looks: list[str] = []
    load = store.load

    def counted(handle: str) -> Any:
        looks.append(handle)
        return load(handle)

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(50):
            await exchange_of(scope).get_session()
        await send({"type": "websocket.accept"})
        await receive()

    store.load = counted  # type: ignore[method-assign]  # to count
    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert socket.story == [(0, "accept"), (100, "close 4401")]
    assert len(looks) < 10


def test_a_refusal_of_the_applications_own_carries_what_was_told(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).get_session()
        await send({"type": "websocket.http.response.start", "status": 418, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
        raise Unauthorised(Reason.NO_TOKEN)

    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.scope["extensions"] = {"websocket.http.response": {}}
    socket.run()
    start, _ = (message for _, message in socket.sent)
    assert (b"cache-control", b"no-store") in start["headers"]


def test_one_that_the_application_closed_is_not_answered_as_well(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1000})
        raise Unauthorised(Reason.NO_TOKEN)

    socket = Socket(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.scope["extensions"] = {"websocket.http.response": {}}
    socket.run()
    assert [message["type"] for _, message in socket.sent] == ["websocket.close"]


def test_one_that_was_let_in_outside_is_closed_within(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        raise Unauthorised(Reason.NO_TOKEN)

    within = SessionMiddleware(chat, sessions)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await within(scope, receive, send)

    socket = Socket(around, sessions, {}, **bearer(token_of(sessions)))
    socket.scope["extensions"] = {"websocket.http.response": {}}
    socket.run()
    assert socket.story == [(0, "accept"), (0, "close 4401")]


class Vanished(Socket):
    """A client that is gone after `left_at` seconds; servers then raise at each send."""

    left_at = 1

    async def _send(self, message: Any) -> None:
        if trio.current_time() >= self.left_at:
            raise BrokenPipeError("the client has gone")
        await super()._send(message)


def test_the_lease_of_a_client_that_is_gone_leaves_the_application_alone(
    sessions: Sessions,
) -> None:
    ends: list[float] = []

    async def push(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).get_session()
        await send({"type": "websocket.accept"})
        await anyio.sleep(250)  # work of its own, which the client's session is nothing to
        ends.append(trio.current_time())

    socket = Vanished(push, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert socket.story == [(0, "accept")]
    assert ends == [250]


@pytest.mark.parametrize("can_answer", [True, False])
@pytest.mark.parametrize("accepted", [True, False])
def test_turning_away_a_client_that_is_gone_is_no_error(
    sessions: Sessions, can_answer: bool, accepted: bool
) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        if accepted:
            await send({"type": "websocket.accept"})
        await anyio.sleep(2)
        await exchange_of(scope).get_session()

    socket = Vanished(chat, sessions, {})
    if can_answer:
        socket.scope["extensions"] = {"websocket.http.response": {}}
    socket.run()
    assert socket.story == [(0, "accept")] * accepted


def test_one_whose_leaving_the_application_was_told_of_is_not_closed(sessions: Sessions) -> None:
    async def chat(scope: Any, receive: Any, send: Any) -> None:
        await exchange_of(scope).get_session()
        await send({"type": "websocket.accept"})
        assert (await receive())["code"] == 1001
        await anyio.sleep(TOP)  # what it has to tidy up outlives the session

    socket = Left(chat, sessions, {}, **bearer(token_of(sessions)))
    socket.run()
    assert socket.story == [(0, "accept")]


class Left(Socket):
    """A client that leaves in good order after a second."""

    async def _receive(self) -> Any:
        await anyio.sleep(1)
        return {"type": "websocket.disconnect", "code": 1001}


@pytest.mark.parametrize(
    ("recheck", "problem"),
    [
        (timedelta(0), "a second or more, not 0 s"),
        (timedelta(seconds=-1), "a second or more, not -1 s"),
        (timedelta(milliseconds=999), "a second or more, not 0.999 s"),
        (5, r"must be a datetime.timedelta, not int; write timedelta\(minutes=1\)"),
        (None, "must be a datetime.timedelta, not NoneType"),
    ],
)
@pytest.mark.parametrize("add", [SessionMiddleware, add_sessions])
def test_a_time_between_looks_that_cannot_be(
    sessions: Sessions, add: Any, recheck: Any, problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        add(FastAPI(), sessions, recheck=recheck)
    add(FastAPI(), sessions, recheck=timedelta(seconds=1))
