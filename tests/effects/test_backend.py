"""A backend made of a plain dict: every effect of the store family, and its declared replies."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast, get_args

import attrs
import pytest

from counterfoil.effects import (
    AsyncBackend,
    Backend,
    Effect,
    Establish,
    Established,
    FrozenDict,
    HandleTaken,
    InvalidInput,
    Listed,
    ListSessions,
    Load,
    Missing,
    PublicKey,
    Regenerate,
    Regenerated,
    RemoveHeader,
    Replaced,
    ReplaceData,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Rotated,
    Secret,
    SessionRecord,
    Stale,
    Store,
    StoreEffect,
    TooLarge,
    json_size,
)

MakeRecord = Callable[..., SessionRecord]
MakeBackend = Callable[..., Backend]
CLAIMS = FrozenDict({"sub": "ada", "plan": "of the engine"})


def declared_replies(effect: type[Effect[Any]]) -> tuple[Any, ...]:
    (base,) = vars(effect)["__orig_bases__"]
    (reply,) = get_args(base)
    return get_args(reply) or (reply,)


@attrs.frozen
class AsCoroutines:
    """A blocking store's acts as coroutines, which never wait."""

    store: Store

    def __getattr__(self, name: str) -> Any:
        act: Callable[..., Any] = getattr(self.store, name)

        async def awaited(*arguments: Any) -> Any:
            return act(*arguments)

        return awaited


def perform(backend: Backend, effect: StoreEffect) -> Any:
    """The reply, which is one of those that the effect declares; awaited, it is the same."""
    apart = deepcopy(backend.store)
    reply = backend.perform(effect)
    assert type(reply) in declared_replies(type(effect))
    coroutines: Any = AsCoroutines(apart)
    with pytest.raises(StopIteration) as returned:
        AsyncBackend(coroutines, backend.signer).perform(effect).send(None)
    assert returned.value.value == reply
    assert vars(apart)["records"] == vars(backend.store)["records"]
    return reply


def test_establish_stores_a_record_and_signs_its_first_token(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    backend, record = make_backend(), make_record(payload=FrozenDict({"plan": "pro", "n": 1}))
    reply = perform(backend, Establish(record, CLAIMS))
    assert reply == Established('signed:{"plan":"of the engine","n":1,"sub":"ada"}')
    assert type(reply.access_token) is Secret
    assert perform(backend, Load("h1")) == record


def test_establish_changes_nothing_if_the_handle_is_taken(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    record = make_record()
    backend = make_backend(record)
    other = attrs.evolve(record, user_id="eve")
    assert perform(backend, Establish(other, CLAIMS)) == HandleTaken()
    assert perform(backend, Load("h1")) == record


def test_load_of_an_unknown_handle_is_missing(make_backend: MakeBackend) -> None:
    assert perform(make_backend(), Load("h1")) == Missing()


def test_rotate_swaps_the_record_of_the_expected_version(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    record = make_record(version=4)
    backend = make_backend(record)
    rotated = attrs.evolve(record, version=5, generation=1)
    assert perform(backend, Rotate(rotated, 4, CLAIMS)) == Rotated(
        'signed:{"sub":"ada","plan":"of the engine"}'
    )
    assert perform(backend, Load("h1")) == rotated
    assert perform(backend, Rotate(rotated, 4, CLAIMS)) == Stale(rotated)


def test_rotate_brings_no_record_back(make_record: MakeRecord, make_backend: MakeBackend) -> None:
    backend = make_backend()
    assert perform(backend, Rotate(make_record(), 0, CLAIMS)) == Stale(Missing())
    assert perform(backend, Load("h1")) == Missing()


def test_regenerate_merges_and_signs_the_result(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    record = make_record(payload=FrozenDict({"a": 1, "b": 2}))
    backend = make_backend(record)
    merged = FrozenDict({"a": 1, "c": 3})
    effect = Regenerate("h1", {"b": None, "c": 3}, {"sub": "ada"}, limit=100)
    assert perform(backend, effect) == Regenerated(merged, 'signed:{"a":1,"c":3,"sub":"ada"}')
    assert perform(backend, Load("h1")) == attrs.evolve(record, payload=merged, version=1)
    assert perform(backend, Regenerate("h1", {}, None, limit=0)) == Regenerated(merged)
    assert perform(backend, Regenerate("h1", {}, {}, limit=0)).access_token is not None
    assert perform(backend, Load("h1")).version == 1


def test_regenerate_refuses_a_payload_above_the_limit(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    record = make_record(payload=FrozenDict({"a": 1}))
    backend = make_backend(record)
    merged = FrozenDict({"a": 1, "b": "é"})
    effect = Regenerate("h1", {"b": "é"}, CLAIMS, limit=json_size(merged) - 1)
    assert perform(backend, effect) == TooLarge(merged)
    assert perform(backend, Load("h1")) == record
    within = perform(backend, attrs.evolve(effect, limit=json_size(merged)))
    assert within.payload == merged


def test_regenerate_of_an_unknown_handle_is_missing(make_backend: MakeBackend) -> None:
    assert perform(make_backend(), Regenerate("h1", {"a": 1}, CLAIMS, limit=9)) == Missing()


def test_replace_data_writes_but_never_creates(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    backend = make_backend(make_record(data=FrozenDict({"old": 1})))
    assert perform(backend, ReplaceData("h1", {"new": [1]})) == Replaced()
    assert perform(backend, Load("h1")).data == {"new": (1,)}
    assert perform(backend, ReplaceData("h2", {})) == Missing()
    assert perform(backend, Load("h2")) == Missing()


def test_revoke_answers_the_handles_that_were_there(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    backend = make_backend(make_record("h1"), make_record("h2"))
    assert perform(backend, Revoke(("h2", "h9", "h1", "h1"))) == Revoked(("h2", "h1"))
    assert perform(backend, Revoke(("h1",))) == Revoked(())


def test_a_users_sessions_are_listed_oldest_first_and_revoked_but_those_kept(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    old, new = make_record("h9", created_at=1), make_record("h1", created_at=2)
    away = make_record("h2", tenant_id="blue", created_at=3)
    other = make_record("h3", user_id="eve")
    backend = make_backend(away, new, other, old)
    assert perform(backend, ListSessions("ada")) == Listed((old, new, away))
    assert perform(backend, ListSessions("ada", "public")) == Listed((old, new))
    assert perform(backend, RevokeUser("ada", "public", keep=("h1",))) == Revoked(("h9",))
    assert perform(backend, RevokeUser("ada")) == Revoked(("h1", "h2"))
    assert perform(backend, ListSessions("eve")) == Listed((other,))


def test_an_effect_of_another_family_is_no_business_of_a_backend(
    make_backend: MakeBackend,
) -> None:
    with pytest.raises(AssertionError):
        make_backend().perform(cast("Any", RemoveHeader("x")))


def test_purge_deletes_what_is_over_up_to_its_limit(
    make_record: MakeRecord, make_backend: MakeBackend
) -> None:
    records = [make_record(f"h{n}", rotated_at=n, idle_lifetime=10) for n in range(4)]
    store = make_backend(*records).store
    assert store.purge(now=9, limit=9) == 0
    assert store.purge(now=12, limit=2) == 2
    assert store.purge(now=12, limit=2) == 1
    assert store.load("h3") == records[3]


@pytest.mark.parametrize(
    ("rotated_at", "idle", "absolute", "expires_at"), [(5, 10, 99, 15), (5, 10, 14, 14)]
)
def test_a_record_expires_at_its_idle_or_absolute_end(
    rotated_at: int, idle: int, absolute: int, expires_at: int, make_record: MakeRecord
) -> None:
    record = make_record(rotated_at=rotated_at, idle_lifetime=idle, absolute_expires_at=absolute)
    assert record.expires_at == expires_at


def test_no_repr_of_a_record_or_a_key_shows_key_material(make_record: MakeRecord) -> None:
    record = make_record(
        mac_key=b"canary" * 5, salt=b"canary" * 4, anti_csrf_token=Secret("canary")
    )
    shown = repr((record, PublicKey("kid", "EdDSA", b"canary"), Establish(record, {})))
    assert "canary" not in shown
    assert "mac_key=<30 bytes>" in shown
    assert "previous_digest=None" in shown


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        (Load, (7,), "handle"),
        (Revoke, (["a", 7],), "handles"),
        (RevokeUser, (7,), "user_id"),
        (RevokeUser, ("ada", 7), "tenant_id"),
        (RevokeUser, ("ada", None, [7]), "keep"),
        (ListSessions, ("ada", 7), "tenant_id"),
    ],
)
def test_what_can_name_nothing_is_refused_by_its_field(
    kind: Any, arguments: tuple[Any, ...], field: str
) -> None:
    with pytest.raises(InvalidInput, match=f"^{field} must be a str, not int"):
        kind(*arguments)
