"""Response effects: how tokens reach the client, and how they are cleared (WIRE.md).

Cookies are cleared with the path, the domain and the flags that they were set with, or browsers
keep them. Nothing here reads a clock: expiries are absolute, from the `now` of the operation.
"""

from __future__ import annotations

from email.utils import formatdate
from urllib.parse import quote

import attrs

from ..effects import AppendHeader, RemoveHeader, ResponseEffect, Secret, SetCookie, SetHeader
from .access_token import AccessToken, front_token
from .policy import Policy, Transfer

ACCESS_HEADER = "st-access-token"
REFRESH_HEADER = "st-refresh-token"
FRONT_HEADER = "front-token"
ANTI_CSRF_HEADER = "anti-csrf"

ALLOWED_REQUEST_HEADERS = (
    ANTI_CSRF_HEADER,
    "rid",
    "authorization",
    "st-auth-mode",
    "fdi-version",
)
"""What a CORS configuration must allow; credentials too."""

EXPOSED_RESPONSE_HEADERS = (FRONT_HEADER, ANTI_CSRF_HEADER, ACCESS_HEADER, REFRESH_HEADER)
"""What a CORS configuration must expose, by name: `*` does not work with credentials."""

# The access token's own expiry is inside it; that its cookie is there tells the frontend that a
# refresh may succeed.
ACCESS_COOKIE_LIFE = 365 * 24 * 3600  # s
_LONGEST_COOKIE_LIFE = 400 * 24 * 3600  # s; browsers keep none for longer (RFC 6265bis, 5.6.2)

Effects = tuple[ResponseEffect, ...]


@attrs.frozen
class Attachment:
    """The exchange that a session is attached to.

    Attributes:
        transfer: how its tokens reach this client.
        used: the ways in which the request carried tokens: what a sign-out must clear too.
    """

    transfer: Transfer
    used: tuple[Transfer, ...] = ()

    @property
    def all_transfers(self) -> tuple[Transfer, ...]:
        """Every way that the request or the response uses."""
        return tuple(way for way in Transfer if way is self.transfer or way in self.used)


def access_to_response(
    access: AccessToken, policy: Policy, transfer: Transfer, now: int
) -> Effects:
    """The access token and the front token that mirrors it."""
    front = _exposed(FRONT_HEADER, front_token(access))
    if transfer is Transfer.HEADER:
        return _exposed(ACCESS_HEADER, access.token) + front
    expires = now + ACCESS_COOKIE_LIFE * 1000
    cookie = _cookie(policy, policy.access_cookie, access.token, "/", expires=expires, now=now)
    header = _exposed(ACCESS_HEADER, access.token) if policy.expose_access_token else ()
    return (cookie, *front, *header)


def refresh_to_response(
    token: Secret, policy: Policy, transfer: Transfer, *, expires: int, now: int
) -> Effects:
    """The refresh token; its cookie goes to the refresh route alone."""
    if transfer is Transfer.HEADER:
        return _exposed(REFRESH_HEADER, token)
    path = policy.refresh_cookie_path
    return (_cookie(policy, policy.refresh_cookie, token, path, expires=expires, now=now),)


def anti_csrf_to_response(token: Secret) -> Effects:
    """The anti-CSRF token, as a header that JavaScript can read."""
    return _exposed(ANTI_CSRF_HEADER, token)


def clear_tokens(policy: Policy, transfers: tuple[Transfer, ...]) -> Effects:
    """Have the client forget its tokens: those of each transfer, and the front token."""
    return (
        *(effect for transfer in transfers for effect in clear_transfer(policy, transfer)),
        RemoveHeader(ANTI_CSRF_HEADER),
        *_exposed(FRONT_HEADER, "remove"),
    )


def clear_transfer(policy: Policy, transfer: Transfer) -> Effects:
    """Have the client forget the tokens that it holds by one transfer, and no more."""
    if transfer is Transfer.HEADER:
        return _exposed(ACCESS_HEADER, "") + _exposed(REFRESH_HEADER, "")
    return clear_cookies(policy, policy.cookie_domain)


def clear_cookies(policy: Policy, domain: str | None) -> Effects:
    """Delete the cookies that were set for a domain."""
    return (
        _deleted(policy, policy.access_cookie, "/", domain),
        _deleted(policy, policy.refresh_cookie, policy.refresh_cookie_path, domain),
    )


def clear_cookie(policy: Policy, name: str) -> tuple[SetCookie, ...]:
    """Delete one cookie of the whole site, for whichever domain known to us it was set."""
    domains = dict.fromkeys((policy.cookie_domain, policy.older_cookie_domain or None, None))
    return tuple(_deleted(policy, name, "/", domain) for domain in domains)


def private_response() -> Effects:
    """What a response says once the session was looked at: no cache may share it (ASVS 14.3.2)."""
    return _PRIVATE


_PRIVATE = (SetHeader("Cache-Control", "no-store"), AppendHeader("Vary", "Cookie, Authorization"))


def set_cookie_line(cookie: SetCookie) -> str:
    """The value of one Set-Cookie header (RFC 6265bis, 4.1.1). It carries a token: never log it.

    >>> line = set_cookie_line(SetCookie(name="a", value="b c", path="/", domain=None,
    ...     secure=True, http_only=True, same_site="lax", expires=0, max_age=0))
    >>> line.partition("; Expires=")[0]
    'a=b%20c; Path=/'
    """
    parts = [f"{cookie.name}={sent_value(cookie)}", f"Path={cookie.path}"]
    if cookie.domain is not None:
        parts.append(f"Domain={cookie.domain}")
    parts.append(f"Expires={formatdate(cookie.expires / 1000, usegmt=True)}")
    parts.append(f"Max-Age={cookie.max_age}")
    if cookie.http_only:
        parts.append("HttpOnly")
    if cookie.secure:
        parts.append("Secure")
    parts.append(f"SameSite={cookie.same_site.capitalize()}")
    return "; ".join(parts)


def sent_value(cookie: SetCookie) -> str:
    """A cookie's value as it is sent: percent-encoded."""
    return quote(cookie.value, safe="")


def _exposed(name: str, value: str) -> Effects:
    return (SetHeader(name, value), AppendHeader("Access-Control-Expose-Headers", name))


def _cookie(
    policy: Policy, name: str, value: str, path: str, *, expires: int, now: int
) -> SetCookie:
    return SetCookie(
        name=name,
        value=value,
        path=path,
        domain=policy.cookie_domain,
        secure=policy.cookie_secure,
        http_only=True,
        same_site=policy.cookie_same_site,
        expires=min(expires, now + _LONGEST_COOKIE_LIFE * 1000),
        max_age=min(max(0, expires - now) // 1000, _LONGEST_COOKIE_LIFE),
    )


def _deleted(policy: Policy, name: str, path: str, domain: str | None) -> SetCookie:
    gone = _cookie(policy, name, "", path, expires=0, now=0)
    return attrs.evolve(gone, domain=domain or None)
