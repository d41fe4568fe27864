"""What a diagnosis looks for beside cookies: one function a question, a finding or None."""

from __future__ import annotations

from .findings import Case, Finding, note, problem, warning
from .policy import AntiCsrf


def plain_http(case: Case) -> Finding | None:
    """Tokens in the clear."""
    if case.policy.api_origin.is_trustworthy:
        return None
    return warning(
        "plain-http",
        "Whoever sits on the network reads every token.",
        "Plain http is neither secret nor authentic (OWASP ASVS 12.2.1).",
        "Serve the API over https; http is for localhost.",
    )


def mixed_content(case: Case) -> Finding | None:
    """Secure pages that call an insecure API."""
    site, api = case.policy.site_origin, case.policy.api_origin
    if site.scheme != "https" or api.is_trustworthy:
        return None
    return problem(
        "mixed-content",
        f"Browsers refuse to let pages of {site} call {api} at all.",
        "A page over https may call nothing over plain http (W3C Mixed Content, 4.4); Chrome asks "
        "the person first where the API has a private address (Local Network Access).",
        "Serve the API over https.",
    )


def no_anti_csrf(case: Case) -> Finding | None:
    """Cookies without a check."""
    if not case.by_cookie or case.policy.anti_csrf is not AntiCsrf.NONE:
        return None
    return warning(
        "no-anti-csrf",
        "Nothing but SameSite stands between other sites' pages and a user's session.",
        "Browsers add cookies to whatever a page sends; siblings under your domain count as the "
        "same site (OWASP CSRF Prevention Cheat Sheet).",
        "Leave anti_csrf out, unless the application has a check of its own.",
    )


def fetch_metadata(case: Case) -> Finding | None:
    """Fetch metadata where browsers send none."""
    policy = case.policy
    unused = policy.anti_csrf is not AntiCsrf.FETCH_METADATA or not case.by_cookie
    if unused or policy.api_origin.is_trustworthy:
        return None
    return note(
        "no-fetch-metadata",
        f"Browsers send no Sec-Fetch-Site to {policy.api_origin}, so the exact Origin decides.",
        "Sec-Fetch headers go to trustworthy origins alone (W3C Fetch Metadata).",
        f"Open the pages under exactly {policy.site_origin}, or serve the API over https.",
    )


def header_mode(case: Case) -> Finding | None:
    """Tokens in reach of scripts."""
    if not case.by_header:
        return None
    return note(
        "tokens-in-javascript",
        "In header mode both tokens are in reach of every script of the page; a script that "
        "doesn't belong there (XSS) can carry them away. WebSockets of a page can't send them.",
        "No header is HttpOnly, and a page can give a WebSocket no header (OWASP HTML5 Cheat "
        "Sheet; RFC 6455, 10.2).",
        "Prefer cookies where site and API are one site (transfer=Transfer.COOKIE).",
    )


def cross_origin(case: Case) -> Finding | None:
    """Pages of another origin, which need CORS."""
    policy = case.policy
    if policy.site_origin == policy.api_origin:
        return None
    return note(
        "needs-cors",
        f"Pages of {policy.site_origin} may read no answer of {policy.api_origin} unless it has "
        "CORS headers, errors included.",
        "They are two origins (WHATWG Fetch, 3.3); `*` does not work with credentials.",
        "Add your framework's CORS middleware, outside of SessionMiddleware, with what "
        "counterfoil.adapters.web.cors.cors(policy) gives.",
    )


def clear_site_data(case: Case) -> Finding | None:
    """Clear-Site-Data where browsers ignore it."""
    if not case.policy.clear_site_data or case.policy.api_origin.is_trustworthy:
        return None
    return note(
        "clear-site-data-ignored",
        "Browsers ignore Clear-Site-Data here; the cookies are deleted all the same.",
        "It is for secure origins (W3C Clear Site Data).",
        "Serve the API over https.",
    )


def on_this_machine(case: Case) -> Finding | None:
    """Hosts that are an address, or localhost: each is a site of its own."""
    api = case.policy.api_origin
    if not api.is_local:
        return None
    return note(
        "host-is-its-own-site",
        f"{api.host} is one site and no part of any: localhost, 127.0.0.1, [::1] and this "
        "machine's other names and addresses are other sites.",
        "An address has no registrable domain, and localhost is one alone (RFC 6265bis, 5.1.3 "
        "and 5.2).",
        f"Open the pages under {api.host} as well; another port is fine.",
    )


OTHER_RULES = (
    mixed_content,
    plain_http,
    no_anti_csrf,
    header_mode,
    cross_origin,
    fetch_metadata,
    clear_site_data,
    on_this_machine,
)
