"""Response effects, gathered: an interpreter for whoever writes the response afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import attrs

from ..core import set_cookie_line
from ..core.transport import FRONT_HEADER, private_response
from ..effects import AppendHeader, RemoveHeader, ResponseEffect, SetCookie, SetHeader


class ResponseHeaders:
    """The headers that response effects ask for, in the form that every server takes.

    Give one to `sessions.using(response=...)` and put `headers` on the response.

    >>> from counterfoil.effects import AppendHeader
    >>> response = ResponseHeaders()
    >>> response.perform(AppendHeader("Vary", "Cookie"))
    >>> response.headers
    [('Vary', 'Cookie')]

    Set `has_begun` once the headers are sent: operations whose tokens would be lost are refused
    from then on. `kept` is the handle of the session that the client keeps, if they give it one.
    """

    __slots__ = ("_told", "has_begun", "kept")

    def __init__(self) -> None:
        self.has_begun = False
        self.kept: str | None = None
        self._told: tuple[ResponseEffect, ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """(name, value) pairs; one Set-Cookie for each cookie. They carry tokens: never log them.

        `removed` has the lower-case names of headers that the response must not have.
        """
        folded = _fold(self._told)
        single = [(folded.names[key], value.decode()) for key, value in folded.single.items()]
        return [*single, *(("Set-Cookie", line) for line in folded.cookie_lines())]

    @property
    def removed(self) -> set[str]:
        """The lower-case names of headers that the response must not have."""
        return {name.decode() for name in _fold(self._told).removed}

    @property
    def carries_tokens(self) -> bool:
        """Whether a client that misses these headers misses tokens, or that they are cleared."""
        folded = _fold(self._told)
        return bool(folded.cookies) or _key(FRONT_HEADER) in folded.single

    def onto(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """These headers on those that a response has already, as ASGI and WSGI servers take them.

        What is appended joins what is there, what is set takes its place.
        """
        present = list(headers)
        if not self._told:
            return present
        # Most responses say nothing but that a session was looked at.
        if self._told == PRIVATE and _NAMES.isdisjoint([name.lower() for name, _ in present]):
            return present + _PAIRS
        return _fold(self._told).onto(present)

    def perform(self, effect: ResponseEffect) -> None:
        """Take one response effect; a later one overrides an earlier one."""
        self._told = (*self._told, effect)

    def perform_all(self, effects: Iterable[ResponseEffect]) -> None:
        """Take response effects, one after another."""
        self._told += tuple(effects)


@attrs.frozen
class _Folded:
    """What effects come to, one after another."""

    single: dict[bytes, bytes] = attrs.field(factory=dict[bytes, bytes])
    names: dict[bytes, str] = attrs.field(factory=dict[bytes, str])
    cookies: dict[tuple[str, str, str | None], SetCookie] = attrs.field(
        factory=dict[tuple[str, str, str | None], SetCookie]
    )
    appended: set[bytes] = attrs.field(factory=set[bytes])
    removed: set[bytes] = attrs.field(factory=set[bytes])

    def cookie_lines(self) -> list[str]:
        return [set_cookie_line(cookie) for cookie in self.cookies.values()]

    def onto(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        ours = self.single.copy()
        result: list[tuple[bytes, bytes]] = []
        for pair in headers:
            name = pair[0].lower()
            if name in self.appended:
                ours[name] = _joined(pair[1], ours[name])
            elif name not in ours and name not in self.removed:
                result.append(pair)
        result += ours.items()
        if self.cookies:
            result += [(b"set-cookie", line.encode()) for line in self.cookie_lines()]
        return result

    def take(self, effect: ResponseEffect) -> None:
        match effect:
            case SetHeader(name, value):
                self._set(name, value.encode())
            case AppendHeader(name, value):
                key = _key(name)
                self.appended.add(key)
                present = self.single.get(key)
                more = value.encode()
                self._set(name, more if present is None else _joined(present, more))
            case SetCookie(name=name, path=path, domain=domain):
                self.cookies[name, path, domain] = effect
            case RemoveHeader(name):
                self.single.pop(_key(name), None)
                self.appended.discard(_key(name))
                self.removed.add(_key(name))
            case _:
                assert_never(effect)

    def _set(self, name: str, value: bytes) -> None:
        key = _key(name)
        self.single[key] = value
        self.names[key] = name
        self.removed.discard(key)


def _fold(effects: Iterable[ResponseEffect]) -> _Folded:
    folded = _Folded()
    for effect in effects:
        folded.take(effect)
    return folded


def _key(name: str) -> bytes:
    return name.lower().encode()


def _joined(present: bytes, more: bytes) -> bytes:
    members = [member.strip() for member in present.split(b",") if member.strip()]
    known = {member.lower() for member in members}
    members += [one for one in more.split(b", ") if one.lower() not in known]
    return b", ".join(members)


PRIVATE = private_response()
"""What is told of a response that depends on who asks."""

_PAIRS = _fold(PRIVATE).onto(())
_NAMES = frozenset(name for name, _ in _PAIRS)
