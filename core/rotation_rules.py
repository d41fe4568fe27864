"""Other rules of refresh-token rotation, as values: to compare with ours, or to choose.

Each is what some engine does, over the same tokens and records. `counterfoil lab` says what each
costs: who is logged out for nothing, and which thieves are never noticed.
"""

from __future__ import annotations

import hmac

import attrs

from ..effects import SessionRecord, Theft
from .rotation import RefreshToken, Verdict


@attrs.frozen
class SingleUse:
    """A token is good once; what comes again is refused, and the session stays."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """Current, or spent."""
        return _by_current(record, presented, Verdict.SPENT)


@attrs.frozen
class SingleUseRevoking:
    """A token is good once; what comes again revokes the session (RFC 9700, 4.14.2)."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """Current, or a theft."""
        return _by_current(record, presented, Theft.RECENT)


@attrs.frozen
class ForkAndPromote:
    """A token makes children until one of them is used; that one takes its place.

    Where this rule is in use, using a child's access token counts as well: `promoted` gives the
    record that is to be stored then.
    """

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """The confirmed token, a child of it, or of another line."""
        if presented.generation == record.generation + 1 and presented.is_genuine(record.mac_key):
            return Verdict.PROMOTE
        verdict = _by_current(record, presented, Theft.ORPHANED)
        return Verdict.MINT if verdict is Verdict.ROTATE else verdict


@attrs.frozen
class NewestWins:
    """Within the window a predecessor makes another child, which displaces the one before."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """Current, predecessor within the window, or a theft."""
        verdict = _by_current(record, presented, Theft.RECENT)
        timely = now - record.rotated_at <= leeway
        return Verdict.FORK if _is_previous(record, presented, verdict) and timely else verdict


@attrs.frozen
class OneBehind:
    """A counter: the token before the current one always gets the current one again."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """Current, one behind, or a theft."""
        verdict = _by_current(record, presented, Theft.STALE)
        return Verdict.REPLAY if _is_previous(record, presented, verdict) else verdict


@attrs.frozen
class WindowOnly:
    """The same successor within the window, and a theft after it: ours without the fork."""

    def judge(
        self, record: SessionRecord, presented: RefreshToken, *, now: int, leeway: int
    ) -> Verdict | Theft:
        """Current, predecessor within the window, or a theft."""
        verdict = _by_current(record, presented, Theft.RECENT)
        timely = now - record.rotated_at <= leeway
        return Verdict.REPLAY if _is_previous(record, presented, verdict) and timely else verdict


def _by_current(
    record: SessionRecord, presented: RefreshToken, otherwise: Verdict | Theft
) -> Verdict | Theft:
    if not presented.is_genuine(record.mac_key):
        return Verdict.FORGED
    is_current = hmac.compare_digest(presented.digest, record.current_digest)
    return Verdict.ROTATE if is_current else otherwise


def _is_previous(record: SessionRecord, presented: RefreshToken, verdict: Verdict | Theft) -> bool:
    previous = record.previous_digest
    return (
        isinstance(verdict, Theft)
        and previous is not None
        and hmac.compare_digest(presented.digest, previous)
    )
