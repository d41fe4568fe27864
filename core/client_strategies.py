"""Strategies for what clients send: refresh tokens and requests, honest, broken and forged.

All of them are shown by `strategies.py`, which see.
"""

from __future__ import annotations

import string
from typing import TypeAlias, cast

import attrs

from ..effects import Secret, SessionRecord
from ..effects.optional import st
from ..effects.strategies import payloads, session_records
from .policy import Policy
from .policy_strategies import claim_keys, origins
from .request import LEGACY_COOKIE, RequestFacts
from .rotation import TOKEN_CHARACTERS, RefreshToken, digest, mint, parse, successor

Texts: TypeAlias = st.SearchStrategy[str]
Records: TypeAlias = st.SearchStrategy[SessionRecord]

_POLICY = Policy("https://api.example.com", site_origin="https://example.com")
_BYTES = st.binary(min_size=32, max_size=32)
_PLACES = st.integers(0, TOKEN_CHARACTERS - 1)
_LETTERS = string.ascii_letters + string.digits + "-_"
_RECORDS = session_records(payloads=payloads(keys=claim_keys()))
# Servers decode headers as Latin-1; half a surrogate pair comes from those that don't.
_JUNK = (
    st.text(max_size=40)
    | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
    | st.text(st.characters(), max_size=8)
)
_METHODS = st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "post", ""]) | _JUNK
_SITES = st.sampled_from(["same-origin", "same-site", "cross-site", "none", ""])
_MODES = st.sampled_from(["cookie", "header", "any", "COOKIE", ""])
_SCHEMES = st.sampled_from(["Bearer", "bearer", "Basic", ""])
_HEADERS = (
    "Cookie",
    "Authorization",
    "Origin",
    "Sec-Fetch-Site",
    "st-auth-mode",
    "rid",
    "anti-csrf",
)
_ORIGINS = origins().map(str) | st.just("null")


@attrs.frozen(kw_only=True)
class Issued:
    """A record, and refresh tokens of its session that were issued.

    Attributes:
        record: what the store holds.
        current: the token that rotates.
        previous: its predecessor, which is replayed or forks; None if there is none.
        older: one of a generation before that, which betrays a copy; None if there is none.
    """

    record: SessionRecord
    current: Secret
    previous: Secret | None = None
    older: Secret | None = None

    @property
    def tokens(self) -> tuple[Secret, ...]:
        """Those that there are, newest first."""
        return tuple(token for token in (self.current, self.previous, self.older) if token)


def _issued(record: SessionRecord, secret: bytes, number: int) -> Issued:
    last = record.generation
    if record.salt is None:
        first = attrs.evolve(record, current_digest=digest(secret))
        return Issued(record=first, current=_token(first, last, secret))
    following = successor(secret, record.salt)
    rotated = attrs.evolve(record, current_digest=digest(following), previous_digest=digest(secret))
    older = _token(rotated, number % (last - 1), digest(secret)) if last > 1 else None
    return Issued(
        record=rotated,
        current=_token(rotated, last, following),
        previous=_token(rotated, last - 1, secret),
        older=older,
    )


def _token(record: SessionRecord, generation: int, secret: bytes) -> Secret:
    return mint(handle=record.handle, generation=generation, secret=secret, mac_key=record.mac_key)


def _under_another_key(record: SessionRecord, secret: bytes) -> Secret:
    return _token(attrs.evolve(record, mac_key=digest(record.mac_key)), record.generation, secret)


def _damaged(token: Secret, place: int, by: int) -> str:
    other = _LETTERS[(_LETTERS.index(token[place]) + by) % len(_LETTERS)]
    return token[:place] + other + token[place + 1 :]


def _cut(token: Secret, place: int) -> str:
    return token[:place]


def issued(records: Records = _RECORDS) -> st.SearchStrategy[Issued]:
    """Records whose refresh tokens are known; their digests are those of the tokens."""
    return st.builds(_issued, records, _BYTES, st.integers(0, 1 << 47))


def refresh_tokens(records: Records = _RECORDS) -> st.SearchStrategy[Secret]:
    """Refresh tokens that were issued: current, previous and older ones."""
    return issued(records).flatmap(lambda known: st.sampled_from(known.tokens))


def forged_refresh_tokens(records: Records = _RECORDS) -> Texts:
    """What was never issued as a refresh token: under another key, damaged, cut, or any text."""
    genuine = refresh_tokens(records)
    damaged = st.builds(_damaged, genuine, _PLACES, st.integers(1, len(_LETTERS) - 1))
    cut = st.builds(_cut, genuine, _PLACES)
    return st.builds(_under_another_key, records, _BYTES) | damaged | cut | _JUNK


def parsed_refresh_tokens(records: Records = _RECORDS) -> st.SearchStrategy[RefreshToken]:
    """Refresh tokens taken apart: genuine ones, and such that are under another key."""
    return (refresh_tokens(records) | st.builds(_under_another_key, records, _BYTES)).map(_parsed)


_TOKENS = refresh_tokens() | forged_refresh_tokens()


def request_facts(
    policy: Policy = _POLICY, *, tokens: Texts = _TOKENS
) -> st.SearchStrategy[RequestFacts]:
    """Requests of browsers and of attackers, some of which carry tokens where the policy looks."""
    values = tokens | _JUNK
    ours = (policy.access_cookie, policy.refresh_cookie)
    names = st.sampled_from([*ours, LEGACY_COOKIE, "st-access-token", "x", ""])
    cookies = st.lists(st.builds("{}={}".format, names, values), max_size=4).map("; ".join)
    credentials = st.builds("{} {}".format, _SCHEMES, values)
    pages = st.sampled_from([str(policy.site_origin), str(policy.api_origin)]) | _ORIGINS
    meant = (cookies, credentials, pages, _SITES, _MODES, _JUNK, values)
    headers = [st.tuples(st.just(name), value) for name, value in zip(_HEADERS, meant, strict=True)]
    bogus = st.tuples(st.sampled_from(_HEADERS) | _JUNK, _JUNK)
    return st.builds(RequestFacts, _METHODS, st.lists(st.one_of(*headers, bogus), max_size=6))


def _parsed(token: Secret) -> RefreshToken:
    return cast("RefreshToken", parse(token))  # minted, so of the form
