"""Strategies for the nouns of the language: JSON, names, secrets, records, keys and events.

All of them are shown by `strategies.py`, which see. A secret begins as no digest and no
number does, and is longer than any text: what looks like one in a log is one.
"""

from __future__ import annotations

import string
from hashlib import sha256, shake_256
from typing import Any, TypeAlias, assert_never

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .backend import Algorithm, PublicKey
from .base64url import base64url
from .events import (
    Event,
    Reason,
    RefreshForked,
    RefreshReplayed,
    RequestRejected,
    SessionCreated,
    SessionRefreshed,
    SessionsRevoked,
    Theft,
    TheftDetected,
)
from .frozen import EMPTY, FrozenDict, Json, Secret, apply_patch
from .optional import st
from .record import SessionRecord

Texts: TypeAlias = st.SearchStrategy[str]
Numbers: TypeAlias = st.SearchStrategy[int]
Objects: TypeAlias = st.SearchStrategy[FrozenDict]

SECOND = 1_000  # ms
DAY = 24 * 3600 * SECOND

_BASE64 = string.ascii_letters + string.digits + "-_"
_MARK = "s-"
_LAST = 1 << 47  # ms: the year 6429, so that the ends of what begins then can be said as well
_TIMES = st.integers(0, _LAST)
_TEXTS = st.text(max_size=8)
_BYTES = st.binary(min_size=32, max_size=32)
_GENERATIONS = st.integers(0, 3) | st.integers(0, 1 << 40)  # a refresh token has room for 48 bits


def _nested(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    objects = st.dictionaries(_TEXTS, inner, max_size=4).map(FrozenDict)
    return objects | st.lists(inner, max_size=4).map(tuple)


def _without_nulls(members: FrozenDict) -> FrozenDict:
    return apply_patch(EMPTY, members)


def _marked(text: str) -> Secret:
    return Secret(_MARK + text)


def _uuid7(at: int, random: int) -> str:
    value = at << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def json_values(*, max_leaves: int = 8) -> st.SearchStrategy[Json]:
    """Whatever JSON can say, deeply frozen."""
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | _TEXTS, _nested, max_leaves=max_leaves
    )


def json_objects(*, keys: Texts = _TEXTS, max_size: int = 4, max_leaves: int = 8) -> Objects:
    """JSON objects, deeply frozen."""
    members = st.dictionaries(keys, json_values(max_leaves=max_leaves), max_size=max_size)
    return members.map(FrozenDict)


def payloads(*, keys: Texts = _TEXTS, max_size: int = 4, max_leaves: int = 4) -> Objects:
    """What a record holds as payload: no member is null, for that deletes it."""
    found = json_objects(keys=keys, max_size=max_size, max_leaves=max_leaves)
    return found.map(_without_nulls)


def payload_patches(
    payload: FrozenDict = EMPTY, *, keys: Texts = _TEXTS, max_size: int = 4
) -> Objects:
    """Patches, half of whose members delete; some keys are the payload's own."""
    named = keys | st.sampled_from(tuple(payload)) if payload else keys
    values = st.none() | json_values(max_leaves=4)
    return st.dictionaries(named, values, max_size=max_size).map(FrozenDict)


def secrets(*, min_size: int = 16, max_size: int = 48) -> st.SearchStrategy[Secret]:
    """Tokens of URL-safe letters, whose `repr` hides them."""
    size = {"min_size": min_size - len(_MARK), "max_size": max_size - len(_MARK)}
    return st.text(_BASE64, **size).map(_marked)


def identifiers(*, max_size: int = 12) -> Texts:
    """Names of users and tenants: any text but the empty one."""
    return st.sampled_from(["ada", "eve"]) | st.text(min_size=1, max_size=max_size)


def times(first: int = 0, last: int = _LAST) -> Numbers:
    """Milliseconds since the Unix epoch."""
    return st.integers(first, last)


def handles(*, at: Numbers = _TIMES) -> Texts:
    """Names of sessions: UUIDv7, from a time and 74 bits."""
    return st.builds(_uuid7, at, st.integers(0, (1 << 74) - 1))


_HANDLES = handles()
_IDENTIFIERS = identifiers()
_PAYLOADS = payloads()
_OBJECTS = json_objects()


def session_records(
    *,
    handles: Texts = _HANDLES,
    user_ids: Texts = _IDENTIFIERS,
    tenant_ids: Texts = _IDENTIFIERS,
    generations: Numbers = _GENERATIONS,
    payloads: Objects = _PAYLOADS,
    data: Objects = _OBJECTS,
    alive_at: int | None = None,
) -> st.SearchStrategy[SessionRecord]:
    """Records of sessions that were created and rotated, alive at a time (by default, at some)."""
    moments = times() if alive_at is None else st.just(alive_at)
    return _records(handles, user_ids, tenant_ids, generations, payloads, data, moments)


def reasons() -> st.SearchStrategy[Reason]:
    """Why a request was rejected."""
    return st.sampled_from(Reason)


def thefts() -> st.SearchStrategy[Theft]:
    """How old a token was that betrayed a copy."""
    return st.sampled_from(Theft)


def events(
    *kinds: type[Any],
    handles: Texts = _HANDLES,
    user_ids: Texts = _IDENTIFIERS,
    tenant_ids: Texts = _IDENTIFIERS,
) -> st.SearchStrategy[Event]:
    """Events of these classes, or of all."""
    at, many = times(), st.lists(handles, unique=True, max_size=3).map(tuple)
    whose = {"handle": handles, "user_id": user_ids, "tenant_id": tenant_ids, "at": at}
    turn = {"handle": handles, "generation": _GENERATIONS, "at": at}
    made: dict[type[Any], st.SearchStrategy[Any]] = {
        SessionCreated: st.builds(SessionCreated, **whose, replaces=st.none() | handles),
        SessionRefreshed: st.builds(SessionRefreshed, **turn),
        RefreshReplayed: st.builds(RefreshReplayed, **turn),
        RefreshForked: st.builds(RefreshForked, **turn),
        TheftDetected: st.builds(TheftDetected, **whose, kind=thefts(), generation=_GENERATIONS),
        SessionsRevoked: st.builds(SessionsRevoked, handles=many, at=at),
        RequestRejected: st.builds(
            RequestRejected, reason=reasons(), handle=st.none() | handles, at=at
        ),
    }
    return st.one_of([made[kind] for kind in kinds or made])


def public_keys(*algorithms: Algorithm) -> st.SearchStrategy[PublicKey]:
    """Keys of these algorithms, or of all; nobody has the private part of an RSA one."""
    kinds: tuple[Algorithm, ...] = algorithms or ("EdDSA", "ES256", "RS256")
    return st.builds(_public_key, st.sampled_from(kinds), _BYTES)


@st.composite
def _records(
    draw: st.DrawFn,
    handles: Texts,
    user_ids: Texts,
    tenant_ids: Texts,
    generations: Numbers,
    payloads: Objects,
    data: Objects,
    moments: Numbers,
) -> SessionRecord:
    # All that was is seen from a moment at which the session is alive.
    moment, generation, user_id = draw(moments), draw(generations), draw(user_ids)
    access = draw(st.integers(SECOND, DAY))
    idle = draw(st.integers(access, 90 * DAY))
    absolute = draw(st.integers(idle, 400 * DAY))
    age = draw(st.integers(0, min(absolute - 1, moment)))
    since = draw(st.integers(0, min(idle - 1, age)))  # its last rotation, or its login
    current = draw(_BYTES)
    return SessionRecord(
        handle=draw(handles),
        user_id=user_id,
        recipe_user_id=draw(st.just(user_id) | user_ids),
        tenant_id=draw(tenant_ids),
        version=generation + draw(st.integers(0, 3)),
        created_at=moment - age,
        absolute_expires_at=moment - age + absolute,
        idle_lifetime=idle,
        access_lifetime=access,
        rotated_at=moment - since,
        generation=generation,
        current_digest=current,
        previous_digest=draw(_BYTES.filter(lambda other: other != current)) if generation else None,
        salt=draw(_BYTES) if generation else None,
        mac_key=draw(_BYTES),
        anti_csrf_token=draw(st.none() | secrets(min_size=32, max_size=32)),
        payload=draw(payloads),
        data=draw(data),
    )


def _public_key(algorithm: Algorithm, seed: bytes) -> PublicKey:
    der = _public(algorithm, seed).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    thumbprint = base64url(sha256(der).digest())  # of the same form
    return PublicKey(thumbprint, algorithm, der)


def _public(
    algorithm: Algorithm, seed: bytes
) -> Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey:
    match algorithm:
        case "EdDSA":
            return Ed25519PrivateKey.from_private_bytes(seed).public_key()
        case "ES256":
            number = int.from_bytes(seed) >> 1 | 1  # from 1 to below the curve's order
            return derive_private_key(number, SECP256R1()).public_key()
        case "RS256":
            modulus = 1 << 2047 | int.from_bytes(shake_256(seed).digest(255)) | 1
            return RSAPublicNumbers(e=65537, n=modulus).public_key()
        case _:
            assert_never(algorithm)
