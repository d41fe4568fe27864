"""A record as the fields of a Redis hash, and back; and the names of keys.

What the fields are is said in `redis_scripts.py`.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from json import JSONDecoder
from operator import attrgetter
from typing import Any
from zlib import crc32

import attrs

from ..effects import EMPTY, FrozenDict, InvalidInput, Missing, SessionRecord, from_json, to_json

FIELDS = ("v", "r", "p", "d")

LONGEST = 10**13  # ms, three centuries: what Redis takes for a time to live has an end

# First what a hint depends on, so that a script can tell by the beginning whether it still holds.
_PLACE = ("user_id", "tenant_id", "absolute_expires_at")
_BYTES = ("current_digest", "mac_key", "previous_digest", "salt")
_APART = ("handle", "version", "payload", "data", *_PLACE, *_BYTES)
_PLAIN = (
    *_PLACE,
    *(field.name for field in attrs.fields(SessionRecord) if field.name not in _APART),
)
_plain = attrgetter(*_PLAIN)
_bytes = attrgetter(*_BYTES)
_decode = JSONDecoder().decode


@attrs.frozen
class Names:
    """The keys of one application on a server that others may use too.

    Raises:
        InvalidInput: a prefix that could be taken for another's, or for a pattern.
    """

    prefix: str

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", self.prefix):
            raise InvalidInput(
                "the prefix of keys is 1 to 64 ASCII letters, digits, '_', '.' or '-', such as "
                "'counterfoil'; it needs no colon at its end."
            )

    def record(self, handle: str) -> str:
        """The key of a record."""
        return f"{self.prefix}:session:{handle}"

    def user(self, user_id: str) -> str:
        """The key of a user's hints."""
        return f"{self.prefix}:user:{user_id}"

    def secret(self, name: str) -> str:
        """The key of a secret."""
        return f"{self.prefix}:secret:{name}"

    def handle(self, key: bytes) -> str:
        """The handle in the key of a record."""
        return key.decode()[len(self.record("")) :]


def values_of(record: SessionRecord) -> tuple[str, int, str, str]:
    """The rest without its hint, the version, the payload and the data."""
    binary = [
        None if value is None else b2a_base64(value, newline=False).decode()
        for value in _bytes(record)
    ]
    rest = to_json((*_plain(record), *binary))
    data = to_json(record.data) if record.data else ""
    return rest, record.version, _netstrings(record.payload), data


def record_of(handle: str, values: Sequence[bytes | None]) -> SessionRecord | Missing:
    """The record of a handle, of its `FIELDS`; missing if there are none."""
    version, rest, payload, data = values
    if version is None or rest is None or payload is None:
        return Missing()
    return SessionRecord(
        handle=handle,
        version=int(version),
        payload=payload_of(payload),
        data=from_json(data) if data else EMPTY,
        **fields_of(rest),
    )


def fields_of(rest: bytes) -> dict[str, Any]:
    """The fields that the rest holds, by name."""
    values = _decode(rest[rest.index(b"[") :].decode())
    fields: dict[str, Any] = dict(zip(_PLAIN + _BYTES, values, strict=True))
    for name in _BYTES:
        if fields[name] is not None:
            fields[name] = a2b_base64(fields[name])
    return fields


def hint_of(rest: bytes, handle: str) -> str:
    """The hint of a record."""
    return f"{rest[: rest.index(b'[')].decode()}:{handle}"


def end_of(rest: bytes) -> int:
    """When a record ends, ms: its `expires_at`."""
    fields = fields_of(rest)
    idle_end: int = fields["rotated_at"] + fields["idle_lifetime"]
    absolute_end: int = fields["absolute_expires_at"]
    return min(idle_end, absolute_end)


def beginning(user_id: str, tenant_id: str | None = None) -> str:
    """How the rest of a record begins that is of this user, and of this tenant if one is named."""
    user = f"[{to_json(user_id)},"
    return user if tenant_id is None else f"{user}{to_json(tenant_id)},"


def place_of(record: SessionRecord) -> str:
    """How its rest begins, as far as its hint depends on it."""
    return f"{beginning(record.user_id, record.tenant_id)}{record.absolute_expires_at},"


def lifetime_of(record: SessionRecord, margin: int) -> int:
    """How long its key is kept from now on, ms.

    A duration, so that neither the server's clock nor the application's must be right. It is of
    the time of a rotation; other writes happen later than that, and so only keep it longer.
    """
    return _within(record.expires_at - record.rotated_at) + _kept(record.handle, margin)


def longest_of(record: SessionRecord, margin: int) -> int:
    """How long its key can be kept, however often it is refreshed, ms."""
    return _within(record.absolute_expires_at - record.rotated_at) + _kept(record.handle, margin)


def patch_words(patch: FrozenDict) -> Iterator[str]:
    """The keys and values of a patch; an empty text deletes."""
    for key, value in patch.items():
        yield to_json(key)
        yield "" if value is None else to_json(value)


def payload_of(netstrings: bytes) -> FrozenDict:
    """A payload as it was before `values_of`."""
    texts = _texts(netstrings)
    pairs = b",".join([b"%b:%b" % pair for pair in zip(texts[::2], texts[1::2], strict=True)])
    return from_json(f"{{{pairs.decode()}}}")


def _netstrings(payload: FrozenDict) -> str:
    texts = [to_json(text) for pair in payload.items() for text in pair]
    return "".join([f"{len(text.encode())}:{text}" for text in texts])


def _texts(netstrings: bytes) -> list[bytes]:
    texts: list[bytes] = []
    at = 0
    while at < len(netstrings):
        colon = netstrings.index(b":", at)
        at = colon + 1 + int(netstrings[at:colon])
        texts.append(netstrings[colon + 1 : at])
    return texts


def _kept(handle: str, margin: int) -> int:
    # Of sessions that end together not all are to be deleted together: nobody is served meanwhile.
    return margin + (margin * crc32(handle.encode()) >> 32)


def _within(duration: int) -> int:
    return min(max(duration, 0), LONGEST)
