"""The store and a plain dict, given the same acts in any order, always answer the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from typing import Any, TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ..backend import Store
from ..descriptions import HandleTaken, Missing, Stale, TooLarge
from ..frozen import FrozenDict, Secret, freeze_object
from .making import Judged
from .model import Model, Row, as_record
from .records import THEN
from .secret_keeping import KeepsSecrets

Open: TypeAlias = Callable[[], AbstractContextManager[Store]]

HANDLES = ("h1", "h2", "h3", "h4", "H1")
handles = st.sampled_from(HANDLES)
users = st.sampled_from(["ada", "eve", "Ada"])
tenants = st.sampled_from(["public", "blue"])
keys = st.sampled_from(["a", "b", "é"])
values = st.none() | st.integers(0, 2) | st.sampled_from(["", "é"]) | st.just([1, {"x": None}])
patches = st.dictionaries(keys, values, max_size=3)
payloads = st.dictionaries(keys, values, min_size=1)
many_handles = st.lists(handles, max_size=4).map(tuple)
lifetimes = st.sampled_from([5, 20, 0])
digests = st.sampled_from([b"1" * 32, b"2" * 32])
secrets = st.sampled_from([b"", b"one", b"two"])
numbers = count()

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Lockstep(RuleBasedStateMachine):
    """Every act of a store, at a clock that only the sessions' own times know of."""

    def __init__(self, store: Store, reopen: Open | None) -> None:
        super().__init__()
        self.store = store
        self.reopen = reopen
        self.stack = ExitStack()
        self.model = Model()
        self.now = THEN
        self.history = next(numbers)  # no act deletes a secret, so each history has its own
        store.delete(HANDLES)

    def teardown(self) -> None:
        """Close what was opened."""
        self.stack.close()

    def expect(self, act: str, *given: object, reply: Any) -> None:
        """Ask the store the same."""
        assert getattr(self.store, act)(*given) == reply, act

    @initialize(user=users, tenant=tenants, payload=payloads)
    def begin(self, user: str, tenant: str, payload: Row) -> None:
        """Some are logged in: an act that finds nothing tells little."""
        for handle in HANDLES[1:]:
            self.create(handle, user, tenant, 20, 20, payload)

    def row(
        self, handle: str, user: str, tenant: str, idle: int, absolute: int, payload: Row
    ) -> Row:
        """A session that begins now."""
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
            "payload": payload,
            "data": {},
        }

    @rule(by=st.sampled_from([1, 4, 30, -3]))
    def pass_time(self, by: int) -> None:
        """The clock moves, mostly on."""
        self.now += by

    @rule(handle=handles, off_by=st.sampled_from([0, -1]))
    def pass_time_to_an_end(self, handle: str, off_by: int) -> None:
        """When a session is over, or the millisecond before."""
        self.now = self.model.ends().get(handle, self.now) + off_by

    @rule(
        handle=handles,
        user=users,
        tenant=tenants,
        idle=lifetimes,
        absolute=lifetimes,
        payload=patches,
    )
    def create(
        self, handle: str, user: str, tenant: str, idle: int, absolute: int, payload: Row
    ) -> None:
        """A login."""
        row = self.row(handle, user, tenant, idle, absolute, payload)
        taken = self.model.create(row) == "taken"
        self.expect("create", as_record(row), reply=HandleTaken() if taken else None)

    @rule(handle=handles, digest=digests, off_by=st.sampled_from([0, 0, 0, 1, -1]))
    def rotate(self, handle: str, digest: bytes, off_by: int) -> None:
        """A refresh, perhaps of a record that was read too early."""
        held = self.model.rows.get(handle) or self.row(handle, "ada", "public", 5, 20, {})
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
        """Another record under the same handle."""
        held = self.model.rows[data.draw(st.sampled_from(sorted(self.model.rows)))]
        other = self.row(held["handle"], user, tenant, idle, idle, payload)
        self.swap({**other, "version": held["version"] + 1}, held["version"])

    def swap(self, row: Row, expected: int) -> None:
        """A compare-and-swap."""
        match self.model.swap(row, expected):
            case "swapped":
                reply = None
            case "missing":
                reply = Stale(Missing())
            case held:
                assert isinstance(held, dict)
                reply = Stale(as_record(held))
        self.expect("swap", as_record(row), expected, reply=reply)

    @rule(handle=handles, patch=patches, room=st.sampled_from([0, 0, 9, -1]))
    def merge(self, handle: str, patch: Row, room: int) -> None:
        """A patch of a payload, within a limit that it just reaches, or doesn't."""
        limit = self.model.size_of(handle, patch) + room
        outcome, payload = self.model.merge(handle, patch, limit)
        reply: FrozenDict | TooLarge | Missing = Missing()
        if payload is not None:
            frozen = freeze_object(payload)
            reply = TooLarge(frozen) if outcome == "too large" else frozen
        self.expect("merge_payload", handle, freeze_object(patch), limit, reply=reply)

    @rule(handle=handles, content=patches)
    def replace_data(self, handle: str, content: Row) -> None:
        """New data."""
        missing = self.model.replace(handle, content) == "missing"
        reply = Missing() if missing else None
        self.expect("replace_data", handle, freeze_object(content), reply=reply)

    @rule(asked=many_handles)
    def delete(self, asked: tuple[str, ...]) -> None:
        """Revoking by handle."""
        self.expect("delete", asked, reply=tuple(self.model.delete(asked)))

    @rule(user=users, tenant=st.none() | tenants, keep=many_handles)
    def delete_for_user(self, user: str, tenant: str | None, keep: tuple[str, ...]) -> None:
        """Revoking a user's sessions."""
        theirs = [row["handle"] for row in self.model.of_user(user, tenant)]
        gone = self.model.delete(tuple(handle for handle in theirs if handle not in keep))
        self.expect("delete_for_user", user, tenant, keep, reply=tuple(gone))

    @rule(limit=st.integers(0, 4))
    def purge(self, limit: int) -> None:
        """As many as it may, of what is over: which of them is the store's affair."""
        over = self.model.over(self.now)
        self.expect("purge", self.now, limit, reply=min(limit, len(over)))
        gone = [h for h in over if self.store.load(h) == Missing()]
        assert len(gone) == min(limit, len(over)), "purge"
        self.model.delete(tuple(gone))

    @rule(user=users, tenant=st.none() | tenants)
    def list_for_user(self, user: str, tenant: str | None) -> None:
        """A list of a user's sessions."""
        listed = tuple(map(as_record, self.model.of_user(user, tenant)))
        self.expect("list_for_user", user, tenant, reply=listed)

    @precondition(lambda self: isinstance(self.store, KeepsSecrets))
    @rule(name=st.sampled_from(["ring", "h1"]), expected=st.none() | secrets, new=secrets)
    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> None:
        """A compare-and-swap of a secret."""
        name = f"{name}-{self.history}"
        swaps = self.model.secrets.get(name) == expected
        if swaps:
            self.model.secrets[name] = new
        self.expect("swap_secret", name, expected, new, reply=swaps)
        self.expect("load_secret", name, reply=self.model.secrets.get(name))

    @precondition(lambda self: self.reopen is not None)
    @rule()
    def go_on_with_another_store_of_the_same_records(self) -> None:
        """Whatever was written is there for whoever opens the store."""
        assert self.reopen is not None
        self.stack.close()
        self.store = self.stack.enter_context(self.reopen())

    @invariant()
    def each_holds_the_same(self) -> None:
        """Every record is as the model has it."""
        for handle in HANDLES:
            row = self.model.rows.get(handle)
            self.expect("load", handle, reply=Missing() if row is None else as_record(row))


def test_a_store_answers_as_the_protocol_says_whatever_came_before(
    judged: Judged, request: Any
) -> None:
    reopen: Open | None = None if judged.again is None else request.getfixturevalue("reopen")

    class Mine(Lockstep):
        def __init__(self) -> None:
            super().__init__(judged.store, reopen)

    run_state_machine_as_test(Mine, settings=SETTINGS)
