"""A run that was recorded can be replayed against nothing, and says where it differs."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from counterfoil.effects import (
    AppendHeader,
    Backend,
    ByFamily,
    Done,
    Effect,
    Entry,
    Interpreter,
    InThread,
    Journal,
    ListSessions,
    Load,
    Mismatch,
    Missing,
    Recording,
    Rejection,
    RemoveHeader,
    ResponseEffect,
    Secret,
    SessionRecord,
    SetHeader,
    Step,
    StoreEffect,
    StoreUnavailable,
    arun,
    replay,
    run,
)

MakeRecord = Callable[..., SessionRecord]
MakeBackend = Callable[..., Backend]

KEY = b"k" * 32
TOKEN = "a-token-that-is-secret"
TOLD = (SetHeader("st-access-token", Secret(TOKEN)), AppendHeader("vary", "cookie"))


@attrs.frozen(auto_exc=False)
class Forged(Rejection):
    """The key is another."""


@attrs.frozen
class AfterLoad:
    """Ends with the user's id if the record has the key, and tells two effects."""

    told: tuple[Effect[None], ...] = TOLD

    def __call__(self, found: SessionRecord | Missing) -> Step[str]:
        if isinstance(found, Missing) or found.mac_key != KEY:
            return Done(Forged(), (RemoveHeader("st-access-token"),))
        return Done(found.user_id, self.told)


def read(handle: str = "h1", told: tuple[Effect[None], ...] = TOLD) -> Step[str]:
    return Load(handle).then(AfterLoad(told))


@attrs.frozen
class Silence:
    """Answers nothing."""

    def perform(self, effect: Effect[Any]) -> None:
        return None


class Outage:
    """A world whose store is away."""

    def perform(self, effect: Effect[Any]) -> Any:
        raise StoreUnavailable("away")


@pytest.fixture
def world(make_record: MakeRecord, make_backend: MakeBackend) -> Interpreter:
    backend = make_backend(make_record("h1", mac_key=KEY))
    return ByFamily(((StoreEffect, backend), (ResponseEffect, Silence())))


@pytest.fixture
def journal(world: Interpreter) -> Journal:
    recording = Recording(world)
    run(read(), recording)
    return recording.journal


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_recording_keeps_what_was_asked_and_answered(
    world: Interpreter, make_record: MakeRecord
) -> None:
    recording = Recording(world)
    assert recording.journal == Journal()
    assert run(read(), recording) == "ada"
    first = recording.journal
    found = Entry(Load("h1"), make_record("h1", mac_key=KEY))
    assert first == Journal((found, Entry(TOLD[0]), Entry(TOLD[1])))
    run(Load("h9").then(AfterLoad()).always(Ignore()), recording)
    assert recording.journal.entries[:3] == first.entries
    assert len(first.entries) == 3


@attrs.frozen
class Ignore:
    """Ends with None, whatever was before."""

    def __call__(self, state: object) -> Step[None]:
        return Done(None)


@pytest.mark.anyio
async def test_a_recording_keeps_the_reply_and_not_its_awaitable(
    world: Interpreter, journal: Journal
) -> None:
    recording = Recording(InThread(world))
    assert await arun(read(), recording) == "ada"
    assert recording.journal == journal
    mixed = Recording(world)
    assert await arun(read(), mixed) == "ada"
    assert mixed.journal == journal


def test_an_outage_is_no_reply() -> None:
    recording = Recording(Outage())
    with pytest.raises(StoreUnavailable):
        run(read(), recording)
    assert recording.journal == Journal()
    with pytest.raises(Mismatch, match="the journal is at its end, but then comes Load"):
        replay(read(), recording.journal)


def test_a_recording_may_be_shared_by_threads(world: Interpreter) -> None:
    recording = Recording(world)
    effects = [Load(f"x{n}") for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(recording.perform, effects))
    assert replies == [Missing()] * 200
    kept = recording.journal.entries
    assert len(kept) == 200
    assert set(kept) == {Entry(effect, Missing()) for effect in effects}


def test_a_recording_shows_no_entries(world: Interpreter) -> None:
    recording = Recording(Silence())
    recording.perform(Load("h1"))
    assert repr(recording) == "Recording(interpreter=Silence())"


def test_a_journal_is_a_value(journal: Journal) -> None:
    again = pickle.loads(pickle.dumps(journal))  # noqa: S301  # what we pickled just now
    assert again == journal
    assert hash(again) == hash(journal)


def test_replay_gives_the_same_state_against_nothing(journal: Journal) -> None:
    assert replay(read(), journal) == "ada"
    assert replay(read(), Journal.from_json(journal.to_json(secrets=True))) == "ada"
    assert replay(Done("over"), Journal()) == "over"


def test_replay_raises_the_rejection_that_the_step_ends_in(world: Interpreter) -> None:
    recording = Recording(world)
    with pytest.raises(Forged):
        run(read("h9"), recording)
    with pytest.raises(Forged):
        replay(read("h9"), recording.journal)
    assert replay(read("h9").always(Ignore()), recording.journal) is None


def message(step: Step[Any], journal: Journal) -> str:
    with pytest.raises(Mismatch) as caught:
        replay(step, journal)
    return str(caught.value)


def test_replay_says_where_another_effect_comes(journal: Journal) -> None:
    assert message(read("h2"), journal) == (
        "entry 1 of the journal\n  expects Load(handle='h1')\n  but got Load(handle='h2')"
    )
    told = (TOLD[0], RemoveHeader("vary"))
    assert message(read(told=told), journal) == (
        "entry 3 of the journal\n  expects AppendHeader(name='vary', value='cookie')\n"
        "  but got RemoveHeader(name='vary')"
    )


def test_replay_says_what_the_journal_has_more(journal: Journal) -> None:
    assert message(read(told=TOLD[:1]), journal) == (
        "the step is over before entry 3, AppendHeader(name='vary', value='cookie')"
    )
    assert message(Done("over"), journal) == ("the step is over before entry 1, Load(handle='h1')")


def test_replay_says_what_the_step_has_more(journal: Journal) -> None:
    assert message(read(told=(*TOLD, RemoveHeader("x"))), journal) == (
        "the journal is at its end, but then comes RemoveHeader(name='x')"
    )
    shorter = Journal(journal.entries[:0])
    assert message(ListSessions("ada").then(Ignore()), shorter).startswith(
        "the journal is at its end, but then comes ListSessions("
    )


def test_replay_does_not_show_a_secret_that_differs() -> None:
    one, other = (SetHeader("t", Secret(text)) for text in ("first token", "other token"))
    text = message(Done("over", (one,)), Journal((Entry(other),)))
    assert "token" not in text
    assert text.endswith("They differ in a secret, which is not shown.")


def test_a_masked_journal_replays_a_step_that_looks_at_no_secret(
    make_record: MakeRecord,
) -> None:
    found = Entry(Load("h1"), make_record("h1", mac_key=KEY))
    masked = Journal.from_json(Journal((found, *map(Entry, TOLD))).to_json())
    assert masked.masked
    assert replay(Load("h1").then(AfterAny("over", TOLD)), masked) == "over"


@attrs.frozen
class AfterAny:
    """Ends with a state, whatever the reply."""

    state: str
    told: tuple[Effect[None], ...]

    def __call__(self, reply: object) -> Step[str]:
        return Done(self.state, self.told)


def test_a_masked_journal_is_named_as_the_likely_reason(journal: Journal) -> None:
    masked = Journal.from_json(journal.to_json())
    text = message(read(), masked)
    assert text.startswith("entry 2 of the journal\n  expects SetHeader(")
    assert "The journal is masked, which may be the reason" in text
    assert "to_json(secrets=True)" in text
    for step in (Done("over"), read(told=(*TOLD, *TOLD))):
        assert "The journal is masked" in message(step, masked)
    assert "masked" not in message(Done("over"), journal)
