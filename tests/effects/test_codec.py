"""Journals as JSON: every effect, reply, record and event comes back; no secret leaks out."""

import json
import pickle
from base64 import b64encode
from collections.abc import Iterable
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import effects as language
from counterfoil.effects import (
    Announce,
    AnnouncementEffect,
    ClaimEffect,
    ClaimFetched,
    Effect,
    Entry,
    Established,
    FrozenDict,
    InvalidInput,
    Journal,
    Json,
    Load,
    Missing,
    RemoveHeader,
    ResponseEffect,
    Revoke,
    Secret,
    SessionRecord,
    SetHeader,
    StoreEffect,
    Theft,
    TheftDetected,
    freeze,
)

CANARY = "canary-of-a-token"
CANARY_KEY = b"canary-of-a-key"

TEXTS = st.text(max_size=8)
KEYS = TEXTS | st.sampled_from(["$secret", "$object", "$bytes", "Load", "journal", ""])


@attrs.frozen
class Vocabulary:
    """Strategies for every value of the language; what is secret in them is given."""

    secrets: st.SearchStrategy[Secret]
    keys: st.SearchStrategy[bytes]

    def json(self) -> st.SearchStrategy[Json]:
        scalars = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9)
        return st.recursive(
            scalars | TEXTS | self.secrets,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
            max_leaves=8,
        ).map(freeze)

    def any_of(self, classes: Iterable[type[Any]]) -> st.SearchStrategy[Any]:
        return st.one_of([self.instances(cls) for cls in classes])

    def instances(self, cls: type[Any]) -> st.SearchStrategy[Any]:
        if cls is ClaimFetched:
            return st.builds(ClaimFetched, self.json())
        hints = get_type_hints(cls)
        marked = {f.name for f in attrs.fields(cls) if f.metadata.get("secret")}
        fields = {name: self.values(hints[name], marked=name in marked) for name in names(cls)}
        return st.builds(cls, **fields)

    def values(self, hint: Any, *, marked: bool) -> st.SearchStrategy[Any]:
        plain: dict[Any, st.SearchStrategy[Any]] = {
            type(None): st.none(),
            bool: st.booleans(),
            int: st.integers(),
            str: TEXTS | self.secrets,
            Secret: self.secrets,
            bytes: self.keys if marked else st.binary(max_size=8),
            FrozenDict: st.dictionaries(KEYS, self.json(), max_size=4).map(FrozenDict),
        }
        if hint in plain:
            return plain[hint]
        if get_origin(hint) in (Union, UnionType):
            return st.one_of([self.values(kind, marked=marked) for kind in get_args(hint)])
        if get_origin(hint) is tuple:
            return st.lists(self.values(get_args(hint)[0], marked=marked), max_size=3).map(tuple)
        if get_origin(hint) is Literal:
            return st.sampled_from(get_args(hint))
        return st.sampled_from(hint) if issubclass(hint, Enum) else self.instances(hint)

    def journals(self) -> st.SearchStrategy[Journal]:
        entries = st.builds(Entry, self.any_of(EFFECTS), st.none() | self.any_of(REPLIES))
        return st.lists(entries, max_size=3).map(lambda found: Journal(tuple(found)))


def names(cls: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(cls)]


def written_in(*modules: str) -> list[type[Any]]:
    exported = [vars(language)[name] for name in language.__all__]
    return [
        cls
        for cls in dict.fromkeys(exported)  # an alias of one effect is that effect
        if isinstance(cls, type) and attrs.has(cls) and cls.__module__.split(".")[-1] in modules
    ]


EFFECTS: list[type[Any]] = [cls for cls in written_in("descriptions") if issubclass(cls, Effect)]
REPLIES = [cls for cls in written_in("descriptions", "record") if cls not in EFFECTS]
REAL = Vocabulary(st.text(max_size=8).map(Secret), st.binary(max_size=8))
PLANTED = Vocabulary(st.just(Secret(CANARY)), st.just(CANARY_KEY))


def test_the_strategies_know_the_whole_language() -> None:
    told = {*get_args(ResponseEffect), AnnouncementEffect}
    asked = {*get_args(StoreEffect), ClaimEffect}
    assert set(EFFECTS) == asked | told
    declared: set[Any] = set()
    for effect in asked:
        (reply,) = get_args(vars(effect)["__orig_bases__"][0])
        declared.update(get_args(reply) or (reply,))
    assert set(REPLIES) == declared


@given(REAL.journals())
def test_with_its_secrets_a_journal_comes_back_equal(journal: Journal) -> None:
    again = Journal.from_json(journal.to_json(secrets=True))
    assert again == journal
    assert hash(again) == hash(journal)
    assert again == pickle.loads(pickle.dumps(journal))  # noqa: S301  # what we pickled just now
    assert kinds(again) == kinds(journal)  # what hides itself still does


@given(PLANTED.journals())
def test_without_them_no_secret_is_in_it(journal: Journal) -> None:
    masked = Journal.from_json(journal.to_json())
    key = CANARY_KEY.decode()
    for text in (journal.to_json(), repr(journal), repr(masked), repr(list(everything(masked)))):
        assert CANARY not in text
        assert key not in text
        assert CANARY_KEY.hex() not in text
        assert b64encode(CANARY_KEY).decode() not in text
    secret = any(value in (CANARY, CANARY_KEY) for value in everything(journal))
    assert masked.masked is secret
    assert kinds(masked) == kinds(journal)
    assert (masked.entries == journal.entries) is not secret


@given(REAL.journals())
def test_masking_twice_is_masking_once(journal: Journal) -> None:
    masked = Journal.from_json(journal.to_json())
    assert Journal.from_json(masked.to_json()) == masked
    assert Journal.from_json(masked.to_json(secrets=True)) == masked


def everything(value: Any) -> Iterable[Any]:
    """Every scalar in a value, however deep."""
    cls: type[Any] = value.__class__
    if issubclass(cls, tuple):
        members = value
    elif issubclass(cls, FrozenDict):
        members = (*value.keys(), *value.values())
    elif attrs.has(cls):
        members = [getattr(value, name) for name in names(cls)]
    else:
        yield value
        return
    for member in members:
        yield from everything(member)


def kinds(journal: Journal) -> list[type[Any]]:
    return [type(value) for value in everything(journal.entries)]


def test_a_masked_journal_keeps_lengths_and_shapes(make_record: Any) -> None:
    record = make_record(payload=FrozenDict({"csrf": (Secret("abc"),), "plan": "pro"}))
    journal = Journal(
        (
            Entry(Load("h1"), record),
            Entry(SetHeader("st-access-token", Secret("abcd"))),
            Entry(SetHeader("vary", "cookie")),
        )
    )
    masked = Journal.from_json(journal.to_json())
    assert masked.masked
    assert masked.entries == (
        Entry(
            Load("h1"),
            attrs.evolve(
                record,
                mac_key=bytes(32),
                payload=FrozenDict({"csrf": ("***",), "plan": "pro"}),
            ),
        ),
        Entry(SetHeader("st-access-token", "****")),
        Entry(SetHeader("vary", "cookie")),
    )
    assert repr(masked.entries) == repr(journal.entries)


def test_the_json_is_as_documented() -> None:
    event = TheftDetected(
        handle="h", user_id="ada", tenant_id="t", kind=Theft.RECENT, generation=2, at=7
    )
    journal = Journal((Entry(Announce(event)), Entry(Load("h"), Established("t"))))
    members = {"handle": "h", "user_id": "ada", "tenant_id": "t", "kind": {"Theft": "RECENT"}}
    told = {"Announce": {"event": {"TheftDetected": {**members, "generation": 2, "at": 7}}}}
    asked = {"Load": {"handle": "h"}}
    reply = {"Established": {"access_token": {"$secret": "*"}}}
    expected = {"journal": 1, "masked": True, "entries": [[told, None], [asked, reply]]}
    assert json.loads(journal.to_json()) == expected
    assert journal.to_json().isascii()


class Colour(Enum):
    RED = object()  # written by its name: a value may be anything


@attrs.frozen
class Pin:
    """A part of an effect; what is in it is secret only where its field says so."""

    digits: str


@attrs.frozen
class Custom(Effect[Missing]):
    """An effect of an application's own, with all that attrs allows."""

    _colour: Colour
    pins: tuple[str | bytes | Pin | FrozenDict, ...] = attrs.field(metadata={"secret": True})
    hint: Pin
    size: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    derived: int = attrs.field(init=False, default=3)


TYPES = (Custom, Colour, Pin)
PINS = ("1234", b"56", Pin("78"), FrozenDict({"old": ("901",)}))
CUSTOM = Journal((Entry(Custom(Colour.RED, PINS, Pin("9")), Missing()),))


def test_effects_of_ones_own_come_back_by_their_types() -> None:
    assert Journal.from_json(CUSTOM.to_json(secrets=True), TYPES) == CUSTOM
    pins = ("****", bytes(2), Pin("**"), FrozenDict({"old": ("***",)}))
    hidden = Custom(Colour.RED, pins, Pin("9"))
    masked = Journal.from_json(CUSTOM.to_json(), types=TYPES)
    assert masked == Journal((Entry(hidden, Missing()),), masked=True)


@pytest.mark.parametrize("types", [(), (Colour, Pin), (Custom, Pin), (Custom, Colour)])
def test_types_that_were_not_given_are_named(types: tuple[type[Any], ...]) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"^entry 1 of the journal: unknown type '(Custom|Colour|Pin)'.* in types=",
    ):
        Journal.from_json(CUSTOM.to_json(), types)


def test_a_type_that_no_journal_can_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="int is neither an attrs class nor an enum"):
        Journal.from_json(CUSTOM.to_json(), (int,))


def test_two_types_of_one_name_are_refused() -> None:
    twin = attrs.make_class("Load", ["handle"], frozen=True)
    with pytest.raises(InvalidInput, match="two types are called Load"):
        Journal.from_json(CUSTOM.to_json(), (twin,))
    Journal.from_json(Journal().to_json(), (Load,))  # the same one again is no other


@pytest.mark.parametrize(
    ("reply", "kind"),
    [({}, "dict"), ([], "list"), (object(), "object"), (float("nan"), "float"), ({1}, "set")],
)
def test_what_a_journal_cannot_hold_is_refused_when_it_is_written(reply: Any, kind: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        Journal((Entry(Load("h"), reply),)).to_json()
    assert str(problem.value) == (
        f"a journal can't hold this {kind}; it holds attrs values, enums, tuples, FrozenDict, "
        "Secret, str, bytes, int, finite float, bool and None"
    )


def entries(*members: Any, version: object = 1) -> str:
    return json.dumps({"journal": version, "masked": False, "entries": members})


def asking(effect: Any) -> str:
    return entries([{"Load": {"handle": "h"}}, None], [effect, None])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "this is no journal: not JSON (JSONDecodeError)"),
        ("{", "this is no journal: not JSON (JSONDecodeError)"),
        ("[" * 100_000, "this is no journal: not JSON (RecursionError)"),
        ("9" * 5_000, "this is no journal: not JSON (ValueError)"),
        ("[]", 'this is no journal: it has no members "journal", "masked" and "entries"'),
        ('{"journal": 1}', 'this is no journal: it has no members "journal"'),
        ('{"journal": 1, "masked": 0, "entries": []}', "or they are of other types"),
        ('{"journal": 1, "masked": true, "entries": {}}', "or they are of other types"),
        (entries(version="1"), "or they are of other types"),
        (entries(version=2), "a journal of version 2; this release reads 1"),
        (entries(1), "entry 1 of the journal: it is no pair of an effect and a reply"),
        (entries([{"Load": {"handle": "h"}}]), "it is no pair of an effect and a reply"),
        (entries({"$object": {}}), "entry 1 of the journal: it is no pair"),
        (asking({"Missing": {}}), "entry 2 of the journal: it is no pair"),
        (asking({}), "an object has one member, its tag, but this one has 0"),
        (asking({"Load": {}, "Missing": {}}), "but this one has 2"),
        (asking({"Nothing": {}}), "unknown type 'Nothing' with a body of type dict; give"),
        (asking({"$secret": 1}), "unknown type '$secret' with a body of type int"),
        (asking({"$object": []}), "unknown type '$object' with a body of type list"),
        (asking({"$bytes": "é"}), "entry 2 of the journal: $bytes is not base64"),
        (asking({"$bytes": "abc"}), "$bytes is not base64"),
        (asking({"$bytes": "Y!Q=="}), "$bytes is not base64"),
        (asking({"Theft": "recent"}), "Theft has no such member"),
        (asking({"Theft": ["RECENT"]}), "Theft has no such member"),
        (asking({"Load": {}}), "Load has the fields (handle), but these are others"),
        (asking({"Load": {"handle": "h", "x": 1}}), "Load has the fields (handle), but"),
        (asking({"ListSessions": {}}), "ListSessions has the fields (user_id, tenant_id), but"),
        (asking({"Load": None}), "Load has the fields (handle), but these are others"),
        (asking({"Revoke": {"handles": 5}}), "Revoke refuses its fields (TypeError)"),
        (asking({"$object": {"a": {"$bytes": ""}}}), "value.a is of type bytes"),
        (asking({"$object": {"a": {"Missing": {}}}}), "value.a is of type Missing"),
        (
            entries(json.loads("[" * 600 + "]" * 600)),
            "entry 1 of the journal is nested too deeply",
        ),
    ],
)
def test_garbage_is_refused_with_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Journal.from_json(text)
    assert problem in str(caught.value)


def test_a_class_that_refuses_its_fields_says_so() -> None:
    text = CUSTOM.to_json().replace("0.5", "0")
    with pytest.raises(InvalidInput, match=r"Custom refuses its fields \(ValueError\)"):
        Journal.from_json(text, TYPES)


@given(
    st.recursive(
        st.none() | st.integers() | KEYS,
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    )
)
def test_no_garbage_gives_another_error(value: Any) -> None:
    for text in (json.dumps(value), entries(value), asking(value)):
        with pytest.raises(InvalidInput):
            Journal.from_json(text)


def test_a_secret_key_of_a_payload_is_masked_too() -> None:
    payload = freeze({Secret(CANARY): Secret(CANARY)})
    journal = Journal((Entry(Load("h"), ClaimFetched(payload)),))
    assert CANARY not in journal.to_json()


def test_an_unmasked_journal_is_one_without_secrets() -> None:
    journal = Journal((Entry(Revoke(("h",))), Entry(RemoveHeader("x"))))
    assert Journal.from_json(journal.to_json()) == journal


def test_a_record_knows_which_of_its_fields_are_secret() -> None:
    marked = [f.name for f in attrs.fields(SessionRecord) if f.metadata.get("secret")]
    assert marked == ["mac_key"]
