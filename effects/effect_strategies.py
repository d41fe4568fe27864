"""Strategies for effects, and for the replies that they may be given.

All of them are shown by `strategies.py`, which see.
"""

from __future__ import annotations

import string
from hashlib import sha256
from itertools import compress
from typing import Any, TypeAlias

import attrs

from .descriptions import (
    Announce,
    AppendHeader,
    ClaimFetched,
    Establish,
    Established,
    FetchClaim,
    HandleTaken,
    Listed,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    RemoveHeader,
    Replaced,
    ReplaceData,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Rotated,
    SetCookie,
    SetHeader,
    Stale,
    StoreEffect,
    TooLarge,
)
from .errors import UnknownEffect
from .frozen import FrozenDict, Secret, apply_patch, json_size
from .optional import st
from .record import SessionRecord
from .step import Effect
from .value_strategies import (
    Numbers,
    Objects,
    Texts,
    events,
    handles,
    identifiers,
    json_objects,
    json_values,
    payload_patches,
    payloads,
    secrets,
    session_records,
    times,
)

Anything: TypeAlias = st.SearchStrategy[Any]

_HANDLES = handles()
_IDENTIFIERS = identifiers()
_OBJECTS = json_objects()
_PATCHES = payload_patches()
_GENERATIONS = st.integers(0, 9)
_LIMITS = st.integers(0, 4096)  # bytes
_RECORDS = session_records()
_SECRETS = secrets()
_HEADER_NAMES = st.text(string.ascii_letters + "-", min_size=1, max_size=12)
_HEADER_VALUES = st.text(string.ascii_letters + string.digits + " ,;=/", max_size=12)


def store_effects(
    *,
    handles: Texts = _HANDLES,
    user_ids: Texts = _IDENTIFIERS,
    tenant_ids: Texts = _IDENTIFIERS,
    generations: Numbers = _GENERATIONS,
    patches: Objects = _PATCHES,
    limits: Numbers = _LIMITS,
) -> st.SearchStrategy[StoreEffect]:
    """Effects of the store family, and of these sessions and users alone."""
    records = session_records(
        handles=handles, user_ids=user_ids, tenant_ids=tenant_ids, generations=generations
    )
    made = _store_effects(records, handles, user_ids, tenant_ids, patches, limits)
    return st.one_of(list(made.values()))


def effects(*kinds: type[Effect[Any]]) -> st.SearchStrategy[Effect[Any]]:
    """Effects of these classes, or of all."""
    made = _store_effects(_RECORDS, _HANDLES, _IDENTIFIERS, _IDENTIFIERS, _PATCHES, _LIMITS)
    made |= _other_effects()
    return st.one_of([made[kind] for kind in kinds or made])


def replies(*kinds: type[Any]) -> Anything:
    """Replies of these classes, or of all, whatever they may answer."""
    made: dict[type[Any], Anything] = {
        SessionRecord: _RECORDS,
        Missing: st.just(Missing()),
        Established: st.builds(Established, _SECRETS),
        HandleTaken: st.just(HandleTaken()),
        Rotated: st.builds(Rotated, _SECRETS),
        Stale: st.builds(Stale, st.just(Missing()) | _RECORDS),
        Regenerated: st.builds(Regenerated, payloads(), st.none() | _SECRETS),
        TooLarge: st.builds(TooLarge, payloads()),
        Replaced: st.just(Replaced()),
        Revoked: st.builds(Revoked, _many(_HANDLES)),
        Listed: st.builds(_listed, st.lists(_RECORDS, max_size=3)),
        ClaimFetched: st.builds(ClaimFetched, json_values()),
    }
    return st.one_of([made[kind] for kind in kinds or made])


def replies_to(effect: Effect[Any]) -> Anything:
    """What a right interpreter may answer to this effect; None to one that is only told.

    Raises:
        UnknownEffect: it is none of this language.
    """
    missing = st.just(Missing())
    match effect:
        case Load(handle):
            return session_records(handles=st.just(handle)) | missing
        case Establish():
            return replies(Established, HandleTaken)
        case Rotate(record, expected):
            held = session_records(handles=st.just(record.handle))
            others = held.filter(lambda other: other.version != expected)
            return replies(Rotated) | st.builds(Stale, missing | others)
        case Regenerate(claims=claims):
            tokens = st.none() if claims is None else _SECRETS
            return st.builds(_regenerated, st.just(effect), payloads(), tokens) | missing
        case ReplaceData():
            return replies(Replaced, Missing)
        case Revoke(named):
            there = tuple(dict.fromkeys(named))
            found = st.lists(st.booleans(), min_size=len(there), max_size=len(there))
            return found.map(lambda which: Revoked(tuple(compress(there, which))))
        case RevokeUser(keep=keep):
            return st.builds(Revoked, _many(_HANDLES.filter(lambda handle: handle not in keep)))
        case ListSessions(user_id, tenant_id):
            tenants = _IDENTIFIERS if tenant_id is None else st.just(tenant_id)
            theirs = session_records(user_ids=st.just(user_id), tenant_ids=tenants)
            return st.builds(_listed, st.lists(theirs, max_size=3))
        case FetchClaim():
            return replies(ClaimFetched)
        case SetCookie() | SetHeader() | AppendHeader() | RemoveHeader() | Announce():
            return st.none()
        case _:
            raise UnknownEffect(f"{type(effect).__name__} is no effect of the language")


def _store_effects(
    records: st.SearchStrategy[SessionRecord],
    handles: Texts,
    user_ids: Texts,
    tenant_ids: Texts,
    patches: Objects,
    limits: Numbers,
) -> dict[type[Any], Anything]:
    some = st.lists(handles, max_size=3).map(tuple)
    tenants = st.none() | tenant_ids
    return {
        Establish: st.builds(_establish, records, _OBJECTS),
        Load: st.builds(Load, handles),
        Rotate: st.builds(_rotate, records, st.binary(min_size=32, max_size=32), _OBJECTS),
        Regenerate: st.builds(Regenerate, handles, patches, st.none() | _OBJECTS, limits),
        ReplaceData: st.builds(ReplaceData, handles, _OBJECTS),
        Revoke: st.builds(Revoke, some),
        RevokeUser: st.builds(RevokeUser, user_ids, tenants, some),
        ListSessions: st.builds(ListSessions, user_ids, tenants),
    }


def _other_effects() -> dict[type[Any], Anything]:
    who = dict.fromkeys(("key", "user_id", "recipe_user_id", "tenant_id"), _IDENTIFIERS)
    return {
        FetchClaim: st.builds(FetchClaim, **who),
        SetCookie: st.builds(
            SetCookie,
            name=st.text(string.ascii_letters, min_size=1, max_size=12),
            value=_SECRETS | st.just(""),
            path=st.sampled_from(["/", "/auth/session/refresh"]),
            domain=st.sampled_from([None, "example.com"]),
            secure=st.booleans(),
            http_only=st.booleans(),
            same_site=st.sampled_from(["lax", "strict", "none"]),
            expires=times(),
            max_age=st.integers(0, 400 * 24 * 3600),
        ),
        SetHeader: st.builds(SetHeader, _HEADER_NAMES, _HEADER_VALUES),
        AppendHeader: st.builds(AppendHeader, _HEADER_NAMES, _HEADER_VALUES),
        RemoveHeader: st.builds(RemoveHeader, _HEADER_NAMES),
        Announce: st.builds(Announce, events()),
    }


def _establish(record: SessionRecord, claims: FrozenDict) -> Establish:
    first = attrs.evolve(
        record,
        version=0,
        generation=0,
        previous_digest=None,
        salt=None,
        created_at=record.rotated_at,
    )
    return Establish(first, claims)


def _rotate(record: SessionRecord, drawn: bytes, claims: FrozenDict) -> Rotate:
    following = attrs.evolve(
        record,
        version=record.version + 1,
        generation=record.generation + 1,
        previous_digest=record.current_digest,
        current_digest=sha256(record.current_digest + drawn).digest(),
        salt=drawn,
    )
    return Rotate(following, record.version, claims)


def _regenerated(
    effect: Regenerate, payload: FrozenDict, token: Secret | None
) -> Regenerated | TooLarge:
    merged = apply_patch(payload, effect.patch)
    is_too_large = bool(effect.patch) and json_size(merged) > effect.limit
    return TooLarge(merged) if is_too_large else Regenerated(merged, token)


def _listed(records: list[SessionRecord]) -> Listed:
    distinct = {record.handle: record for record in records}.values()
    return Listed(tuple(sorted(distinct, key=lambda r: (r.created_at, r.handle))))


def _many(texts: Texts) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(texts, unique=True, max_size=3).map(tuple)
