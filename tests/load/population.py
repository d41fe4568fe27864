"""A population of sessions, of any size, whose tokens nobody has to keep.

Everything about session number n follows from n: its record can be made for a bulk load, and its
refresh token once more whenever somebody is to present it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import attrs

from counterfoil import Policy, SessionRecord
from counterfoil.core.rotation import digest, mint
from counterfoil.effects import FrozenDict, Secret, freeze_object, to_json

POLICY = Policy("https://api.example.com", site_origin="https://example.com")
PAYLOAD = freeze_object({"plan": "pro", "roles": ["admin", "editor"], "locale": "de-CH"})
SESSIONS_OF_A_USER = 4
DAY = 86_400_000  # ms
LOGINS = 10 * DAY  # the time over which they logged in; an idle session lives for 14 days


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


@attrs.frozen
class Population:
    """Sessions by number, four to a user, who logged in over the ten days before `until` (ms).

    `name` sets it apart from others in one store.
    """

    name: str
    until: int

    def user(self, number: int) -> str:
        """Whose session it is."""
        return f"{self.name}-{number // SESSIONS_OF_A_USER}"

    def records(self, start: int, stop: int) -> Iterator[SessionRecord]:
        """What a store holds of these."""
        return map(self.record, range(start, stop))

    def record(self, number: int) -> SessionRecord:
        """What a store holds of one."""
        drawn = self._drawn(number)
        user, born = self.user(number), self.until - int.from_bytes(drawn[32:38]) % LOGINS
        return SessionRecord(
            handle=_handle(born, drawn[32:].hex()),
            user_id=user,
            recipe_user_id=user,
            tenant_id="public",
            created_at=born,
            absolute_expires_at=born + 90 * DAY,
            idle_lifetime=14 * DAY,
            access_lifetime=900_000,
            rotated_at=born,
            current_digest=digest(drawn[:32]),
            mac_key=drawn[32:],
            payload=PAYLOAD,
        )

    def refresh_token(self, number: int) -> Secret:
        """What the client of one got at login."""
        drawn, handle = self._drawn(number), self.record(number).handle
        return mint(handle=handle, generation=0, secret=drawn[:32], mac_key=drawn[32:])

    def _drawn(self, number: int) -> bytes:
        return hashlib.sha512(f"{self.name} {number}".encode()).digest()


def rows(
    records: Iterable[SessionRecord], payload_text: Callable[[FrozenDict], str]
) -> Iterator[tuple[Any, ...]]:
    """What a table's columns get, in the record's order, then its end.

    The text of the payload, which all of a population share, is made once.
    """
    payload, data = payload_text(PAYLOAD), to_json(FrozenDict({}))
    for record in records:
        assert record.payload is PAYLOAD
        yield (*_plain(record), payload, data, record.expires_at)


_plain = attrgetter(*[field.name for field in attrs.fields(SessionRecord)][:-2])


def _handle(born: int, drawn: str) -> str:
    """A UUIDv7 (RFC 9562)."""
    time, number = f"{born:012x}", f"7{drawn[:3]}8{drawn[3:18]}"
    return f"{time[:8]}-{time[8:]}-{number[:4]}-{number[4:8]}-{number[8:]}"
