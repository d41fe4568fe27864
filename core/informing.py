"""Reading what the store knows of sessions, and the data that stays on the server."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..effects import (
    Done,
    FrozenDict,
    Listed,
    ListSessions,
    Load,
    Missing,
    Replaced,
    ReplaceData,
    SessionRecord,
    Step,
    freeze_object,
)
from .session import Session, gone


@attrs.frozen(kw_only=True)
class SessionInformation:
    """What is known of a session; no token, no digest.

    `payload` is without the engine's claims; times are ms since the epoch, `expires_at` is the
    idle or the absolute end, whichever is first.
    """

    handle: str
    user_id: str
    recipe_user_id: str
    tenant_id: str
    payload: FrozenDict
    data: FrozenDict
    created_at: int
    expires_at: int


def get_session_information(handle: str, *, now: int) -> Step[SessionInformation | None]:
    """What is known of a session, or None if it is over. [Load]

    >>> get_session_information("a", now=0).effect
    Load(handle='a')
    """
    return Load(handle).then(AfterLoadForInformation(now))


@attrs.frozen
class AfterLoadForInformation:
    """Tells what may be told of the record."""

    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[SessionInformation | None]:
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return Done(None)
        return Done(
            SessionInformation(
                handle=record.handle,
                user_id=record.user_id,
                recipe_user_id=record.recipe_user_id,
                tenant_id=record.tenant_id,
                payload=record.payload,
                data=record.data,
                created_at=record.created_at,
                expires_at=record.expires_at,
            )
        )


def get_all_session_handles_for_user(
    user_id: str, *, now: int, tenant_id: str | None = None
) -> Step[tuple[str, ...]]:
    """The handles of a user's sessions that are alive, oldest first. [ListSessions]

    Of one tenant or (None) of all.

    >>> get_all_session_handles_for_user("user-1", now=0).effect
    ListSessions(user_id='user-1', tenant_id=None)
    """
    return ListSessions(user_id, tenant_id).then(AfterList(now))


@attrs.frozen
class AfterList:
    """Leaves out the sessions that are over."""

    now: int

    def __call__(self, reply: Listed) -> Step[tuple[str, ...]]:
        alive = (record for record in reply.records if self.now < record.expires_at)
        return Done(tuple(record.handle for record in alive))


def get_session_data_from_database(session: Session, *, now: int) -> Step[FrozenDict]:
    """The session's server-side data, frozen. [Load]

    Ends in `Unauthorised` if the session is over.

    >>> type(get_session_data_from_database(example_session(), now=0).effect).__name__
    'Load'
    """
    return _loaded(session, now).then(_data)


def get_time_created(session: Session, *, now: int) -> Step[int]:
    """When the session was created, ms since the epoch. [Load]

    Ends in `Unauthorised` if the session is over.

    >>> type(get_time_created(example_session(), now=0).effect).__name__
    'Load'
    """
    return _loaded(session, now).then(_created_at)


def get_expiry(session: Session, *, now: int) -> Step[int]:
    """When the session ends unless it is refreshed, ms since the epoch. [Load]

    Ends in `Unauthorised` if the session is over.

    >>> type(get_expiry(example_session(), now=0).effect).__name__
    'Load'
    """
    return _loaded(session, now).then(_expires_at)


def update_session_data_in_database(
    session: Session, data: Mapping[str, object], *, now: int
) -> Step[Session]:
    """Replace the session's server-side data. [ReplaceData]

    Ends in the session, or in `Unauthorised` if it is over.

    Raises:
        NotJson: the data holds what JSON cannot say; says where.

    >>> update_session_data_in_database(example_session(), {"cart": [1]}, now=0).effect.data
    {'cart': (1,)}
    """
    effect = ReplaceData(session.handle, freeze_object(data, "data"))
    return effect.then(AfterReplaceData(session, now), state=session)


@attrs.frozen
class AfterReplaceData:
    """The session as it was, or its end."""

    session: Session
    now: int

    def __call__(self, reply: Replaced | Missing) -> Step[Session]:
        return gone(self.session, self.now) if isinstance(reply, Missing) else Done(self.session)


@attrs.frozen
class AfterLoadOfSession:
    """The session's record, or the session's end."""

    session: Session
    now: int

    def __call__(self, record: SessionRecord | Missing) -> Step[SessionRecord]:
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return gone(self.session, self.now)
        return Done(record)


def _loaded(session: Session, now: int) -> Step[SessionRecord]:
    return Load(session.handle).then(AfterLoadOfSession(session, now))


def _data(record: SessionRecord) -> Step[FrozenDict]:
    return Done(record.data)


def _created_at(record: SessionRecord) -> Step[int]:
    return Done(record.created_at)


def _expires_at(record: SessionRecord) -> Step[int]:
    return Done(record.expires_at)
