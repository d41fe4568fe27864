"""Values of this language as JSON and back, and the same values without their secrets.

What JSON can say is said plainly, and a tuple is an array. Every JSON object has exactly one
member, whose name is a tag: so no key of a payload is ever taken for one. A class name can't
begin with `$`.

    {"Load": {"handle": "h"}}        an attrs value: its class, its fields
    {"Theft": "RECENT"}              a member of an enum
    {"$object": {"plan": "pro"}}     a FrozenDict
    {"$secret": "eyJh"}              a Secret
    {"$bytes": "AAECAw=="}           bytes, as base64
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from . import descriptions, events, record
from .errors import InvalidInput
from .frozen import FrozenDict, Secret, freeze_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")


def masked(value: T) -> T:
    """The value without its secrets; all else, and every length, stays.

    A `Secret` becomes as many asterisks. So does every string in a field whose metadata has
    `{"secret": True}`; bytes in one become zeros. Masking twice is masking once.

    >>> str(masked(Secret("eyJhbGciOi")))
    '**********'
    """
    return cast("T", _masked(value, marked=False))


def encode(value: object) -> object:
    """What `json.dumps` takes for the value.

    Raises:
        InvalidInput: a type that a journal can't hold.

    >>> encode(descriptions.Load("h"))
    {'Load': {'handle': 'h'}}
    """
    match value:
        case Enum():
            return {type(value).__name__: value.name}
        case Secret():
            return {"$secret": str(value)}
        case None | int() | str():  # a bool is an int
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return {"$bytes": b64encode(value).decode()}
        case tuple():
            return [encode(member) for member in cast("tuple[object, ...]", value)]
        case FrozenDict():
            return {"$object": {key: encode(member) for key, member in value.items()}}
        case _ if attrs.has(type(value)):
            names = [field.name for field in _fields(type(value))]
            return {type(value).__name__: {name: encode(getattr(value, name)) for name in names}}
        case _:
            raise InvalidInput(
                f"a journal can't hold this {type(value).__name__}; it holds attrs values, enums, "
                "tuples, FrozenDict, Secret, str, bytes, int, finite float, bool and None"
            )


def decode(tree: object, types: Mapping[str, type[Any]]) -> Any:
    """The value that `encode` made this tree of. `types` is a `vocabulary`.

    Raises:
        InvalidInput: no such value; says what is wrong with it.
    """
    if isinstance(tree, list):
        return tuple(decode(member, types) for member in cast("list[object]", tree))
    if not isinstance(tree, dict):
        return tree
    members = cast("dict[str, object]", tree)
    if len(members) != 1:
        raise InvalidInput(f"an object has one member, its tag, but this one has {len(members)}")
    ((tag, body),) = members.items()
    match tag, body:
        case "$object", dict():
            items = cast("dict[str, object]", body).items()
            return freeze_object({key: decode(member, types) for key, member in items})
        case "$secret", str():
            return Secret(body)
        case "$bytes", str():
            return _bytes(body)
        case _ if tag in types:
            return _instance(types[tag], body, types)
        case _:
            raise InvalidInput(
                f"unknown type {tag!r} with a body of type {type(body).__name__}; "
                "give your own classes in types="
            )


def vocabulary(types: Iterable[type[Any]] = ()) -> dict[str, type[Any]]:
    """Every class that a journal may name: the language's own and `types`, by name.

    Raises:
        InvalidInput: a type that is neither an attrs class nor an enum, or whose name is taken.
    """
    known = dict(_LANGUAGE)
    for cls in types:
        if not _is_word(cls):
            raise InvalidInput(f"{cls.__name__} is neither an attrs class nor an enum")
        if known.setdefault(cls.__name__, cls) is not cls:
            raise InvalidInput(f"two types are called {cls.__name__}; rename yours")
    return known


def _is_word(cls: type[Any]) -> bool:
    return attrs.has(cls) or issubclass(cls, Enum)


def _fields(cls: type[Any]) -> list[attrs.Attribute[Any]]:
    return [field for field in attrs.fields(cls) if field.init]


_LANGUAGE: dict[str, type[Any]] = {
    cls.__name__: cls
    for module in (descriptions, events, record)
    for cls in vars(module).values()
    if isinstance(cls, type) and cls.__module__ == module.__name__ and _is_word(cls)
}


def _masked(value: Any, *, marked: bool) -> Any:
    cls: type[Any] = value.__class__
    match value:
        case Secret():
            return Secret("*" * len(value))
        case str() if marked:
            return "*" * len(value)
        case bytes() if marked:
            return bytes(len(value))
        case tuple():
            members = cast("tuple[object, ...]", value)
            return tuple(_masked(member, marked=marked) for member in members)
        case FrozenDict():
            pairs = value.items()
            return FrozenDict([(masked(key), _masked(v, marked=marked)) for key, v in pairs])
        case _ if attrs.has(cls):
            changes: dict[str, Any] = {}
            for field in _fields(cls):
                below = marked or bool(field.metadata.get("secret"))
                changes[str(field.alias)] = _masked(getattr(value, field.name), marked=below)
            return cls(**changes)
        case _:
            return value


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput("$bytes is not base64") from None


def _instance(cls: type[Any], body: object, types: Mapping[str, type[Any]]) -> Any:
    name = cls.__name__
    if issubclass(cls, Enum):
        if not isinstance(body, str) or body not in cls.__members__:
            raise InvalidInput(f"{name} has no such member")
        return cls[body]
    aliases = {field.name: str(field.alias) for field in _fields(cls)}
    if not isinstance(body, dict) or body.keys() != aliases.keys():
        raise InvalidInput(f"{name} has the fields ({', '.join(aliases)}), but these are others")
    members = cast("dict[str, object]", body)
    values = {aliases[key]: decode(member, types) for key, member in members.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} refuses its fields ({type(error).__name__})") from error
