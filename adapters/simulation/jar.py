"""What a browser keeps: its cookies, and the tokens that its script holds, as one value.

The part of RFC 6265bis that matters here: a cookie is known by its name, domain and path, is sent
to the paths below its own, and is deleted by one of the same three that is over. The script's part
is what the frontend SDK does with the response's headers (WIRE.md).
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs

from ...core import RequestFacts
from ...effects import AppendHeader, RemoveHeader, Secret, SetCookie, SetHeader

Place: TypeAlias = tuple[str, str | None, str]  # a cookie's name, domain and path

_KEPT = {"st-access-token", "st-refresh-token", "front-token", "anti-csrf"}


@attrs.frozen
class Jar:
    """A browser's tokens.

    Attributes:
        cookies: by name, domain and path.
        headers: what the script keeps of the response headers, by their name.
    """

    cookies: tuple[tuple[Place, Secret], ...] = ()
    headers: tuple[tuple[str, Secret], ...] = ()

    def receive(self, effects: Iterable[Any]) -> Jar:
        """The jar after a response with these effects."""
        cookies, headers = dict(self.cookies), dict(self.headers)
        for effect in effects:
            match effect:
                case SetCookie(name=name, value=value, domain=domain, path=path, max_age=left):
                    cookies.pop((name, domain, path), None)
                    if left > 0:
                        cookies[name, domain, path] = value
                case SetHeader(name, value) if name in _KEPT:
                    headers[name] = Secret(value)
                case RemoveHeader() | AppendHeader() | SetHeader() | _:
                    pass
        gone = "front-token", "remove"
        kept = {name: value for name, value in headers.items() if value and (name, value) != gone}
        if headers.get("front-token") == "remove":
            kept.pop("anti-csrf", None)
        return Jar(tuple(sorted(cookies.items(), key=_order)), tuple(sorted(kept.items())))

    def request(self, method: str, path: str, token: str) -> RequestFacts:
        """What the browser sends to a path; `token` names the header that carries a bearer."""
        held = dict(self.headers)
        sent = [f"{c[0]}={quote(v, safe='')}" for c, v in self.cookies if _covers(c[2], path)]
        headers = [("sec-fetch-site", "same-origin")]
        headers += [("cookie", "; ".join(sent))] if sent else []
        headers += [("anti-csrf", held["anti-csrf"])] if "anti-csrf" in held else []
        headers += [("rid", "session")]
        if token in held and not self.cookies:
            headers += [("authorization", f"Bearer {held[token]}")]
        return RequestFacts(method, headers)

    def cookie(self, name: str) -> Secret | None:
        """The first cookie of this name."""
        return next((value for place, value in self.cookies if place[0] == name), None)

    def header(self, name: str) -> Secret | None:
        """What the script keeps under this name."""
        return dict(self.headers).get(name)

    def refresh_token(self, cookie: str) -> Secret | None:
        """The refresh token, by cookie or by header."""
        return self.cookie(cookie) or self.header("st-refresh-token")

    @property
    def access_expires_at(self) -> int | None:
        """When the access token expires, ms, as the front token says; None without one."""
        front = self.header("front-token")
        return None if front is None else int(json.loads(b64decode(front))["ate"])

    @property
    def is_empty(self) -> bool:
        """Whether no token is left in it."""
        return not self.cookies and not self.headers


def _order(cookie: tuple[Place, Secret]) -> tuple[int, str, str, str]:
    # Longer paths first, as browsers send them (RFC 6265bis, 5.8.3).
    (name, domain, path), _ = cookie
    return -len(path), path, name, domain or ""


def _covers(cookie_path: str, path: str) -> bool:
    # RFC 6265bis, 5.1.4
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")
