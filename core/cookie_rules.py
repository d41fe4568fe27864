"""What a diagnosis looks for in cookies: one function a question, a finding or None."""

from __future__ import annotations

from datetime import timedelta

from .browsers import Refusal
from .findings import Case, Finding, note, problem, warning

_LONGEST = timedelta(days=400)  # RFC 6265bis, 5.6.2


def insecure(case: Case) -> Finding | None:
    """Secure cookies that plain http can't set."""
    if Refusal.INSECURE not in case.refused:
        return None
    return problem(
        "secure-over-http",
        f"Browsers drop the cookies of {case.policy.api_origin}: they are Secure and come over "
        "plain http.",
        "Only https may set a Secure cookie, and http on this machine: localhost, 127.0.0.0/8, "
        "[::1] (RFC 6265bis, 5.7).",
        "Serve the API over https, and name it so in api_origin also where a proxy ends TLS.",
    )


def none_insecure(case: Case) -> Finding | None:
    """SameSite=None without Secure."""
    if Refusal.NONE_INSECURE not in case.refused:
        return None
    site, api = case.policy.site_origin, case.policy.api_origin
    return problem(
        "none-without-secure",
        "Browsers drop the cookies: they say SameSite=None but not Secure.",
        f"None needs Secure, on this machine too (RFC 6265bis, 5.7). {site} and {api} are "
        "two sites, so cookies between them need None.",
        "Open both under one host name (both localhost, or both 127.0.0.1), or use https.",
    )


def too_large(case: Case) -> Finding | None:
    """Cookies that no browser keeps."""
    if Refusal.TOO_LARGE not in case.refused:
        return None
    return problem(
        "cookie-too-large",
        "A cookie's name and value have more than 4096 bytes: browsers drop it without a word.",
        "4096 bytes is all that they keep (RFC 6265bis, 5.6).",
        "Give the cookies short names.",
    )


def same_site_across(case: Case) -> Finding | None:
    """Lax or Strict between two sites."""
    if Refusal.SAME_SITE not in case.refused:
        return None
    policy = case.policy
    said = policy.cookie_same_site.capitalize()
    return problem(
        "same-site-across-sites",
        f"Pages of {policy.site_origin} can neither get nor send the cookies of "
        f"{policy.api_origin} by fetch: the two are not one site, and the cookies say "
        f"SameSite={said}.",
        f"{said} cookies are for requests of one site: same scheme, same registrable domain "
        "(RFC 6265bis, 5.2 and 5.7).",
        "Serve both under one registrable domain, or use headers (transfer=Transfer.HEADER).",
    )


def third_party(case: Case) -> Finding | None:
    """Cookies between two sites, which browsers block."""
    if Refusal.THIRD_PARTY not in case.refused:
        return None
    policy = case.policy
    return problem(
        "third-party-cookies",
        f"Safari and Firefox block the cookies of {policy.api_origin} on pages of "
        f"{policy.site_origin}, and so does Chrome where third-party cookies are blocked: login "
        "seems to work, and the next request has no session.",
        "The two are not one site (same scheme, same registrable domain), so these are third-party "
        "cookies, whatever they say (Safari ITP, Firefox ETP, Chrome's setting).",
        "Serve both under one registrable domain and scheme, such as https://example.com and "
        "https://api.example.com; or use headers (transfer=Transfer.HEADER).",
    )


def refresh_path(case: Case) -> Finding | None:
    """A refresh cookie that its route never sees."""
    if not case.refresh_withheld:
        return None
    policy = case.policy
    route = f"{policy.base_path.rstrip('/')}/session/refresh"
    return problem(
        "refresh-path",
        f"The refresh token never reaches {route}: its cookie has the path "
        f"{policy.refresh_cookie_path}.",
        "Browsers send a cookie to its path and below (RFC 6265bis, 5.1.4).",
        f"Leave refresh_cookie_path out: it is {route} then.",
    )


def refresh_everywhere(case: Case) -> Finding | None:
    """A refresh token that each request carries."""
    if case.policy.refresh_cookie_path != "/":
        return None
    return note(
        "refresh-token-everywhere",
        "The refresh token travels with each request to the API's host.",
        "A __Host- cookie has the path / (RFC 6265bis, 4.1.3.2): no sibling domain can plant one, "
        "and that is the price.",
        "Keep request headers out of logs; or use the default names, whose path is narrow.",
    )


def long_life(case: Case) -> Finding | None:
    """Sessions that outlive what a browser keeps."""
    lifetime = case.policy.lifetime
    if lifetime.idle <= _LONGEST:
        return None
    return note(
        "cookie-life-capped",
        f"The cookies say 400 days, though a session may idle for {lifetime.idle.days}.",
        "Browsers keep no cookie for longer (RFC 6265bis, 5.6.2). Each refresh begins anew.",
        "Nothing, unless a user who stays away for 400 days must still be logged in.",
    )


def embedded(case: Case) -> Finding | None:
    """Pages in frames of other sites."""
    if not case.embedded:
        return None
    return problem(
        "embedded",
        "In a frame of another site the page has no session: its cookies are neither kept nor "
        "sent there.",
        "With another site above it every request is cross-site (RFC 6265bis, 5.2.1): Lax and "
        "Strict cookies stay behind, and None ones are blocked as third-party cookies.",
        "Use headers for embedded pages (transfer=Transfer.HEADER), or open the page in a tab of "
        "its own.",
    )


def strict_links(case: Case) -> Finding | None:
    """Strict cookies and those who come by a link."""
    if case.policy.cookie_same_site != "strict":
        return None
    return note(
        "strict-and-links",
        "Whoever follows a link from another site to the API arrives without a session.",
        "Strict cookies aren't sent with a request that another site began (RFC 6265bis, 5.2).",
        "Use lax if the API serves pages itself; it matters to nobody if pages only fetch.",
    )


def siblings(case: Case) -> Finding | None:
    """Cookies that other hosts share."""
    policy = case.policy
    if policy.cookie_domain is None or policy.cookie_domain == policy.api_origin.host:
        return None
    return note(
        "cookies-for-siblings",
        f"Each host below {policy.cookie_domain} is sent the access token, and can set cookies of "
        "the same names.",
        "That is what Domain means (RFC 6265bis, 8.6).",
        "Leave cookie_domain out unless several hosts must see the token.",
    )


def older_domain(case: Case) -> Finding | None:
    """Left-overs of another cookie domain."""
    policy = case.policy
    if policy.older_cookie_domain is not None:
        whose = policy.older_cookie_domain or "the API's host alone"
        return note(
            "older-cookie-domain",
            f"A browser that still has cookies for {whose} is asked to refresh once, which clears "
            "them.",
            "Two cookies of one name are both sent, in an order that says nothing "
            "(RFC 6265bis, 5.8.3).",
            "Take older_cookie_domain out once the longest session is over.",
        )
    if policy.cookie_domain is None:
        return None
    return note(
        "domain-was-changed",
        "If the cookies had another domain before, browsers keep and send the old ones too.",
        "A cookie is replaced only by one of the same name, domain and path (RFC 6265bis, 5.7).",
        'Say so: older_cookie_domain="" if they were for the host alone.',
    )


def ports(case: Case) -> Finding | None:
    """Cookies and ports."""
    api = case.policy.api_origin
    if api.port is None:
        return None
    return note(
        "cookies-ignore-ports",
        f"All that listens on {api.host} shares these cookies, whatever its port.",
        "Cookies know hosts, not ports (RFC 6265bis, 8.5).",
        "Give applications that share a host cookie names of their own (access_cookie, "
        "refresh_cookie).",
    )


def secure_here(case: Case) -> Finding | None:
    """Secure cookies of localhost, which Safari drops."""
    api = case.policy.api_origin
    if not case.policy.cookie_secure or api.scheme == "https" or not api.is_trustworthy:
        return None
    return warning(
        "secure-on-localhost",
        "Safari drops Secure cookies of http://localhost; Chrome and Firefox keep them.",
        "Secure Contexts, 3.1, lets browsers trust localhost, and obliges none of them.",
        "Leave cookie_secure out on your machine: it follows the API's scheme.",
    )


def not_secure(case: Case) -> Finding | None:
    """An https API whose cookies plain http gets too."""
    api = case.policy.api_origin
    if case.policy.cookie_secure or api.scheme != "https":
        return None
    return warning(
        "not-secure",
        f"Browsers send the cookies to http://{api.host} too, where the network can read them.",
        "Only Secure keeps a cookie on https (RFC 6265bis, 4.1.2.5; OWASP ASVS 3.3.1).",
        "Leave cookie_secure out: it follows the API's scheme.",
    )


COOKIE_RULES = (
    insecure,
    none_insecure,
    too_large,
    same_site_across,
    third_party,
    refresh_path,
    embedded,
    not_secure,
    secure_here,
    refresh_everywhere,
    strict_links,
    siblings,
    older_domain,
    ports,
    long_life,
)
