"""Cookies and headers: rows D4, D5, D6, D8, D9 of the security checklist, as far as the core goes.

What a browser keeps is told by a small model of RFC 6265bis, 5.6 and 5.7, written here from its
text: the lines are ours, the model shares no code with what makes them.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from itertools import permutations
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import (
    InvalidPolicy,
    LocalKeys,
    PayloadTooLarge,
    Policy,
    Reason,
    RequestFacts,
    Secret,
    Session,
    SetCookie,
    Transfer,
    TryRefreshToken,
    Unauthorised,
    create_session,
    set_cookie_line,
)
from counterfoil.core.examples import example_session
from counterfoil.core.transport import (
    access_to_response,
    clear_cookies,
    clear_transfer,
    refresh_to_response,
)

LOGIN = 1_700_000_000_000
DAY = 86_400

# --- a browser ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Kept:
    """A cookie as a browser keeps it."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    http_only: bool
    same_site: str
    expires: int

    @property
    def identity(self) -> tuple[str, str, bool, str]:
        """What a later cookie must share to take the place of this one."""
        return self.name, self.domain, self.host_only, self.path


PUBLIC_SUFFIXES = {"com", "uk", "co.uk", "io", "github.io", "localhost"}


def is_local(host: str) -> bool:
    """Whether browsers trust a host without TLS."""
    return host in ("localhost", "127.0.0.1") or host.endswith(".localhost")


def kept(line: str, *, host: str, scheme: str, now: int) -> Kept | None:
    """What a browser keeps of a Set-Cookie line from a host; None if it drops it."""
    if any((ord(letter) < 32 and letter != "\t") or ord(letter) == 127 for letter in line):
        return None
    pair, *rest = line.split(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not equals:
        name, value = "", name
    if len(name.encode()) + len(value.encode()) > 4096 or not (name or value):
        return None
    said: dict[str, str] = {}
    for attribute in rest:
        key, _, told = (part.strip(" \t") for part in attribute.partition("="))
        if len(told.encode()) <= 1024:
            said[key.lower()] = told
    trusted = scheme == "https" or is_local(host)
    secure, http_only = "secure" in said, "httponly" in said
    domain = said.get("domain", "").removeprefix(".").lower()
    if domain in PUBLIC_SUFFIXES:
        if domain != host:
            return None
        domain = ""
    is_address = host.replace(".", "").isdigit()
    if domain and domain != host and (is_address or not host.endswith("." + domain)):
        return None
    path = said.get("path", "")
    if not path.startswith("/"):
        path = "/default"
    if secure and not trusted:
        return None
    same_site = said.get("samesite", "").lower()
    # On this machine, WIRE lets a cross-site cookie go without Secure.
    if same_site == "none" and not secure and not is_local(host):
        return None
    prefix = name.lower()
    if prefix.startswith(("__secure-", "__host-", "__http-")) and not secure:
        return None
    if prefix.startswith("__host-") and ("domain" in said or said.get("path") != "/"):
        return None
    if prefix.startswith(("__http-", "__host-http-")) and not http_only:
        return None
    lives = int(said["max-age"]) if "max-age" in said else DAY
    assert parsedate_to_datetime(said["expires"])
    return Kept(
        name=name,
        value=value,
        domain=domain or host,
        host_only=not domain,
        path=path,
        secure=secure,
        http_only=http_only,
        same_site=same_site,
        expires=now + min(lives, 400 * DAY) * 1000,
    )


class Jar:
    """A browser's cookies of one API."""

    def __init__(self, policy: Policy) -> None:
        self.host, self.scheme = policy.api_origin.host, policy.api_origin.scheme
        self.cookies: dict[tuple[str, str, bool, str], Kept] = {}

    def take(self, *effects: Any) -> None:
        """Take the cookies of some response effects."""
        for effect in effects:
            if isinstance(effect, SetCookie):
                line = set_cookie_line(effect)
                cookie = kept(line, host=self.host, scheme=self.scheme, now=LOGIN)
                if cookie is None:
                    continue
                self.cookies.pop(cookie.identity, None)
                if cookie.expires > LOGIN:
                    self.cookies[cookie.identity] = cookie


TOKEN = Secret("opaque-token")


def new_tokens(policy: Policy, *, days: int = 14) -> list[Any]:
    """The response effects of a login."""
    expires = LOGIN + days * DAY * 1000
    access = access_to_response(example_session().access, policy, Transfer.COOKIE, LOGIN)
    refresh = refresh_to_response(TOKEN, policy, Transfer.COOKIE, expires=expires, now=LOGIN)
    return [*access, *refresh]


# --- D4: nothing that browsers drop ------------------------------------------------------------

NAMES = ["s", "__Host-s", "__Secure-s", "__Http-s", "__Host-Http-s", "__HOST-s", " a", "", "a=b",
          "a;b", "a\r\nb"]  # fmt: skip
PATHS = ["/", "/auth/session/refresh", "/a;b", "/a\r\nSet-Cookie: x=y", "relative", "",
         "/" + "a" * 1023, "/" + "a" * 1024]  # fmt: skip
DOMAINS = [None, "example.com", ".example.com", "api.example.com", "EXAMPLE.com", "com",
           "evil.example", "ample.com", "www.api.example.com", "co.uk", "example.co.uk", "0.0.1",
           "127.0.0.1", "localhost", "example.com; Secure", "exa\r\nmple.com"]  # fmt: skip
APIS = ["https://api.example.com", "http://api.example.com", "https://api.example.co.uk",
        "http://localhost:8000", "http://app.localhost", "http://127.0.0.1"]  # fmt: skip


@settings(max_examples=400)
@given(
    api=st.sampled_from(APIS),
    name=st.sampled_from(NAMES),
    path=st.sampled_from(PATHS),
    domain=st.sampled_from(DOMAINS),
    secure=st.booleans(),
    same_site=st.sampled_from(["lax", "strict", "none"]),
)
def test_d4_a_policy_is_accepted_if_and_only_if_a_browser_keeps_its_cookies(
    api: str, name: str, path: str, domain: str | None, secure: bool, same_site: Any
) -> None:
    scheme, _, rest = api.partition("://")
    host = rest.partition(":")[0]
    if secure and scheme == "http" and not is_local(host):
        return  # TLS that ends before the API: the policy can't know, so it believes
    chosen: dict[str, Any] = {"cookie_domain": domain, "cookie_secure": secure}
    chosen |= {"refresh_cookie": name, "refresh_cookie_path": path, "cookie_same_site": same_site}
    line = set_cookie_line(
        SetCookie(name=name, value=TOKEN, path=path, domain=domain, secure=secure, http_only=True,
                  same_site=same_site, expires=LOGIN + DAY * 1000, max_age=DAY)
    )  # fmt: skip
    cookie = kept(line, host=host, scheme=scheme, now=LOGIN)
    as_meant = (
        cookie is not None
        and cookie.name != ""
        and (cookie.name, cookie.value, cookie.path) == (name, TOKEN, path)
        and cookie.domain == (domain or host).lower().removeprefix(".")
        and (cookie.secure, cookie.http_only, cookie.same_site) == (secure, True, same_site)
    )
    try:
        policy = Policy(api, **chosen)
    except InvalidPolicy:
        assert not as_meant
    else:
        assert as_meant
        jar = Jar(policy)
        jar.take(*new_tokens(policy))
        assert {c.name for c in jar.cookies.values()} == {policy.access_cookie, name}


@pytest.mark.parametrize("days", [1, 399, 400, 401, 4000, 10**6])
def test_d4_no_cookie_asks_for_more_than_400_days(days: int) -> None:
    policy = Policy("https://api.example.com")
    for effect in new_tokens(policy, days=days):
        if isinstance(effect, SetCookie):
            assert effect.max_age <= 400 * DAY
            assert effect.expires <= LOGIN + 400 * DAY * 1000


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
@pytest.mark.parametrize("letter", ["x", "é", "\n", '"', "\U0001f600"])
def test_d4_a_token_is_kept_or_refused_but_never_too_large(algorithm: Any, letter: str) -> None:
    policy = Policy("https://api.example.com", algorithm=algorithm).strict()
    keys, sizes = (
        LocalKeys.in_memory(algorithm=algorithm),
        [0, 100, 500, 1000, 1500, 2000, 3000, 4000],
    )
    refused = 0
    for size in sizes:
        payload = {"fill": letter * (size // len(letter.encode()))}
        drawn: dict[str, Any] = {"policy": policy, "now": LOGIN, "entropy": bytes(32)}
        try:
            effect: Any = create_session("ada", payload=payload, **drawn).effects[0]
        except PayloadTooLarge:
            refused += 1
            continue
        assert refused == 0
        token = keys.sign(type(effect.claims)({**effect.record.payload, **effect.claims}))
        access = attrs.evolve(example_session().access, token=Secret(token))
        jar = Jar(policy)
        jar.take(*access_to_response(access, policy, Transfer.COOKIE, LOGIN))
        assert [unquote(cookie.value) for cookie in jar.cookies.values()] == [token]
    assert 0 < refused < len(sizes)


# --- D5: what is cleared is gone ---------------------------------------------------------------

POLICIES = {
    "plain": Policy("https://api.example.com"),
    "cross-site": Policy("https://api.example.com", site_origin="https://example.org"),
    "domain": Policy("https://api.example.com", cookie_domain="example.com"),
    "dotted": Policy("https://api.example.com", cookie_domain=".Example.com"),
    "own host": Policy("https://api.example.com", cookie_domain="api.example.com"),
    "strict": Policy("https://api.example.com").strict(),
    "secure prefix": Policy(
        "https://api.example.com", access_cookie="__Secure-a", cookie_domain="example.com"
    ),
    "local": Policy("http://localhost:8000"),
    "local, cross-site": Policy("http://localhost:8000", site_origin="http://127.0.0.1"),
    "paths": Policy("https://api.example.com", base_path="/", cookie_same_site="strict"),
}


@pytest.mark.parametrize("kind", POLICIES)
def test_d5_what_is_set_is_kept_and_what_is_cleared_is_gone(kind: str) -> None:
    policy = POLICIES[kind]
    jar = Jar(policy)
    jar.take(*new_tokens(policy))
    assert {cookie.name for cookie in jar.cookies.values()} == {
        policy.access_cookie,
        policy.refresh_cookie,
    }
    jar.take(*clear_transfer(policy, Transfer.COOKIE))
    assert jar.cookies == {}


@pytest.mark.parametrize(
    ("before", "now", "older"),
    [
        ("plain", "domain", ""),
        ("domain", "plain", "example.com"),
        ("own host", "domain", "api.example.com"),
    ],
)
def test_d5_left_overs_of_another_domain_go_and_the_new_ones_stay(
    before: str, now: str, older: str
) -> None:
    policy = attrs.evolve(POLICIES[now], older_cookie_domain=older)
    jar = Jar(policy)
    jar.take(*new_tokens(POLICIES[before]), *new_tokens(policy))
    assert len(jar.cookies) == 4
    jar.take(*clear_cookies(policy, older))
    assert {cookie.domain for cookie in jar.cookies.values()} == {
        policy.cookie_domain or policy.api_origin.host
    }
    assert len(jar.cookies) == 2


def test_d5_clearing_from_a_session_reaches_a_real_jar(app: Any) -> None:
    browser = app.browser()
    browser.login()
    assert set(browser.jar) == {"sAccessToken", "sRefreshToken"}
    browser.sign_out()
    assert browser.jar == {}


# --- D6: which cookies are read ----------------------------------------------------------------

LOOKALIKES = ["saccesstoken", "SACCESSTOKEN", "sAccessToken2", "xsAccessToken",
              "__Host-sAccessToken", "__Secure-sAccessToken", "sAccessToken[]", "sAccessToken.0",
              "st-access-token", "token", "session", "sFrontToken", "sRefreshToken"]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_d6_only_the_configured_name_is_read(app: Any, name: str) -> None:
    session = app.sessions.create_session("ada")
    request = RequestFacts("GET", [("Cookie", f"{name}={session.access_token}")])
    assert app.ask("get_session_from_request", request) == Unauthorised(Reason.NO_TOKEN)


def test_d6_an_unprefixed_twin_is_ignored_where_the_prefix_is_configured(make_app: Any) -> None:
    app = make_app(strict=True)
    planted = app.sessions.create_session("mallory")
    session = app.sessions.create_session("ada")
    twin = f"sAccessToken={planted.access_token}"
    alone = RequestFacts("GET", [("Cookie", twin)])
    assert app.ask("get_session_from_request", alone) == Unauthorised(Reason.NO_TOKEN)
    ours = f"__Host-sAccessToken={session.access_token}"
    for cookies in (f"{twin}; {ours}", f"{ours}; {twin}"):
        request = RequestFacts("GET", [("Cookie", cookies)])
        assert app.ask("get_session_from_request", request).handle == session.handle


@pytest.mark.parametrize("space", ["\xa0", "\x85", "\x1c", "\x1f", "\u2000", "\u3000", "\v", "\f"])
def test_d6_no_space_but_a_browsers_makes_a_name_of_ours(make_app: Any, space: str) -> None:
    app = make_app(strict=True)
    planted = app.sessions.create_session("mallory")
    for line in (f"{space}__Host-sAccessToken", f"__Host-sAccessToken{space}"):
        request = RequestFacts("GET", [("Cookie", f"{line}={planted.access_token}")])
        assert app.ask("get_session_from_request", request) == Unauthorised(Reason.NO_TOKEN)


def test_d6_of_several_of_one_name_the_order_decides_nothing(app: Any) -> None:
    old = app.sessions.create_session("ada")
    app.now += 1000
    new = app.sessions.create_session("ada")
    tokens = ["garbage", old.access_token, new.access_token, new.access_token[:-8] + "AAAAAAAA"]
    for order in permutations(tokens):
        line = "; ".join(f"sAccessToken={token}" for token in order)
        request = RequestFacts("GET", [("Cookie", line)])
        assert app.ask("get_session_from_request", request).handle == new.handle


def test_d6_where_an_older_domain_is_known_several_ask_for_a_refresh(make_app: Any) -> None:
    app = make_app(cookie_domain="example.com", older_cookie_domain="")
    one, other = app.sessions.create_session("ada"), app.sessions.create_session("ada")
    for order in permutations([one.access_token, other.access_token]):
        line = "; ".join(f"sAccessToken={token}" for token in order)
        outcome = app.ask("get_session_from_request", RequestFacts("GET", [("Cookie", line)]))
        assert outcome == TryRefreshToken(Reason.DUPLICATE_COOKIES)
    same = "; ".join([f"sAccessToken={one.access_token}"] * 3)
    request = RequestFacts("GET", [("Cookie", same)])
    assert app.ask("get_session_from_request", request).handle == one.handle


# --- D8: no token in a URL ---------------------------------------------------------------------


def test_d8_a_request_has_no_url_that_a_token_could_be_in(app: Any) -> None:
    assert [field.name for field in attrs.fields(RequestFacts)] == ["method", "headers"]
    token = app.sessions.create_session("ada").access_token
    for name in ("referer", ":path", "x-original-url", "location", "query", "x-access-token"):
        for value in (f"/api?token={token}&access_token={token}", token, f"Bearer {token}"):
            request = RequestFacts("GET", [(name, value)])
            assert app.ask("get_session_from_request", request) == Unauthorised(Reason.NO_TOKEN)
    in_target = RequestFacts(f"GET /api?access_token={token}", [])
    assert app.ask("get_session_from_request", in_target) == Unauthorised(Reason.NO_TOKEN)


def test_d8_no_response_puts_a_token_in_a_url(app: Any) -> None:
    browser = app.browser()
    names: set[str] = set()
    for act in (browser.login, browser.get, browser.refresh, browser.sign_out):
        act()
        names |= {name.lower() for name, _ in browser.response}
        assert not any("://" in value for _, value in browser.response)
    assert names == {
        "access-control-expose-headers",
        "cache-control",
        "front-token",
        "set-cookie",
        "vary",
    }


# --- D9: header and cookie ---------------------------------------------------------------------


@pytest.fixture
def two(app: Any) -> tuple[Session, Session]:
    """Two sessions, of Ada and of Mallory."""
    return app.sessions.create_session("ada"), app.sessions.create_session("mallory")


def both(header: str, cookie: str, method: str = "POST") -> RequestFacts:
    """A request with a token in each place, sent by another site's page."""
    return RequestFacts(
        method,
        [
            ("Authorization", f"Bearer {header}"),
            ("Cookie", f"sAccessToken={cookie}"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ],
    )


def test_d9_a_header_prevails_and_needs_no_check(app: Any, two: tuple[Session, Session]) -> None:
    ada, mallory = two
    for header, cookie in ((ada, mallory), (mallory, ada)):
        request = both(header.access_token, cookie.access_token)
        assert app.ask("get_session_from_request", request).user_id == header.user_id


@pytest.mark.parametrize("header", ["garbage", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 116])
def test_d9_a_header_of_someone_elses_excuses_no_cookie(
    app: Any, two: tuple[Session, Session], header: str
) -> None:
    ada, _ = two
    request = both(header, ada.access_token)
    outcome = app.ask("get_session_from_request", request)
    assert outcome == TryRefreshToken(Reason.CSRF, ada.handle)
    safe = both(header, ada.access_token, "GET")
    assert app.ask("get_session_from_request", safe).user_id == "ada"


def test_d9_a_header_of_ours_that_does_not_hold_is_not_passed_over(
    app: Any, two: tuple[Session, Session]
) -> None:
    ada, mallory = two
    damaged = mallory.access_token[:-8] + "AAAAAAAA"
    outcome = app.ask("get_session_from_request", both(damaged, ada.access_token))
    assert outcome == TryRefreshToken(Reason.BAD_SIGNATURE)
    app.now = mallory.access.expires_at
    outcome = app.ask("get_session_from_request", both(mallory.access_token, ada.access_token))
    assert outcome == TryRefreshToken(Reason.EXPIRED, mallory.handle)


def test_d9_the_same_holds_for_refreshing(app: Any, two: tuple[Session, Session]) -> None:
    ada, mallory = two

    def refreshing(header: Any, cookie: Any) -> Any:
        request = RequestFacts(
            "POST",
            [
                ("Authorization", f"Bearer {header}"),
                ("Cookie", f"sRefreshToken={cookie}"),
                ("Sec-Fetch-Site", "cross-site"),
            ],
        )
        return app.ask("refresh_session_in_request", request)

    assert refreshing(ada.refresh_token, mallory.refresh_token).user_id == "ada"
    assert refreshing("garbage", mallory.refresh_token) == Unauthorised(Reason.CSRF)
    assert refreshing(mallory.access_token, mallory.refresh_token) == Unauthorised(Reason.CSRF)
