"""What a store is to do, on dicts of plain fields, as its protocol says it.

Written for this alone, from the protocol's words: it shares neither code nor data with a store.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import attrs

from ..frozen import freeze_object
from ..record import SessionRecord

Row: TypeAlias = dict[str, Any]


@attrs.define
class Model:
    """All that a store holds, and its acts."""

    rows: dict[str, Row] = attrs.Factory(dict[str, Row])
    secrets: dict[str, bytes] = attrs.Factory(dict[str, bytes])

    def create(self, row: Row) -> str:
        """Add a row, unless its handle is taken."""
        if row["handle"] in self.rows:
            return "taken"
        self.rows[row["handle"]] = dict(row)
        return "created"

    def swap(self, row: Row, expected: int) -> Row | str:
        """Replace a row of this version; else what is there."""
        held = self.rows.get(row["handle"])
        if held is None:
            return "missing"
        if held["version"] != expected:
            return held
        self.rows[row["handle"]] = dict(row)
        return "swapped"

    def merge(self, handle: str, patch: Row, limit: int) -> tuple[str, Row | None]:
        """Patch a payload."""
        held = self.rows.get(handle)
        if held is None:
            return "missing", None
        if not patch:
            return "merged", held["payload"]
        merged = patched(held["payload"], patch)
        if size(merged) > limit:
            return "too large", merged
        self.rows[handle] = {**held, "payload": merged, "version": held["version"] + 1}
        return "merged", merged

    def replace(self, handle: str, data: Row) -> str:
        """Replace the data of a row."""
        if handle not in self.rows:
            return "missing"
        held = self.rows[handle]
        self.rows[handle] = {**held, "data": data, "version": held["version"] + 1}
        return "replaced"

    def delete(self, asked: tuple[str, ...]) -> list[str]:
        """Delete rows; those that were there."""
        return [handle for handle in asked if self.rows.pop(handle, None) is not None]

    def of_user(self, user: str, tenant: str | None) -> list[Row]:
        """A user's rows, oldest first."""
        theirs = [row for row in self.rows.values() if row["user_id"] == user]
        here = [row for row in theirs if tenant is None or row["tenant_id"] == tenant]
        return sorted(here, key=lambda row: (row["created_at"], row["handle"]))

    def over(self, now: int) -> set[str]:
        """The handles of what is over."""
        return {handle for handle, end in self.ends().items() if end <= now}

    def ends(self) -> dict[str, int]:
        """When each is over."""
        return {
            handle: min(row["rotated_at"] + row["idle_lifetime"], row["absolute_expires_at"])
            for handle, row in self.rows.items()
        }

    def size_of(self, handle: str, patch: Row) -> int:
        """How large a payload is once it is patched, if it is there."""
        held = self.rows.get(handle)
        return 0 if held is None else size(patched(held["payload"], patch))


def patched(payload: Row, patch: Row) -> Row:
    """A payload with what a patch sets, and without what it sets to null."""
    kept = {key: value for key, value in payload.items() if key not in patch}
    return kept | {key: value for key, value in patch.items() if value is not None}


def size(payload: Row) -> int:
    """The bytes of a payload as compact JSON in UTF-8."""
    return len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())


def as_record(row: Row) -> SessionRecord:
    """A row as what a store is given."""
    fields = dict(row)
    fields["payload"] = freeze_object(row["payload"])
    fields["data"] = freeze_object(row["data"])
    return SessionRecord(**fields)
