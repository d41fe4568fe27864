"""What tokens are called on the page: by a piece of a digest, so that equal ones look equal.

A refresh token's digest stands in the access token that came with it (`refreshTokenHash1`), so
that the page can name a token which it can't read.
"""

from __future__ import annotations

from hashlib import sha256

from ...core.rotation import parse

LENGTH = 6  # hex digits: enough to tell the tokens of one page apart


def fingerprint(token: str) -> str:
    """The first digits of a refresh token's digest; of anything else, of its own.

    >>> fingerprint("not a token")
    '7038d0'
    """
    known = parse(token)
    digest = (
        sha256(token.encode(errors="surrogatepass")).digest() if known is None else known.digest
    )
    return digest.hex()[:LENGTH]


def nickname(token: str, letter: str) -> str:
    """A token's name in the log.

    >>> nickname("not a token", "R")
    'R·7038d0'
    """
    return f"{letter}·{fingerprint(token)}"
