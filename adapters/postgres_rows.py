"""Records as PostgreSQL holds them, and back, with nothing lost that JSON or a name can say.

A name is text. PostgreSQL's can't hold U+0000, so that and U+0001 are escaped, in a way that keeps
which names are equal and which comes first.

A payload is a JSONB object, so that the server merges a patch; but what is in it is JSON *text*:
`{"plan": "\\"pro\\""}`. For JSONB normalises numbers (1e22, -0.0) and refuses U+0000, and text
stays what it is. Its keys are JSON text too, without their quotes. JSONB keeps no order of keys,
and a payload has none.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, cast

import attrs

from ..effects import FrozenDict, SessionRecord, from_json, to_json

FIELDS = tuple(field.name for field in attrs.fields(SessionRecord))
NAMES = frozenset({"handle", "user_id", "recipe_user_id", "tenant_id", "anti_csrf_token"})

_values = attrgetter(*FIELDS)
_NAMED = tuple(name in NAMES for name in FIELDS[:-2])


def escaped(name: str) -> str:
    r"""A name as text without U+0000.

    >>> escaped("a\0b")
    'a\x01\x01b'
    """
    if "\0" in name or "\1" in name:
        return name.replace("\1", "\1\2").replace("\0", "\1\1")
    return str.__str__(name)


def unescaped(text: str) -> str:
    r"""The name that was escaped.

    >>> unescaped(escaped("\0\1\2")) == "\0\1\2"
    True
    """
    if "\1" in text:
        return text.replace("\1\1", "\0").replace("\1\2", "\1")
    return text


def row_of(record: SessionRecord) -> dict[str, Any]:
    """A record's fields as a statement's parameters, and `ends_at`."""
    row = dict(zip(FIELDS, _values(record), strict=True))
    for name in NAMES:
        if row[name] is not None:
            row[name] = escaped(row[name])
    row["payload"] = members_of(record.payload)
    row["data"] = to_json(record.data)
    row["ends_at"] = record.expires_at
    return row


def record_of(row: tuple[Any, ...]) -> SessionRecord:
    """The record of a row whose columns are `FIELDS`."""
    *plain, payload, data = row
    fields: dict[str, Any] = {
        name: unescaped(value) if named and value is not None else value
        for name, value, named in zip(FIELDS, plain, _NAMED, strict=False)
    }
    fields["payload"] = payload_of(payload)
    fields["data"] = from_json(data)
    return SessionRecord(**fields)


def members_of(payload: FrozenDict) -> str:
    """A payload, or what a patch sets, as the text of the JSONB object that holds it.

    >>> members_of(FrozenDict({"plan": "pro"}))
    '{"plan":"\\\\"pro\\\\""}'
    """
    return to_json(FrozenDict({key_of(key): to_json(value) for key, value in payload.items()}))


def payload_of(members: Any) -> FrozenDict:
    """The payload of a JSONB object that the driver has parsed."""
    texts = cast("dict[str, str]", members)
    return from_json("{" + ",".join(f'"{key}":{text}' for key, text in texts.items()) + "}")


def key_of(key: str) -> str:
    """A payload's key as JSON text without its quotes."""
    return to_json(key)[1:-1]
