"""The strategies of the language: they know all of it, and their values are what it says."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast, get_args

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from counterfoil import effects as language
from counterfoil.effects import (
    Ask,
    ClaimFetched,
    Done,
    DryRun,
    Effect,
    Entry,
    Event,
    FetchClaim,
    FrozenDict,
    Journal,
    Listed,
    Missing,
    PublicKey,
    Reason,
    Regenerated,
    Rejection,
    Revoked,
    SessionRecord,
    Stale,
    StoreEffect,
    Theft,
    TooLarge,
    UnknownEffect,
    apply_patch,
    dry_run,
    freeze,
    json_size,
)
from counterfoil.effects import strategies as made

CheckValue = Callable[[object], None]

EXPORTED = dict.fromkeys(vars(language)[name] for name in language.__all__)
# Whoever performs effects is no value of the language.
CLASSES: set[type[Any]] = {
    cls
    for cls in EXPORTED
    if isinstance(cls, type) and attrs.has(cls) and not hasattr(cls, "perform")
}
EFFECTS: set[Any] = {cls for cls in CLASSES if issubclass(cls, Effect)}


def replies_of(effect: Any) -> tuple[type[Any], ...]:
    """The classes that an effect names as its replies."""
    (named,) = get_args(vars(effect)["__orig_bases__"][0])
    return get_args(named) or (named,)


REPLIES = {reply for effect in EFFECTS for reply in replies_of(effect)} - {type(None), None}

STRATEGIES: dict[type[Any], st.SearchStrategy[Any]] = {
    **{cls: made.effects(cls) for cls in EFFECTS},
    **{cls: made.replies(cls) for cls in REPLIES},
    **{cls: made.events(cls) for cls in get_args(Event)},
    Ask: made.steps().filter(lambda step: isinstance(step, Ask)),
    Done: made.steps(max_size=0),
    DryRun: made.dry_runs(),
    Entry: made.entries(),
    Journal: made.journals(),
    PublicKey: made.public_keys(),
    Rejection: made.rejections(),
    SessionRecord: made.session_records(),
}
FUNCTIONS = sorted(name for name in made.__all__ if inspect.isfunction(getattr(made, name)))
EVERYTHING = [getattr(made, name)() for name in FUNCTIONS if name != "replies_to"]


def found(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], bool]) -> Any:
    """One that is wanted; not the smallest, which takes its time."""
    return find(strategy, wanted, settings=settings(max_examples=2_000, phases=[Phase.generate]))


def by_name(cls: Any) -> str:
    return str(cls.__name__)


def test_every_class_of_the_language_has_a_strategy() -> None:
    assert set(STRATEGIES) == CLASSES


@pytest.mark.parametrize("cls", sorted(STRATEGIES, key=by_name), ids=by_name)
def test_a_class_is_drawn_and_its_values_are_values(
    cls: type[Any], check_value: CheckValue
) -> None:
    @settings(max_examples=30)
    @given(STRATEGIES[cls])
    def each(value: object) -> None:
        assert type(value) is cls
        check_value(value)

    each()


@given(st.one_of(EVERYTHING))
def test_whatever_is_drawn_is_a_value(check_value: CheckValue, value: object) -> None:
    check_value(value)


@pytest.mark.parametrize("enum", [Reason, Theft])
def test_each_member_of_an_enum_is_drawn(enum: Any) -> None:
    strategy: Any = {Reason: made.reasons(), Theft: made.thefts()}[enum]
    for member in enum:
        assert found(strategy, member.__eq__) is member


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_strategy_is_a_function_that_says_what_it_gives(name: str) -> None:
    function = getattr(made, name)
    returns = str(inspect.signature(function).return_annotation)
    assert returns.startswith(("st.SearchStrategy[", "Texts", "Numbers", "Objects", "Anything"))
    assert (inspect.getdoc(function) or "").partition("\n")[0].endswith(".")


def test_the_strategies_are_all_shown_in_order() -> None:
    assert made.__all__ == sorted(made.__all__)
    assert not set(made.__all__) & set(language.__all__)


# --- JSON --------------------------------------------------------------------------------------


@given(made.json_values() | made.json_objects())
def test_json_is_deeply_frozen(value: Any) -> None:
    assert freeze(value) == value
    assert repr(freeze(value)) == repr(value)


@given(st.data(), made.payloads())
def test_a_patch_may_name_what_the_payload_has(data: st.DataObject, payload: FrozenDict) -> None:
    assert None not in payload.values()
    patch = data.draw(made.payload_patches(payload, keys=st.just("new")))
    assert patch.keys() <= payload.keys() | {"new"}
    assert apply_patch(payload, patch).keys() <= payload.keys() | {"new"}


def test_a_patch_sets_and_deletes() -> None:
    held = FrozenDict({"plan": "pro"})
    found(made.payload_patches(held), lambda patch: patch.get("plan", "pro") is None)
    found(made.payload_patches(held), lambda patch: patch.get("plan") is not None)


# --- records -----------------------------------------------------------------------------------


@given(made.session_records())
def test_a_record_is_as_the_engine_makes_them(record: SessionRecord) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        record.handle)  # fmt: skip
    assert len(record.current_digest) == len(record.mac_key) == 32
    assert 1_000 <= record.access_lifetime <= record.idle_lifetime
    assert record.idle_lifetime <= record.absolute_expires_at - record.created_at
    assert 0 <= record.created_at <= record.rotated_at < record.expires_at
    assert record.version >= record.generation
    if record.generation == 0:
        assert record.previous_digest is record.salt is None
    else:
        assert record.previous_digest not in (None, record.current_digest)
        assert len(record.previous_digest or b"") == len(record.salt or b"") == 32


@given(st.data(), made.times())
def test_a_record_is_alive_when_it_is_said_to_be(data: st.DataObject, now: int) -> None:
    record = data.draw(made.session_records(alive_at=now))
    assert record.created_at <= record.rotated_at <= now < record.expires_at


@pytest.mark.parametrize("wanted", ["first", "rotated", "idle", "absolute", "guarded"])
def test_records_of_all_ages_are_drawn(wanted: str) -> None:
    kinds: dict[str, Callable[[SessionRecord], bool]] = {
        "first": lambda record: record.generation == 0 and record.version > 0,
        "rotated": lambda record: record.generation > 1,
        "idle": lambda record: record.expires_at < record.absolute_expires_at,
        "absolute": lambda record: record.expires_at == record.absolute_expires_at,
        "guarded": lambda record: record.anti_csrf_token is not None,
    }
    found(made.session_records(), kinds[wanted])


# --- effects and replies -----------------------------------------------------------------------


@given(st.data(), made.effects(*get_args(StoreEffect), FetchClaim))
def test_a_reply_is_one_that_the_effect_names(data: st.DataObject, effect: Effect[Any]) -> None:
    reply = data.draw(made.replies_to(effect))
    assert isinstance(reply, replies_of(type(effect)))
    match reply:
        case SessionRecord() | Stale(SessionRecord()):
            held = (
                reply if isinstance(reply, SessionRecord) else cast("SessionRecord", reply.current)
            )
            asked = cast("Any", effect)
            assert held.handle == getattr(asked, "handle", None) or asked.record.handle
            assert held.version != getattr(asked, "expected_version", None)
        case Regenerated(payload, token):
            asked = cast("language.Regenerate", effect)
            assert (token is None) is (asked.claims is None)
            assert not asked.patch or json_size(payload) <= asked.limit
        case TooLarge(payload):
            assert json_size(payload) > cast("language.Regenerate", effect).limit
        case Revoked(gone):
            assert len(set(gone)) == len(gone)
            if isinstance(effect, language.Revoke):
                assert set(gone) <= set(effect.handles)
            else:
                assert set(gone).isdisjoint(cast("language.RevokeUser", effect).keep)
        case Listed(records):
            asked = cast("language.ListSessions", effect)
            assert [r.user_id for r in records] == [asked.user_id] * len(records)
            assert {r.tenant_id for r in records} <= {
                asked.tenant_id or r.tenant_id for r in records
            }
            assert list(records) == sorted(records, key=lambda r: (r.created_at, r.handle))
        case _:
            pass


def test_only_effects_of_the_language_have_replies() -> None:
    class Custom(Effect[None]): ...

    with pytest.raises(UnknownEffect, match="Custom is no effect of the language"):
        made.replies_to(Custom())


@given(made.store_effects(handles=st.just("h"), user_ids=st.just("ada"), tenant_ids=st.just("t")))
def test_few_names_make_effects_that_meet(effect: StoreEffect) -> None:
    match effect:
        case language.Establish(record) | language.Rotate(record):
            assert (record.handle, record.user_id, record.tenant_id) == ("h", "ada", "t")
        case language.Revoke(handles):
            assert set(handles) <= {"h"}
        case language.RevokeUser(user_id, tenant_id) | language.ListSessions(user_id, tenant_id):
            assert (user_id, tenant_id or "t") == ("ada", "t")
        case _:
            assert effect.handle == "h"


@given(made.effects(language.Establish, language.Rotate))
def test_a_new_record_is_new_and_a_rotated_one_follows(effect: Any) -> None:
    record: SessionRecord = effect.record
    if isinstance(effect, language.Establish):
        assert (record.version, record.generation, record.previous_digest) == (0, 0, None)
        assert record.created_at == record.rotated_at
    else:
        assert record.version == effect.expected_version + 1 >= record.generation > 0
        assert record.previous_digest not in (None, record.current_digest)


# --- runs --------------------------------------------------------------------------------------


@given(made.journals())
def test_a_journal_goes_to_json_and_back(journal: Journal) -> None:
    assert Journal.from_json(journal.to_json(secrets=True)) == journal
    if journal.masked:
        assert Journal.from_json(journal.to_json()) == journal


@attrs.frozen
class Reads:
    """Answers what a dry run reads."""

    def perform(self, effect: Effect[Any]) -> Any:
        """As a world would that holds nothing."""
        if isinstance(effect, FetchClaim):
            return ClaimFetched(None)
        return Missing() if isinstance(effect, language.Load) else Listed()


@given(made.steps(st.integers()))
def test_a_step_asks_whatever_it_is_answered_and_ends(step: Any) -> None:
    rehearsed = dry_run(step, Reads())
    asked: list[Effect[Any]] = []
    while isinstance(step, Ask):
        asked.append(step.effect)
        step = cast("Any", step.resume)(None)
    assert isinstance(step.state, int | Rejection)
    assert rehearsed == DryRun(step.state, (*asked, *step.effects))


# --- without Hypothesis ------------------------------------------------------------------------


def test_without_hypothesis_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(sys.modules):
        if name.startswith("counterfoil.effects.") and name.endswith(("strategies", "optional")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'counterfoil[testing]'")):
        importlib.import_module("counterfoil.effects.strategies")


def test_the_package_does_not_import_hypothesis() -> None:
    code = "import sys, counterfoil, counterfoil.adapters.cli; print('hypothesis' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
