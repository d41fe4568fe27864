"""Response effects, gathered: an interpreter for whoever writes the response afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from ..core import set_cookie_line
from ..core.transport import FRONT_HEADER
from ..effects import AppendHeader, RemoveHeader, ResponseEffect, SetCookie, SetHeader


class ResponseHeaders:
    """The headers that response effects ask for, in the form that every server takes.

    Give one to `sessions.using(response=...)` and put `headers` on the response.

    >>> from counterfoil.effects import AppendHeader
    >>> response = ResponseHeaders()
    >>> response.perform(AppendHeader("Vary", "Cookie"))
    >>> response.headers
    [('Vary', 'Cookie')]
    """

    def __init__(self) -> None:
        self._single: dict[str, tuple[str, str]] = {}
        self._cookies: dict[tuple[str, str, str | None], SetCookie] = {}
        self._appended: set[str] = set()
        self.removed: set[str] = set()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """(name, value) pairs; one Set-Cookie for each cookie. They carry tokens: never log them.

        `removed` has the lower-case names of headers that the response must not have.
        """
        return [*self._single.values(), *self._cookie_lines()]

    @property
    def carries_tokens(self) -> bool:
        """Whether a client that misses these headers misses tokens, or that they are cleared."""
        return bool(self._cookies) or FRONT_HEADER in self._single

    def onto(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """These headers on those that a response has already, as ASGI and WSGI servers take them.

        What is appended joins what is there, what is set takes its place.
        """
        ours = {name: value for name, (_, value) in self._single.items()}
        result: list[tuple[bytes, bytes]] = []
        for pair in headers:
            name = pair[0].decode("latin-1").lower()
            if name in self._appended:
                ours[name] = _joined(pair[1].decode("latin-1"), ours[name])
            elif name not in ours and name not in self.removed:
                result.append(pair)
        result += [(name.encode(), value.encode()) for name, value in ours.items()]
        if self._cookies:
            result += [(b"set-cookie", line.encode()) for _, line in self._cookie_lines()]
        return result

    def perform(self, effect: ResponseEffect) -> None:
        """Take one response effect; a later one overrides an earlier one."""
        match effect:
            case SetHeader(name, value):
                self._single[name.lower()] = name, value
                self.removed.discard(name.lower())
            case AppendHeader(name, value):
                self._append(name, value)
            case SetCookie(name=name, path=path, domain=domain):
                self._cookies[name, path, domain] = effect
            case RemoveHeader(name):
                self._single.pop(name.lower(), None)
                self._appended.discard(name.lower())
                self.removed.add(name.lower())
            case _:
                assert_never(effect)

    def _append(self, name: str, value: str) -> None:
        lower = name.lower()
        present = self._single.get(lower)
        self._single[lower] = name, value if present is None else _joined(present[1], value)
        self._appended.add(lower)

    def _cookie_lines(self) -> list[tuple[str, str]]:
        return [("Set-Cookie", set_cookie_line(cookie)) for cookie in self._cookies.values()]


def _joined(present: str, more: str) -> str:
    members = [member.strip() for member in present.split(",") if member.strip()]
    known = {member.lower() for member in members}
    members += [one for one in more.split(", ") if one.lower() not in known]
    return ", ".join(members)
