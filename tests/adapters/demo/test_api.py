"""What the page builds on: the account, the devices, the thief, the lost response and the log."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from counterfoil import StoreUnavailable
from counterfoil.adapters.demo.fingerprints import fingerprint
from counterfoil.adapters.demo.page_files import GUARD
from counterfoil.adapters.demo.watching import WatchedSessions

from .conftest import Client

REFRESH = "/auth/session/refresh"
TOKEN = re.compile(r"[A-Za-z0-9_-]{60,}")


@pytest.fixture
def ada(client: Client) -> Client:
    assert client("POST", "/login", {"userId": "ada", "device": "a laptop"}).status == 200
    return client


def log(client: Client, after: int = 0) -> list[dict[str, Any]]:
    """The log's lines."""
    lines: list[dict[str, Any]] = client("GET", f"/log?after={after}").body
    return lines


# --- the account --------------------------------------------------------------------------------


def test_who_is_logged_in(ada: Client) -> None:
    me = ada("GET", "/me").body
    assert me["userId"] == "ada" == me["payload"]["sub"]
    assert me["handle"] == me["payload"]["sessionHandle"]
    assert ada("POST", "/me").body == me
    assert ada("GET", "/me", token="garbage").status == 401


def test_claims_are_merged_and_removed(ada: Client) -> None:
    assert ada("POST", "/claims", {"plan": "pro", "n": 1}).body["payload"]["plan"] == "pro"
    payload = ada("POST", "/claims", {"plan": None}).body["payload"]
    assert payload["n"] == 1
    assert "plan" not in payload


def test_the_settings_that_the_page_explains(client: Client) -> None:
    assert client("GET", "/settings").body == {
        "origin": "http://localhost:8000",
        "accessTtl": 60,
        "leeway": 10,
        "antiCsrf": "FETCH_METADATA",
    }


# --- the devices --------------------------------------------------------------------------------


def test_devices_are_listed_by_what_they_called_themselves(ada: Client) -> None:
    other = Client(ada.app)
    other("POST", "/login", {"userId": "ada"})
    listed = ada("GET", "/sessions").body
    assert [(one["device"], one["here"]) for one in listed] == [
        ("a laptop", True),
        ("a client", False),
    ]


def test_one_other_device_is_signed_out(ada: Client) -> None:
    other, stranger = Client(ada.app), Client(ada.app)
    handle = other("POST", "/login", {"userId": "ada"}).body["handle"]
    theirs = stranger("POST", "/login", {"userId": "eve"}).body["handle"]
    assert ada("POST", f"/sessions/{theirs}/logout").body == {"revoked": []}
    assert ada("POST", f"/sessions/{handle}/logout").body == {"revoked": [handle]}
    assert [one("GET", "/me").status for one in (ada, other, stranger)] == [200, 401, 200]


def test_all_others_are_signed_out_then_all(ada: Client) -> None:
    others = [Client(ada.app) for _ in range(2)]
    for other in others:
        other("POST", "/login", {"userId": "ada"})
    assert len(ada("POST", "/logout-others").body["revoked"]) == 2
    assert [one("GET", "/me").status for one in (ada, *others)] == [200, 401, 401]
    response = ada("POST", "/logout-all")
    assert len(response.body["revoked"]) == 1
    assert response.get("front-token") == "remove"
    assert ada.access == ""


# --- loss and theft -----------------------------------------------------------------------------


def test_a_lost_response_costs_nothing(ada: Client) -> None:
    first = ada.refresh
    lost = ada("POST", f"{REFRESH}/lose", token=first)
    assert lost.status == 504
    assert ada.refresh == first
    assert {name for name, _ in lost.headers}.isdisjoint({"set-cookie", "front-token"})
    assert ada("POST", REFRESH, token=first).status == 200
    assert ada.refresh != first
    assert ada("POST", f"{REFRESH}/lose", token="garbage").status == 504


def test_the_thief_is_noticed_once_both_used_what_they_hold(ada: Client) -> None:
    assert ada("POST", "/thief/refresh").status == 400
    copied = ada("POST", f"{REFRESH}/steal", token=ada.refresh).body
    assert copied == {"holds": fingerprint(ada.refresh)}
    first, second = (ada("POST", "/thief/refresh").body for _ in range(2))
    assert (first["refreshed"], second["refreshed"]) == (True, True)
    assert len({copied["holds"], first["holds"], second["holds"]}) == 3
    noticed = ada("POST", REFRESH, token=ada.refresh)
    assert (noticed.status, noticed.body) == (401, {"message": "token theft detected"})
    refused = ada("POST", "/thief/refresh").body
    assert (refused["refreshed"], refused["told"]) == (False, "unauthorised")
    assert statuses_of_the_thief(ada) == [200, 200, 401]


def test_the_thief_is_told_of_an_outage_as_everyone_is(
    ada: Client, sessions: WatchedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object, handle: str) -> None:
        raise StoreUnavailable("the database is away")

    ada("POST", f"{REFRESH}/steal", token=ada.refresh)
    monkeypatch.setattr(type(sessions.store), "load", away)
    assert ada("POST", "/thief/refresh").status == 503
    assert statuses_of_the_thief(ada) == [503]


def statuses_of_the_thief(client: Client) -> list[int]:
    """How the thief's requests were answered, as the log has it."""
    lines = log(client)
    return [line["status"] for line in lines if line["who"] == "the thief" and "status" in line]


def test_without_a_token_there_is_nothing_to_steal(client: Client) -> None:
    response = client.raw("POST", f"{REFRESH}/steal")
    assert response.status == 400
    assert "log in first" in response.body["message"]


# --- the log ------------------------------------------------------------------------------------


def test_the_log_tells_each_request_and_no_token(ada: Client) -> None:
    ada("POST", "/claims", {"plan": "pro"})
    ada("POST", f"{REFRESH}/steal", token=ada.refresh)
    ada("POST", "/thief/refresh")
    lines = log(ada)
    assert TOKEN.search(str(lines)) is None
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    told = {(line["request"], line["who"]): line["group"] for line in lines}
    assert list(told) == [
        ("POST /login", ""),
        ("POST /claims", ""),
        (f"POST {REFRESH}", "the thief"),
    ]
    effects = [line.get("effect") for line in lines if line["request"] == "POST /claims"]
    assert {"Load", "Regenerate"} <= set(effects)
    statuses = Counter(line["request"] for line in lines if "status" in line)
    assert statuses == {"POST /login": 1, "POST /claims": 1, f"POST {REFRESH}": 1}


def test_tokens_go_by_the_names_that_the_page_can_work_out(ada: Client) -> None:
    told = next(line["asked"] for line in log(ada) if "st-refresh-token" in line.get("asked", ""))
    assert told == f"st-refresh-token: R·{fingerprint(ada.refresh)}"


def test_the_log_says_which_sessions_ended_and_why(ada: Client) -> None:
    handle = ada("GET", "/me").body["handle"]
    before = len(log(ada))
    ada("POST", "/logout-all")
    assert {"revoked"} == {line["ended"][handle] for line in log(ada, before) if line.get("ended")}


def test_a_page_that_watched_another_server_is_told_all(ada: Client) -> None:
    lines = log(ada)
    assert log(ada, len(lines)) == []
    assert log(ada, len(lines) + 1) == lines
    assert ada("GET", "/log?after=x").status == 422


def test_a_store_that_is_away_is_told_too(
    ada: Client, sessions: WatchedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object, handle: str) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(type(sessions.store), "load", away)
    assert ada("GET", "/me").status == 503
    assert "StoreUnavailable" in {line.get("reply") for line in log(ada)}


# --- the page -----------------------------------------------------------------------------------


def test_the_pages_files_are_served_guarded(client: Client) -> None:
    page = client("GET", "/")
    names = re.findall(r'(?:src|href)="(/[a-z.]+)"', page.text.decode())
    assert {"/demo.css", "/demo.js", "/theme.js", "/icon.svg"} <= set(names)
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name in names:
        file = client("GET", name)
        assert file.status == 200
        assert file.get("content-type").startswith(kinds[name.rpartition(".")[2]])
    assert {name.title() for name, _ in page.headers} >= set(GUARD) - {"X-Content-Type-Options"}
    assert "unsafe" not in page.get("content-security-policy")
    assert client("HEAD", "/").status == 200  # as load balancers look whether it is there


def test_the_page_asks_nothing_of_the_network(client: Client) -> None:
    text = client("GET", "/").text.decode()
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert re.search(r"\sstyle=|\son[a-z]+=|<script>", text) is None
