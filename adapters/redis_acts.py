"""The acts of a store on Redis, as what they ask of it; nothing here blocks or awaits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from heapq import nsmallest
from typing import Any

import attrs

from ..effects import (
    FrozenDict,
    HandleTaken,
    Missing,
    SessionRecord,
    Stale,
    StoreUnavailable,
    TooLarge,
    to_json,
)
from .redis_record import (
    FIELDS,
    Names,
    beginning,
    end_of,
    fields_of,
    hint_of,
    lifetime_of,
    longest_of,
    patch_words,
    payload_of,
    place_of,
    record_of,
    values_of,
)
from .redis_rounds import Act, Address, Call, Words, ask, primaries
from .redis_scripts import (
    CREATE,
    DELETE,
    DONE,
    GRACE,
    HINT,
    HINTS,
    LATE,
    MERGE,
    REPLACE,
    SWAP,
    SWAP_SECRET,
    TAKEN,
    UNHINTED,
)

PASSES = 100  # over the sessions of a user, who logs in all the while
SCANNED = 500  # keys at a time


@attrs.frozen
class Acts:
    """The acts, with the names of the keys and the ms that a record is kept after its end."""

    names: Names
    margin: int

    def create(self, record: SessionRecord) -> Act[HandleTaken | None]:
        """Hint at the record, then insert it."""
        reply = yield from self._hinted(CREATE, record, ())
        return HandleTaken() if reply == TAKEN else None

    def load(self, handle: str) -> Act[SessionRecord | Missing]:
        """Read a record."""
        (values,) = yield from ask((self._load(handle),))
        return record_of(handle, values)

    def swap(self, record: SessionRecord, expected_version: int) -> Act[Stale | None]:
        """Replace a record; hint at it again only if it has another user, tenant or end."""
        condition = (expected_version, place_of(record))
        (reply,) = yield from ask((self._write(SWAP, record, "", condition),))
        if reply == UNHINTED:
            reply = yield from self._hinted(SWAP, record, condition)
        return None if reply == DONE else Stale(record_of(record.handle, reply))

    def merge_payload(
        self, handle: str, patch: FrozenDict, limit: int
    ) -> Act[FrozenDict | TooLarge | Missing]:
        """Merge a patch into a payload."""
        if not patch:
            held = yield from self.load(handle)
            return held if isinstance(held, Missing) else held.payload
        reply = yield from self._change(MERGE, handle, limit, *patch_words(patch))
        if reply is None:
            return Missing()
        fits, payload = reply
        return payload_of(payload) if fits else TooLarge(payload_of(payload))

    def replace_data(self, handle: str, data: FrozenDict) -> Act[Missing | None]:
        """Replace a session's data."""
        reply = yield from self._change(REPLACE, handle, to_json(data) if data else "")
        return Missing() if reply is None else None

    def delete(self, handles: tuple[str, ...]) -> Act[tuple[str, ...]]:
        """Delete records, then their hints."""
        asked = tuple(dict.fromkeys(handles))
        replies = yield from ask([self._delete(handle, "", "") for handle in asked])
        gone = _deleted(zip(asked, replies, strict=True))
        yield from self._drop_hints(gone)
        return tuple(gone)

    def delete_for_user(
        self, user_id: str, tenant_id: str | None, keep: tuple[str, ...]
    ) -> Act[tuple[str, ...]]:
        """Delete a user's records, one by one, until no more are hinted at."""
        theirs = beginning(user_id)
        here = beginning(user_id, tenant_id)
        replies = yield from self._of_each(
            user_id, lambda handle: self._delete(handle, theirs, here), frozenset(keep)
        )
        gone = _deleted(replies.items())
        yield from self._drop_hints(gone)
        ages = {handle: (fields_of(rest)["created_at"], handle) for handle, rest in gone.items()}
        return tuple(sorted(gone, key=lambda handle: ages[handle]))

    def list_for_user(self, user_id: str, tenant_id: str | None) -> Act[tuple[SessionRecord, ...]]:
        """Read a user's records, until no more are hinted at."""
        theirs = _begins(beginning(user_id))
        here = _begins(beginning(user_id, tenant_id))
        replies = yield from self._of_each(user_id, self._load, is_there=theirs)
        found = (record_of(handle, values) for handle, values in replies.items() if here(values))
        records = (record for record in found if isinstance(record, SessionRecord))
        return tuple(sorted(records, key=lambda record: (record.created_at, record.handle)))

    def purge(self, now: int, limit: int) -> Act[int]:
        """Look at all records, and delete those that ended first."""
        if limit <= 0:
            return 0
        over: set[tuple[int, str, bytes]] = set()
        for server in (yield from primaries()):
            cursor = -1
            while cursor:
                cursor, found = yield from self._scan(server, max(cursor, 0))
                ended = {(end_of(rest), handle, rest) for handle, rest in found.items()}
                over = set(nsmallest(limit, over | {one for one in ended if one[0] <= now}))
        rests = [(handle, _without_hint(rest)) for _, handle, rest in over]
        replies = yield from ask([self._delete(handle, rest, rest) for handle, rest in rests])
        gone = _deleted(zip((handle for handle, _ in rests), replies, strict=True))
        yield from self._drop_hints(gone)
        return len(gone)

    def load_secret(self, name: str) -> Act[bytes | None]:
        """Read a secret."""
        (secret,) = yield from ask((Call("GET", self.names.secret(name), repeatable=True),))
        return None if secret is None else bytes(secret)

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> Act[bool]:
        """Replace a secret by compare-and-swap."""
        args = (new,) if expected is None else (new, expected)
        (reply,) = yield from ask((Call(SWAP_SECRET, self.names.secret(name), args, durable=True),))
        return reply is not None

    # --- the calls ---

    def _load(self, handle: str) -> Call:
        return Call("HMGET", self.names.record(handle), FIELDS, repeatable=True)

    def _delete(self, handle: str, theirs: str, here: str) -> Call:
        return Call(DELETE, self.names.record(handle), (theirs, here), durable=True)

    def _write(self, script: Any, record: SessionRecord, hint: str, condition: Words) -> Call:
        values = (hint, *values_of(record), lifetime_of(record, self.margin), *condition)
        return Call(script, self.names.record(record.handle), values, durable=True)

    def _change(self, script: Any, handle: str, *args: str | int) -> Act[Any]:
        (reply,) = yield from ask((Call(script, self.names.record(handle), args, durable=True),))
        return reply

    # --- the hints ---

    def _hinted(self, script: Any, record: SessionRecord, condition: Words) -> Act[Any]:
        key, longest = self.names.user(record.user_id), longest_of(record, self.margin)
        hint = Call(HINT, key, (record.handle, longest), durable=True, repeatable=True)
        for _ in range(2):
            (written,) = yield from ask((hint,))
            (reply,) = yield from ask((self._write(script, record, written, condition),))
            if reply != LATE:
                return reply
        raise StoreUnavailable(
            f"between two writes Redis saw {GRACE // 2000} s go by, twice: the clocks of the "
            "cluster's servers differ, or they are overloaded."
        )

    def _of_each(
        self,
        user_id: str,
        call: Callable[[str], Call],
        keep: frozenset[str] = frozenset(),
        is_there: Callable[[Any], bool] = lambda reply: reply is not None,
    ) -> Act[dict[str, Any]]:
        """The reply to a call on each record of a user.

        Where one is not there, it may have been re-keyed: then there is a hint at its successor,
        which was written before it went. So the hints are read again until nothing is new. Or it
        may not be there yet, and come before its predecessor is looked at, and found gone: so it is
        looked at twice.
        """
        replies: dict[str, Any] = {}
        outdated: list[str] = []
        again: list[str] = []
        for turn in range(PASSES):
            now, hints = yield from self._hints(user_id)
            handles = dict.fromkeys(handle for _, handle in hints)
            new = [handle for handle in handles if handle not in replies and handle not in keep]
            asked = [*new, *again]
            found = yield from ask([call(handle) for handle in asked])
            replies.update(zip(asked, found, strict=True))
            missing = {handle for handle in asked if not is_there(replies[handle])}
            again = [handle for handle in new if handle in missing]
            if turn == 0:  # those of a later turn are too young
                old = [(written, h) for written, h in hints if now - written > GRACE]
                outdated = [f"{written}:{h}" for written, h in old if h in missing]
            if not missing:
                yield from self._tidy(user_id, outdated)
                return replies
        raise StoreUnavailable(
            f"the user has logged in anew in each of {PASSES} looks at their sessions; try again."
        )

    def _hints(self, user_id: str) -> Act[tuple[int, list[tuple[int, str]]]]:
        (reply,) = yield from ask((Call(HINTS, self.names.user(user_id), repeatable=True),))
        now, hints = reply
        parted = (hint.decode().partition(":") for hint in hints)
        return int(now), [(int(written), handle) for written, _, handle in parted]

    def _drop_hints(self, gone: dict[str, bytes]) -> Act[None]:
        by_user: dict[str, list[str]] = {}
        for handle, rest in gone.items():
            by_user.setdefault(fields_of(rest)["user_id"], []).append(hint_of(rest, handle))
        for user_id, hints in by_user.items():
            yield from self._tidy(user_id, hints)

    def _tidy(self, user_id: str, hints: Iterable[str]) -> Act[None]:
        members = tuple(hints)
        if members:
            with suppress(StoreUnavailable):  # the act is done, and a hint too many does no harm
                yield from ask((Call("ZREM", self.names.user(user_id), members, repeatable=True),))

    def _scan(self, server: Address, cursor: int) -> Act[tuple[int, dict[str, bytes]]]:
        args = (cursor, "MATCH", self.names.record("*"), "COUNT", SCANNED)
        ((after, keys),) = yield from ask((Call("SCAN", "", args, at=server, repeatable=True),))
        handles = [self.names.handle(key) for key in keys]
        rests = yield from ask(
            [Call("HGET", self.names.record(h), ("r",), repeatable=True) for h in handles]
        )
        return int(after), {h: r for h, r in zip(handles, rests, strict=True) if r is not None}


def _deleted(replies: Iterable[tuple[str, Any]]) -> dict[str, bytes]:
    return {handle: rest for handle, rest in replies if isinstance(rest, bytes)}


def _begins(text: str) -> Callable[[Any], bool]:
    return lambda values: _without_hint(values[1] or b"[").startswith(text)


def _without_hint(rest: bytes) -> str:
    return rest[rest.index(b"[") :].decode()
