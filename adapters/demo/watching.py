"""What happens, as it happens: an interpreter that tells each effect and its reply.

This is all that it takes to watch an engine whose decisions are values: no hook, no patch.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs

from ...core import Policy
from ...effects import (
    Announce,
    CounterfoilError,
    Effect,
    Interpreter,
    ResponseEffect,
    SessionsRevoked,
    Store,
    TheftDetected,
)
from ..sessions import Sessions
from ..tour_words import Teller
from ..web.exchange import ASGIApp, Message, Receive, Scope, Send
from .fingerprints import nickname

KEPT = 400  # lines; a page that looks in shows the last of them

_GROUP = "counterfoil.demo.group"


@attrs.define
class Log:
    """The last lines that were told, numbered, for a page that asks for those after a number.

    Lines of one request share a group. No token is in any line: fingerprints stand for them.
    """

    _lines: deque[dict[str, Any]] = attrs.field(factory=lambda: deque(maxlen=KEPT))
    _groups: int = 0
    _count: int = 0

    def open(self, request: str, who: str) -> Group:
        """A place for the lines of one request."""
        self._groups += 1
        return Group(self, self._groups, request, who)

    def after(self, number: int) -> list[dict[str, Any]]:
        """The lines after this one; all, for whoever knew more lines than there are.

        A page may have been watching a server that stopped.
        """
        known = number if number <= self._count else 0
        return [line for line in self._lines if line["number"] > known]

    def write(self, line: dict[str, Any]) -> None:
        """Keep a line."""
        self._count += 1
        self._lines.append({"number": self._count, **line})


@attrs.frozen
class Group:
    """Where one request's lines go."""

    log: Log
    number: int
    request: str
    who: str

    def effect(self, effect: Effect[Any], reply: Any) -> None:
        """Tell an effect that was carried out."""
        words = Teller(_silence, nicknames=nickname)
        self._write(
            effect=type(effect).__name__,
            asked=words.asked(effect),
            reply="" if reply is None else type(reply).__name__,
            answered=words.answered(reply),
            on_response=isinstance(effect, ResponseEffect),
            ended=_ended(effect),
        )

    def status(self, status: int) -> None:
        """Tell how the request was answered."""
        self._write(status=status)

    def _write(self, **what: Any) -> None:
        self.log.write({"group": self.number, "request": self.request, "who": self.who, **what})


@attrs.frozen
class Watched:
    """An interpreter that carries out with another and tells what it did."""

    interpreter: Interpreter
    group: Group

    async def perform(self, effect: Effect[Any]) -> Any:
        """Carry the effect out and tell it."""
        try:
            reply = self.interpreter.perform(effect)
            if hasattr(reply, "__await__"):
                reply = await reply
        except CounterfoilError as error:
            self.group.effect(effect, error)
            raise
        self.group.effect(effect, reply)
        return reply


class WatchedSessions(Sessions):
    """Sessions whose every effect for a request is told to a log."""

    log: Log
    group: Group  # of one request: set by `using`

    def using(self, *, response: Interpreter | None = None, context: Any = None) -> WatchedSessions:
        """For one request, an ASGI scope; without one it is the thief's."""
        held = super().using(response=response, context=context)
        if context is None:
            held.group = self.log.open(f"POST {self.policy.refresh_cookie_path}", "the thief")
        else:
            held.group = self.log.open(f"{context['method']} {context['path']}", "")
            context[_GROUP] = held.group
        held.interpreter = Watched(held.interpreter, held.group)
        return held


def watched(policy: Policy, store: Store) -> WatchedSessions:
    """Sessions to watch."""
    sessions = WatchedSessions(policy, store, listener=_hear_nothing)
    sessions.log = Log()
    return sessions


@attrs.frozen
class Statuses:
    """ASGI middleware that tells how each request was answered for which something was done."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def tell(message: Message) -> None:
            group: Group | None = scope.get(_GROUP)
            if message["type"] == "http.response.start" and group is not None:
                group.status(message["status"])
            await send(message)

        await self.app(scope, receive, tell)


def _ended(effect: Effect[Any]) -> dict[str, str]:
    """The sessions that an announcement says are over, and why."""
    match effect:
        case Announce(TheftDetected(handle=handle)):
            return {handle: "theft"}
        case Announce(SessionsRevoked(handles=handles)):
            return dict.fromkeys(handles, "revoked")
        case _:
            return {}


def _hear_nothing(event: object, context: object) -> None:
    """The log tells events too: they need not be on the terminal as well."""


def _silence(line: str) -> None:
    """Writes nothing: the page lays the words out itself."""
