"""What is sent: the application's responses with what the exchange has for them, and our own."""

from __future__ import annotations

from collections.abc import Awaitable

from ...core import UNAVAILABLE, Answer, answer
from ...effects import Rejection, SetHeader, StoreUnavailable, freeze_object, to_json
from .exchange import Exchange, Message, Send

RETRY_AFTER = "1"  # s; enough for a server that restarts, not too long for whoever waits

FAILED = Answer(500, freeze_object({"message": "internal server error"}))


def answer_to(error: Rejection | StoreUnavailable, exchange: Exchange) -> Answer:
    """The protocol's answer to a request that failed."""
    if isinstance(error, Rejection):
        return answer(error, exchange.sessions.policy)
    exchange.response.perform(SetHeader("Retry-After", RETRY_AFTER))
    exchange.response.perform(SetHeader("Cache-Control", "no-store"))
    return UNAVAILABLE


class Sender:
    """Sends a response, with what the exchange has for it.

    Many an application makes a 500 of what it doesn't know. Where that is a refusal, it gives way
    to the protocol's answer.
    """

    __slots__ = ("_exchange", "_send", "has_answered")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.has_answered = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message of the application."""
        if self.has_answered:
            return _nothing()
        if message["type"] == "http.response.start":
            refusal = self._exchange.response.refusal if message["status"] == 500 else None
            if refusal is not None:
                return self.answer(answer_to(refusal, self._exchange))
            message = self._begin(message)
        return self._send(message)  # as it is: each coroutine between costs its share

    async def answer(self, answer: Answer) -> None:
        """Send a response of the engine's own; no other follows."""
        self.has_answered = True
        body = to_json(answer.body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await self._send(self._begin(start))
        await self._send({"type": "http.response.body", "body": body})

    def _begin(self, start: Message) -> Message:
        return {**start, "headers": self._exchange.begin(start.get("headers", ()))}


async def _nothing() -> None:
    pass
