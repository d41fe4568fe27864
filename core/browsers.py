"""What browsers do with the cookies of a session: which they keep, and which they send back.

The rules are those of RFC 6265bis (5.6 to 5.8) and of what browsers add: most block cookies across
sites, whatever the cookies say. What a policy is refused for can't occur here, and isn't looked at.
"""

from __future__ import annotations

from enum import StrEnum

from ..effects import SetCookie
from .policy import COOKIE_LIMIT, Policy
from .transport import sent_value


class Way(StrEnum):
    """How a request to the API comes about; a path follows the words."""

    FETCH = "the site's page fetches"
    LINK = "a link on another site leads to"
    FORM = "a form on another site posts to"
    FOREIGN = "a page of another site fetches"
    FRAMED = "the site's page, in a frame of another site, fetches"

    @property
    def is_navigation(self) -> bool:
        """Whether it changes what the person sees in the address bar."""
        return self in (Way.LINK, Way.FORM)


class Refusal(StrEnum):
    """Why a browser drops a cookie, or keeps it back."""

    INSECURE = "Secure, over plain http"
    NONE_INSECURE = "SameSite=None without Secure"
    TOO_LARGE = "more than 4096 bytes"
    SAME_SITE = "SameSite, as the request is cross-site"
    PATH = "another path"
    THIRD_PARTY = "a third-party cookie"


def dropped(cookie: SetCookie, policy: Policy, way: Way = Way.FETCH) -> Refusal | None:
    """Why a browser drops a new cookie of the API's; None if it keeps it.

    `THIRD_PARTY` is told last: only browsers that block such cookies drop it then.

    >>> from counterfoil.core.specimens import specimens
    >>> policy = Policy("http://192.168.1.5", cookie_secure=True)
    >>> [dropped(cookie, policy) for cookie in specimens(policy, now=0)[0].cookies]
    [<Refusal.INSECURE: 'Secure, over plain http'>, <Refusal.INSECURE: 'Secure, over plain http'>]
    """
    across = _is_across(policy, way)
    if cookie.secure and not policy.api_origin.is_trustworthy:
        return Refusal.INSECURE
    if cookie.same_site == "none" and not cookie.secure:
        return Refusal.NONE_INSECURE
    if len(cookie.name) + len(sent_value(cookie)) > COOKIE_LIMIT:
        return Refusal.TOO_LARGE
    if across and cookie.same_site != "none" and not way.is_navigation:
        return Refusal.SAME_SITE
    return Refusal.THIRD_PARTY if across and not way.is_navigation else None


def kept_back(cookie: SetCookie, policy: Policy, way: Way, path: str) -> Refusal | None:
    """Why a browser does not send a cookie that it keeps to a path of the API; None if it does.

    `THIRD_PARTY` is told last, as by `dropped`.
    """
    across = _is_across(policy, way)
    if not matches(path, cookie.path):
        return Refusal.PATH
    if across and not _crosses(cookie, way):
        return Refusal.SAME_SITE
    return Refusal.THIRD_PARTY if across and not way.is_navigation else None


def matches(path: str, cookie_path: str) -> bool:
    """Whether a request's path is within a cookie's (RFC 6265bis, 5.1.4).

    >>> matches("/auth/session/refresh", "/auth"), matches("/authors", "/auth")
    (True, False)
    """
    folder = cookie_path if cookie_path.endswith("/") else f"{cookie_path}/"
    return path == cookie_path or path.startswith(folder)


def _crosses(cookie: SetCookie, way: Way) -> bool:
    match cookie.same_site:
        case "none":
            return True
        case "lax":
            return way is Way.LINK
        case _:
            return False


def _is_across(policy: Policy, way: Way) -> bool:
    return way is not Way.FETCH or not policy.is_same_site
