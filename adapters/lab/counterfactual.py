"""A recorded journal under another leeway: whom it would have logged out.

What happened to each refresh is in the journal's announcements, which carry no secret, so a masked
journal will do. Under a shorter leeway a replay becomes a fork, which displaces the token that the
first answer held: the client is logged out if that answer is the one that it kept. Under a longer
one a fork becomes a replay, and nobody is displaced. A session's every window is worked out anew
from when its tokens were shown, so that what one verdict changes, the next ones follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import attrs

from ...effects import (
    Announce,
    Event,
    Journal,
    RefreshForked,
    RefreshReplayed,
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
    sessions: dict[str, list[_Told]] = {}
    for event in _events(journal):
        sessions.setdefault(event.handle, []).append(event)
    found = [_of_session(told, leeway) for told in sessions.values()]
    refreshed = [one for one in found if one.refreshes or one.thefts]
    return Verdicts(
        **{
            name: sum(getattr(one, name) for one in refreshed)
            for name in attrs.fields_dict(Verdicts)
        }
    )


_Refreshed = SessionRefreshed | RefreshReplayed | RefreshForked
_Told = _Refreshed | TheftDetected


@attrs.frozen
class _Window:
    # All who showed one token, in order: the windows in which they got one successor each, as
    # recorded and as they would be.
    recorded: tuple[int, ...]
    otherwise: tuple[int, ...]

    @property
    def displaces_more(self) -> bool:
        # Of those who hold the successor that was current, some would hold a displaced one.
        last = self.recorded[-1]
        held = {
            there for here, there in zip(self.recorded, self.otherwise, strict=True) if here == last
        }
        return len(held) > 1

    @property
    def displaces_nobody(self) -> bool:
        return len(set(self.otherwise)) == 1


def _of_session(told: list[_Told], leeway: int) -> Verdicts:
    refreshed = [event for event in told if isinstance(event, _Refreshed)]
    thefts = [event for event in told if isinstance(event, TheftDetected)]
    windows: dict[int, _Window] = {}
    more = less = 0
    for generation in sorted({event.generation for event in refreshed}):
        # Requests that race are announced in any order: the rotation was before the replays of it.
        shown = sorted((e for e in refreshed if e.generation == generation), key=_order)
        window = windows[generation] = _window(shown, leeway)
        more += _changed(shown, window, RefreshReplayed, fork=True)
        less += _changed(shown, window, RefreshForked, fork=False)
    spared = any(
        theft.kind is Theft.ORPHANED
        and theft.generation in windows
        and windows[theft.generation].displaces_nobody
        and len(set(windows[theft.generation].recorded)) > 1
        for theft in thefts
    )
    displaced = any(window.displaces_more for window in windows.values())
    return Verdicts(
        sessions=1,
        refreshes=len(refreshed),
        replays=sum(isinstance(event, RefreshReplayed) for event in refreshed),
        forks=sum(isinstance(event, RefreshForked) for event in refreshed),
        thefts=bool(thefts),
        forks_more=more,
        forks_less=less,
        logged_out_more=displaced and not thefts,
        logged_out_less=spared,
    )


def _order(event: _Refreshed) -> tuple[bool, int]:
    return not isinstance(event, SessionRefreshed), event.at


def _window(shown: list[_Refreshed], leeway: int) -> _Window:
    # As the engine would: a fork begins a window, a replay does not.
    recorded, otherwise = [0], [0]
    began = shown[0].at
    for event in shown[1:]:
        recorded.append(recorded[-1] + isinstance(event, RefreshForked))
        forks = event.at - began > leeway
        otherwise.append(otherwise[-1] + forks)
        began = event.at if forks else began
    return _Window(tuple(recorded), tuple(otherwise))


def _changed(
    shown: list[_Refreshed], window: _Window, kind: type[_Refreshed], *, fork: bool
) -> int:
    begun = (after > before for before, after in pairwise(window.otherwise))
    return sum(
        isinstance(event, kind) and forks is fork
        for event, forks in zip(shown[1:], begun, strict=True)
    )


def _events(journal: Journal) -> Iterator[_Told]:
    for entry in journal.entries:
        if isinstance(entry.effect, Announce):
            event: Event = entry.effect.event
            if isinstance(event, _Told):
                yield event
