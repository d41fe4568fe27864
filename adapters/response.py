"""Response effects, gathered: an interpreter for whoever writes the response afterwards."""

from __future__ import annotations

from typing import assert_never

from ..core import set_cookie_line
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
        self.removed: set[str] = set()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """(name, value) pairs; one Set-Cookie for each cookie. They carry tokens: never log them.

        `removed` has the lower-case names of headers that the response must not have.
        """
        cookies = (("Set-Cookie", set_cookie_line(cookie)) for cookie in self._cookies.values())
        return [*self._single.values(), *cookies]

    def perform(self, effect: ResponseEffect) -> None:
        """Take one response effect; a later one overrides an earlier one."""
        match effect:
            case SetCookie(name=name, path=path, domain=domain):
                self._cookies[name, path, domain] = effect
            case SetHeader(name, value):
                self._single[name.lower()] = name, value
                self.removed.discard(name.lower())
            case AppendHeader(name, value):
                self._append(name, value)
            case RemoveHeader(name):
                self._single.pop(name.lower(), None)
                self.removed.add(name.lower())
            case _:
                assert_never(effect)

    def _append(self, name: str, value: str) -> None:
        _, present = self._single.get(name.lower(), (name, ""))
        members = [member.strip() for member in present.split(",") if member.strip()]
        if value.lower() not in (member.lower() for member in members):
            members.append(value)
        self._single[name.lower()] = name, ", ".join(members)
