"""A store and a signer, and the interpreter that makes one backend of them.

Anyone can write a store or a signer: implement the protocol below, importing only
`counterfoil.effects`. `Backend` turns the store effects into calls of it and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, assert_never

import attrs

from .descriptions import (
    Establish,
    Established,
    HandleTaken,
    Listed,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    Replaced,
    ReplaceData,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Rotated,
    Stale,
    StoreEffect,
    TooLarge,
)
from .frozen import FrozenDict
from .record import SessionRecord

if TYPE_CHECKING:
    from .async_store import AsyncStore

Algorithm: TypeAlias = Literal["EdDSA", "ES256", "RS256"]

TOKEN_TYPE = "at+jwt"  # noqa: S105  # RFC 9068, 2.1: the `typ` of every access token
TOKEN_VERSION = "1"  # noqa: S105  # the `version` in its header: the shape of the claims


@attrs.frozen
class PublicKey:
    """A key that access tokens are verified with.

    Attributes:
        kid: its RFC 7638 SHA-256 thumbprint, 43 characters.
        algorithm: the one algorithm that it verifies.
        der: the key as SubjectPublicKeyInfo, DER.
    """

    kid: str
    algorithm: Algorithm
    der: bytes = attrs.field(repr=False)


class Store(Protocol):
    """Where records are kept. Each method is one atomic act, durable when it returns.

    A store decides nothing: it knows no clock and no policy, and answers with what it holds,
    expired or not. It may be called from many threads at once. A driver's error leaves it as
    `StoreUnavailable`, raised from the original.
    """

    def create(self, record: SessionRecord) -> HandleTaken | None:
        """Insert the record; `HandleTaken`, and no change, if its handle exists."""
        ...

    def load(self, handle: str) -> SessionRecord | Missing:
        """The latest record, never one from a replica that may lag."""
        ...

    def swap(self, record: SessionRecord, expected_version: int) -> Stale | None:
        """Replace the record of `record.handle` if its version is `expected_version`.

        `record.version` is already the new one. Otherwise `Stale` with what is there now.
        """
        ...

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> FrozenDict | TooLarge | Missing:
        """Apply the patch to the payload (`apply_patch`) and add one to the version.

        Answers the merged payload. `TooLarge`, and no change, if `json_size` of it exceeds
        `limit`. An empty patch writes nothing, answers the payload and ignores the limit.
        """
        ...

    def replace_data(self, handle: str, data: FrozenDict) -> Missing | None:
        """Replace the data and add one to the version. Never creates a record."""
        ...

    def delete(self, handles: tuple[str, ...]) -> tuple[str, ...]:
        """Delete these records; answers the handles that were there, in the order given."""
        ...

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Delete a user's records except `keep`; answers the handles, oldest first.

        Who creates a record's successor and then deletes the record (re-keying) finds it gone, or
        the successor is deleted too: none survives between the two.
        """
        ...

    def list_for_user(self, user_id: str, tenant_id: str | None) -> tuple[SessionRecord, ...]:
        """A user's records, oldest first: by `created_at`, then by handle."""
        ...

    def purge(self, now: int, limit: int) -> int:
        """Delete at most `limit` records with `expires_at <= now`; answers how many."""
        ...


class Signer(Protocol):
    """Who signs access tokens. May be called from many threads at once."""

    def sign(self, claims: FrozenDict) -> str:
        """A compact JWS (RFC 7515) of the claims as UTF-8 JSON, made with the active key.

        Its header holds `alg`, `kid`, `typ` (`TOKEN_TYPE`) and `version` (`TOKEN_VERSION`). A
        `kid` names one key for ever, which `public_keys` has before it signs.
        """
        ...

    def public_keys(self) -> tuple[PublicKey, ...]:
        """Every key that a live token may be signed with, those about to be used included."""
        ...


@attrs.frozen
class Backend:
    """The store family, carried out against a blocking store and a signer."""

    store: Store
    signer: Signer

    def perform(self, effect: StoreEffect) -> Any:
        """Carry out one effect of the store family and give its reply."""
        return answer_of(effect, ask(self.store, effect), self.signer)


def ask(store: Store | AsyncStore, effect: StoreEffect) -> Any:
    """The one act of the store that an effect asks for: its answer, or an awaitable of it."""
    match effect:
        case Load(handle):
            return store.load(handle)
        case Rotate(record, expected_version):
            return store.swap(record, expected_version)
        case Regenerate(handle, patch, _, limit):
            return store.merge_payload(handle, patch, limit)
        case Establish(record):
            return store.create(record)
        case ReplaceData(handle, data):
            return store.replace_data(handle, data)
        case Revoke(handles):
            return store.delete(handles)
        case RevokeUser(user_id, tenant_id, keep):
            return store.delete_for_user(user_id, tenant_id, keep)
        case ListSessions(user_id, tenant_id):
            return store.list_for_user(user_id, tenant_id)
        case _:
            assert_never(effect)


def answer_of(effect: StoreEffect, answer: Any, signer: Signer) -> Any:
    """The reply to an effect, from the store's answer; an access token is signed on success."""
    match effect:
        case Load():
            return answer
        case Rotate(record, _, claims):
            return answer or Rotated(signer.sign(joined(record.payload, claims)))
        case Regenerate(_, _, claims):
            return _regenerated(answer, claims, signer)
        case Establish(record, claims):
            return answer or Established(signer.sign(joined(record.payload, claims)))
        case ReplaceData():
            return answer or Replaced()
        case Revoke() | RevokeUser():
            return Revoked(answer)
        case ListSessions():
            return Listed(answer)
        case _:
            assert_never(effect)


def _regenerated(
    merged: FrozenDict | TooLarge | Missing, claims: FrozenDict | None, signer: Signer
) -> Regenerated | TooLarge | Missing:
    if isinstance(merged, TooLarge | Missing):
        return merged
    token = None if claims is None else signer.sign(joined(merged, claims))
    return Regenerated(merged, token)


def joined(payload: FrozenDict, claims: FrozenDict) -> FrozenDict:
    """A token's claims: the application's payload, with the engine's own on top."""
    return FrozenDict({**payload, **claims})
