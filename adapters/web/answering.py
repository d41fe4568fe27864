"""What is sent: the application's responses with what the exchange has for them, and our own."""

from __future__ import annotations

import sys
from collections.abc import Awaitable

from ...core import UNAVAILABLE, Answer, answer
from ...effects import Rejection, SetHeader, StoreUnavailable, freeze_object, to_json
from ..response import PRIVATE
from .exchange import Exchange, Message, Send

RETRY_AFTER = "1"  # s; enough for a server that restarts, not too long for whoever waits

FAILED = Answer(500, freeze_object({"message": "internal server error"}))


def answer_to(error: Rejection | StoreUnavailable, exchange: Exchange) -> Answer:
    """The protocol's answer to a request that failed."""
    if isinstance(error, Rejection):
        return answer(error, exchange.sessions.policy)
    exchange.response.perform(SetHeader("Retry-After", RETRY_AFTER))
    exchange.response.perform_all(PRIVATE)
    return UNAVAILABLE


class Sender:
    """Sends a response, with what the exchange has for it.

    Many an application makes a 500 of an exception that it doesn't know, while it handles it.
    Where that is a refusal, the 500 gives way to the protocol's answer.
    """

    __slots__ = ("_exchange", "_has_answered", "_send", "gave_way")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self._has_answered = False
        self.gave_way: BaseException | None = None
        """The refusal that was answered in place of a 500: the application may raise it still."""

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message of the application."""
        if self._has_answered:
            return _nothing()
        if message["type"] == "http.response.start":
            handled = sys.exception() if message["status"] == 500 else None
            if isinstance(handled, Rejection | StoreUnavailable):
                self.gave_way = handled
                return self.answer(answer_to(handled, self._exchange))
            message = self._begin(message)
        return self._send(message)  # as it is: each coroutine between costs its share

    async def answer(self, answer: Answer) -> None:
        """Send a response of the engine's own; no other follows."""
        self._has_answered = True
        body = to_json(answer.body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await self._send(self._begin(start))
        await self._send({"type": "http.response.body", "body": body})

    def _begin(self, start: Message) -> Message:
        return {**start, "headers": self._exchange.begin(start.get("headers", ()))}


async def _nothing() -> None:
    pass
