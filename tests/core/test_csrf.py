"""Who sent a request that carries cookies: every mode, method and header, as a table."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import AntiCsrf, Policy, RequestFacts
from counterfoil.core.csrf import may_log_in, passes, token_matches
from counterfoil.core.request import WEBSOCKET

SITE, API = "https://example.com", "https://api.example.com:8443"
GUARD = "dGhlIGd1YXJkIG9mIGEgc2Vzc2lvbg=="

SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "QUERY", "ANYTHING", ""]

OURS = [SITE, API]
OTHERS = [
    "https://evil.example",
    "https://blog.example.com",  # a sibling, which may be anyone's
    "https://api.example.com",  # another port
    "https://example.com:8443",
    "http://example.com",  # another scheme
    "https://EXAMPLE.com",  # browsers send lower case
    "https://example.com/",
    "https://example.com.evil.example",
    "https://example.com, https://example.com",  # the header twice
    "null",  # a sandboxed frame, a local file
    "None",
    "",
]
ORIGINS: list[str | None] = [None, *OURS, *OTHERS]

SAYS_OURS = ["same-origin"]
SAYS_NOT_OURS = ["cross-site", "none"]
SAYS_NOTHING: list[str | None] = [
    None,
    "same-site",  # only if the origin is ours
    "nonsense",
    "SAME-ORIGIN",
    "same-origin, same-origin",
    " same-origin",
    "",
]
FETCH_SITES: list[str | None] = [*SAYS_OURS, *SAYS_NOT_OURS, *SAYS_NOTHING]

MODES = {mode: Policy(API, site_origin=SITE, anti_csrf=mode) for mode in AntiCsrf}


def request(
    method: str, site: str | None = None, origin: str | None = None, **headers: str
) -> RequestFacts:
    """A request with these headers; those that are None are left out."""
    pairs = [("Sec-Fetch-Site", site), ("Origin", origin)]
    given = [(name, value) for name, value in pairs if value is not None]
    return RequestFacts(method, [*given, *headers.items()])


# --- passes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", AntiCsrf)
@pytest.mark.parametrize("method", [*SAFE, "get", "Head"])
def test_a_method_that_changes_nothing_needs_no_proof(mode: AntiCsrf, method: str) -> None:
    for site, origin in itertools.product(FETCH_SITES, ORIGINS):
        assert passes(request(method, site, origin), MODES[mode], GUARD)


@pytest.mark.parametrize("site", FETCH_SITES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_fetch_metadata(site: str | None, origin: str | None) -> None:
    ours = site in SAYS_OURS or (site in SAYS_NOTHING and origin in OURS)
    policy = MODES[AntiCsrf.FETCH_METADATA]
    for method in UNSAFE:
        assert passes(request(method, site, origin), policy, None) is ours
        # Neither a token nor a header of the protocol is any proof here.
        extra = request(method, site, origin, **{"rid": "session", "anti-csrf": GUARD})
        assert passes(extra, policy, GUARD) is ours


def test_the_table_says_yes_and_no() -> None:
    answers = [
        passes(request("POST", site, origin), MODES[AntiCsrf.FETCH_METADATA], None)
        for site, origin in itertools.product(FETCH_SITES, ORIGINS)
    ]
    assert (answers.count(True), len(answers)) == (15 + 7 * 2, 10 * 15)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("rid", ["anti-csrf", "session", "x", ""])
def test_a_custom_header_proves_by_being_there(method: str, rid: str) -> None:
    policy = MODES[AntiCsrf.VIA_CUSTOM_HEADER]
    for site, origin in itertools.product(FETCH_SITES, ORIGINS):
        assert passes(request(method, site, origin, rid=rid), policy, None)
        assert passes(request(method, site, origin, RID=rid), policy, None)
        assert not passes(request(method, site, origin, **{"x-rid": rid}), policy, GUARD)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize(
    ("shown", "token", "ours"),
    [
        (GUARD, GUARD, True),
        (GUARD, None, False),
        (GUARD, "", False),
        (None, GUARD, False),
        ("", GUARD, False),
        ("", "", False),
        (None, None, False),
        (GUARD[:-1], GUARD, False),
        (GUARD + "=", GUARD, False),
        (GUARD.swapcase(), GUARD, False),
        (f"{GUARD}, {GUARD}", GUARD, False),
        (f" {GUARD}", GUARD, False),
        ("None", None, False),
        ("ü", "u", False),
        ("\udc80", GUARD, False),
    ],
)
def test_a_token_proves_by_being_the_sessions(
    method: str, shown: str | None, token: str | None, ours: bool
) -> None:
    headers = {} if shown is None else {"Anti-CSRF": shown}
    policy = MODES[AntiCsrf.VIA_TOKEN]
    for site, origin in itertools.product(FETCH_SITES, ORIGINS):
        assert passes(request(method, site, origin, **headers), policy, token) is ours
    # What comes by cookie proves nothing: the browser sends it for anyone.
    assert not passes(RequestFacts(method, [("cookie", f"anti-csrf={GUARD}")]), policy, GUARD)


@pytest.mark.parametrize("mode", AntiCsrf)
def test_a_handshake_is_judged_by_what_the_browser_says(mode: AntiCsrf) -> None:
    for site, origin in itertools.product(FETCH_SITES, ORIGINS):
        handshake = request(WEBSOCKET, site, origin)
        posted = request("POST", site, origin)
        assert passes(handshake, MODES[mode], None) is may_log_in(posted, MODES[mode])


@pytest.mark.parametrize("method", UNSAFE)
def test_without_a_check_all_passes(method: str) -> None:
    for site, origin in itertools.product(FETCH_SITES, ORIGINS):
        assert passes(request(method, site, origin), MODES[AntiCsrf.NONE], None)


@given(st.text() | st.none(), st.text() | st.none())
def test_tokens_match_if_they_are_equal_and_there(shown: str | None, token: str | None) -> None:
    assert token_matches(shown, token) is (bool(shown) and shown == token)
    assert token_matches(shown, shown) is bool(shown)


@given(st.text(st.characters(categories=["Cs", "L", "N"])))
def test_half_a_surrogate_pair_matches_nothing(shown: str) -> None:
    assert not token_matches(shown + "\ud800", GUARD)


# --- logging in --------------------------------------------------------------------------------


@pytest.mark.parametrize("site", FETCH_SITES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_login_is_not_another_sites_doing(site: str | None, origin: str | None) -> None:
    ours = site in (None, "same-origin", "none") if origin is None else origin in OURS
    for mode, method in itertools.product(AntiCsrf, UNSAFE):
        may = may_log_in(request(method, site, origin), MODES[mode])
        assert may is (ours or mode is AntiCsrf.NONE)


@pytest.mark.parametrize("mode", AntiCsrf)
def test_a_login_by_get_is_the_applications_matter(mode: AntiCsrf) -> None:
    for site, origin, method in itertools.product(FETCH_SITES, ORIGINS, SAFE):
        assert may_log_in(request(method, site, origin), MODES[mode])
