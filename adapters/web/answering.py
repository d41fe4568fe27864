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

    Many an application makes a 500 of an exception that it doesn't know. Where that is a refusal,
    the 500 gives way to the protocol's answer: at once, if the refusal is being handled, or else
    when it is raised after all. Until then a 500 is kept back.
    """

    __slots__ = ("_exchange", "_has_answered", "_kept_back", "_send", "gave_way")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self._has_answered = False
        self._kept_back: list[Message] = []
        self.gave_way: BaseException | None = None
        """The refusal that was answered in place of a 500: the application may raise it still."""

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message of the application."""
        if self._has_answered:
            return _nothing()
        if self._kept_back:
            self._kept_back.append(message)
            return _nothing()
        if message["type"] == "http.response.start":
            if message["status"] == 500:
                return self._fail(message)
            message = self._begin(message)
        return self._send(message)  # as it is: each coroutine between costs its share

    def _fail(self, start: Message) -> Awaitable[None]:
        handled = sys.exception()
        if isinstance(handled, Rejection | StoreUnavailable):
            self.gave_way = handled
            return self.answer(answer_to(handled, self._exchange))
        if self._exchange.has_asked:
            self._kept_back.append(start)
            return _nothing()
        return self._send(self._begin(start))

    async def release(self) -> None:
        """Send what was kept back."""
        messages, self._kept_back = self._kept_back, []
        for number, message in enumerate(messages):
            await self._send(message if number else self._begin(message))

    async def answer(self, answer: Answer) -> None:
        """Send a response of the engine's own; no other follows, nor what was kept back."""
        self._has_answered = True
        self._kept_back.clear()
        body = to_json(answer.body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await self._send(self._begin(start))
        await self._send({"type": "http.response.body", "body": body})

    def _begin(self, start: Message) -> Message:
        return {**start, "headers": self._exchange.begin(start.get("headers", ()))}


async def _nothing() -> None:
    pass
