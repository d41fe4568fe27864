"""The tour tells what happened, to a stranger, without a token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from counterfoil import (
    Announce,
    Journal,
    RefreshForked,
    RefreshReplayed,
    Rejection,
    SessionCreated,
    SqliteStore,
    TheftDetected,
)
from counterfoil.adapters.tour import Tour
from counterfoil.adapters.tour_words import Teller
from counterfoil.core.rejections import Unauthorised
from counterfoil.effects import Done, Reason, SetHeader

START = 1_795_000_000_000


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Tour, list[str]]]:
    """A tour that was played, and its lines."""
    lines: list[str] = []
    with SqliteStore(tmp_path / "tour.db") as store:
        tour = Tour(store, Teller(lines.append, width=80), START)
        tour.play()
        yield tour, lines


def test_the_chapters_come_in_order(told: tuple[Tour, list[str]]) -> None:
    heads = [line for line in told[1] if line[:1].isdigit()]
    assert [head.partition(".")[0] for head in heads] == [str(n) for n in range(1, 9)]
    assert heads[4] == "5. Two tabs refresh at once"


def test_each_effect_that_was_carried_out_is_told_in_order(told: tuple[Tour, list[str]]) -> None:
    tour, lines = told
    names = iter([type(entry.effect).__name__ for entry in tour.entries])
    expected = next(names)
    for line in lines:
        if expected in line.split():
            expected = next(names, "")
    assert expected == ""


def test_what_happens_to_the_sessions(told: tuple[Tour, list[str]]) -> None:
    tour, lines = told
    effects = [entry.effect for entry in tour.entries]
    events = [type(effect.event) for effect in effects if isinstance(effect, Announce)]
    assert events.count(SessionCreated) == 2
    assert events.count(RefreshReplayed) == 1
    assert events.count(RefreshForked) == 2
    assert events.count(TheftDetected) == 1
    assert "     tab 1 and tab 2 hold the same token." in lines
    assert any("TokenTheftDetected (orphaned)" in line for line in lines)
    assert any("InvalidClaims roles: wrong value" in line for line in lines)
    assert any("browser: nothing   store: no session" in line for line in lines)


def test_no_secret_is_told(told: tuple[Tour, list[str]]) -> None:
    tour, lines = told
    text = "\n".join(lines)
    whole = tour.journal.to_json(secrets=True)
    secrets = [part.split('"')[0] for part in whole.split('{"$secret": "')[1:]]
    assert len(secrets) > 10
    for secret in secrets:
        assert len(secret) < 8 or secret not in text
    assert Journal.from_json(whole) == tour.journal


@pytest.mark.parametrize("width", [40, 60, 100])
def test_lines_keep_to_the_width_in_colour_too(tmp_path: Path, width: int) -> None:
    plain: list[str] = []
    coloured: list[str] = []
    teller = Teller(coloured.append, width=width, colour=True)
    for lines, who in ((plain, Teller(plain.append, width=width)), (coloured, teller)):
        who.chapter("A title", "words " * 40)
        who.effect(SetHeader("name", "value " * 20), None, "browser")
        assert lines
    assert max(map(len, plain)) <= width
    assert coloured[-1].count("\x1b[") == 2
    assert coloured[-1].endswith("…")


def test_a_rejection_where_none_was_expected_ends_the_tour(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "tour.db") as store:
        tour = Tour(store, Teller(print), START)
        with pytest.raises(Rejection):
            tour.carry_out("nobody", "no operation", Done(Unauthorised(Reason.NO_TOKEN)))
        assert tour.entries == []
