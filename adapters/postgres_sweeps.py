"""Acts of a PostgreSQL store that may take several statements: what each did, and how they end."""

from __future__ import annotations

import attrs

from ..effects import StoreUnavailable

PASSES = 100  # over the sessions of a user, which others re-key all the while


@attrs.frozen
class Ended:
    """What one statement of a deletion of a user's records did.

    Attributes:
        records: when each was created, and its handle.
        is_last: whether it met all that it had seen.
    """

    records: tuple[tuple[int, str], ...]
    is_last: bool


@attrs.frozen
class Purged:
    """What one statement of a purge did.

    Attributes:
        deleted: how many records.
        is_last: whether it has looked at all that were due.
    """

    deleted: int
    is_last: bool


def oldest_first(ended: list[tuple[int, str]]) -> tuple[str, ...]:
    """The handles of what several statements of a deletion ended."""
    return tuple(handle for _, handle in sorted(ended))


def unfinished() -> StoreUnavailable:
    """The error of a deletion that never met all that it had seen."""
    return StoreUnavailable(
        f"in each of {PASSES} looks a session of the user went, or could not be deleted; try "
        "again, and see whether a trigger or a row's policy keeps it."
    )
