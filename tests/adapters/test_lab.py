"""The lab: its figures, its picture, its command, and journals under another leeway."""

import itertools
import xml.etree.ElementTree as ElementTree
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterfoil import Ask, Session, create_session, refresh_session
from counterfoil.adapters.cli import main
from counterfoil.adapters.lab import RULES, Measures, Settings, measure, under_leeway
from counterfoil.adapters.lab.picture import picture
from counterfoil.adapters.memory import EMPTY_WORLD
from counterfoil.adapters.simulation import small_policy, unsigned
from counterfoil.effects import (
    Announce,
    Entry,
    Event,
    InvalidInput,
    Journal,
    Load,
    Reason,
    RefreshForked,
    RefreshReplayed,
    RequestRejected,
    SessionCreated,
    SessionRefreshed,
    Step,
    Theft,
    TheftDetected,
)

FEW = Settings(phases=36)


@pytest.fixture(scope="module")
def measured() -> dict[str, Measures]:
    return {name: measure(rule, FEW) for name, rule in RULES.items()}


@pytest.mark.parametrize(
    ("rule", "two", "three", "lossy", "late_retry"),
    [
        ("single use", "8/8", "48/48", "11/13", True),
        ("single use, reuse revokes", "8/8", "48/48", "13/13", True),
        ("fork, promote on first use", "4/8", "36/48", "4/13", False),
        ("window, newest child wins", "4/8", "32/48", "7/13", True),
        ("counter, one behind accepted", "0/8", "0/48", "0/13", False),
        ("same successor in the window only", "0/8", "0/48", "1/13", True),
        ("counterfoil", "0/8", "0/48", "0/13", False),
    ],
)
def test_false_logouts_of_each_rule(
    measured: dict[str, Measures], rule: str, two: str, three: str, lossy: str, late_retry: bool
) -> None:
    found = measured[rule]
    assert (str(found.two), str(found.three), str(found.lossy)) == (two, three, lossy)
    assert found.late_retry is late_retry


@pytest.mark.parametrize(
    ("rule", "three_at_once"),
    [
        ("single use", 1 / 3),  # two are refused
        ("single use, reuse revokes", 2 / 3),
        ("fork, promote on first use", 1 / 3),
        ("window, newest child wins", 1),
        ("counter, one behind accepted", 1 / 3),
        ("same successor in the window only", 1 / 3),
        ("counterfoil", 1 / 3),
    ],
)
def test_writes_of_each_rule(
    measured: dict[str, Measures], rule: str, three_at_once: float
) -> None:
    assert measured[rule].writes == 1
    assert measured[rule].shared_writes == three_at_once


def test_only_a_counter_and_single_use_never_notice_a_thief(
    measured: dict[str, Measures],
) -> None:
    blind = {name for name, m in measured.items() if m.unnoticed.bad == m.unnoticed.all}
    assert blind == {"single use", "counter, one behind accepted"}
    assert measured["counterfoil"].unnoticed.bad == 1  # who refreshes at the same moment
    assert all((m.noticed_after is None) == (name in blind) for name, m in measured.items())


@given(st.integers(1, 60))
def test_thieves_who_are_never_noticed_are_those_within_the_leeway(leeway: int) -> None:
    settings = Settings(leeway=timedelta(seconds=leeway), phases=60, hours=3)
    unnoticed = measure(RULES["counterfoil"], settings).unnoticed.bad
    assert unnoticed == leeway // 60 + 1


def test_a_loss_rate_weighs_the_schedules() -> None:
    rule = RULES["same successor in the window only"]
    rates = [measure(rule, Settings(tabs=1, loss_rate=p, phases=1)) for p in (0, 0.25, 1)]
    assert [m.at_loss_rate for m in rates] == pytest.approx([0, 0.25, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tabs": 5}, "tabs must be 1 to 4"),
        ({"loss_rate": 2.0}, "loss_rate must be 0 to 1"),
        ({"leeway": timedelta()}, "leeway must be longer"),
        ({"access": timedelta(days=2)}, "access must be longer than nothing, and a day"),
        ({"hours": 0}, "hours must be"),
        ({"phases": 0}, "phases must be"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Settings(**settings)  # type: ignore[arg-type]  # each is of its field's type


def test_the_picture_has_a_row_for_each_rule(measured: dict[str, Measures]) -> None:
    drawn = ElementTree.fromstring(picture(measured, "a < b"))  # noqa: S314  # our own
    texts = [element.text for element in drawn.iter() if element.text and element.text.strip()]
    assert set(RULES) <= set(texts)
    assert "a < b" in texts
    assert len([e for e in drawn.iter() if e.tag.endswith("rect")]) == 3 * len(RULES)


def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rules.svg"
    assert main(["lab", "--phases", "4", "--plot", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(f"| {name}" in out for name in RULES)
    assert path.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--tabs", "9"], 2, "tabs must be 1 to 4"),
        (["--plot", "x.gif"], 2, "ends in .svg, not x.gif"),
        (["--hours", "0"], 2, "hours must be 1 to 1000, not 0"),
        (["--from-journal", __file__], 2, f"{__file__}: this is no journal"),
        (["--from-journal", "/nowhere"], 2, "/nowhere can't be read: FileNotFoundError"),
        (["--plot", "/nowhere/x.svg"], 2, "there is no folder /nowhere to draw in"),
        (["--from-journal", "x", "--plot", "x.svg"], 2, "--plot draws the table"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", *arguments]) == status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("given", ["nan", "inf", "1e300", "0", "-1", "soon"])
@pytest.mark.parametrize("option", ["--leeway", "--access"])
def test_a_time_that_can_not_be_is_refused(
    option: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lab", option, given])
    assert ended.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err


def test_a_small_loss_rate_is_not_called_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--phases", "4", "--loss", "0.005"]) == 0
    assert "0.5% lost" in capsys.readouterr().out


# --- a journal under another leeway ------------------------------------------------------------


def journal(*events: Event) -> Journal:
    return Journal(tuple(Entry(Announce(event)) for event in events))


def theft(kind: Theft, at: int) -> TheftDetected:
    return TheftDetected(
        handle="a", user_id="u", tenant_id="public", kind=kind, generation=1, at=at
    )


CREATED = SessionCreated(handle="a", user_id="u", tenant_id="public", at=0)
REFRESHED = SessionRefreshed(handle="a", generation=1, at=1000)
FORKED = RefreshForked(handle="a", generation=1, at=13_000)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_replay_later_than_the_leeway_would_be_a_fork(after: int, leeway: int) -> None:
    replayed = RefreshReplayed(handle="a", generation=1, at=1000 + after)
    found = under_leeway(journal(CREATED, REFRESHED, replayed), leeway)
    assert (found.sessions, found.refreshes, found.replays) == (1, 2, 1)
    assert found.forks_more == found.logged_out_more == int(after > leeway)


@pytest.mark.parametrize(("leeway", "spared"), [(11_999, 0), (12_000, 1)])
def test_a_fork_within_the_leeway_would_have_displaced_nobody(leeway: int, spared: int) -> None:
    found = under_leeway(journal(REFRESHED, FORKED, theft(Theft.ORPHANED, 20_000)), leeway)
    assert (found.forks, found.thefts) == (1, 1)
    assert found.forks_less == found.logged_out_less == spared


Lived = tuple[Journal, Counter[str]]
Showing = tuple[int, list[int], int]


def lived(leeway: int, showings: list[Showing]) -> Lived:
    """A session under a leeway, in the real engine: its journal, and what was announced of it.

    Each generation's token is shown at some moments, and whoever got the answer to one of them (the
    last number says which) has the next token to show. A rejection ends the life.
    """
    policy = small_policy(leeway=timedelta(milliseconds=leeway))
    world, draws = EMPTY_WORLD, itertools.count(1)
    entries: list[Entry] = []

    def ran(step: Any) -> Any:
        nonlocal world
        following: Step[Any] = step
        while isinstance(following, Ask):
            world, reply = unsigned(world, following.effect)
            following = following.resume(reply)
        entries.extend(Entry(effect) for effect in following.effects)
        return following.state

    start = now = 1_700_000_000_000
    drawn = next(draws).to_bytes(32)
    token: Any = ran(create_session("ada", policy=policy, now=start, entropy=drawn)).refresh_token
    for pause, gaps, who in showings:
        now += pause
        answers: list[Any] = []
        for gap in [0, *gaps]:
            now += gap
            drawn = next(draws).to_bytes(32)
            refresh = refresh_session(token, policy=policy, now=now, entropy=drawn)
            answers.append(ran(refresh))
        if not all(isinstance(answer, Session) for answer in answers):
            break
        token = answers[who % len(answers)].refresh_token
    journal = Journal(tuple(entries))
    told = [entry.effect.event for entry in entries if isinstance(entry.effect, Announce)]
    return journal, Counter(type(event).__name__ for event in told)


def until_theft(leeway: int, showings: list[Showing]) -> list[Showing]:
    """The showings until one is taken for a theft: no journal knows what else might have come."""
    for count in range(1, len(showings) + 1):
        *before, (pause, _, who) = showings[:count]
        known: list[Showing] = [*before, (pause, [], who)]
        if lived(leeway, known)[1]["TheftDetected"]:
            return known
    return showings


LEEWAYS = st.sampled_from([1000, 5000, 10_000, 20_000])
GAPS = st.lists(st.integers(0, 25_000), max_size=4)


@given(LEEWAYS, LEEWAYS, st.lists(st.tuples(st.integers(60_000, 10**6), GAPS), max_size=4))
def test_the_counts_are_those_of_the_engine_under_that_leeway(
    recorded_under: int, other: int, showings: list[tuple[int, list[int]]]
) -> None:
    # The last to show a token is the one who goes on: so nobody is displaced, whatever the leeway.
    last = [(pause, gaps, -1) for pause, gaps in showings]
    recorded, was = lived(recorded_under, last)
    _, would_be = lived(other, last)
    found = under_leeway(recorded, other)
    assert (found.forks, found.replays) == (was["RefreshForked"], was["RefreshReplayed"])
    assert found.forks + found.forks_more - found.forks_less == would_be["RefreshForked"]
    assert found.replays - found.forks_more + found.forks_less == would_be["RefreshReplayed"]
    same = under_leeway(recorded, recorded_under)
    assert (same.forks_more, same.forks_less) == (same.logged_out_more, same.logged_out_less)
    assert same.forks_more == same.logged_out_more == 0


@example(1000, 5000, [(60_000, [1001], 0), (60_000, [5001], 0), (60_000, [], 0)])
@given(
    LEEWAYS,
    LEEWAYS,
    st.lists(st.tuples(st.integers(60_000, 10**6), GAPS, st.integers(0, 5)), max_size=4),
)
def test_who_would_be_logged_out_is_never_more_than_it_says(
    recorded_under: int, other: int, showings: list[Showing]
) -> None:
    recorded, was = lived(recorded_under, showings)
    _, would_be = lived(other, showings)
    found = under_leeway(recorded, other)
    if would_be["TheftDetected"] > was["TheftDetected"]:
        assert found.logged_out_more == 1
    if found.logged_out_less:
        _, spared = lived(other, until_theft(recorded_under, showings))
        assert not spared["TheftDetected"]


def test_a_real_theft_stays_one() -> None:
    found = under_leeway(journal(REFRESHED, FORKED, theft(Theft.RECENT, 20_000)), 60_000)
    assert (found.thefts, found.logged_out_less) == (1, 0)


def test_what_is_no_refresh_does_not_count() -> None:
    rejected = RequestRejected(reason=Reason.EXPIRED, at=0)
    entries = (*journal(CREATED, rejected).entries, Entry(Load("a")))
    assert under_leeway(Journal(entries), 1).sessions == 0


def test_the_command_reads_a_recorded_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tour", "--json"]) == 0
    path = tmp_path / "journal.json"
    path.write_text(capsys.readouterr().out)
    assert main(["lab", "--from-journal", str(path), "--leeway", "2"]) == 0
    out = capsys.readouterr().out
    assert "refreshes: 6, of which replays: 1, forks: 2" in out
    assert "Under a leeway of 2 s" in out


def test_the_readme_has_the_labs_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 0
    printed = [cells(line) for line in capsys.readouterr().out.splitlines()]
    readme = Path(__file__).parents[2] / "README.md"
    documented = [cells(line) for line in readme.read_text().splitlines()]
    for row in printed[:1] + printed[2:]:
        assert row in documented


def cells(line: str) -> list[str]:
    return [cell.strip(" *") for cell in line.split("|")]
