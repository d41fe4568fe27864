"""Web origins: parsing, serialising, and which are of one site."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import Origin, Policy
from counterfoil.core.origins import parse_origin

LABELS = st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def parsed(text: str) -> Origin:
    """An origin that is one."""
    origin = parse_origin(text)
    assert origin is not None
    return origin


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "//example.com", "ftp://example.com", "file:///etc", "https://", "https:///a",
     "https://a/b", "https://a?b", "https://a#b", "https://user@a", "https://user:pw@a", "https://@a",
     "https://a:port", "https://a:65536", "https://a:-1", "https://a:", "https://a b", "https://[::1",
     "https://::1", "null", "https://-a", "https://a-", "https://.a", "https://a.", "https://ä.de",
     "https://a_b", "https://a;b", "https://a\\b", "javascript:alert(1)", "https://a, https://b"],
)  # fmt: skip
def test_what_is_no_origin(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("text", "origin", "local"),
    [
        ("https://API.Example.com:443/", "https://api.example.com", False),
        ("HTTPS://example.com", "https://example.com", False),
        ("http://example.com:443", "http://example.com:443", False),
        ("https://example.com:80", "https://example.com:80", False),
        ("http://localhost:8000", "http://localhost:8000", True),
        ("http://localhost:80", "http://localhost", True),
        ("http://app.localhost", "http://app.localhost", True),
        ("http://notlocalhost", "http://notlocalhost", False),
        ("http://localhost.example.com", "http://localhost.example.com", False),
        ("http://[::1]:80", "http://[::1]", True),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080", True),
        ("http://192.168.0.1:5000", "http://192.168.0.1:5000", True),
        ("http://1.2.3", "http://1.2.3", False),
    ],
)
def test_an_origin_as_browsers_write_it(text: str, origin: str, local: bool) -> None:
    found = parsed(text)
    assert (str(found), found.is_local) == (origin, local)
    assert Policy(found, site_origin=text).api_origin == found


@given(st.text())
def test_any_text_is_an_origin_or_none(text: str) -> None:
    for candidate in (text, f"https://{text}", f"http://a.com:{text}"):
        origin = parse_origin(candidate)
        assert origin is None or parse_origin(str(origin)) == origin


@given(st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535))
def test_scheme_host_and_port_come_back(scheme: str, host: str, port: int) -> None:
    origin = parsed(f"{scheme}://{host}:{port}")
    assert (origin.scheme, origin.host) == (scheme, host)
    assert origin.port == (None if (scheme, port) in {("http", 80), ("https", 443)} else port)
    assert parse_origin(str(origin)) == origin


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://example.com", "https://example.com:8443", True),
        ("https://app.example.com", "https://api.example.com", True),
        ("https://example.com", "https://a.b.c.example.com", True),
        ("https://example.com", "http://example.com", False),
        ("https://example.com", "https://example.org", False),
        ("https://example.com", "https://notexample.com", False),
        ("https://a.example.co.uk", "https://b.example.co.uk", True),
        ("https://a.co.uk", "https://b.co.uk", False),
        ("https://co.uk", "https://co.uk", True),
        ("https://a.github.io", "https://b.github.io", False),
        ("http://localhost:1", "http://localhost:2", True),
        ("http://a.localhost", "http://b.localhost", False),
        ("http://localhost", "http://127.0.0.1", False),
        ("http://127.0.0.1", "http://127.0.0.2", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", True),
        ("http://[::1]:1", "http://[::1]:2", True),
        ("http://10.1.2.3", "http://9.1.2.3", False),
        ("http://10.1.2.3", "http://1.2.3", False),
        ("http://intranet", "http://other", False),
        ("http://a.intranet", "http://b.intranet", False),
    ],
)
def test_same_site(one: str, other: str, same: bool) -> None:
    assert parsed(one).same_site(parsed(other)) is same
    assert parsed(other).same_site(parsed(one)) is same


@given(HOSTS, HOSTS, HOSTS)
def test_sites_divide_the_origins(one: str, other: str, third: str) -> None:
    first, second, last = (parsed(f"https://{host}") for host in (one, other, third))
    assert first.same_site(first)
    assert first.same_site(second) == second.same_site(first)
    if first.same_site(second) and second.same_site(last):
        assert first.same_site(last)


@pytest.mark.parametrize(
    ("host", "domain", "taken"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "example.com", True),
        ("api.example.com", "com", False),
        ("api.example.com", "ample.com", False),
        ("api.example.com", "www.api.example.com", False),
        ("api.example.co.uk", "co.uk", False),
        ("mine.github.io", "github.io", False),
        ("mine.github.io", "mine.github.io", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.1", False),
        ("localhost", "localhost", True),
        ("app.localhost", "localhost", False),
    ],
)
def test_whose_cookies_a_host_may_set(host: str, domain: str, taken: bool) -> None:
    assert parsed(f"https://{host}").takes_cookies_of(domain) is taken
