"""Whether a request that carries cookies was sent by the site's own pages.

Checked on methods that may change something, and only where the token came by cookie: a page of
another site can make the browser send cookies, but it can set no header of ours, read no token,
and forge neither Sec-Fetch-Site nor Origin (OWASP CSRF Prevention Cheat Sheet).
"""

from __future__ import annotations

import hmac
from typing import assert_never

from .policy import AntiCsrf, Policy
from .request import WEBSOCKET, RequestFacts
from .transport import ANTI_CSRF_HEADER


def passes(request: RequestFacts, policy: Policy, token: str | None) -> bool:
    """Whether a request by cookie passes the policy's check.

    `token` is the session's anti-CSRF token, or None if it has none.
    """
    if request.is_safe:
        return True
    if request.method == WEBSOCKET:
        # Pages can give a handshake no header of theirs, and read the answers of any site's: what
        # holds in each mode is what the browser says (OWASP, cross-site WebSocket hijacking).
        return may_log_in(request, policy)
    match policy.anti_csrf:
        case AntiCsrf.NONE:
            return True
        case AntiCsrf.VIA_TOKEN:
            return token_matches(request.header(ANTI_CSRF_HEADER), token)
        case AntiCsrf.VIA_CUSTOM_HEADER:
            return request.header("rid") is not None
        case AntiCsrf.FETCH_METADATA:
            return _is_from_our_pages(request, policy)
        case _:
            assert_never(policy.anti_csrf)


def token_matches(shown: str | None, token: str | None) -> bool:
    """Whether the anti-CSRF token that was shown is the session's, in constant time.

    A session without a token has none to match: nothing passes.
    """
    if not shown or not token:
        return False
    # What was shown may hold half a surrogate pair, which is no UTF-8.
    return hmac.compare_digest(shown.encode(errors="surrogatepass"), token.encode())


def may_log_in(request: RequestFacts, policy: Policy) -> bool:
    """Whether a login by cookie is not plainly another site's doing (login CSRF, ASVS 3.5.3).

    There is no session yet that a token could belong to, so only what the browser itself says
    counts; a client that says nothing is no browser.
    """
    if request.is_safe or policy.anti_csrf is AntiCsrf.NONE:
        return True
    origin = request.header("origin")
    if origin is not None:
        return _is_trusted(origin, policy)
    return request.header("sec-fetch-site") in (None, "same-origin", "none")


def _is_from_our_pages(request: RequestFacts, policy: Policy) -> bool:
    match request.header("sec-fetch-site"):
        case "same-origin":
            return True
        case "cross-site" | "none":
            # "none" is a person's own act, such as a bookmark: never an unsafe method.
            return False
        case _:
            # "same-site" is a sibling that may be anyone's, unless it is the very site.
            return _is_trusted(request.header("origin"), policy)


def _is_trusted(origin: str | None, policy: Policy) -> bool:
    # Exactly, by scheme, host and port; the "null" of a sandboxed frame is nobody's.
    return origin in (str(policy.site_origin), str(policy.api_origin))
