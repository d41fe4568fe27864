"""`counterfoil doctor`: what it prints, for people and for tools, and its exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from counterfoil import (
    BlockingSessions,
    MemoryStore,
    Policy,
    RequestFacts,
    ResponseHeaders,
    Transfer,
)
from counterfoil.adapters.cli import main
from counterfoil.adapters.doctor.as_text import Page, as_text
from counterfoil.adapters.doctor.lines import (
    cross_origin_lines,
    lines,
    masked_lines,
    preflight_lines,
)
from counterfoil.adapters.web.cors import cors
from counterfoil.core.diagnosis import diagnose
from counterfoil.core.specimens import specimens

API, SITE, OTHER = "https://api.example.com", "https://example.com", "https://example.org"
NOW = 1_700_000_000_000


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The status, and what was printed."""
    status = main(["doctor", *arguments])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_very_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, "--api", API, "--site", SITE, "--transfer", "cookie")
    assert (status, err) == (0, "")
    undated = re.sub(r"Expires=[^;]+", "Expires=D", out)
    assert "  front-token: ...\n" in out
    for name, path, life in (
        ("sAccessToken", "/", 31536000),
        ("sRefreshToken", "/auth/session/refresh", 1209600),
    ):
        flags = "HttpOnly; Secure; SameSite=Lax\n"
        for value, age in (("...", life), ("", 0)):
            line = f"  Set-Cookie: {name}={value}; Path={path}; Expires=D; Max-Age={age}; {flags}"
            assert line in undated
    assert "  Access-Control-Allow-Origin: https://example.com\n" in out
    assert "\x1b" not in out
    assert out.endswith("All works: no problem found.\n")


@pytest.mark.parametrize("transfer", Transfer)
@pytest.mark.parametrize("mode", ["VIA_TOKEN", "FETCH_METADATA"])
def test_what_is_shown_is_what_is_sent(transfer: Transfer, mode: str) -> None:
    policy = Policy(API, site_origin=SITE, anti_csrf=mode)
    sessions = BlockingSessions(policy, MemoryStore(), clock=lambda: NOW)
    response = ResponseHeaders()
    origin = ("Origin", SITE)
    login = RequestFacts("POST", [origin, ("st-auth-mode", transfer)])
    session = sessions.using(response=response).create_session_in_request(login, "ada")
    secrets = [session.access_token, session.front_token, session.refresh_token]
    sent = response.headers
    for secret in filter(None, (*secrets, session.anti_csrf_token)):
        sent = [(name, value.replace(secret, "...")) for name, value in sent]
    shown = next(s for s in specimens(policy, now=NOW) if s.transfer is transfer)
    assert masked_lines(shown) == sent
    assert lines(shown.effects) != sent


def test_a_problem_is_told_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "--api", API, "--site", OTHER)
    assert status == 1
    assert "problem  third-party-cookies" in out
    for part in ("Safari and Firefox block", "Why: ", "Do:  ", "Transfer.HEADER"):
        assert part in out
    assert "blocked as a third-party cookie, unless those are allowed" in out
    assert out.endswith("1 problem found.\n")
    assert told(capsys, "--api", API, "--site", OTHER, "--transfer", "header")[0] == 0


@pytest.mark.parametrize(("api", "count"), [(API, "1 warning"), ("http://a.example", "2 warnings")])
def test_warnings_are_counted_where_all_works(
    api: str, count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = told(capsys, "--api", api, "--anti-csrf", "NONE")
    assert status == 0
    assert out.endswith(f"All works, but for {count}.\n")


def test_cors_middleware_tells_what_it_must() -> None:
    policy = Policy(API, site_origin=SITE)
    app = Starlette()
    app.add_middleware(CORSMiddleware, **cors(policy))
    with TestClient(app, base_url=API, headers={"origin": SITE}) as client:
        asked = {"access-control-request-method": "POST"}
        preflight = client.options("/", headers=asked).headers
        answer = client.get("/").headers
    told_of = [(preflight_lines(policy), preflight), (cross_origin_lines(policy), answer)]
    for must_have, headers in told_of:
        for name, value in must_have:
            assert _members(value) <= _members(headers[name]), name


def _members(value: str) -> set[str]:
    return set(value.lower().split(", "))


def test_several_problems_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "--api", API, "--site", OTHER, "--embedded", "--same-site", "lax")
    assert out.endswith("2 problems found.\n")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--api", API, "--cookie-domain", "com"], "cookie_domain"),
        (["--api", API, "--cookie-domain", "example.org"], "cookie_domain"),
        (["--api", "http://api.example.com", "--same-site", "none"], "cookie_same_site"),
        (["--api", "http://localhost:8000", "--strict"], "cookie_secure"),
        (["--api", API, "--cookie-domain", "example.com", "--strict"], "cookie_domain"),
        (["--api", API, "--site", OTHER, "--anti-csrf", "FETCH_METADATA"], "anti_csrf"),
    ],
)
def test_a_policy_that_can_not_be_is_a_problem(
    arguments: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = told(capsys, *arguments)
    assert status == 1
    assert f"Policy.{field}" in out
    assert out.startswith("problem  policy-refused\n")


def test_strict_cookies_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "--api", API, "--strict", "--transfer", "cookie")
    assert status == 0
    assert "Set-Cookie: __Host-sAccessToken=...; Path=/; Expires=" in out
    assert '  Clear-Site-Data: "cookies", "storage"\n' in out


def test_a_first_token_that_differs_is_shown_apart(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "--api", API, "--transfer", "cookie")
    assert "A login and each refresh answer, by cookie" in out
    policy = Policy(API, transfer="cookie")
    diagnosis = diagnose(policy, now=NOW)
    first, second, third = diagnosis.specimens
    other = attrs.evolve(second, effects=second.effects[1:])
    apart = attrs.evolve(diagnosis, specimens=(first, other, third))
    text = "\n".join(as_text(apart, Page()))
    assert "A login answers, by cookie" in text
    assert "A refresh answers, by cookie" in text


# --- for tools ---------------------------------------------------------------------------------


def test_json_has_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "--api", API, "--site", OTHER, "--json")
    diagnosis: dict[str, Any] = json.loads(out)
    assert (status, diagnosis["works"], diagnosis["same_site"]) == (1, False, False)
    first = diagnosis["findings"][0]
    assert (first["code"], first["severity"]) == ("third-party-cookies", "problem")
    assert set(first) == {"code", "severity", "what", "why", "remedy"}
    answers = [(answer["to"], answer["transfer"]) for answer in diagnosis["answers"]]
    assert answers[:3] == [("login", "cookie"), ("refresh", "cookie"), ("sign-out", "cookie")]
    assert ["front-token", "..."] in diagnosis["answers"][0]["headers"]
    fetch = diagnosis["browser"][0]
    assert fetch["kept_back"] == {
        "sAccessToken": "a third-party cookie",
        "sRefreshToken": "another path",
    }
    assert ["Access-Control-Allow-Origin", OTHER] in diagnosis["cors"]["preflight"]
    assert json.loads(told(capsys, "--api", API, "--json")[1])["cors"] is None


def test_json_of_a_policy_that_can_not_be(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "--api", API, "--cookie-domain", "com", "--json")
    diagnosis = json.loads(out)
    assert status == 1
    assert set(diagnosis) == {"works", "findings"}


# --- a policy of one's own ---------------------------------------------------------------------

MODULE = """
from counterfoil import MemoryStore, BlockingSessions, Policy
policy = Policy("https://api.example.com", site_origin="https://example.com")
sessions = BlockingSessions(policy, MemoryStore())
class settings:
    inner = policy
number = 3
"""


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a process in a folder."""
    command = [sys.executable, "-m", "counterfoil", "doctor", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["policy", "sessions", "settings.inner"])
def test_a_policy_of_a_module_here(tmp_path: Path, name: str) -> None:
    (tmp_path / "my_module.py").write_text(MODULE)
    done = doctor(tmp_path, f"my_module:{name}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("https://api.example.com for pages of https://example.com\n")


def test_a_module_whose_policy_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "my_module.py").write_text(MODULE.replace("site_origin=", "cookie_domain="))
    done = doctor(tmp_path, "my_module:policy")
    assert (done.returncode, done.stderr) == (1, "")
    assert "policy-refused" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "give --api ORIGIN, or MODULE:NAME"),
        (["no_module:policy"], "no_module can't be imported (ModuleNotFoundError)"),
        (["broken:policy"], "broken can't be imported (RuntimeError)"),
        (["fine"], "'fine' is no MODULE:NAME"),
        (["fine:nothing"], "fine has no 'nothing'"),
        (["fine:number"], "is of type int"),
        (["fine:policy", "--api", API], "leave the options of settings out"),
        (["fine:policy", "--strict"], "leave the options of settings out"),
    ],
)
def test_wrong_usage_is_told_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "broken.py").write_text("raise RuntimeError('redis://:hunter2@db')")
    (tmp_path / "fine.py").write_text(MODULE)
    for name in ("broken", "fine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    status, out, err = told(capsys, *arguments)
    assert (status, out) == (2, "")
    assert reason in err
    assert err.count("\n") == 1
    assert "hunter2" not in err


@pytest.mark.parametrize("origin", ["example.com", "ftp://example.com", "https://example.com/x"])
def test_what_is_no_origin_is_wrong_usage(origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["doctor", "--api", origin])
    assert exit.value.code == 2
    assert "is no origin; write scheme, host and port" in capsys.readouterr().err


# --- on a terminal -----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)],
)
def test_colour_on_a_terminal_unless_told_otherwise(
    arguments: tuple[str, ...], environment: dict[str, str], coloured: bool
) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "counterfoil", "doctor", "--api", API, *arguments]
    with subprocess.Popen(command, stdout=theirs, env={**plain, **environment}) as process:
        os.close(theirs)
        text = _all_of(ours).decode()
    os.close(ours)
    assert process.returncode == 0
    assert ("\x1b[" in text) is coloured
    assert "HttpOnly" in text


def _all_of(terminal: int) -> bytes:
    read = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux's way of saying that the other end is closed
            return read
        if not chunk:
            return read
        read += chunk


def test_what_is_found_is_wrapped() -> None:
    diagnosis = diagnose(Policy(API, site_origin=OTHER), now=NOW)
    report = list(as_text(diagnosis, Page(width=50)))
    start = report.index("problem  third-party-cookies")
    assert max(map(len, report[start:])) <= 50
