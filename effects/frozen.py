"""Deeply frozen JSON, and strings that don't show themselves.

Payloads and data are copied in and handed out as values: objects become `FrozenDict`, arrays
become tuples, anything else that JSON can say stays as it is. What JSON cannot say is refused
where it enters, with its path. A value of this file can be compared, hashed and pickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from .errors import InvalidInput, NotJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json: TypeAlias = "bool | int | float | str | tuple[Json, ...] | FrozenDict | None"

MAX_INTEGER_BITS = 8192  # Python itself refuses to print or parse much longer ones
MAX_DEPTH = 32  # levels of nesting; a cookie has room for fewer, and a cycle has no end


class Secret(str):
    """A string whose `repr` shows its length only: tokens, and headers that carry them.

    It is an ordinary `str` in every other way, so it can be signed, sent and compared.

    >>> Secret("eyJhbGciOi")
    <secret, 10 characters>
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<secret, {len(self)} characters>"


if TYPE_CHECKING:
    # To a type checker a FrozenDict is a Mapping, so that an assignment is an error before it runs.
    class FrozenDict(Mapping[str, Json]):
        def __init__(self, items: Mapping[str, Json] | Iterable[tuple[str, Json]] = ()) -> None: ...
        def __getitem__(self, key: str) -> Json: ...
        def __iter__(self) -> Iterator[str]: ...
        def __len__(self) -> int: ...
        def __hash__(self) -> int: ...
else:

    class FrozenDict(dict):
        """A JSON object that never changes. A `dict` underneath, so `json.dumps` takes it.

        >>> FrozenDict({"plan": "pro"}) == {"plan": "pro"}
        True
        >>> FrozenDict()["plan"] = "pro"
        Traceback (most recent call last):
        TypeError: this mapping is frozen; build a new one instead
        """

        __slots__ = ("_hash",)

        def __hash__(self):
            try:
                return self._hash
            except AttributeError:
                self._hash = hash(frozenset(self.items()))
                return self._hash

        def __reduce__(self):
            return FrozenDict, (dict(self),)

        def __copy__(self):
            return self

        def __deepcopy__(self, memo):
            return self

        def copy(self):
            return self

        def __or__(self, other):
            return freeze_object({**self, **other})

        def _refuse(self, *_, **__) -> NoReturn:
            raise TypeError("this mapping is frozen; build a new one instead")

        __setitem__ = __delitem__ = __ior__ = _refuse
        clear = pop = popitem = setdefault = update = _refuse


EMPTY = FrozenDict()


def check_name(value: object, what: str) -> None:
    """Refuse what can't name anything in a store: no string, or half a surrogate pair.

    Raises:
        InvalidInput: it is such a thing; says which.

    >>> check_name(7, "user_id")
    Traceback (most recent call last):
    counterfoil.effects.errors.InvalidInput: user_id must be a str, not int.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a str, not {type(value).__name__}.")
    _text(value, what)


def freeze(value: object, path: str = "value", depth: int = MAX_DEPTH) -> Json:
    """Copy a JSON value into its frozen form.

    Raises:
        NotJson: the value, or something in it, cannot be said in JSON (RFC 8259); says where.

    >>> freeze({"roles": ["admin"]})
    {'roles': ('admin',)}
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        if value.bit_length() > MAX_INTEGER_BITS:
            raise NotJson(path, "is an integer too long for JSON. Use a string.")
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise NotJson(path, f"is {value}, which JSON cannot express. Use None or a string.")
    if depth == 0:
        raise NotJson(path, f"is nested deeper than {MAX_DEPTH} levels, or contains itself.")
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return FrozenDict(
            [(_key(key, path), freeze(item, f"{path}.{key}", depth - 1)) for key, item in items]
        )
    if isinstance(value, (list, tuple)):
        members = cast("tuple[object, ...] | list[object]", value)
        return tuple(freeze(item, f"{path}[{n}]", depth - 1) for n, item in enumerate(members))
    kind = type(value).__name__
    raise NotJson(path, f"is of type {kind}, which JSON cannot express. Convert it first.")


def freeze_object(value: object, path: str = "value") -> FrozenDict:
    """Copy a JSON object into its frozen form; anything but a mapping is refused.

    Raises:
        NotJson: it is no mapping, or holds what JSON cannot say.
    """
    if isinstance(value, FrozenDict):
        return value
    frozen = freeze(value, path)
    if not isinstance(frozen, FrozenDict):
        raise NotJson(path, f"must be a mapping with string keys, not {type(value).__name__}.")
    return frozen


def thaw(value: Json) -> object:
    """A plain, mutable copy: dicts and lists all the way down.

    >>> thaw(freeze({"roles": ["admin"]}))
    {'roles': ['admin']}
    """
    if isinstance(value, FrozenDict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return str(value) if isinstance(value, Secret) else value


def apply_patch(payload: FrozenDict, patch: Mapping[str, Json]) -> FrozenDict:
    """The payload after a patch: its keys set, and those whose value is None deleted.

    >>> apply_patch(FrozenDict({"plan": "free", "beta": True}), {"plan": "pro", "beta": None})
    {'plan': 'pro'}
    """
    merged = {**payload, **patch}
    gone = [key for key, value in patch.items() if value is None]
    for key in gone:
        del merged[key]
    return FrozenDict(merged)


def to_json(value: Json) -> str:
    """Compact JSON with the keys in their order, non-ASCII characters as themselves.

    >>> to_json(freeze({"city": "Zürich", "roles": ["admin"]}))
    '{"city":"Zürich","roles":["admin"]}'
    """
    # Many sessions have no data, and to set the encoder and the parser going costs microseconds.
    return _encode(value) if value != EMPTY else "{}"


def from_json(text: str | bytes) -> FrozenDict:
    """A stored JSON object, frozen. For text that `to_json` or a JSON column wrote.

    Raises:
        ValueError: it is no JSON, or there is more after it.
    """
    document = (text if isinstance(text, str) else text.decode("utf-8-sig")).strip(_BLANKS)
    if document == "{}":
        return EMPTY
    value: FrozenDict
    value, end = _decode(document)
    if end != len(document):
        raise ValueError("there is something after the JSON value that is stored.")
    return value


def json_size(value: Json) -> int:
    """Bytes of `to_json(value)` in UTF-8."""
    return len(_encode(value).encode())


def _object(pairs: list[tuple[str, Any]]) -> FrozenDict:
    # Fresh from the parser: known to be JSON, so only the arrays need another type.
    return FrozenDict([(k, _tuple(v) if v.__class__ is list else v) for k, v in pairs])


def _tuple(members: list[Any]) -> tuple[Json, ...]:
    return tuple([_tuple(member) if member.__class__ is list else member for member in members])


# Both are asked for less than they could do, each of which takes a microsecond: what is frozen
# holds no cycle, and `raw_decode` runs no regular expression over the space around a document.
_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode
_decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode
_BLANKS = " \t\n\r"  # of JSON (RFC 8259, 2)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise NotJson(path, f"has a key of type {type(key).__name__}; JSON keys are strings.")
    return _text(key, f"{path}.{key!r}")


def _text(value: str, path: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotJson(path, "holds half a surrogate pair, which is no text.") from None
    return value if type(value) is str or isinstance(value, Secret) else str.__str__(value)
