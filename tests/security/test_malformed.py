"""Nothing that a client sends is an error of ours: row A10, from end to end."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil import (
    AntiCsrf,
    InvalidInput,
    Policy,
    RequestFacts,
    Session,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
)
from counterfoil.core.strategies import request_facts

OPERATIONS = ["get_session_from_request", "refresh_session_in_request", "sign_out"]
OUTCOMES = Session | Unauthorised | TryRefreshToken | TokenTheftDetected | bool

MODES = list(AntiCsrf)


def settled(app: Any, operation: str, request: RequestFacts) -> None:
    """A request ends in a value or in a rejection, whatever it holds."""
    assert isinstance(app.ask(operation, request), OUTCOMES)


@pytest.fixture
def apps(make_app: Any) -> list[Any]:
    """An application for each way of checking."""
    return [make_app(anti_csrf=mode) for mode in MODES]


FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(request=request_facts())
def test_a10_no_request_raises(apps: list[Any], request: RequestFacts) -> None:
    for app in apps:
        for operation in OPERATIONS:
            settled(app, operation, request)
        outcome = app.ask("create_session_in_request", request, "ada")
        assert isinstance(outcome, Session | Unauthorised)


@FEW
@given(data=st.data(), letter=st.sampled_from("aZ9-_.=%; \n\0é\ud800"))
@pytest.mark.parametrize("place", ["cookie", "header"])
def test_a10_no_damaged_token_raises(
    apps: list[Any], place: str, data: st.DataObject, letter: str
) -> None:
    app = data.draw(st.sampled_from(apps))
    session = app.sessions.create_session("ada")
    for name, token in (
        ("sAccessToken", session.access_token),
        ("sRefreshToken", session.refresh_token),
    ):
        at = data.draw(st.integers(0, len(token)))
        keep = data.draw(st.integers(0, 2))
        damaged = token[:at] + letter + token[at + keep :]
        headers = [("anti-csrf", damaged), ("rid", damaged), ("Sec-Fetch-Site", "same-origin")]
        shown = ("Cookie", f"{name}={damaged}") if place == "cookie" else None
        headers.append(shown or ("Authorization", f"Bearer {damaged}"))
        for operation in OPERATIONS:
            settled(app, operation, RequestFacts("POST", headers))
    app.sessions.revoke_session(session)


def segment(raw: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


MEBIBYTE, DEEP = 1 << 20, 100_000
HUGE = {
    "letters": "a" * MEBIBYTE,
    "dots": "." * MEBIBYTE,
    "percents": "%" * MEBIBYTE,
    "escapes": "%61" * (MEBIBYTE // 3),
    "semicolons": ";" * MEBIBYTE,
    "spaces": " " * MEBIBYTE,
    "cookies": "; sAccessToken=a" * (MEBIBYTE // 16),
    "many cookies": "".join(f"; sAccessToken={n}; sRefreshToken={n}" for n in range(30_000)),
    "arrays": f"{segment(b'[' * DEEP)}.{segment(b'[' * DEEP)}.a",
    "objects": ".".join([segment(b'{"a":' * DEEP)] * 3),
    "surrogates": "\ud800" * MEBIBYTE,
    "a number": f"{segment(json.dumps({'kid': 1}).encode())}.{segment(b'9' * DEEP)}.a",
}


@pytest.mark.parametrize("kind", HUGE)
def test_a10_no_huge_request_raises(app: Any, kind: str) -> None:
    huge = HUGE[kind]
    own: list[tuple[str, str]] = [("Sec-Fetch-Site", "same-origin")]
    get, refresh, sign_out = OPERATIONS
    for operation, headers in (
        (get, [("Cookie", f"sAccessToken={huge}")]),
        (refresh, [("Cookie", f"sRefreshToken={huge}")]),
        (get, [("Authorization", f"Bearer {huge}")]),
        (refresh, [("Authorization", f"Bearer {huge}")]),
        (sign_out, [("anti-csrf", huge), ("origin", huge), ("st-auth-mode", huge)]),
        (get, [(huge, "x"), ("cookie", "sAccessToken=x")]),
    ):
        settled(app, operation, RequestFacts("POST", [*own, *headers]))
    settled(app, refresh, RequestFacts("POST" + huge, own))


@pytest.mark.parametrize("value", [None, 7, ["x"], object()])
def test_a10_what_is_no_header_is_the_servers_mistake_and_told_as_one(value: Any) -> None:
    with pytest.raises(InvalidInput):
        RequestFacts("GET", [("cookie", value)])
    with pytest.raises(InvalidInput):
        RequestFacts("GET", [(value, "x")])
    assert RequestFacts("GET", [(b"Cookie", b"a=1")]).cookies("a") == ("1",)


def test_a10_the_same_holds_for_each_preset() -> None:
    for policy in (Policy("https://api.example.com"), Policy("https://api.example.com").strict()):
        request = RequestFacts("POST", [("Cookie", f"{policy.access_cookie}=\x00\ud800")])
        assert request.cookies(policy.access_cookie) == ("\x00\ud800",)
