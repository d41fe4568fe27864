"""A policy is checked when it is built, and what it leaves out follows from its origins."""

import pickle
from datetime import timedelta
from typing import Any

import pytest

from counterfoil import (
    AntiCsrf,
    InvalidInput,
    InvalidPolicy,
    Lifetime,
    Policy,
    PrimitiveClaim,
    SameSuccessor,
    Transfer,
)
from counterfoil.core.lifetime import ms
from counterfoil.core.origins import parse_origin

API = "https://api.example.com"


def test_what_is_left_out_follows_from_the_origins() -> None:
    policy = Policy(API, site_origin="https://example.com")
    assert policy.issuer == "https://api.example.com/auth"
    assert policy.refresh_cookie_path == "/auth/session/refresh"
    assert (policy.cookie_secure, policy.cookie_same_site) == (True, "lax")
    assert policy.anti_csrf is AntiCsrf.FETCH_METADATA
    assert (policy.transfer, policy.rotation) == (None, SameSuccessor())
    assert policy.concerns == ()

    apart = Policy(API, site_origin="https://example.org")
    assert (apart.cookie_same_site, apart.anti_csrf) == ("none", AntiCsrf.VIA_CUSTOM_HEADER)
    local = Policy("http://localhost:8000")
    assert str(local.site_origin) == "http://localhost:8000"
    assert not local.cookie_secure


def test_a_policy_is_a_value() -> None:
    one, other = Policy(API, transfer="cookie"), Policy(API, transfer=Transfer.COOKIE)
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own bytes
    claims = [PrimitiveClaim("plan")]
    assert Policy(API, claims=claims).claims == tuple(claims)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"lifetime": 900}, "lifetime: must be of type Lifetime, not int"),
        ({"leeway": 10}, "leeway: must be a datetime.timedelta, not int"),
        ({"leeway": timedelta()}, "leeway: must be longer than zero"),
        ({"clock_skew": timedelta(seconds=-1)}, "clock_skew: must be longer than zero"),
        ({"access_jitter": 0.6}, "access_jitter: 0.6 is not a share"),
        ({"access_jitter": "0"}, "access_jitter: must be of type int or float, not str"),
        ({"site_origin": "example.com"}, "site_origin: 'example.com' is no origin"),
        ({"site_origin": 7}, "site_origin: 7 is no origin"),
        ({"base_path": "auth"}, "base_path: 'auth' is no path"),
        ({"base_path": "/a;b"}, "base_path"),
        ({"refresh_cookie_path": "/a\r\nb"}, "refresh_cookie_path"),
        ({"access_cookie": "a b"}, "access_cookie: 'a b' is no cookie name"),
        ({"access_cookie": "sRefreshToken"}, "refresh_cookie: needs another name"),
        ({"cookie_domain": "example.org"}, "does not cover the API's host"),
        ({"cookie_domain": "ample.com"}, "does not cover the API's host"),
        ({"cookie_domain": "."}, "is no domain"),
        ({"cookie_domain": "example.com:80"}, "is no domain"),
        ({"older_cookie_domain": "example.org"}, "older_cookie_domain: 'example.org'"),
        ({"older_cookie_domain": ""}, "older_cookie_domain: is the same as cookie_domain"),
        ({"cookie_domain": "example.com", "older_cookie_domain": "example.com"}, "is the same"),
        ({"cookie_same_site": "none", "cookie_secure": False}, "none needs Secure cookies"),
        ({"access_cookie": "__Secure-a", "cookie_secure": False}, "must be Secure"),
        ({"access_cookie": "__Host-a", "cookie_domain": "example.com"}, "must have no domain"),
        ({"refresh_cookie": "__Host-r"}, "the path /"),
        ({"unauthorised_status": 403}, "must differ"),
        ({"unauthorised_status": 200}, "200 is not an HTTP error status"),
        ({"longest_access_lifetime": timedelta(minutes=1)}, "longer than longest_access"),
        ({"site_origin": "https://example.org", "anti_csrf": "FETCH_METADATA"}, "not same-site"),
        ({"anti_csrf": "VIA_MAGIC"}, "anti_csrf: 'VIA_MAGIC' is none of VIA_TOKEN"),
        ({"transfer": "carrier pigeon"}, "transfer: 'carrier pigeon' is none of cookie, header"),
        ({"cookie_secure": "no"}, "cookie_secure: must be of type bool, not str"),
        ({"audience": ["a"]}, "audience: must be of type str or NoneType, not list"),
        ({"access_cookie": None}, "access_cookie: must be of type str"),
        ({"algorithm": "HS256"}, "algorithm: 'HS256' is none of EdDSA, ES256, RS256"),
        ({"cookie_same_site": "Lax"}, "cookie_same_site: 'Lax' is none of lax, strict, none"),
    ],
)
def test_a_policy_that_can_not_work_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        Policy(API, **settings)
    assert problem in str(refused.value)
    assert isinstance(refused.value, InvalidInput)


def test_on_this_machine_browsers_allow_more() -> None:
    assert (
        Policy("http://localhost:8000", site_origin="http://127.0.0.1:3000").cookie_same_site
        == "none"
    )
    with pytest.raises(InvalidPolicy, match="none needs Secure"):
        Policy("http://api.example.com", site_origin="http://example.org")


def test_what_works_but_hurts_is_told() -> None:
    (late,) = Policy(API, leeway=timedelta(minutes=10)).concerns
    assert "isn't well below the access lifetime" in late
    (open_,) = Policy(API, site_origin="https://example.org", anti_csrf="NONE").concerns
    assert "cross-site" in open_


def test_the_strict_preset() -> None:
    strict = Policy(API).strict()
    assert (strict.access_cookie, strict.refresh_cookie_path) == ("__Host-sAccessToken", "/")
    assert strict.clear_site_data
    for policy in (Policy(API, cookie_domain="example.com"), Policy("http://localhost")):
        with pytest.raises(InvalidPolicy):
            policy.strict()


@pytest.mark.parametrize(
    ("lifetime", "problem"),
    [
        ({"idle": 30}, "idle: must be a datetime.timedelta, not int"),
        ({"access": timedelta()}, "access: must be longer than zero"),
        ({"idle": timedelta(days=91)}, "beyond the absolute end"),
        ({"access": timedelta(days=15)}, "beyond the idle end"),
    ],
)
def test_a_lifetime_that_can_not_be_is_refused(lifetime: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicy, match=problem):
        Lifetime(**lifetime)


def test_the_presets_are_those_of_nist() -> None:
    day = timedelta(days=1)
    assert (Lifetime.AAL1.idle, Lifetime.AAL1.absolute) == (30 * day, 30 * day)
    assert (Lifetime.AAL2.idle, Lifetime.AAL2.absolute) == (timedelta(hours=1), day)
    assert (Lifetime.AAL3.idle, Lifetime.AAL3.absolute) == (timedelta(minutes=15), day / 2)
    assert ms(timedelta(microseconds=1999)) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://example.com", "https://example.com:8443", True),
        ("https://app.example.com", "https://api.example.com", True),
        ("https://example.com", "http://example.com", False),
        ("https://a.co.uk", "https://b.co.uk", False),
        ("https://a.github.io", "https://b.github.io", False),
        ("http://localhost:1", "http://localhost:2", True),
        ("http://127.0.0.1", "http://127.0.0.2", False),
        ("http://[::1]:1", "http://[::1]:2", True),
        ("http://intranet", "http://other", False),
    ],
)
def test_same_site(one: str, other: str, same: bool) -> None:
    first, second = parse_origin(one), parse_origin(other)
    assert first is not None
    assert second is not None
    assert first.same_site(second) is same
    assert second.same_site(first) is same


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "ftp://example.com", "https://", "https://a/b", "https://a?b", "https://a#b",
     "https://user@a", "https://a:port", "https://a b", "https://[::1", "null", "https://-a"],
)  # fmt: skip
def test_what_is_no_origin(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("text", "origin", "local"),
    [
        ("https://API.example.com:443/", "https://api.example.com", False),
        ("http://localhost:8000", "http://localhost:8000", True),
        ("http://app.localhost", "http://app.localhost", True),
        ("http://[::1]:80", "http://[::1]", True),
    ],
)
def test_an_origin_as_browsers_write_it(text: str, origin: str, local: bool) -> None:
    parsed = parse_origin(text)
    assert parsed is not None
    assert (str(parsed), parsed.is_local) == (origin, local)
    assert Policy(parsed).api_origin == parsed
