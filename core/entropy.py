"""Entropy in, names and secrets out. The core draws none itself: the caller passes fresh bytes.

One call's 32 bytes or more are the key of HMAC-SHA256, and each use has a label of its own, so
that no two values of one call depend on each other. Never pass the same bytes twice.
"""

from __future__ import annotations

import hmac

from ..effects import InvalidInput

ENTROPY_BYTES = 32

_TIMESTAMP_LIMIT = 1 << 48  # ms that a UUIDv7 has room for: until the year 10889


def draw(entropy: bytes, label: bytes) -> bytes:
    """32 bytes for one use of a call's entropy.

    >>> draw(bytes(32), b"salt") == draw(bytes(32), b"secret")
    False
    """
    return hmac.digest(entropy, label, "sha256")


def check_entropy(entropy: object) -> None:
    """Refuse entropy that is too short to make secrets of.

    Raises:
        InvalidInput: it is not bytes, or has fewer than 32.
    """
    if not isinstance(entropy, bytes):
        kind = type(entropy).__name__
        raise InvalidInput(f"entropy must be bytes, not {kind}; pass secrets.token_bytes(32).")
    if len(entropy) < ENTROPY_BYTES:
        raise InvalidInput(
            f"entropy must be at least {ENTROPY_BYTES} bytes, not {len(entropy)}; "
            "pass secrets.token_bytes(32), fresh for each call."
        )


def check_now(now: object) -> None:
    """Refuse a time that can't be milliseconds since the epoch.

    Raises:
        InvalidInput: it is no int, or out of range.
    """
    if type(now) is not int or not 0 <= now < _TIMESTAMP_LIMIT:
        kind = type(now).__name__
        raise InvalidInput(
            f"now must be an int, milliseconds since the Unix epoch, not {kind} "
            "or out of range; pass time.time_ns() // 1_000_000."
        )


def check_text(value: object, name: str) -> None:
    """Refuse what is no string.

    Raises:
        InvalidInput: it is something else, such as bytes.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a str, not {type(value).__name__}.")


def new_handle(now: int, entropy: bytes) -> str:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of time, 74 bits of entropy. A name, no credential.

    >>> new_handle(1_700_000_000_000, bytes(32))
    '018bcfe5-6800-7727-82d6-bb4b702604b7'
    """
    random = int.from_bytes(draw(entropy, b"handle")[:10])
    value = now << 80 | 7 << 76 | (random >> 62 & 0xFFF) << 64 | 2 << 62 | random & (1 << 62) - 1
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
