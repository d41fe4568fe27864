"""A recorded journal under another leeway: whom it would have logged out.

What happened to each refresh is in the journal's announcements, which carry no secret, so a masked
journal will do. Under a shorter leeway a replay becomes a fork, which displaces the token that the
first answer held: the client is logged out if that answer is the one that it kept. Under a longer
one a fork becomes a replay, and nobody is displaced.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ...effects import (
    Announce,
    Event,
    Journal,
    RefreshForked,
    RefreshReplayed,
    SessionCreated,
    SessionRefreshed,
    Theft,
    TheftDetected,
)


@attrs.frozen
class Verdicts:
    """What a journal holds, and what would be otherwise under another leeway.

    Attributes:
        sessions: that were refreshed.
        refreshes: answered, replays and forks included.
        replays, forks: as recorded.
        thefts: sessions that were revoked for theft, as recorded.
        forks_more: recorded replays that would be forks.
        forks_less: recorded forks that would be replays.
        logged_out_more: sessions that a fork of those could have logged out, at most.
        logged_out_less: sessions that would not have been taken for stolen.
    """

    sessions: int = 0
    refreshes: int = 0
    replays: int = 0
    forks: int = 0
    thefts: int = 0
    forks_more: int = 0
    forks_less: int = 0
    logged_out_more: int = 0
    logged_out_less: int = 0


def under_leeway(journal: Journal, leeway: int) -> Verdicts:
    """What would be otherwise under a leeway, in ms.

    >>> from counterfoil.effects import Entry
    >>> journal = Journal((
    ...     Entry(Announce(SessionRefreshed(handle="a", generation=1, at=0))),
    ...     Entry(Announce(RefreshReplayed(handle="a", generation=1, at=8000))),
    ... ))
    >>> under_leeway(journal, 5000).logged_out_more
    1
    """
    lines: dict[str, _Line] = {}
    for event in _events(journal):
        handle = event.handle
        lines[handle] = lines.get(handle, _Line()).after(event, leeway)
    refreshed = [line for line in lines.values() if line.refreshes or line.is_stolen]
    return Verdicts(
        sessions=len(refreshed),
        refreshes=sum(line.refreshes for line in refreshed),
        replays=sum(line.replays for line in refreshed),
        forks=sum(line.forks for line in refreshed),
        thefts=sum(line.is_stolen for line in refreshed),
        forks_more=sum(line.forks_more for line in refreshed),
        forks_less=sum(line.forks_less for line in refreshed),
        logged_out_more=sum(bool(line.forks_more) and not line.is_stolen for line in refreshed),
        logged_out_less=sum(line.is_spared for line in refreshed),
    )


_Refreshed = SessionRefreshed | RefreshReplayed | RefreshForked


@attrs.frozen
class _Line:
    # One session, event by event.
    rotated_at: int = 0
    refreshes: int = 0
    replays: int = 0
    forks: int = 0
    forks_more: int = 0
    forks_less: int = 0
    is_stolen: bool = False
    is_spared: bool = False

    def after(self, event: SessionCreated | _Refreshed | TheftDetected, leeway: int) -> _Line:
        match event:
            case SessionCreated(at=at):
                return attrs.evolve(self, rotated_at=at)
            case TheftDetected(kind=kind):
                # A displaced token betrays no copy if what displaced it would have been a replay.
                spared = kind is Theft.ORPHANED and self.forks_less > 0
                return attrs.evolve(self, is_stolen=True, is_spared=spared)
            case SessionRefreshed(at=at):
                return attrs.evolve(self, rotated_at=at, refreshes=self.refreshes + 1)
            case RefreshReplayed(at=at):
                return attrs.evolve(
                    self,
                    refreshes=self.refreshes + 1,
                    replays=self.replays + 1,
                    forks_more=self.forks_more + (at - self.rotated_at > leeway),
                )
            case RefreshForked(at=at):
                return attrs.evolve(
                    self,
                    rotated_at=at,
                    refreshes=self.refreshes + 1,
                    forks=self.forks + 1,
                    forks_less=self.forks_less + (at - self.rotated_at <= leeway),
                )


def _events(journal: Journal) -> Iterator[SessionCreated | _Refreshed | TheftDetected]:
    for entry in journal.entries:
        if isinstance(entry.effect, Announce):
            event: Event = entry.effect.event
            if isinstance(event, SessionCreated | _Refreshed | TheftDetected):
                yield event
