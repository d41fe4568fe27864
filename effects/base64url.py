"""URL-safe base64 without padding, as everything in a token is written (RFC 7515, 2)."""

from __future__ import annotations

# Not `base64`: its functions are Python around these, three calls deep, and a refresh makes six.
from binascii import a2b_base64, b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def base64url(octets: bytes) -> str:
    """Four characters for three bytes, fewer at the end.

    >>> base64url(b"\\xfb\\xff\\xbf" + b"a")
    '-_-_YQ'
    """
    return b2a_base64(octets, newline=False).translate(_TO_URL, b"=").decode()


def from_base64url(text: str) -> bytes:
    """What `base64url` gave this text for. What isn't of its alphabet is passed over, not refused.

    Raises:
        ValueError: no bytes have a text of this length, or it isn't ASCII.

    >>> from_base64url("-_-_YQ")
    b'\\xfb\\xff\\xbfa'
    """
    padding = b"=" * (-len(text) % 4)
    return a2b_base64(text.encode("ascii").translate(_FROM_URL) + padding)
