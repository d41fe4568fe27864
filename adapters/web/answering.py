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
    """Sends a response, with what the exchange has for it."""

    __slots__ = ("_exchange", "_send")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message of the application."""
        if message["type"] == "http.response.start":
            headers = self._exchange.begin(message.get("headers", ()))
            message = {**message, "headers": headers}
        return self._send(message)  # as it is: each coroutine between costs its share

    async def answer(self, answer: Answer) -> None:
        """Send a response of the engine's own."""
        body = to_json(answer.body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})
