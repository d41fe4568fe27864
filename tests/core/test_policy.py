"""A policy is checked when it is built, and what it leaves out follows from its origins."""

import pickle
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    AntiCsrf,
    InvalidInput,
    InvalidPolicy,
    Lifetime,
    Origin,
    Policy,
    PrimitiveClaim,
    SameSuccessor,
    Transfer,
)
from counterfoil.core.settings import an_instance_of, one_of

API = "https://api.example.com"
DAY = timedelta(days=1)
PLAN = PrimitiveClaim("plan")


def built(api: Any = API, **settings: Any) -> Policy:
    """A policy with settings of any type."""
    return Policy(api, **settings)


def refused(*origin: Any, **settings: Any) -> str:
    """What a policy that can't be is refused with."""
    with pytest.raises(InvalidPolicy) as problem:
        built(*(origin or (API,)), **settings)
    assert isinstance(problem.value, InvalidInput)
    assert str(problem.value).startswith(f"Policy.{problem.value.field}: ")
    return str(problem.value).removeprefix("Policy.")


# --- what is left out --------------------------------------------------------------------------


def test_what_is_left_out_follows_from_the_origins() -> None:
    policy = Policy(API, site_origin="https://example.com")
    assert policy.issuer == "https://api.example.com/auth"
    assert policy.refresh_cookie_path == "/auth/session/refresh"
    assert (policy.cookie_secure, policy.cookie_same_site) == (True, "lax")
    assert policy.anti_csrf is AntiCsrf.FETCH_METADATA
    assert (policy.transfer, policy.rotation) == (None, SameSuccessor())
    assert (policy.cookie_domain, policy.older_cookie_domain) == (None, None)
    assert (policy.access_cookie, policy.refresh_cookie) == ("sAccessToken", "sRefreshToken")
    assert (policy.unauthorised_status, policy.invalid_claim_status) == (401, 403)
    assert (policy.algorithm, policy.audience, policy.lifetime) == ("EdDSA", None, Lifetime())
    assert not policy.expose_access_token
    assert not policy.clear_site_data
    assert policy.concerns == ()


@pytest.mark.parametrize(
    ("api", "site", "secure", "same_site", "anti_csrf"),
    [
        (API, None, True, "lax", AntiCsrf.FETCH_METADATA),
        (API, "https://app.example.com:8443", True, "lax", AntiCsrf.FETCH_METADATA),
        (API, "https://example.org", True, "none", AntiCsrf.VIA_CUSTOM_HEADER),
        (API, "http://example.com", True, "none", AntiCsrf.VIA_CUSTOM_HEADER),
        ("http://localhost:8000", "http://localhost:3000", False, "lax", AntiCsrf.FETCH_METADATA),
        ("http://localhost", "http://127.0.0.1", False, "none", AntiCsrf.VIA_CUSTOM_HEADER),
        ("http://api.example.com", "http://example.com", False, "lax", AntiCsrf.FETCH_METADATA),
    ],
)
def test_cookies_and_the_check_follow_from_the_origins(
    api: str, site: str | None, secure: bool, same_site: str, anti_csrf: AntiCsrf
) -> None:
    policy = Policy(api) if site is None else Policy(api, site_origin=site)
    assert str(policy.site_origin) == (site or api)
    assert (policy.cookie_secure, policy.cookie_same_site) == (secure, same_site)
    assert policy.anti_csrf is anti_csrf
    assert policy.is_same_site is (same_site == "lax")


@pytest.mark.parametrize(
    ("base_path", "refresh"),
    [
        ("/", "/session/refresh"),
        ("/a/b", "/a/b/session/refresh"),
        ("/a/", "/a/session/refresh"),
        ("/X", "/X/session/refresh"),
    ],
)
def test_the_refresh_route_is_below_the_base_path(base_path: str, refresh: str) -> None:
    policy = Policy(API, base_path=base_path)
    assert policy.refresh_cookie_path == refresh
    assert policy.issuer == API + base_path


def test_what_is_said_prevails() -> None:
    policy = Policy(API, cookie_secure=True, cookie_same_site="strict", anti_csrf="VIA_TOKEN")
    assert (policy.cookie_same_site, policy.anti_csrf) == ("strict", AntiCsrf.VIA_TOKEN)
    assert Policy(API, issuer="me", audience="you").issuer == "me"
    assert Policy(API, transfer="header").transfer is Transfer.HEADER
    assert Policy(API, refresh_cookie_path="/api/refresh").refresh_cookie_path == "/api/refresh"


def test_origins_and_domains_are_taken_as_browsers_write_them() -> None:
    policy = Policy("https://API.example.com:443/", cookie_domain=".Example.COM")
    assert str(policy.api_origin) == policy.issuer.removesuffix("/auth") == API
    assert policy.cookie_domain == "example.com"
    by_hand = Origin(scheme="https", host="API.example.com", port=443)
    assert Policy(by_hand, cookie_domain="example.com") == policy


# --- a value -----------------------------------------------------------------------------------


def test_a_policy_is_a_value() -> None:
    one, other = Policy(API, transfer="cookie"), Policy(API, transfer=Transfer.COOKIE)
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other, Policy(API)}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.leeway = DAY  # type: ignore[misc]  # that is the point


def test_lists_become_part_of_the_value() -> None:
    claims, validators = [PLAN], [PLAN.has_value("pro")]
    policy = Policy(API, claims=claims, validators=validators)
    claims.clear()
    assert policy.claims == (PLAN,)
    assert policy.validators == tuple(validators)
    assert Policy(API, claims=(claim for claim in [PLAN])).claims == (PLAN,)


def test_a_policy_survives_pickle() -> None:
    policy = Policy(API, claims=[PLAN], validators=[PLAN.has_value("pro")], lifetime=Lifetime.AAL2)
    hash(policy)  # which is kept, and means nothing in another process
    copied = pickle.loads(pickle.dumps(policy))  # noqa: S301  # our own bytes
    assert copied == policy
    assert hash(copied) == hash(policy)


# --- one setting -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["leeway", "clock_skew", "longest_access_lifetime"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (10, "must be a datetime.timedelta, not int; write timedelta(minutes=15)"),
        (0.5, "must be a datetime.timedelta, not float"),
        ("10s", "must be a datetime.timedelta, not str"),
        (None, "must be a datetime.timedelta, not NoneType"),
        (timedelta(), "must be longer than zero"),
        (timedelta(seconds=-1), "must be longer than zero"),
        (timedelta(microseconds=999), "must be longer than zero, in whole milliseconds"),
    ],
)
def test_a_duration_has_its_unit_and_is_above_zero(field: str, value: Any, problem: str) -> None:
    assert refused(**{field: value}).startswith(f"{field}: {problem}")


@pytest.mark.parametrize(
    "origin",
    ["", "api.example.com", "ftp://api.example.com", "https://api.example.com/path", "null",
     "https://u@a.com", "https://a.com?q", 7, None, b"https://api.example.com",
     Origin(scheme="https", host="a b"), Origin(scheme="gopher", host="a.com"),
     Exception("https://api.example.com")],
)  # fmt: skip
def test_an_origin_is_scheme_host_and_port(origin: Any) -> None:
    assert refused(origin).startswith(f"api_origin: {origin!r} is no origin; write scheme, host")
    assert refused(API, site_origin=origin).startswith(f"site_origin: {origin!r} is no origin")


@pytest.mark.parametrize("field", ["base_path", "refresh_cookie_path"])
@pytest.mark.parametrize(
    "path",
    ["", "auth", "https://a.com/", "/a;b", "/a b", "/a\r\nSet-Cookie: x=1", "/a\tb", "/a\0",
     "/a\x7f", "/a\x0b", "/ä", "/a?b", "/a#b", '/"', "/\\"],
)  # fmt: skip
def test_a_path_is_one_that_browsers_keep(field: str, path: str) -> None:
    assert refused(**{field: path}) == f"{field}: {path!r} is no path; write one such as /auth."


@given(st.text('/;,?# abc\\"%\r\n\0é~', max_size=8))
def test_a_path_that_is_accepted_could_stand_in_a_header(path: str) -> None:
    try:
        policy = Policy(API, refresh_cookie_path=path)
    except InvalidPolicy:
        return
    assert policy.refresh_cookie_path == path
    assert path.startswith("/")
    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set('; ?#\\"')


def test_browsers_ignore_a_path_of_more_than_1024_bytes() -> None:
    assert len(Policy(API, refresh_cookie_path="/" * 1024).refresh_cookie_path) == 1024
    assert refused(refresh_cookie_path="/" * 1025).startswith("refresh_cookie_path: has 1025 bytes")
    assert refused(base_path="/" + "a" * 1020).startswith("refresh_cookie_path: has 1037 bytes")


@pytest.mark.parametrize("field", ["access_cookie", "refresh_cookie"])
@pytest.mark.parametrize(
    "name", ["", "a b", "a=b", "a;b", "a,b", "a\r\nb", "ä", '"a"', "a\0", "a@"]
)
def test_a_cookie_name_is_a_token(field: str, name: str) -> None:
    assert refused(**{field: name}) == f"{field}: {name!r} is no cookie name (RFC 6265, 4.1.1)."


@pytest.mark.parametrize("share", [-0.01, 0.51, 1, float("nan"), float("inf")])
def test_jitter_is_a_share(share: float) -> None:
    assert (
        refused(access_jitter=share) == f"access_jitter: {share} is not a share between 0 and 0.5."
    )
    assert Policy(API, access_jitter=0).access_jitter == 0
    assert Policy(API, access_jitter=0.5).access_jitter == 0.5


@pytest.mark.parametrize("field", ["unauthorised_status", "invalid_claim_status"])
@pytest.mark.parametrize("status", [-1, 0, 200, 302, 399, 600])
def test_a_rejection_is_an_http_error(field: str, status: int) -> None:
    assert refused(**{field: status}) == f"{field}: {status} is not an HTTP error status."
    for least_or_most in (400, 599):
        assert getattr(built(**{field: least_or_most}), field) == least_or_most
    assert getattr(built(API, **{field: 499}), field) == 499


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("base_path", None, "str, not NoneType"),
        ("base_path", 7, "str, not int"),
        ("issuer", 7, "str, not int"),
        ("issuer", None, "str, not NoneType"),
        ("audience", ["a"], "str or NoneType, not list"),
        ("lifetime", 900, "Lifetime, not int"),
        ("lifetime", timedelta(minutes=15), "Lifetime, not timedelta"),
        ("access_jitter", "0", "int or float, not str"),
        ("access_jitter", True, "int or float, not bool"),
        ("cookie_domain", 7, "str, not int"),
        ("older_cookie_domain", ["a"], "str, not list"),
        ("cookie_secure", "false", "bool, not str"),
        ("cookie_secure", 1, "bool, not int"),
        ("cookie_secure", None, "bool, not NoneType"),
        ("access_cookie", None, "str, not NoneType"),
        ("refresh_cookie", b"r", "str, not bytes"),
        ("refresh_cookie_path", 7, "str, not int"),
        ("expose_access_token", "yes", "bool, not str"),
        ("clear_site_data", 0, "bool, not int"),
        ("claims", "plan", "a list of SessionClaim, not str"),
        ("claims", PLAN, "a list of SessionClaim, not PrimitiveClaim"),
        ("claims", [PLAN.has_value(1)], "a list of SessionClaim, not HasValue"),
        ("unauthorised_status", "401", "int, not str"),
        ("unauthorised_status", True, "int, not bool"),
        ("invalid_claim_status", 403.0, "int, not float"),
    ],
)
def test_a_setting_is_of_its_type(field: str, value: Any, kind: str) -> None:
    assert refused(**{field: value}) == f"{field}: must be of type {kind}."


def test_validators_are_some() -> None:
    told = refused(validators=[PLAN])
    assert told.startswith("validators: must hold validators, and 'plan' is a claim itself")
    told = refused(validators=None)
    assert told == "validators: must be a list of validators, not NoneType."


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("algorithm", "HS256", "EdDSA, ES256, RS256"),
        ("algorithm", "none", "EdDSA, ES256, RS256"),
        ("algorithm", "es256", "EdDSA, ES256, RS256"),
        ("algorithm", None, "EdDSA, ES256, RS256"),
        ("cookie_same_site", "Lax", "lax, strict, none"),
        ("cookie_same_site", None, "lax, strict, none"),
        ("cookie_same_site", [], "lax, strict, none"),
        ("anti_csrf", "VIA_MAGIC", "VIA_TOKEN, VIA_CUSTOM_HEADER, FETCH_METADATA, NONE"),
        ("anti_csrf", None, "VIA_TOKEN, VIA_CUSTOM_HEADER, FETCH_METADATA, NONE"),
        ("anti_csrf", [], "VIA_TOKEN, VIA_CUSTOM_HEADER, FETCH_METADATA, NONE"),
        ("transfer", "any", "cookie, header"),
        ("transfer", "", "cookie, header"),
    ],
)
def test_a_choice_is_one_of_its_words(field: str, value: Any, words: str) -> None:
    assert refused(**{field: value}) == f"{field}: {value!r} is none of {words}."


# --- settings together -------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["cookie_domain", "older_cookie_domain"])
@pytest.mark.parametrize(
    ("domain", "problem"),
    [
        ("example.org", "does not cover the API's host 'api.example.com'"),
        ("ample.com", "does not cover the API's host"),
        ("www.api.example.com", "does not cover the API's host"),
        (".", "is no domain; write one such as example.com"),
        ("..example.com", "is no domain"),
        ("example.com:443", "is no domain"),
        ("https://example.com", "is no domain"),
        ("example.com; Secure", "is no domain"),
        ("exa\r\nmple.com", "is no domain"),
        ("com", "is nobody's own domain: browsers drop its cookies"),
    ],
)
def test_a_cookie_domain_covers_the_api(field: str, domain: str, problem: str) -> None:
    shown = domain.lower().removeprefix(".") or domain
    assert refused(**{field: domain}).startswith(f"{field}: {shown!r} {problem}")
    good = built(API, **{field: "example.com"})
    assert getattr(good, field) == "example.com"


@pytest.mark.parametrize(
    ("api", "domain"),
    [
        ("https://api.example.co.uk", "co.uk"),
        ("https://mine.github.io", "github.io"),
        ("http://10.0.0.1", "0.0.1"),
        ("http://app.localhost", "localhost"),
        ("http://api.intranet", "intranet"),
    ],
)
def test_nobodys_domain_takes_no_cookies(api: str, domain: str) -> None:
    assert "browsers drop its cookies" in refused(api, cookie_domain=domain)


@pytest.mark.parametrize(
    "host", ["localhost", "10.0.0.1", "mine.github.io", "example.com", "a.b.example.co.uk"]
)
def test_the_hosts_own_name_takes_cookies(host: str) -> None:
    assert Policy(f"https://{host}", cookie_domain=host).cookie_domain == host


def test_an_empty_cookie_domain_is_none() -> None:
    assert refused(cookie_domain="").startswith("cookie_domain: '' is no domain")


def test_the_older_domain_is_another_one() -> None:
    for now, older in ((None, ""), ("example.com", "example.com"), ("example.com", ".EXAMPLE.com")):
        problem = refused(cookie_domain=now, older_cookie_domain=older)
        assert problem == "older_cookie_domain: is the same as cookie_domain."
    assert (
        Policy(API, cookie_domain="example.com", older_cookie_domain="").older_cookie_domain == ""
    )
    assert Policy(API, older_cookie_domain="example.com").cookie_domain is None


@pytest.mark.parametrize("prefix", ["__Host-", "__Secure-", "__Http-", "__Host-Http-", "__SECURE-"])
@pytest.mark.parametrize("field", ["access_cookie", "refresh_cookie"])
def test_a_prefixed_cookie_is_secure(prefix: str, field: str) -> None:
    name = f"{prefix}a"
    problem = refused(**{field: name, "refresh_cookie_path": "/", "cookie_secure": False})
    assert problem == (
        f"cookie_secure: {name} must be Secure, or browsers drop it: serve the API over https, or "
        "take the prefix off the name."
    )
    assert built(API, **{field: name, "refresh_cookie_path": "/"}).cookie_secure


@pytest.mark.parametrize("prefix", ["__Host-", "__host-", "__Host-Http-"])
def test_a_host_cookie_has_no_domain_and_the_path_of_all(prefix: str) -> None:
    access, refresh = f"{prefix}a", f"{prefix}r"
    told = "must have no domain and the path /, or browsers drop it."
    assert (
        refused(access_cookie=access, cookie_domain="example.com")
        == f"cookie_domain: {access} {told}"
    )
    assert refused(refresh_cookie=refresh) == f"refresh_cookie_path: {refresh} {told}"
    both = Policy(API, access_cookie=access, refresh_cookie=refresh, refresh_cookie_path="/")
    assert both.refresh_cookie == refresh
    assert Policy(API, access_cookie="__Secure-a", cookie_domain="example.com").cookie_domain


def test_the_two_cookies_have_two_names() -> None:
    assert refused(access_cookie="sRefreshToken").startswith("refresh_cookie: needs another name")


LOCAL = ["http://localhost:8000", "http://app.localhost", "http://127.0.0.1", "http://[::1]:80"]


@pytest.mark.parametrize("api", [*LOCAL, "http://api.example.com"])
@pytest.mark.parametrize("site", [*LOCAL, "http://example.org", "https://example.org"])
def test_cross_site_cookies_are_secure_but_on_this_machine(api: str, site: str) -> None:
    policy: dict[str, str] = {"site_origin": site, "cookie_same_site": "none"}
    if api in LOCAL and site in LOCAL:
        assert not built(api, **policy).cookie_secure
    else:
        told = "cookie_same_site: none needs Secure cookies: serve the API over https."
        assert refused(api, **policy) == told
        assert built(api, **policy, cookie_secure=True).cookie_secure


def test_fetch_metadata_needs_one_site() -> None:
    assert refused(site_origin="https://example.org", anti_csrf="FETCH_METADATA") == (
        "anti_csrf: FETCH_METADATA refuses all that https://example.org sends to "
        "https://api.example.com: they are not same-site. Use VIA_CUSTOM_HEADER or VIA_TOKEN."
    )
    for mode in (AntiCsrf.VIA_TOKEN, AntiCsrf.VIA_CUSTOM_HEADER, AntiCsrf.NONE):
        assert Policy(API, site_origin="https://example.org", anti_csrf=mode).anti_csrf is mode


def test_the_two_statuses_differ() -> None:
    told = "invalid_claim_status: must differ from unauthorised_status."
    assert refused(unauthorised_status=403) == told
    assert refused(invalid_claim_status=401) == told
    swapped = Policy(API, unauthorised_status=403, invalid_claim_status=401)
    assert swapped.invalid_claim_status == 401


def test_an_access_token_outlives_no_retired_key() -> None:
    hour = timedelta(hours=1)
    lifetime = Lifetime(access=hour)
    problem = refused(lifetime=lifetime, longest_access_lifetime=timedelta(minutes=59))
    assert problem == "lifetime.access: is longer than longest_access_lifetime."
    assert Policy(API, lifetime=lifetime, longest_access_lifetime=hour).lifetime.access == hour


def test_what_a_validator_accepts_is_what_it_was_told() -> None:
    @attrs.frozen
    class Setting:
        word: Any = attrs.field(default="a", validator=one_of("a", "b"))
        kind: Any = attrs.field(default="", validator=an_instance_of(str, bytes))

    assert Setting("b", b"").word == "b"
    with pytest.raises(InvalidPolicy, match=r"word: 'c' is none of a, b\."):
        Setting("c")
    with pytest.raises(InvalidPolicy, match=r"kind: must be of type str or bytes, not int\."):
        Setting(kind=7)


# --- what works --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leeway", "concerned"), [(449, False), (450, False), (450.001, True), (3600, True)]
)
def test_a_leeway_that_is_not_well_below_the_access_lifetime_is_told(
    leeway: float, concerned: bool
) -> None:
    concerns = Policy(API, leeway=timedelta(seconds=leeway)).concerns
    assert bool(concerns) is concerned
    assert all("isn't well below the access lifetime of 0:15:00" in told for told in concerns)


def test_cross_site_cookies_without_a_check_are_told() -> None:
    (told,) = Policy(API, site_origin="https://example.org", anti_csrf="NONE").concerns
    assert told == "cookies travel cross-site and no anti-CSRF check guards them"
    assert Policy(API, anti_csrf="NONE").concerns == ()
    everything = Policy(API, cookie_same_site="none", anti_csrf="NONE", leeway=DAY)
    assert len(everything.concerns) == 2


def test_the_strict_preset() -> None:
    policy = Policy(API, site_origin="https://example.com", leeway=timedelta(seconds=3))
    strict = policy.strict()
    assert strict == attrs.evolve(
        policy,
        access_cookie="__Host-sAccessToken",
        refresh_cookie="__Host-sRefreshToken",
        refresh_cookie_path="/",
        clear_site_data=True,
    )
    assert strict.strict() == strict


def test_a_policy_that_can_not_be_strict_says_why() -> None:
    with pytest.raises(
        InvalidPolicy, match="cookie_domain: __Host-sAccessToken must have no domain"
    ):
        Policy(API, cookie_domain="example.com").strict()
    with pytest.raises(InvalidPolicy, match="cookie_secure: __Host-sAccessToken must be Secure"):
        Policy("http://localhost").strict()
    assert Policy("http://localhost", cookie_secure=True).strict().cookie_secure


def test_a_claim_that_no_login_could_fetch_is_refused() -> None:
    with pytest.raises(InvalidPolicy, match="claims: 'role' isn't fetchable, so no login"):
        Policy(API, claims=[PLAN, PrimitiveClaim("role", fetchable=False)])
