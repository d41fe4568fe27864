"""How tokens reach a client and are cleared: the very lines and headers of the response."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    EXPOSED_RESPONSE_HEADERS,
    AppendHeader,
    Attachment,
    Policy,
    RemoveHeader,
    RequestFacts,
    Secret,
    SetCookie,
    SetHeader,
    Transfer,
    set_cookie_line,
)
from counterfoil.core.examples import example_session
from counterfoil.core.transport import (
    access_to_response,
    anti_csrf_to_response,
    clear_cookie,
    clear_cookies,
    clear_tokens,
    clear_transfer,
    private_response,
    refresh_to_response,
)
from counterfoil.effects import Effect

NOW = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
DAY = 86_400_000
ACCESS = example_session().access
REFRESH = Secret("refresh-token")
COOKIE, HEADER = Transfer.COOKIE, Transfer.HEADER

API = "https://api.example.com"
PLAIN = Policy(API)
POLICIES = {
    "plain": PLAIN,
    "cross-site": Policy(API, site_origin="https://example.org"),
    "domain": Policy(API, cookie_domain=".example.com", cookie_same_site="strict"),
    "local": Policy("http://localhost:8000", base_path="/"),
    "strict": PLAIN.strict(),
    "named": Policy(API, access_cookie="a", refresh_cookie="r", refresh_cookie_path="/v1/refresh"),
}

FLAGS = {
    "plain": "HttpOnly; Secure; SameSite=Lax",
    "cross-site": "HttpOnly; Secure; SameSite=None",
    "domain": "HttpOnly; Secure; SameSite=Strict",
    "local": "HttpOnly; SameSite=Lax",
    "strict": "HttpOnly; Secure; SameSite=Lax",
    "named": "HttpOnly; Secure; SameSite=Lax",
}
PLACES = {
    "plain": ("sAccessToken", "Path=/", "sRefreshToken", "Path=/auth/session/refresh"),
    "cross-site": ("sAccessToken", "Path=/", "sRefreshToken", "Path=/auth/session/refresh"),
    "domain": (
        "sAccessToken",
        "Path=/; Domain=example.com",
        "sRefreshToken",
        "Path=/auth/session/refresh; Domain=example.com",
    ),
    "local": ("sAccessToken", "Path=/", "sRefreshToken", "Path=/session/refresh"),
    "strict": ("__Host-sAccessToken", "Path=/", "__Host-sRefreshToken", "Path=/"),
    "named": ("a", "Path=/", "r", "Path=/v1/refresh"),
}


def lines(effects: tuple[Effect[None], ...]) -> list[str]:
    """The Set-Cookie lines of some effects."""
    return [set_cookie_line(effect) for effect in effects if isinstance(effect, SetCookie)]


def told(effects: tuple[Effect[None], ...]) -> list[Effect[None]]:
    """The effects that are no cookies."""
    return [effect for effect in effects if not isinstance(effect, SetCookie)]


def shown(name: str, value: str) -> list[Effect[None]]:
    """A header that JavaScript can read."""
    return [SetHeader(name, value), AppendHeader("Access-Control-Expose-Headers", name)]


# --- golden lines ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POLICIES)
def test_the_very_lines_of_new_tokens(kind: str) -> None:
    policy, flags = POLICIES[kind], FLAGS[kind]
    access, access_place, refresh, refresh_place = PLACES[kind]
    effects = access_to_response(ACCESS, policy, COOKIE, NOW)
    assert lines(effects) == [
        f"{access}=header.claims.signature; {access_place}; "
        f"Expires=Wed, 13 Nov 2024 22:13:20 GMT; Max-Age=31536000; {flags}"
    ]
    assert told(effects) == shown("front-token", example_session().front_token)
    effects = refresh_to_response(REFRESH, policy, COOKIE, expires=NOW + 14 * DAY, now=NOW)
    assert lines(effects) == [
        f"{refresh}=refresh-token; {refresh_place}; "
        f"Expires=Tue, 28 Nov 2023 22:13:20 GMT; Max-Age=1209600; {flags}"
    ]
    assert told(effects) == []


@pytest.mark.parametrize("kind", POLICIES)
def test_the_very_lines_of_clearing(kind: str) -> None:
    policy, flags = POLICIES[kind], FLAGS[kind]
    access, access_place, refresh, refresh_place = PLACES[kind]
    gone = f"Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; {flags}"
    effects = clear_tokens(policy, (COOKIE,))
    assert lines(effects) == [
        f"{access}=; {access_place}; {gone}",
        f"{refresh}=; {refresh_place}; {gone}",
    ]
    assert told(effects) == [RemoveHeader("anti-csrf"), *shown("front-token", "remove")]


@pytest.mark.parametrize("kind", POLICIES)
def test_clearing_repeats_all_that_names_a_cookie(kind: str) -> None:
    policy = POLICIES[kind]
    new = access_to_response(ACCESS, policy, COOKIE, NOW)
    new += refresh_to_response(REFRESH, policy, COOKIE, expires=NOW + DAY, now=NOW)
    made = [effect for effect in new if isinstance(effect, SetCookie)]
    cleared = [e for e in clear_transfer(policy, COOKIE) if isinstance(e, SetCookie)]
    assert [attrs.evolve(e, value="", expires=0, max_age=0) for e in made] == cleared


def test_what_a_cookie_may_not_hold_is_escaped() -> None:
    cookie = attrs.evolve(clear_cookie(PLAIN, "a")[0], value="b/c;d é")
    assert set_cookie_line(cookie).startswith("a=b%2Fc%3Bd%20%C3%A9; Path=/; ")


# --- headers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POLICIES)
def test_header_mode_sends_headers_that_javascript_can_read(kind: str) -> None:
    policy = POLICIES[kind]
    front = example_session().front_token
    sent = access_to_response(ACCESS, policy, HEADER, NOW)
    sent += refresh_to_response(REFRESH, policy, HEADER, expires=NOW + DAY, now=NOW)
    assert [*sent] == [
        *shown("st-access-token", "header.claims.signature"),
        *shown("front-token", front),
        *shown("st-refresh-token", "refresh-token"),
    ]
    assert [*clear_tokens(policy, (HEADER,))] == [
        *shown("st-access-token", ""),
        *shown("st-refresh-token", ""),
        RemoveHeader("anti-csrf"),
        *shown("front-token", "remove"),
    ]


def test_an_access_token_is_exposed_where_the_policy_says_so() -> None:
    policy = Policy(API, expose_access_token=True)
    effects = access_to_response(ACCESS, policy, COOKIE, NOW)
    assert len(lines(effects)) == 1
    assert told(effects)[2:] == shown("st-access-token", "header.claims.signature")
    assert "st-access-token" not in repr(access_to_response(ACCESS, PLAIN, COOKIE, NOW))


def test_every_header_that_is_sent_is_one_that_cors_must_expose() -> None:
    names: set[str] = set()
    for transfer in Transfer:
        effects = access_to_response(ACCESS, Policy(API, expose_access_token=True), transfer, NOW)
        effects += refresh_to_response(REFRESH, PLAIN, transfer, expires=NOW + DAY, now=NOW)
        effects += anti_csrf_to_response(Secret("guard")) + clear_tokens(PLAIN, tuple(Transfer))
        set_, exposed = set[str](), set[str]()
        for effect in effects:
            if isinstance(effect, SetHeader):
                set_.add(effect.name)
            if isinstance(effect, AppendHeader):
                assert effect.name == "Access-Control-Expose-Headers"
                exposed.add(effect.value)
        assert set_ == exposed
        names |= set_
    assert names == set(EXPOSED_RESPONSE_HEADERS)
    assert "*" not in EXPOSED_RESPONSE_HEADERS


def test_both_transfers_are_cleared_where_both_are_used() -> None:
    both = clear_tokens(PLAIN, (COOKIE, HEADER))
    assert both == (
        *clear_transfer(PLAIN, COOKIE),
        *clear_transfer(PLAIN, HEADER),
        *clear_tokens(PLAIN, ()),
    )
    assert Attachment(HEADER).all_transfers == (HEADER,)
    assert Attachment(HEADER, (COOKIE,)).all_transfers == (COOKIE, HEADER)
    assert Attachment(COOKIE, (COOKIE,)).all_transfers == (COOKIE,)


def test_a_response_that_looked_at_a_session_is_private() -> None:
    assert private_response() == (
        SetHeader("Cache-Control", "no-store"),
        AppendHeader("Vary", "Cookie, Authorization"),
    )


# --- left-overs --------------------------------------------------------------------------------


@pytest.mark.parametrize(("older", "part"), [("", ""), ("example.com", "; Domain=example.com")])
def test_cookies_of_an_older_domain_are_cleared_there(older: str, part: str) -> None:
    cleared = lines(clear_cookies(PLAIN, older))
    gone = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
    assert cleared == [
        f"sAccessToken=; Path=/{part}; {gone}",
        f"sRefreshToken=; Path=/auth/session/refresh{part}; {gone}",
    ]


def test_a_cookie_of_the_whole_site_is_cleared_for_each_domain_that_is_known() -> None:
    end = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
    policy = attrs.evolve(POLICIES["domain"], older_cookie_domain="api.example.com")
    assert lines(clear_cookie(policy, "sIdRefreshToken")) == [
        f"sIdRefreshToken=; Path=/; Domain=example.com; {end}",
        f"sIdRefreshToken=; Path=/; Domain=api.example.com; {end}",
        f"sIdRefreshToken=; Path=/; {end}",
    ]
    (alone,) = lines(clear_cookie(PLAIN, "sIdRefreshToken"))
    assert alone.startswith("sIdRefreshToken=; Path=/; Expires=Thu, 01 Jan 1970")


# --- times -------------------------------------------------------------------------------------


@given(st.integers(0, 2**47), st.integers(-(2**40), 2**40))
def test_expires_and_max_age_agree_and_stay_within_400_days(now: int, ahead: int) -> None:
    expires = max(0, now + ahead)
    (cookie,) = refresh_to_response(REFRESH, PLAIN, COOKIE, expires=expires, now=now)
    assert isinstance(cookie, SetCookie)
    lives = min(expires - now, 400 * DAY)
    assert cookie.expires == now + lives
    assert cookie.max_age == max(0, lives) // 1000


def test_a_session_of_a_thousand_years_is_told_in_time() -> None:
    (cookie,) = refresh_to_response(REFRESH, PLAIN, COOKIE, expires=2**60, now=NOW)
    assert isinstance(cookie, SetCookie)
    assert "Expires=Wed, 18 Dec 2024 22:13:20 GMT; Max-Age=34560000;" in set_cookie_line(cookie)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))
def test_expires_is_an_http_date(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    line = set_cookie_line(cookie_with(expires=ms))
    _, _, rest = line.partition("Expires=")
    assert parsedate_to_datetime(rest.partition(";")[0]) == moment
    assert rest.partition(";")[0].endswith(" GMT")


# --- lines and their readers -------------------------------------------------------------------


def cookie_with(**changes: Any) -> SetCookie:
    """A cookie."""
    values: dict[str, Any] = {
        "name": "n",
        "value": "v",
        "path": "/",
        "domain": None,
        "secure": True,
        "http_only": True,
        "same_site": "lax",
        "expires": NOW,
        "max_age": 60,
    }
    return SetCookie(**{**values, **changes})


NAMES = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True).filter(
    lambda name: not name.startswith("$")  # which http.cookies takes for attributes
)
TEXTS = st.text(st.characters(codec="utf-8"))


@given(
    name=NAMES.filter(
        lambda name: (
            name.lower()
            not in {
                "path",
                "domain",
                "expires",
                "secure",
                "httponly",
                "samesite",
                "version",
                "comment",
                "max-age",
                "partitioned",
            }
        )
    ),
    value=TEXTS,
    domain=st.sampled_from([None, "example.com"]),
    secure=st.booleans(),
    same_site=st.sampled_from(["lax", "strict", "none"]),
    max_age=st.integers(0, 10**8),
)
def test_a_line_read_by_the_standard_library_gives_everything_back(
    name: str, value: str, domain: str | None, secure: bool, same_site: str, max_age: int
) -> None:
    cookie = cookie_with(
        name=name, value=value, domain=domain, secure=secure, same_site=same_site, max_age=max_age
    )
    line = set_cookie_line(cookie)
    assert line.isascii()
    assert line.isprintable()
    morsel = SimpleCookie(line)[name]
    assert unquote(morsel.coded_value) == value
    assert (morsel["path"], morsel["domain"]) == ("/", domain or "")
    assert (bool(morsel["secure"]), bool(morsel["httponly"])) == (secure, True)
    assert (morsel["samesite"], morsel["max-age"]) == (same_site.capitalize(), str(max_age))
    # And by us, from what a browser sends back.
    back = RequestFacts("GET", [("Cookie", f"a-longer-name=y; {line.partition(';')[0]}")])
    assert back.cookies(name) == ((value,) if value else ())


@given(TEXTS)
def test_no_value_begins_another_attribute_or_header(value: str) -> None:
    line = set_cookie_line(cookie_with(value=value))
    assert line.count(";") == 6
    assert not set('\r\n\0, "') & set(line.partition(";")[0])


def test_what_javascript_may_not_read_says_so() -> None:
    assert "HttpOnly" not in set_cookie_line(cookie_with(http_only=False))
    assert "; HttpOnly; Secure; SameSite=Lax" in set_cookie_line(cookie_with())
