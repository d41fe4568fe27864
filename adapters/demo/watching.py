"""What happens, as it happens: an interpreter that tells each effect and its reply.

This is all that it takes to watch an engine whose decisions are values: no hook, no patch.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs

from ...core import Policy
from ...effects import Effect, Interpreter, Store
from ..sessions import Sessions
from ..tour_words import Teller

KEPT = 400  # lines; a page that looks in shows the last of them


class Log:
    """The last lines that were told, numbered, for a page that asks for those after a number."""

    def __init__(self) -> None:
        self._lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._count = 0
        self._title = ""
        self._teller = Teller(self._write, width=150)

    def tell(self, title: str, effect: Effect[Any], reply: Any) -> None:
        """Tell an effect that was carried out for a request."""
        self._title = title
        self._teller.effect(effect, reply, "")

    def after(self, number: int) -> list[dict[str, Any]]:
        """The lines after this one."""
        return [line for line in self._lines if line["number"] > number]

    def _write(self, line: str) -> None:
        self._count += 1
        self._lines.append({"number": self._count, "request": self._title, "text": line.strip()})


@attrs.frozen
class Watched:
    """An interpreter that carries out with another and tells what it did."""

    interpreter: Interpreter
    log: Log
    title: str

    async def perform(self, effect: Effect[Any]) -> Any:
        """Carry the effect out and tell it."""
        reply = self.interpreter.perform(effect)
        if hasattr(reply, "__await__"):
            reply = await reply
        self.log.tell(self.title, effect, reply)
        return reply


class WatchedSessions(Sessions):
    """Sessions whose every effect for a request is told to a log."""

    log: Log

    def using(self, *, response: Interpreter | None = None, context: Any = None) -> WatchedSessions:
        """For one request, which gives the lines their title."""
        held = super().using(response=response, context=context)
        title = f"{context['method']} {context['path']}" if context else "thief"
        held.interpreter = Watched(held.interpreter, self.log, title)
        return held


def watched(policy: Policy, store: Store) -> WatchedSessions:
    """Sessions to watch."""
    sessions = WatchedSessions(policy, store)
    sessions.log = Log()
    return sessions
