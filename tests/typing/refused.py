"""Programs that a type checker must refuse: each silenced line is an error that it must find.

Strict mypy reports a silencer that silences nothing, so a check of the repository already fails
if one of these becomes possible. `test_typing.py` takes the silencers away and compares.
"""

from typing import assert_never

import attrs

from counterfoil.effects import (
    Backend,
    Done,
    FrozenDict,
    Interpreter,
    Load,
    Missing,
    RemoveHeader,
    ResponseEffect,
    Rotated,
    SessionRecord,
    SetCookie,
    SetHeader,
    Stale,
    Step,
    freeze_object,
    run,
)


@attrs.frozen
class AfterSwap:
    """Takes what `Rotate` is answered with."""

    def __call__(self, reply: Rotated | Stale) -> Step[str]:
        return Done("swapped")


@attrs.frozen
class AfterFound:
    """Forgets that a record may be missing."""

    def __call__(self, found: SessionRecord) -> Step[str]:
        return Done(found.user_id)


@attrs.frozen
class AfterLoad:
    """Takes what `Load` is answered with."""

    def __call__(self, found: SessionRecord | Missing) -> Step[str]:
        return Done("loaded")


@attrs.frozen
class Double:
    """Goes on from a number."""

    def __call__(self, state: int) -> Step[int]:
        return Done(state * 2)


class NoStore:
    """Has no method of a store."""


def continuations(world: Interpreter) -> None:
    Load("h").then(AfterSwap())  # type: ignore[arg-type]  # the reply of another effect
    Load("h").then(AfterFound())  # type: ignore[arg-type]  # Missing is forgotten
    Load("h").then(AfterLoad)  # type: ignore[arg-type]  # the class instead of an instance
    Load("h").then(AfterLoad()).then(Double())  # type: ignore[arg-type]  # a str is no int
    Done("over").always(Double())  # type: ignore[arg-type]  # neither str nor Rejection is an int
    wrong: int = run(Load("h").then(AfterLoad()), world)  # type: ignore[assignment]  # it is a str
    assert wrong


def endings() -> None:
    Done("over", (Load("h"),))  # type: ignore[arg-type]  # its reply would go to no one
    Done("over", [RemoveHeader("x")])  # type: ignore[arg-type]  # a list can't be hashed


def values(record: SessionRecord) -> None:
    frozen = freeze_object({"plan": "pro"})
    frozen["plan"] = "free"  # type: ignore[index]  # it is frozen
    del frozen["plan"]  # type: ignore[attr-defined]  # it is frozen
    frozen.update(plan="free")  # type: ignore[attr-defined]  # it is frozen
    FrozenDict({"tags": {"a", "b"}})  # type: ignore[arg-type]  # JSON has no sets
    record.user_id = "eve"  # type: ignore[misc]  # a record is frozen
    Load("h").handle = "i"  # type: ignore[misc]  # an effect is frozen
    Load(7)  # type: ignore[arg-type]  # a handle is a string


def interpreters(effect: ResponseEffect, store: NoStore) -> None:
    Backend(store, store)  # type: ignore[arg-type]  # it is neither a store nor a signer
    match effect:
        case SetCookie() | SetHeader() | RemoveHeader():
            pass
        case _:
            assert_never(effect)  # type: ignore[arg-type]  # AppendHeader is forgotten
