"""Request facts: what is read of an HTTP request, and that nothing in one can break the reading."""

import pickle
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import InvalidInput, Policy, RequestFacts, Secret, Transfer
from counterfoil.core.request import bearer_token, used_transfers, wanted_transfer
from counterfoil.core.strategies import request_facts

POLICY = Policy("https://api.example.com")
NAMES = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,6}", fullmatch=True)


def with_cookies(*lines: str) -> RequestFacts:
    """A request with these Cookie headers."""
    return RequestFacts("GET", [("Cookie", line) for line in lines])


# --- method and headers ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "get", "Get", "HEAD", "options", "TRACE"])
def test_methods_that_change_nothing(method: str) -> None:
    request = RequestFacts(method)
    assert request.method == method.upper()
    assert request.is_safe


@pytest.mark.parametrize(
    "method", ["POST", "put", "PATCH", "delete", "CONNECT", "GETS", "", "G ET"]
)
def test_every_other_method_may_change_something(method: str) -> None:
    assert not RequestFacts(method).is_safe


@pytest.mark.parametrize("pair", [("rid", 7), (7, "rid"), ("rid", None)])
def test_a_header_that_is_no_text_is_refused(pair: Any) -> None:
    kind = type(next(part for part in pair if part != "rid")).__name__
    with pytest.raises(InvalidInput, match=f"^a header's name or value must be a str, not {kind}"):
        RequestFacts("GET", [pair])


def test_headers_are_found_in_any_case_and_joined() -> None:
    request = RequestFacts("GET", [("Rid", "1"), ("origin", "o"), ("rid", " 2 "), ("RID", "")])
    assert request.header("rid") == "1,  2 , "
    assert request.header("origin") == "o"
    assert request.header("cookie") is None
    assert RequestFacts("GET", [("rid", "")]).header("rid") == ""


def test_headers_that_no_decision_needs_are_left_out() -> None:
    assert RequestFacts("GET", [("User-Agent", "x"), ("accept", "*/*")]) == RequestFacts("GET")


def test_a_request_is_a_value_that_shows_its_method_only() -> None:
    headers = [("Cookie", "sAccessToken=canary"), ("Authorization", "Bearer canary")]
    request = RequestFacts("post", headers)
    assert request == RequestFacts("POST", iter([(n.upper(), v) for n, v in headers]))
    assert hash(request) == hash(RequestFacts("POST", tuple(headers)))
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301  # our own bytes
    assert repr(request) == str(request) == "RequestFacts(method='POST')"
    headers.clear()
    assert request.cookies("sAccessToken") == ("canary",)


# --- cookies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ([], ()),
        ([""], ()),
        (["a=1"], ("1",)),
        (["b=2; a=1; c=3"], ("1",)),
        (["a=1;a=2"], ("1", "2")),
        (["a=2; a=1; a=2"], ("2", "1")),
        (["a=1", "a=2"], ("1", "2")),
        (["a=1", "b=2", "a=1"], ("1",)),
        (["  a = 1 ;b=2"], ("1",)),
        (["\ta\t=\t1\t"], ("1",)),
        (["\x0ca=1; \xa0a=2; a\x85=3"], ()),
        (["a=\x0c1\xa0; a=X2X"], ("\x0c1\xa0", "X2X")),
        (["a=1=2=="], ("1=2==",)),
        (["a"], ()),
        (["a="], ()),
        (["a=; a=1"], ("1",)),
        (["=a"], ()),
        (["A=1"], ()),
        (["aa=1; xa=2; a.=3; __Host-a=4"], ()),
        (["a=%20%3B%3d%C3%BC"], (" ;=ü",)),
        (["a=%; a=%zz; a=%ff"], ("%", "%zz", "\ufffd")),
        (["a=x%41; a=xA"], ("xA",)),
        (['a="1"'], ('"1"',)),
        (["a=1, a=2"], ("1, a=2",)),
        (["a=1;;; ;a=2;"], ("1", "2")),
        (["$Version=1; a=1; $Path=/"], ("1",)),
    ],
)
def test_the_values_of_a_name_in_their_order(lines: list[str], values: tuple[str, ...]) -> None:
    assert with_cookies(*lines).cookies("a") == values


@given(st.lists(st.tuples(NAMES, st.text(min_size=1, max_size=8)), max_size=6), NAMES)
def test_what_was_sent_is_found(sent: list[tuple[str, str]], asked: str) -> None:
    encodable = [(name, value.encode(errors="replace").decode()) for name, value in sent]
    line = "; ".join(f"{name}={quote(value, safe='')}" for name, value in encodable)
    found = with_cookies(line).cookies(asked)
    assert found == tuple(dict.fromkeys(value for name, value in encodable if name == asked))


@given(request_facts(POLICY), NAMES)
def test_nothing_in_a_request_breaks_the_reading(request: RequestFacts, name: str) -> None:
    assert all(request.cookies(name))
    assert bearer_token(request) != ""
    assert set(used_transfers(request, POLICY)) <= set(Transfer)
    assert wanted_transfer(request, POLICY) in Transfer


@pytest.mark.parametrize("text", ["a=" + "x" * (1 << 20), "a=1;" * (1 << 18), ";" * (1 << 20)])
def test_a_mebibyte_is_read_too(text: str) -> None:
    assert len(with_cookies(text).cookies("a")) <= 1


# --- bearer tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER  abc  ", "abc"),
        ("Bearer a b", "a b"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer:abc", None),
        ("Bearerabc", None),
        (" Bearer abc", None),
        ("Basic abc", None),
        ("DPoP abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_bearer_tokens(line: str, token: str | None) -> None:
    found = bearer_token(RequestFacts("GET", [("Authorization", line)]))
    assert found == token
    assert found is None or isinstance(found, Secret)


def test_a_request_has_one_bearer_token_or_none_that_verifies() -> None:
    twice = RequestFacts("GET", [("authorization", "Bearer a"), ("authorization", "Bearer b")])
    assert bearer_token(twice) == "a, Bearer b"
    assert bearer_token(RequestFacts("GET")) is None


# --- transfers ---------------------------------------------------------------------------------

COOKIE, HEADER = Transfer.COOKIE, Transfer.HEADER


@pytest.mark.parametrize(
    ("headers", "used"),
    [
        ([], ()),
        ([("cookie", "sAccessToken=x")], (COOKIE,)),
        ([("cookie", "sRefreshToken=x")], (COOKIE,)),
        ([("cookie", "sAccessToken=; other=x")], ()),
        ([("cookie", "st-access-token=x; st-refresh-token=x")], ()),
        ([("cookie", "__Host-sAccessToken=x")], ()),
        ([("authorization", "Bearer x")], (HEADER,)),
        ([("authorization", "Basic x")], ()),
        ([("st-access-token", "x"), ("st-auth-mode", "header")], ()),
        ([("authorization", "Bearer x"), ("cookie", "sRefreshToken=x")], (COOKIE, HEADER)),
    ],
)
def test_how_a_request_carries_tokens(
    headers: list[tuple[str, str]], used: tuple[Transfer, ...]
) -> None:
    assert used_transfers(RequestFacts("POST", headers), POLICY) == used


def test_the_cookies_names_are_the_policys() -> None:
    request = with_cookies("__Host-sAccessToken=x")
    assert used_transfers(request, POLICY.strict()) == (COOKIE,)
    assert used_transfers(with_cookies("sAccessToken=x"), POLICY.strict()) == ()


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (None, HEADER),
        ("cookie", COOKIE),
        ("COOKIE", COOKIE),
        (" Cookie ", COOKIE),
        ("header", HEADER),
        ("any", HEADER),
        ("", HEADER),
        ("cookies", HEADER),
        ("cookie, header", HEADER),
    ],
)
def test_a_client_says_how_a_new_session_is_to_travel(mode: str | None, wanted: Transfer) -> None:
    request = RequestFacts("POST", [] if mode is None else [("st-auth-mode", mode)])
    assert wanted_transfer(request, POLICY) is wanted
    for said in Transfer:
        assert wanted_transfer(request, Policy("https://a.example", transfer=said)) is said
