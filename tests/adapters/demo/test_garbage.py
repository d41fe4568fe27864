"""Garbage in is refused as what it is: never an internal error, whatever is sent where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil import SqliteStore
from counterfoil.adapters.demo.app import LARGEST_BODY, demo
from counterfoil.adapters.demo.settings import DemoSettings
from counterfoil.adapters.demo.watching import watched
from counterfoil.core.strategies import request_facts

from .conftest import Client

PATHS = (
    "/",
    "/login",
    "/me",
    "/claims",
    "/sessions",
    "/sessions/a/logout",
    "/logout-others",
    "/logout-all",
    "/auth/session/refresh",
    "/auth/session/refresh/steal",
    "/auth/session/refresh/lose",
    "/auth/signout",
    "/thief/refresh",
    "/log",
    "/settings",
)
LOST = "/auth/session/refresh/lose"  # answers 504 by design: that is what it is for

POLICY = DemoSettings().policy
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"])
KEYS = st.sampled_from(["userId", "device", "plan", "sub", "iat", "antiCsrfToken"]) | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
BODIES = st.binary(max_size=200) | (VALUES | OBJECTS).map(lambda value: json.dumps(value).encode())
QUERIES = st.binary(max_size=30) | st.text(max_size=20).map(
    lambda text: b"after=" + text.encode(errors="replace")
)
HEADERS = request_facts(POLICY).map(
    lambda facts: [
        (name.encode(), value.encode("latin-1", "replace")) for name, value in facts.headers
    ]
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    path: Path = tmp_path_factory.mktemp("demo") / "sessions.db"
    with SqliteStore(path) as store:
        yield Client(demo(watched(POLICY, store)))


@settings(max_examples=200, deadline=None)
@given(
    method=METHODS,
    path=st.sampled_from(PATHS) | st.text(max_size=20).map(lambda text: f"/{text}"),
    body=BODIES,
    headers=HEADERS,
    query=QUERIES,
)
def test_a_stranger_meets_no_internal_error(client: Client, **request: Any) -> None:
    response = client.raw(**request)
    assert response.status < 500 or request["path"] == LOST


@settings(max_examples=100, deadline=None)
@given(path=st.sampled_from([path for path in PATHS if "out" not in path]), body=BODIES)
def test_a_user_meets_no_internal_error(client: Client, path: str, body: bytes) -> None:
    if client("POST", "/me").status != 200:
        client("POST", "/login", {"userId": "ada"})
    mine = [(b"authorization", f"Bearer {client.access}".encode())]
    response = client.raw("POST", path, body, mine)
    assert response.status < 500 or path == LOST


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body must be JSON."),
        (b"\xff", "the body must be JSON."),
        (b"[" * 60_000, "the body must be JSON."),
        (b"[]", "the body must be a JSON object, not list."),
        (b"{}", "userId must be a text of 1 to 100 characters."),
        (b'{"userId": ""}', "userId must be a text of 1 to 100 characters."),
        (b'{"userId": "a", "device": 1}', "device must be a text of 1 to 100 characters."),
        (b" " * (LARGEST_BODY + 1), f"the body must be at most {LARGEST_BODY} bytes."),
    ],
)
def test_a_login_that_is_none_is_told_why(client: Client, body: bytes, told: str) -> None:
    response = client.raw("POST", "/login", body)
    assert (response.status, response.body) == (400, {"message": told})


@pytest.mark.parametrize("patch", [{"sub": "eve"}, {"iat": 0}, {"sessionHandle": None}])
def test_claims_of_the_engine_are_not_for_changing(client: Client, patch: Any) -> None:
    client("POST", "/login", {"userId": "ada"})
    response = client("POST", "/claims", patch)
    assert response.status == 400
    assert next(iter(patch)) in response.body["message"]


def test_a_payload_that_no_cookie_could_carry_is_refused(client: Client) -> None:
    client("POST", "/login", {"userId": "ada"})
    assert client("POST", "/claims", {"plan": "x" * 4000}).status == 400
    assert "plan" not in client("GET", "/me").body["payload"]


@pytest.mark.parametrize("path", ["/login", "/claims"])
def test_who_goes_away_in_the_middle_of_a_body_makes_no_error(tmp_path: Path, path: str) -> None:
    came = iter([{"type": "http.request", "body": b"{", "more_body": True}])
    headers = [(b"st-auth-mode", b"header")]

    async def receive() -> dict[str, Any]:
        return next(came, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        assert message.get("status", 400) < 500

    with SqliteStore(tmp_path / "sessions.db") as store:
        sessions = watched(POLICY, store)
        session = anyio.run(sessions.create_session, "ada")
        headers.append((b"authorization", f"Bearer {session.access_token}".encode()))
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
        anyio.run(demo(sessions), {**scope, "headers": headers}, receive, send)
