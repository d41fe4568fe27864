"""Refresh tokens: their form, how one follows from another, and what presenting one means.

A token is opaque to the client: 87 bytes in 116 characters of URL-safe base64, no padding.

    version 1 | handle 16 | generation 6 | secret 32 | MAC 32

The MAC is HMAC-SHA256 of all before it, under the record's own `mac_key`: a forged token is told
from an old one, and so can never hurt the session. The successor's secret is
HMAC-SHA256(key=presented secret, message=salt), with a fresh salt at each rotation: whoever reads
the record can mint nothing, and all who present one token get the same successor.

What a presented token means is decided by a rule, a value in the policy.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import Protocol

import attrs

from ..effects import Secret, SessionRecord, Theft
from ..effects.base64url import base64url, from_base64url

TOKEN_CHARACTERS = 116

_FORM = re.compile(r"[A-Za-z0-9_-]{116}", re.ASCII)
_VERSION = b"\x01"
_UUID_DIGITS = (8, 12, 16, 20)


def _length(value: bytes) -> str:
    return f"<{len(value)} bytes>"


@attrs.frozen(kw_only=True)
class RefreshToken:
    """A refresh token taken apart. Not yet known to be genuine.

    `secret` and `mac` are 32 bytes each, `signed` is what the MAC was made of.
    """

    handle: str
    generation: int
    secret: bytes = attrs.field(repr=_length)
    mac: bytes = attrs.field(repr=_length)
    signed: bytes = attrs.field(repr=_length)

    def is_genuine(self, mac_key: bytes) -> bool:
        """Whether it was minted under this key, in constant time."""
        return hmac.compare_digest(hmac.digest(mac_key, self.signed, "sha256"), self.mac)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the secret: what the record keeps."""
        return digest(self.secret)


class Verdict(StrEnum):
    """What is to happen with a presented refresh token, theft aside (`Theft` has its kinds)."""

    ROTATE = "rotate"
    """It is the current one: a successor takes its place."""
    REPLAY = "replay"
    """It is the predecessor, a moment ago: the same successor again, nothing is written."""
    FORK = "fork"
    """It is the predecessor, its successor was never used: a new one displaces that."""
    FORGED = "forged"
    """It was never issued."""
    SPENT = "spent"
    """It was used before: refused, and nothing else happens. Not a verdict of ours."""
    MINT = "mint"
    """It gets one more child, and nothing is written. Not a verdict of ours."""
    PROMOTE = "promote"
    """A child takes its parent's place, and gets a child itself. Not a verdict of ours."""


class RotationRule(Protocol):
    """What presenting a refresh token means. A frozen value, part of the policy."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """The verdict on a token for this record's handle; `now` and `leeway` in ms."""
        ...


@attrs.frozen
class SameSuccessor:
    """counterfoil's rule: the same successor within the leeway, then fork until it is used."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """The verdict, by DESIGN's table: current, predecessor, or older and so a copy."""
        if not presented.is_genuine(record.mac_key):
            return Verdict.FORGED
        shown = presented.digest
        if hmac.compare_digest(shown, record.current_digest):
            return Verdict.ROTATE
        if record.previous_digest and hmac.compare_digest(shown, record.previous_digest):
            recent = now - record.rotated_at <= leeway
            return Verdict.REPLAY if recent else Verdict.FORK
        return _kind(record.generation - presented.generation)


def parse(text: str) -> RefreshToken | None:
    """Take a refresh token apart; None if it isn't of our form. Not a check of its MAC.

    >>> parse("garbage") is None
    True
    """
    if len(text) != TOKEN_CHARACTERS or _FORM.fullmatch(text) is None:
        return None
    raw = from_base64url(text)
    if raw[:1] != _VERSION:
        return None
    digits = raw[1:17].hex()
    a, b, c, d = _UUID_DIGITS
    return RefreshToken(
        handle=f"{digits[:a]}-{digits[a:b]}-{digits[b:c]}-{digits[c:d]}-{digits[d:]}",
        generation=int.from_bytes(raw[17:23]),
        secret=raw[23:55],
        mac=raw[55:],
        signed=raw[:55],
    )


def mint(*, handle: str, generation: int, secret: bytes, mac_key: bytes) -> Secret:
    """The token that `parse` takes apart.

    >>> handle = "018bcfe5-6800-72b1-b634-e4cf3b9f9a5e"
    >>> token = mint(handle=handle, generation=3, secret=bytes(32), mac_key=bytes(32))
    >>> len(token), parse(token).generation
    (116, 3)
    """
    name = bytes.fromhex(handle.replace("-", ""))
    signed = b"".join((_VERSION, name, generation.to_bytes(6), secret))
    return Secret(base64url(signed + hmac.digest(mac_key, signed, "sha256")))


def successor(secret: bytes, salt: bytes) -> bytes:
    """The secret that follows from a presented one, 32 bytes (RFC 2104)."""
    return hmac.digest(secret, salt, "sha256")


def rotated(
    record: SessionRecord,
    used: RefreshToken,
    secret: bytes,
    salt: bytes,
    *,
    generation: int,
    now: int,
) -> SessionRecord:
    """The record once a token was used, whose successor has this secret, by this salt."""
    return _with_line(
        record,
        version=record.version + 1,
        generation=generation,
        current_digest=digest(secret),
        previous_digest=used.digest,
        salt=salt,
        rotated_at=_no_earlier(now, record),
    )


def child_of(record: SessionRecord, parent: RefreshToken, salt: bytes) -> SessionRecord:
    """What the record would be if the parent's successor by this salt were the current token."""
    return _with_line(
        record,
        version=record.version,
        generation=parent.generation + 1,
        current_digest=digest(successor(parent.secret, salt)),
        previous_digest=parent.digest,
        salt=salt,
        rotated_at=record.rotated_at,
    )


def promoted(record: SessionRecord, child: RefreshToken, *, now: int) -> SessionRecord:
    """The record once a child has taken its parent's place."""
    return _with_line(
        record,
        version=record.version + 1,
        generation=child.generation,
        current_digest=child.digest,
        previous_digest=record.current_digest,
        salt=None,
        rotated_at=_no_earlier(now, record),
    )


def _no_earlier(now: int, record: SessionRecord) -> int:
    # Another server's clock may be ahead of ours; a rotation never moves time back.
    return max(now, record.rotated_at)


def _with_line(
    record: SessionRecord,
    *,
    version: int,
    generation: int,
    current_digest: bytes,
    previous_digest: bytes,
    salt: bytes | None,
    rotated_at: int,
) -> SessionRecord:
    # Written out: `attrs.evolve` takes twice as long, at every refresh.
    return SessionRecord(
        handle=record.handle,
        user_id=record.user_id,
        recipe_user_id=record.recipe_user_id,
        tenant_id=record.tenant_id,
        version=version,
        created_at=record.created_at,
        absolute_expires_at=record.absolute_expires_at,
        idle_lifetime=record.idle_lifetime,
        access_lifetime=record.access_lifetime,
        rotated_at=rotated_at,
        generation=generation,
        current_digest=current_digest,
        previous_digest=previous_digest,
        salt=salt,
        mac_key=record.mac_key,
        anti_csrf_token=record.anti_csrf_token,
        payload=record.payload,
        data=record.data,
    )


def digest(secret: bytes) -> bytes:
    """SHA-256 of a refresh secret, 32 bytes."""
    return hashlib.sha256(secret).digest()


def _kind(generations_behind: int) -> Theft:
    # A genuine token of the current or the previous generation whose secret is neither the
    # current nor the previous one belongs to a line that a fork displaced.
    if generations_behind <= 1:
        return Theft.ORPHANED
    return Theft.RECENT if generations_behind == 2 else Theft.STALE
