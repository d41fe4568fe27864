"""WebSockets: the session is verified when the application asks, and the socket ends with it.

A socket outlives the access token that opened it, and sees no refresh. So it holds a lease: the
session is looked for in the store from time to time, and when its life would end. Once it is over
the socket is closed, with a code that tells the client to ask for a session first.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import cast

import anyio
from anyio import CancelScope, create_task_group

from ...core import Answer, InvalidClaims, Session
from ...effects import InvalidInput, Rejection, StoreUnavailable, to_json
from .answering import answer_to
from .exchange import ASGIApp, Exchange, Message, Receive, Scope, Send

SESSION_OVER = 4401
"""The code of a socket whose session is over, or that came without one (RFC 6455, 7.4.2)."""
INVALID_CLAIM = 4403
"""The code of a socket whose session lacks what the application asks of it."""
TRY_AGAIN_LATER = 1013
"""The code of a socket that met a store that is away (IANA's registry of close codes)."""

SHORTEST_RECHECK = timedelta(seconds=1)
"""Each open socket asks the store so often at the most."""

Refusal = Rejection | StoreUnavailable


def check_recheck(recheck: timedelta) -> None:
    """Refuse a time between two looks at the store that is none, or too short.

    Raises:
        InvalidInput: it is no duration, or below a second.
    """
    if not isinstance(cast("object", recheck), timedelta):
        raise InvalidInput(
            f"recheck must be a datetime.timedelta, not {type(recheck).__name__}; write "
            "timedelta(minutes=1), so that the unit is said."
        )
    if recheck < SHORTEST_RECHECK:
        raise InvalidInput(
            f"recheck must be a second or more, not {recheck.total_seconds():g} s: every open "
            "WebSocket asks the store so often."
        )


async def serve_websocket(
    app: ASGIApp,
    exchange: Exchange,
    recheck: timedelta,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Run the application on a socket, until it is done or the session is over."""
    socket = _Socket(exchange, scope, receive, send)
    failure: Exception | None = None
    watched: set[str] = set()  # an application may ask for its session with each message
    async with create_task_group() as group:

        def watch(session: Session) -> None:
            if session.handle not in watched:
                watched.add(session.handle)
                group.start_soon(socket.end_with, session.handle, recheck)

        exchange.on_session = watch
        try:
            await app(scope, socket.receive, socket.send)
        except Exception as error:  # as it was, not in the group's ExceptionGroup
            failure = error
        group.cancel_scope.cancel()
    if isinstance(failure, Refusal):
        await socket.refuse(failure)
    elif failure is not None:
        raise failure


class _Socket:
    """One socket, as the application sees it."""

    def __init__(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})
        self._receive = receive
        self._send = send
        self._receiving = CancelScope()
        self._closed = False
        self._left = False

    async def receive(self) -> Message:
        """What the client sent, or that the socket is closed."""
        if not self._closed:
            with CancelScope() as self._receiving:
                message = await self._receive()
                self._left = message["type"] == "websocket.disconnect"
                return message
        return {"type": "websocket.disconnect", "code": SESSION_OVER, "reason": ""}

    async def send(self, message: Message) -> None:
        """Pass on what the application sends; once the socket is closed, that is an error."""
        if self._closed:
            raise OSError("the socket is closed: its session is over")  # as ASGI servers have it
        match message["type"]:
            case "websocket.accept" | "websocket.http.response.start":
                headers = self._exchange.begin(message.get("headers", ()))
                message = {**message, "headers": headers}
            case "websocket.close" | "websocket.http.response.body":
                self._closed = not message.get("more_body", False)
            case _:
                pass
        await self._send(message)

    async def end_with(self, handle: str, recheck: timedelta) -> None:
        """Close the socket when the session is over, at most `recheck` after it was revoked."""
        await self._until_over(handle, recheck.total_seconds())
        await self._close(SESSION_OVER)
        self._receiving.cancel()

    async def refuse(self, failure: Refusal) -> None:
        """Turn the client away, as the protocol says; once it was let in, with a close code."""
        if self._exchange.has_begun or self._closed or not self._can_answer:
            await self._close(_code(failure))
        else:
            with suppress(OSError):  # as in `_close`
                await self._answer(answer_to(failure, self._exchange))

    async def _answer(self, answer: Answer) -> None:
        body = to_json(answer.body).encode()
        headers = self._exchange.begin([(b"content-type", b"application/json")])
        start = {"type": "websocket.http.response.start", "status": answer.status}
        await self._send({**start, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def _until_over(self, handle: str, recheck: float) -> None:
        ends_at = float("inf")
        while True:
            try:
                known = await self._exchange.sessions.get_session_information(handle)
            except StoreUnavailable:
                pass  # nobody knows whether it was revoked; what was known of its end still holds
            else:
                ends_at = 0 if known is None else known.expires_at
            left = (ends_at - self._exchange.sessions.operations.clock()) / 1000
            if left <= 0:
                return
            await anyio.sleep(min(recheck, left))

    async def _close(self, code: int) -> None:
        if self._closed or self._left:
            return
        self._closed = True
        with suppress(OSError):  # servers raise it where the client has gone (ASGI's specification)
            await self._send({"type": "websocket.close", "code": code})


def _code(failure: Refusal) -> int:
    if isinstance(failure, InvalidClaims):
        return INVALID_CLAIM
    return SESSION_OVER if isinstance(failure, Rejection) else TRY_AGAIN_LATER
