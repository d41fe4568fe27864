"""Every effect and its replies: all that the core can ask of the world.

An effect is a verb, frozen, without behaviour, and names its replies. One effect is one atomic
act. Replies are frozen classes, never bool or None: a domain answer is a reply, a failure of the
infrastructure is an exception (`StoreUnavailable`).

Four families: store and keys, claims (asked); response, announcements (told). An interpreter
takes a family, and is one `match`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import attrs

from .events import Event
from .frozen import FrozenDict, Json, Secret, check_name, freeze, freeze_object
from .record import SessionRecord, as_secret
from .step import Effect


def _object(value: Mapping[str, object]) -> FrozenDict:
    return freeze_object(value)


def _optional_object(value: Mapping[str, object] | None) -> FrozenDict | None:
    return None if value is None else freeze_object(value)


def _json(value: object) -> Json:
    return freeze(value)


def _texts(value: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(value)


def _name(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    check_name(value, attribute.name)


def _names(
    _: object, attribute: attrs.Attribute[tuple[str, ...]], values: Iterable[object]
) -> None:
    for value in values:
        check_name(value, attribute.name)


def _optional_name(_: object, attribute: attrs.Attribute[str | None], value: object) -> None:
    if value is not None:
        check_name(value, attribute.name)


# --- replies -----------------------------------------------------------------------------------


@attrs.frozen
class Missing:
    """There is no such session."""


@attrs.frozen
class Established:
    """The record is stored; its first access token."""

    access_token: Secret = attrs.field(converter=Secret)


@attrs.frozen
class HandleTaken:
    """A record of that handle is there already; nothing was written."""


@attrs.frozen
class Rotated:
    """The record was swapped; an access token of it."""

    access_token: Secret = attrs.field(converter=Secret)


@attrs.frozen
class Stale:
    """The record had another version; nothing was written. `current` is what is there now."""

    current: SessionRecord | Missing


@attrs.frozen
class Regenerated:
    """The payload after the merge, and an access token of it where one was asked for."""

    payload: FrozenDict = attrs.field(converter=_object)
    access_token: Secret | None = attrs.field(default=None, converter=as_secret)


@attrs.frozen
class TooLarge:
    """The merge would exceed the limit; nothing was written. `payload` is what it would be."""

    payload: FrozenDict = attrs.field(converter=_object)


@attrs.frozen
class Replaced:
    """The data is written."""


@attrs.frozen
class Revoked:
    """The handles that were there and are gone now."""

    handles: tuple[str, ...] = attrs.field(default=(), converter=_texts)


@attrs.frozen
class Listed:
    """The user's records, oldest first."""

    records: tuple[SessionRecord, ...] = ()


@attrs.frozen
class ClaimFetched:
    """A claim's value; None where the user has none."""

    value: Json = attrs.field(converter=_json)


# --- store and keys ----------------------------------------------------------------------------


@attrs.frozen
class Establish(Effect[Established | HandleTaken]):
    """Store a new record, failing if its handle exists; sign its first access token.

    The token's claims are the record's payload plus `claims`.
    """

    record: SessionRecord
    claims: FrozenDict = attrs.field(converter=_object)


@attrs.frozen
class Load(Effect[SessionRecord | Missing]):
    """Read a record."""

    handle: str = attrs.field(validator=_name)


@attrs.frozen
class Rotate(Effect[Rotated | Stale]):
    """Put `record` in the place of the one with `expected_version`, and sign an access token.

    The token's claims are the record's payload plus `claims`.
    """

    record: SessionRecord
    expected_version: int
    claims: FrozenDict = attrs.field(converter=_object)


@attrs.frozen
class Regenerate(Effect[Regenerated | TooLarge | Missing]):
    """Merge a patch into the stored payload; sign an access token of the result.

    Keys of `patch` whose value is None are deleted. The token's claims are the merged payload
    plus `claims`; none is signed where `claims` is None. A result of more than `limit` bytes of
    compact JSON is not stored. An empty patch writes nothing.
    """

    handle: str = attrs.field(validator=_name)
    patch: FrozenDict = attrs.field(converter=_object)
    claims: FrozenDict | None = attrs.field(converter=_optional_object)
    limit: int


@attrs.frozen
class ReplaceData(Effect[Replaced | Missing]):
    """Write the session's server-side data."""

    handle: str = attrs.field(validator=_name)
    data: FrozenDict = attrs.field(converter=_object)


@attrs.frozen
class Revoke(Effect[Revoked]):
    """Delete the records of these handles."""

    handles: tuple[str, ...] = attrs.field(converter=_texts, validator=_names)


@attrs.frozen
class RevokeUser(Effect[Revoked]):
    """Delete a user's records, of one tenant or (None) of all, but not those in `keep`."""

    user_id: str = attrs.field(validator=_name)
    tenant_id: str | None = attrs.field(default=None, validator=_optional_name)
    keep: tuple[str, ...] = attrs.field(default=(), converter=_texts, validator=_names)


@attrs.frozen
class ListSessions(Effect[Listed]):
    """Read a user's records, of one tenant or (None) of all."""

    user_id: str = attrs.field(validator=_name)
    tenant_id: str | None = attrs.field(default=None, validator=_optional_name)


# --- claims ------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class FetchClaim(Effect[ClaimFetched]):
    """Ask the application for a claim's value."""

    key: str
    user_id: str
    recipe_user_id: str
    tenant_id: str


# --- response ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class SetCookie(Effect[None]):
    """One Set-Cookie header. `expires` is ms since the epoch, `max_age` seconds; 0 deletes."""

    name: str
    value: Secret = attrs.field(converter=Secret)
    path: str
    domain: str | None
    secure: bool
    http_only: bool
    same_site: Literal["lax", "strict", "none"]
    expires: int
    max_age: int


@attrs.frozen
class SetHeader(Effect[None]):
    """Set a response header, in the place of any value that it had."""

    name: str
    value: str


@attrs.frozen
class AppendHeader(Effect[None]):
    """Add a member to a comma-separated response header, unless it is there already."""

    name: str
    value: str


@attrs.frozen
class RemoveHeader(Effect[None]):
    """Remove a response header."""

    name: str


# --- announcements -----------------------------------------------------------------------------


@attrs.frozen
class Announce(Effect[None]):
    """Tell whoever listens what happened."""

    event: Event


StoreEffect: TypeAlias = (
    Establish | Load | Rotate | Regenerate | ReplaceData | Revoke | RevokeUser | ListSessions
)
ClaimEffect: TypeAlias = FetchClaim
ResponseEffect: TypeAlias = SetCookie | SetHeader | AppendHeader | RemoveHeader
AnnouncementEffect: TypeAlias = Announce
