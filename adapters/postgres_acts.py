"""What a PostgreSQL store asks for: each act as one statement, its values and what it answers.

Written once, for callers that block and for those that await. Every act is one round trip in a
transaction of its own. An act that reads and then writes locks the record first (`FOR UPDATE`),
so that under READ COMMITTED it computes from what is there now, not from its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..effects import FrozenDict, HandleTaken, Missing, SessionRecord, TooLarge, to_json
from .postgres_driver import sql
from .postgres_rows import (
    FIELDS,
    escaped,
    key_of,
    members_of,
    payload_of,
    record_of,
    row_of,
    unescaped,
)
from .postgres_sweeps import Ended, Purged

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

WINDOW = 1000  # records that one statement of a purge looks at, and locks, at most
LEAST = 100  # it looks at, however few it may delete

# Statements are put together from the record's own field names and the schema's, once: no value is
# ever in one. `{sessions}` and `{secrets}` are the tables.
_SETS = ", ".join(f"{name} = %({name})s" for name in FIELDS[1:])  # the handle, the first, stays
_READ = f"SELECT {', '.join(FIELDS)} FROM {{sessions}}"  # noqa: S608  # see above
_ENDS = "least(rotated_at + idle_lifetime, absolute_expires_at)"
_THEIRS = """
    left(user_id, 200) = left(%(user_id)s, 200) AND user_id = %(user_id)s
    AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s)
"""

_CREATE = f"""
    INSERT INTO {{sessions}} ({", ".join(FIELDS)}, due_at)
    VALUES ({", ".join(f"%({name})s" for name in FIELDS)}, %(ends_at)s)
    ON CONFLICT (handle) DO NOTHING RETURNING true
"""  # noqa: S608  # see above
_LOAD = f"{_READ} WHERE handle = %(handle)s"
# Strategy: the plain update, and a second statement that reads only where it was refused. One that
# did both took twice as long, which every refresh would pay. `due_at` never rises here, so that a
# refresh changes no column of an index, and PostgreSQL writes the new version beside the old one,
# in the same page (HOT); see `_PURGE`.
_SWAP = f"""
    UPDATE {{sessions}} SET {_SETS}, due_at = least(due_at, %(ends_at)s)
    WHERE handle = %(handle)s AND version = %(expected)s RETURNING true
"""  # noqa: S608  # see above
# The size is that of `json_size`: quotes and a colon for each member, commas between, braces.
_MERGE = """
    WITH held AS MATERIALIZED (
        SELECT handle, (payload || %(members)s::jsonb) - %(removed)s::text[] AS merged
        FROM {sessions} WHERE handle = %(handle)s FOR UPDATE
    ), sized AS MATERIALIZED (
        SELECT handle, merged, %(limit)s >= (
            SELECT coalesce(sum(octet_length(key) + octet_length(value) + 4) + 1, 2)
            FROM jsonb_each_text(merged)
        ) AS fits FROM held
    ), written AS (
        UPDATE {sessions} AS s SET payload = merged, version = version + 1
        FROM sized WHERE s.handle = sized.handle AND fits
    )
    SELECT merged, fits FROM sized
"""
_REPLACE = """
    UPDATE {sessions} SET data = %(data)s, version = version + 1
    WHERE handle = %(handle)s RETURNING true
"""
_DELETE = "DELETE FROM {sessions} WHERE handle = ANY(%(handles)s::text[]) RETURNING handle"
# Both parts see one snapshot. Where a record of it went before it could be deleted, no time comes
# with its handle: it may have been re-keyed, and its successor, written first, isn't in the
# snapshot. So then it must be looked for again.
_DELETE_THEIRS = f"""
    WITH theirs AS MATERIALIZED (
        SELECT handle FROM {{sessions}} WHERE {_THEIRS} AND handle <> ALL(%(keep)s::text[])
    ), gone AS (
        DELETE FROM {{sessions}} WHERE {_THEIRS} AND handle <> ALL(%(keep)s::text[])
        RETURNING created_at, handle
    )
    SELECT created_at, handle FROM theirs LEFT JOIN gone USING (handle)
"""  # noqa: S608  # see above
_LIST = f"{_READ} WHERE {_THEIRS} ORDER BY created_at, handle"
# Strategy: `due_at` is when a purge looks at a record next, its end or earlier. What was refreshed
# since gets its new end then: one such write in an idle lifetime, in place of one a refresh.
_PURGE = f"""
    WITH due AS MATERIALIZED (
        SELECT handle, {_ENDS} AS ends FROM {{sessions}} WHERE due_at <= %(now)s
        ORDER BY due_at LIMIT %(window)s FOR UPDATE SKIP LOCKED
    ), over AS MATERIALIZED (
        SELECT handle FROM due WHERE ends <= %(now)s ORDER BY ends, handle LIMIT %(limit)s
    ), gone AS (
        DELETE FROM {{sessions}} AS s USING over WHERE s.handle = over.handle RETURNING true
    ), moved AS (
        UPDATE {{sessions}} AS s SET due_at = ends
        FROM due WHERE s.handle = due.handle AND ends > %(now)s
    )
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM due)
"""  # noqa: S608  # see above
_LOAD_SECRET = "SELECT value FROM {secrets} WHERE name = %(name)s"  # noqa: S105  # a statement
_ADD_SECRET = """
    INSERT INTO {secrets} (name, value) VALUES (%(name)s, %(new)s)
    ON CONFLICT (name) DO NOTHING RETURNING true
"""  # noqa: S105  # a statement
_SWAP_SECRET = """
    UPDATE {secrets} SET value = %(new)s WHERE name = %(name)s AND value = %(expected)s
    RETURNING true
"""  # noqa: S105  # a statement


@attrs.frozen
class Act(Generic[T]):
    """A statement, its values, and the answer that its rows are."""

    statement: bytes
    values: dict[str, Any] = attrs.field(repr=False)
    answer: Callable[[Rows], T]


class Acts:
    """The acts on the tables of one schema."""

    def __init__(self, schema: str) -> None:
        named = schema.replace("%", "%%")  # in a statement with values
        tables = {table: sql.Identifier(named, table) for table in ("sessions", "secrets")}

        def on(statement: str) -> bytes:
            made = sql.SQL(statement)  # pyright: ignore[reportArgumentType]  # constants, joined
            return made.format(**tables).as_bytes(None)

        self._create, self._load, self._swap = on(_CREATE), on(_LOAD), on(_SWAP)
        self._merge, self._replace, self._delete = on(_MERGE), on(_REPLACE), on(_DELETE)
        self._delete_theirs, self._list, self._purge = on(_DELETE_THEIRS), on(_LIST), on(_PURGE)
        self._load_secret, self._add_secret = on(_LOAD_SECRET), on(_ADD_SECRET)
        self._swap_secret = on(_SWAP_SECRET)

    def create(self, record: SessionRecord) -> Act[HandleTaken | None]:
        """Insert a record."""
        return Act(self._create, row_of(record), _taken)

    def load(self, handle: str) -> Act[SessionRecord | Missing]:
        """Read a record."""
        return Act(self._load, {"handle": escaped(handle)}, _loaded)

    def swap(self, record: SessionRecord, expected_version: int) -> Act[bool]:
        """Replace a record by compare-and-swap; whether it had this version."""
        return Act(self._swap, {**row_of(record), "expected": expected_version}, bool)

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> Act[FrozenDict | TooLarge | Missing]:
        """Merge a patch into a payload."""
        if not patch:
            return Act(self._load, {"handle": escaped(handle)}, _payload)
        values: dict[str, Any] = {
            "handle": escaped(handle),
            "members": members_of(patch),
            "removed": [key_of(key) for key, value in patch.items() if value is None],
            "limit": limit,
        }
        return Act(self._merge, values, _merged)

    def replace_data(self, handle: str, data: FrozenDict) -> Act[Missing | None]:
        """Replace a session's data."""
        values = {"handle": escaped(handle), "data": to_json(data)}
        return Act(self._replace, values, _replaced)

    def delete(self, handles: tuple[str, ...]) -> Act[tuple[str, ...]]:
        """Delete records."""
        values = {"handles": [escaped(handle) for handle in handles]}
        return Act(self._delete, values, _InOrder(handles))

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> Act[Ended]:
        """Delete those of a user's records that are there."""
        values = {**_theirs(user_id, tenant_id), "keep": [escaped(handle) for handle in keep]}
        return Act(self._delete_theirs, values, _ended)

    def list_for_user(self, user_id: str, tenant_id: str | None) -> Act[tuple[SessionRecord, ...]]:
        """Read a user's records."""
        return Act(self._list, _theirs(user_id, tenant_id), _listed)

    def purge(self, now: int, limit: int) -> Act[Purged]:
        """Delete some of the records that are over, those that ended first.

        A small limit is a small act: a lock is a write, to a page that may have to be logged whole.
        """
        window = min(WINDOW, max(limit, LEAST))
        return Act(self._purge, {"now": now, "limit": limit, "window": window}, _Purged(window))

    def load_secret(self, name: str) -> Act[bytes | None]:
        """What is kept under a name."""
        return Act(self._load_secret, {"name": escaped(name)}, _first)

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> Act[bool]:
        """Keep a secret under a name, if it still has the expected value."""
        values = {"name": escaped(name), "new": new}
        if expected is None:
            return Act(self._add_secret, values, bool)
        return Act(self._swap_secret, {**values, "expected": expected}, bool)


def _theirs(user_id: str, tenant_id: str | None) -> dict[str, Any]:
    tenant = None if tenant_id is None else escaped(tenant_id)
    return {"user_id": escaped(user_id), "tenant_id": tenant}


# --- what the rows of a statement say ----------------------------------------------------------


def _taken(rows: Rows) -> HandleTaken | None:
    return None if rows else HandleTaken()


def _loaded(rows: Rows) -> SessionRecord | Missing:
    return record_of(rows[0]) if rows else Missing()


def _payload(rows: Rows) -> FrozenDict | Missing:
    held = _loaded(rows)
    return held if isinstance(held, Missing) else held.payload


def _merged(rows: Rows) -> FrozenDict | TooLarge | Missing:
    if not rows:
        return Missing()
    merged, fits = rows[0]
    payload = payload_of(merged)
    return payload if fits else TooLarge(payload)


def _replaced(rows: Rows) -> Missing | None:
    return None if rows else Missing()


@attrs.frozen
class _InOrder:
    handles: tuple[str, ...]

    def __call__(self, rows: Rows) -> tuple[str, ...]:
        gone = {unescaped(handle) for (handle,) in rows}
        return tuple(handle for handle in dict.fromkeys(self.handles) if handle in gone)


def _ended(rows: Rows) -> Ended:
    records = tuple((at, unescaped(handle)) for at, handle in rows if at is not None)
    return Ended(records, is_last=len(records) == len(rows))


def _listed(rows: Rows) -> tuple[SessionRecord, ...]:
    return tuple(map(record_of, rows))


@attrs.frozen
class _Purged:
    window: int

    def __call__(self, rows: Rows) -> Purged:
        ((deleted, seen),) = rows
        return Purged(deleted, is_last=seen < self.window)


def _first(rows: Rows) -> bytes | None:
    return rows[0][0] if rows else None
