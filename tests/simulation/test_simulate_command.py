"""`counterfoil simulate`: its table, its stories, what it says of nonsense; and the jar."""

from typing import Any

import attrs
import pytest

from counterfoil.adapters.cli import main
from counterfoil.adapters.simulation import SCENARIOS
from counterfoil.adapters.simulation.jar import Jar
from counterfoil.adapters.simulation.machine import verify_unsigned
from counterfoil.core import Unverified
from counterfoil.effects import AppendHeader, RemoveHeader, SetCookie, SetHeader

from .planted import revoke_only_says_so


def test_it_walks_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "expiry"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("expiry")
    assert line.endswith("hold")


def test_it_follows_chosen_schedules_deeper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "thief", "--deeper", "--schedules", "3", "--seed", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("hold")


def test_it_tells_what_breaks_and_gives_a_test(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = attrs.evolve(SCENARIOS["two browsers"], interpret=revoke_only_says_so, revokes=1)
    monkeypatch.setitem(SCENARIOS, "two browsers", faulty)
    assert main(["simulate", "two browsers"]) == 1
    out = capsys.readouterr().out
    assert "BROKEN" in out
    assert "the application begins to revoke one" in out
    assert "Revoke  ->  Revoked, 1 of them" in out
    assert "def test_a_session_that_is_over_stays_over() -> None:" in out
    assert 'replay(Sessions(SCENARIOS["two browsers"]), moves)' in out


@pytest.mark.parametrize("options", [[], ["--deeper"], ["--deeper", "--schedules", "50"]])
def test_the_test_that_it_gives_fails_as_it_stands(
    options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = attrs.evolve(SCENARIOS["expiry"], interpret=revoke_only_says_so, revokes=1)
    monkeypatch.setitem(SCENARIOS, "expiry", faulty)
    assert main(["simulate", "expiry", *options]) == 1
    _, text = capsys.readouterr().out.split("As a test:\n")
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102  # the text that a person would paste
    with pytest.raises(AssertionError):
        names["test_a_session_that_is_over_stays_over"]()
    assert ("deeper(" in text) is ("--deeper" in options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "no scenario 'nonsense'; there are 'tabs'"),
        (["--schedules", "0"], "at least 1"),
    ],
)
def test_it_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    assert message in capsys.readouterr().err


def cookie(value: str, *, path: str = "/", domain: str | None = None, left: int = 60) -> SetCookie:
    return SetCookie(
        name="a",
        value=value,
        path=path,
        domain=domain,
        secure=True,
        http_only=True,
        same_site="lax",
        expires=left,
        max_age=left,
    )


def test_a_cookie_is_known_by_name_domain_and_path() -> None:
    jar = Jar().receive([cookie("1"), cookie("2", path="/b"), cookie("3", domain="example.com")])
    assert len(jar.cookies) == 3
    assert len(jar.receive([cookie("", path="/b", left=0)]).cookies) == 2
    assert jar.receive([cookie("4")]).request("GET", "/b/c", "x").cookies("a") == ("2", "4", "3")
    assert jar.request("GET", "/bc", "x").cookies("a") == ("1", "3")


def test_the_script_keeps_what_the_headers_say() -> None:
    jar = Jar().receive([SetHeader("anti-csrf", "t"), SetHeader("st-access-token", "x")])
    assert jar.header("anti-csrf") == "t"
    request = jar.request("POST", "/", "st-access-token")
    assert request.header("authorization") == "Bearer x"
    assert request.header("anti-csrf") == "t"
    told = [AppendHeader("Vary", "Cookie"), RemoveHeader("anti-csrf"), SetHeader("x", "y")]
    assert jar.receive(told) == jar
    over = [SetHeader("front-token", "remove"), SetHeader("st-access-token", "")]
    assert jar.receive(over).is_empty
    assert Jar().access_expires_at is None


def test_a_token_of_another_signer_is_not_taken() -> None:
    assert isinstance(verify_unsigned("e.y.J"), Unverified)
    assert isinstance(verify_unsigned("unsigned:[]"), Unverified)
