"""Both stores and a plain dict, given the same acts in any order, always answer the same."""

import json
import tempfile
from pathlib import Path
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import (
    FrozenDict,
    HandleTaken,
    Missing,
    Secret,
    SessionRecord,
    Stale,
    TooLarge,
    freeze_object,
)

Reply = Any
Row = dict[str, Any]

HANDLES = ("h1", "h2", "h3", "h4", "H1")
handles = st.sampled_from(HANDLES)
users = st.sampled_from(["ada", "eve", "Ada"])
tenants = st.sampled_from(["public", "blue"])
keys = st.sampled_from(["a", "b", "é"])
values = st.none() | st.integers(0, 2) | st.sampled_from(["", "é"]) | st.just([1, {"x": None}])
patches = st.dictionaries(keys, values, max_size=3)
limits = st.sampled_from([0, 2, 9, 16, 99])
many_handles = st.lists(handles, max_size=4).map(tuple)
lifetimes = st.sampled_from([0, 5, 20])
digests = st.sampled_from([b"1" * 32, b"2" * 32])
secrets = st.sampled_from([b"", b"one", b"two"])


def size(payload: Row) -> int:
    return len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())


@attrs.define
class Model:
    """What a store is to do, on dicts of plain fields, as its protocol says it."""

    rows: dict[str, Row] = attrs.Factory(dict[str, Row])
    secrets: dict[str, bytes] = attrs.Factory(dict[str, bytes])

    def create(self, row: Row) -> str:
        if row["handle"] in self.rows:
            return "taken"
        self.rows[row["handle"]] = dict(row)
        return "created"

    def swap(self, row: Row, expected: int) -> Row | str:
        held = self.rows.get(row["handle"])
        if held is None:
            return "missing"
        if held["version"] != expected:
            return held
        self.rows[row["handle"]] = dict(row)
        return "swapped"

    def merge(self, handle: str, patch: Row, limit: int) -> tuple[str, Row | None]:
        held = self.rows.get(handle)
        if held is None:
            return "missing", None
        if not patch:
            return "merged", held["payload"]
        merged = {**held["payload"], **patch}
        for key, value in patch.items():
            if value is None:
                del merged[key]
        if size(merged) > limit:
            return "too large", merged
        self.rows[handle] = {**held, "payload": merged, "version": held["version"] + 1}
        return "merged", merged

    def replace(self, handle: str, data: Row) -> str:
        if handle not in self.rows:
            return "missing"
        held = self.rows[handle]
        self.rows[handle] = {**held, "data": data, "version": held["version"] + 1}
        return "replaced"

    def delete(self, asked: tuple[str, ...]) -> list[str]:
        return [handle for handle in asked if self.rows.pop(handle, None) is not None]

    def of_user(self, user: str, tenant: str | None) -> list[Row]:
        theirs = [row for row in self.rows.values() if row["user_id"] == user]
        here = [row for row in theirs if tenant is None or row["tenant_id"] == tenant]
        return sorted(here, key=lambda row: (row["created_at"], row["handle"]))

    def purge(self, now: int, limit: int) -> int:
        ends = {
            handle: min(row["rotated_at"] + row["idle_lifetime"], row["absolute_expires_at"])
            for handle, row in self.rows.items()
        }
        over = sorted((end, handle) for handle, end in ends.items() if end <= now)[:limit]
        return len(self.delete(tuple(handle for _, handle in over)))


def as_record(row: Row) -> SessionRecord:
    fields = dict(row)
    fields["payload"] = freeze_object(row["payload"])
    fields["data"] = freeze_object(row["data"])
    return SessionRecord(**fields)


class Lockstep(RuleBasedStateMachine):
    """Every act of a store, at a clock that only the sessions' own times know of."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.sqlite = SqliteStore(Path(self.folder.name) / "sessions.db")
        self.stores: tuple[Any, ...] = (MemoryStore(), self.sqlite)
        self.model = Model()
        self.now = 100

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()

    def expect(self, act: str, *values: object, reply: Reply) -> None:
        for store in self.stores:
            assert getattr(store, act)(*values) == reply, (type(store).__name__, act)

    def row(self, handle: str, user: str, tenant: str, idle: int, absolute: int) -> Row:
        return {
            "handle": handle,
            "user_id": user,
            "recipe_user_id": f"{user}, by mail",
            "tenant_id": tenant,
            "created_at": self.now,
            "absolute_expires_at": self.now + absolute,
            "idle_lifetime": idle,
            "access_lifetime": 1,
            "rotated_at": self.now,
            "current_digest": b"0" * 32,
            "mac_key": b"k" * 32,
            "version": 0,
            "generation": 0,
            "previous_digest": None,
            "salt": None,
            "anti_csrf_token": Secret("token") if tenant == "blue" else None,
            "payload": {},
            "data": {},
        }

    @rule(by=st.sampled_from([1, 4, 30, -3]))
    def pass_time(self, by: int) -> None:
        self.now += by

    @rule(handle=handles, user=users, tenant=tenants, idle=lifetimes, absolute=lifetimes)
    def create(self, handle: str, user: str, tenant: str, idle: int, absolute: int) -> None:
        row = self.row(handle, user, tenant, idle, absolute)
        taken = self.model.create(row) == "taken"
        self.expect("create", as_record(row), reply=HandleTaken() if taken else None)

    @rule(handle=handles, digest=digests, off_by=st.sampled_from([0, 0, 0, 1, -1]))
    def rotate(self, handle: str, digest: bytes, off_by: int) -> None:
        held = self.model.rows.get(handle) or self.row(handle, "ada", "public", 5, 20)
        expected = held["version"] + off_by
        rotated = {
            **held,
            "version": expected + 1,
            "generation": held["generation"] + 1,
            "rotated_at": self.now,
            "previous_digest": held["current_digest"],
            "current_digest": digest,
            "salt": digest,
        }
        self.swap(rotated, expected)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), user=users, tenant=tenants, idle=lifetimes, payload=patches)
    def replace_all(
        self, data: st.DataObject, user: str, tenant: str, idle: int, payload: Row
    ) -> None:
        held = self.model.rows[data.draw(st.sampled_from(sorted(self.model.rows)))]
        other = self.row(held["handle"], user, tenant, idle, idle)
        self.swap({**other, "payload": payload, "version": held["version"] + 1}, held["version"])

    def swap(self, row: Row, expected: int) -> None:
        match self.model.swap(row, expected):
            case "swapped":
                reply = None
            case "missing":
                reply = Stale(Missing())
            case held:
                assert isinstance(held, dict)
                reply = Stale(as_record(held))
        self.expect("swap", as_record(row), expected, reply=reply)

    @rule(handle=handles, patch=patches, limit=limits)
    def merge(self, handle: str, patch: Row, limit: int) -> None:
        outcome, payload = self.model.merge(handle, patch, limit)
        reply: FrozenDict | TooLarge | Missing = Missing()
        if payload is not None:
            frozen = freeze_object(payload)
            reply = TooLarge(frozen) if outcome == "too large" else frozen
        self.expect("merge_payload", handle, freeze_object(patch), limit, reply=reply)

    @rule(handle=handles, content=patches)
    def replace_data(self, handle: str, content: Row) -> None:
        missing = self.model.replace(handle, content) == "missing"
        reply = Missing() if missing else None
        self.expect("replace_data", handle, freeze_object(content), reply=reply)

    @rule(asked=many_handles)
    def delete(self, asked: tuple[str, ...]) -> None:
        self.expect("delete", asked, reply=tuple(self.model.delete(asked)))

    @rule(user=users, tenant=st.none() | tenants, keep=many_handles)
    def delete_for_user(self, user: str, tenant: str | None, keep: tuple[str, ...]) -> None:
        theirs = [row["handle"] for row in self.model.of_user(user, tenant)]
        gone = self.model.delete(tuple(handle for handle in theirs if handle not in keep))
        self.expect("delete_for_user", user, tenant, keep, reply=tuple(gone))

    @rule(limit=st.integers(0, 4))
    def purge(self, limit: int) -> None:
        self.expect("purge", self.now, limit, reply=self.model.purge(self.now, limit))

    @rule(name=st.sampled_from(["ring", "h1"]), expected=st.none() | secrets, new=secrets)
    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> None:
        swaps = self.model.secrets.get(name) == expected
        if swaps:
            self.model.secrets[name] = new
        self.expect("swap_secret", name, expected, new, reply=swaps)
        self.expect("load_secret", name, reply=self.model.secrets.get(name))

    @rule(user=users, tenant=st.none() | tenants)
    def list_for_user(self, user: str, tenant: str | None) -> None:
        listed = tuple(map(as_record, self.model.of_user(user, tenant)))
        self.expect("list_for_user", user, tenant, reply=listed)

    @rule()
    def open_the_file_again(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(Path(self.folder.name) / "sessions.db")
        self.stores = (self.stores[0], self.sqlite)

    @invariant()
    def each_holds_the_same(self) -> None:
        for handle in HANDLES:
            row = self.model.rows.get(handle)
            self.expect("load", handle, reply=Missing() if row is None else as_record(row))


TestLockstep = Lockstep.TestCase
TestLockstep.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
