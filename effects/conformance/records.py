"""Records to keep, and what is seen of them when they come back."""

from __future__ import annotations

from typing import Any

import attrs

from ..descriptions import Missing
from ..frozen import FrozenDict, Json
from ..record import SessionRecord

# ms: 2100-01-01. A store may drop by itself what is over by the clock on the wall; nothing here is.
THEN = 4_102_444_800_000
LATER = THEN + 10**12  # ms: after every end
NO_LIMIT = 10**9  # bytes of payload, which nothing here comes near


def record(handle: str = "h1", *, at: int = 1_000, **changes: Any) -> SessionRecord:
    """A session of ada's that was created `at` ms after `THEN`; other fields as keywords."""
    values: dict[str, Any] = {
        "user_id": "ada",
        "recipe_user_id": "ada",
        "tenant_id": "public",
        "created_at": THEN + at,
        "absolute_expires_at": THEN + at + 100_000,
        "idle_lifetime": 10_000,
        "access_lifetime": 1_000,
        "rotated_at": THEN + at,
        "current_digest": bytes(32),
        "mac_key": b"k" * 32,
    }
    return SessionRecord(handle=handle, **{**values, **changes})


def household() -> dict[str, SessionRecord]:
    """Four sessions of ada's, in two tenants, and one of eve's, in the order they are stored."""
    kept = (
        record("h5", at=2, tenant_id="blue"),
        record("h1", at=3),
        record("h3", at=0, user_id="eve"),
        record("h9", at=1),
        record("h2", at=2),
    )
    return {one.handle: one for one in kept}


def shown(record: SessionRecord | Missing) -> dict[str, Any]:
    """A record's fields with their types: 1, 1.0 and True are equal in Python, and b"" to a
    memoryview; JSON tells numbers from booleans, and gives its objects no order.
    """
    assert isinstance(record, SessionRecord), "the record is gone"
    values = {field.name: getattr(record, field.name) for field in attrs.fields(SessionRecord)}
    return {
        name: sort(value) if isinstance(value, FrozenDict) else (type(value), value)
        for name, value in values.items()
    }


def sort(value: Json) -> Any:
    """A JSON value with the sort of each of its parts."""
    if isinstance(value, FrozenDict):
        return "object", {key: sort(member) for key, member in value.items()}
    if isinstance(value, tuple):
        return "array", [sort(member) for member in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", value
    return type(value).__name__, value
