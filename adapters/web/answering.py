"""What is sent: the application's responses with what the exchange has for them, and our own."""

from __future__ import annotations

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

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self.has_started = False
        self._exchange = exchange
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Pass on one message of the application."""
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = self._exchange.response.onto(message.get("headers", ()))
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer(self, answer: Answer) -> None:
        """Send a response of the engine's own."""
        body = to_json(answer.body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})
