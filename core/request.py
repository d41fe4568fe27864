"""Request facts: the little of an HTTP request that the core decides by, as a value.

An adapter hands over the method and the headers as they came; which of them carry tokens is
decided here. Tokens are never read from a URL, nor from the JavaScript cookies in which the
frontend SDK keeps header-mode tokens (WIRE: reading them would be a CSRF hole).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast
from urllib.parse import unquote

import attrs

from ..effects import Secret
from .entropy import check_text
from .policy import Policy, Transfer

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1

WEBSOCKET = "WEBSOCKET HANDSHAKE"
"""The method of request facts for a WebSocket's handshake: RFC 6455 has GET, RFC 8441 CONNECT.

No HTTP request can have it, for a method has no space (RFC 9110, 9.1).
"""

# Of one name. A few may be left over from other domains and paths; each more is work for nothing.
MOST_COOKIES = 5

LEGACY_COOKIE = "sIdRefreshToken"


Headers = Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]] | Mapping[str, str]


READ_HEADERS = frozenset(
    {
        "anti-csrf",
        "authorization",
        "cookie",
        "origin",
        "rid",
        "sec-fetch-site",
        "st-auth-mode",
    }
)
"""The headers that decisions are made by."""


def _pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    is_mapping = isinstance(headers, Mapping)
    items: object = cast("Mapping[str, str]", headers).items() if is_mapping else headers
    pairs = cast("Iterable[tuple[object, object]]", items)
    found: list[tuple[str, str]] = []
    for name, value in pairs:
        known = _known(name if isinstance(name, bytes) else _text(name))
        if known is not None:
            found.append((known, _text(value)))
    return tuple(found)


@lru_cache(256)  # a few dozen names make up all requests
def _known(name: str | bytes) -> str | None:
    """A header's name in lower case, if the core reads the header."""
    lower = _text(name).lower()
    return lower if lower in READ_HEADERS else None


def _text(value: object) -> str:
    # ASGI has headers as bytes, and they are Latin-1 by definition (RFC 9110, 5.5).
    if isinstance(value, bytes):
        return value.decode("latin-1")
    check_text(value, "a header's name or value")
    return str(value)


def _upper(method: str) -> str:
    return method.upper()


@attrs.frozen
class RequestFacts:
    """A request's method and headers.

    Attributes:
        method: the HTTP method, or `WEBSOCKET`; compared in upper case.
        headers: (name, value) pairs as they came, of text or of bytes, or a mapping; names are
            compared in lower case, and those that no decision needs are left out.

    Raises:
        InvalidInput: a header that is read and is neither text nor bytes.

    >>> RequestFacts("get", [("Cookie", "a=1; b=2; a=3")]).cookies("a")
    ('1', '3')
    """

    method: str = attrs.field(converter=_upper)
    # Headers carry tokens, so a request shows its method only.
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_pairs, repr=False)

    def header(self, name: str) -> str | None:
        """A header's value, several joined by a comma (RFC 9110, 5.3), or None."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def cookies(self, name: str) -> tuple[str, ...]:
        """The first distinct values of the cookies of this name, percent-decoded, in order."""
        # Only these two are white space to a browser (RFC 6265bis, 5.6). Were others stripped, a
        # sibling domain could plant a cookie that we, but no browser, take for a `__Host-` one.
        found = (
            value.strip(" \t")
            for key, line in self.headers
            if key == "cookie"
            for member, _, value in (part.partition("=") for part in line.split(";"))
            if member.strip(" \t") == name
        )
        return tuple(dict.fromkeys(unquote(value) for value in found if value))[:MOST_COOKIES]

    @property
    def is_safe(self) -> bool:
        """Whether its method changes nothing."""
        return self.method in SAFE_METHODS


def bearer_token(request: RequestFacts) -> Secret | None:
    """The token of an `Authorization: Bearer` header (RFC 6750, 2.1), or None."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def used_transfers(request: RequestFacts, policy: Policy) -> tuple[Transfer, ...]:
    """The ways in which the request carries tokens, or seems to."""
    cookie = any(request.cookies(name) for name in (policy.access_cookie, policy.refresh_cookie))
    header = bearer_token(request) is not None
    return (Transfer.COOKIE,) * cookie + (Transfer.HEADER,) * header


def wanted_transfer(request: RequestFacts, policy: Policy) -> Transfer:
    """How a new session is to travel: as the policy says, or else as the client asks.

    `st-auth-mode` is compared without case; absent, `any` or bogus means header.
    """
    if policy.transfer is not None:
        return policy.transfer
    asked = (request.header("st-auth-mode") or "").strip().lower()
    return Transfer.COOKIE if asked == Transfer.COOKIE else Transfer.HEADER
