"""What a store on Redis does beside the contract: hints, times to live, replicas."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import attrs
import pytest

from counterfoil.adapters import redis_scripts
from counterfoil.adapters.redis import RedisDurability, RedisStore
from counterfoil.adapters.redis_acts import Acts
from counterfoil.adapters.redis_errors import not_done
from counterfoil.adapters.redis_line import Line
from counterfoil.adapters.redis_record import Names
from counterfoil.adapters.redis_rounds import Call, Round, ask
from counterfoil.adapters.redis_scripts import GRACE
from counterfoil.adapters.redis_server import RedisServer
from counterfoil.effects import (
    EMPTY,
    FrozenDict,
    HandleTaken,
    InvalidInput,
    Missing,
    SessionRecord,
    Stale,
    StoreUnavailable,
)

from .redis_servers import Cluster, Replicated, Server, replicated, until

MakeRecord = Callable[..., SessionRecord]
HOUR = 3_600_000  # ms: how long a record is kept after its end, at least; twice that at most
NEVER = 10**9


@pytest.fixture
def client(redis_server: Server) -> Iterator[Any]:
    """A client of another make, which sees what the store keeps."""
    with redis_server.client() as client:
        yield client


@pytest.fixture
def on_redis(redis_server: Server, prefix: str) -> Iterator[RedisStore]:
    with RedisStore.from_url(redis_server.url, prefix=prefix) as store:
        yield store


# --- times to live -----------------------------------------------------------------------------


def test_a_key_lives_as_long_as_its_record_and_a_little_longer(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    on_redis.create(make_record(idle_lifetime=10_000, absolute_expires_at=99_000))
    kept = client.pttl(f"{prefix}:session:h1")
    assert HOUR < kept <= 2 * HOUR + 10_000
    assert kept + 20_000 < client.pttl(f"{prefix}:user:ada") <= kept + 98_000
    client.pexpire(f"{prefix}:session:h1", 5_000)
    on_redis.merge_payload("h1", FrozenDict({"a": 1}), NEVER)
    on_redis.replace_data("h1", FrozenDict({"a": 1}))
    assert client.pttl(f"{prefix}:session:h1") <= 5_000
    refreshed = make_record(version=3, rotated_at=95_000, absolute_expires_at=99_000)
    assert on_redis.swap(refreshed, 2) is None
    assert kept - 10_000 < client.pttl(f"{prefix}:session:h1") <= kept - 5_000


def test_sessions_that_end_together_are_not_deleted_together(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    for number in range(300):
        on_redis.create(make_record(f"h{number}", idle_lifetime=0))
    kept = [client.pttl(f"{prefix}:session:h{number}") for number in range(300)]
    tenths = Counter((left - 1) * 10 // HOUR for left in kept)
    assert set(tenths) <= {9, *range(10, 20)}  # the time of the test itself is off
    assert all(tenths[tenth] >= 15 for tenth in range(10, 20))
    assert client.pttl(f"{prefix}:user:ada") > max(kept)


def test_no_time_is_too_long_or_too_short_for_a_key(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    record = make_record(absolute_expires_at=2**62, idle_lifetime=2**61)
    assert on_redis.create(record) is None
    assert on_redis.create(make_record("h2", absolute_expires_at=-(2**62))) is None
    assert on_redis.list_for_user("ada", None)[0] == record
    assert HOUR - 10_000 < client.pttl(f"{prefix}:session:h2") <= 2 * HOUR


def test_a_users_hints_live_as_long_as_the_longest(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    on_redis.create(make_record("long", absolute_expires_at=9_000_000))
    on_redis.create(make_record("short", absolute_expires_at=2_000))
    assert client.pttl(f"{prefix}:user:ada") > HOUR + 8_000_000


# --- hints -------------------------------------------------------------------------------------


def hints(client: Any, prefix: str, user: str = "ada") -> list[str]:
    return [
        hint.decode().partition(":")[2] for hint in client.zrange(f"{prefix}:user:{user}", 0, -1)
    ]


def test_a_deleted_record_takes_its_hint_with_it(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    for handle in ("h1", "h2", "h3", "h4"):
        on_redis.create(make_record(handle))
    on_redis.delete(("h1",))
    assert sorted(hints(client, prefix)) == ["h2", "h3", "h4"]
    on_redis.delete_for_user("ada", None, ("h2", "h3"))
    assert sorted(hints(client, prefix)) == ["h2", "h3"]
    assert on_redis.purge(10**12, 9) == 2
    assert not client.exists(f"{prefix}:user:ada")


def test_a_hint_without_a_record_is_dropped_once_it_is_old(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    on_redis.create(make_record("h1"))
    on_redis.create(make_record("other", user_id="eve"))
    now = int(client.time()[0]) * 1000
    key = f"{prefix}:user:ada"
    for age, handle in [(GRACE * 2, "old"), (GRACE * 2, "other"), (GRACE // 2, "young")]:
        client.zadd(key, {f"{now - age}:{handle}": now + HOUR})
    assert [record.handle for record in on_redis.list_for_user("ada", None)] == ["h1"]
    assert sorted(hints(client, prefix)) == ["h1", "young"]
    client.zadd(key, {f"{now - GRACE * 2}:older": now + HOUR})
    assert on_redis.delete_for_user("ada", "blue", ()) == ()
    assert sorted(hints(client, prefix)) == ["h1", "young"]
    assert on_redis.load("other") != Missing()


def test_a_hint_whose_session_must_be_over_goes_with_the_next_login(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    client.zadd(f"{prefix}:user:ada", {"1000:gone": 2_000})
    on_redis.create(make_record())
    assert hints(client, prefix) == ["h1"]


def test_a_swap_hints_again_only_where_the_hint_depends_on_what_it_changes(
    on_redis: RedisStore, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    on_redis.create(make_record())
    on_redis.swap(make_record(version=1, rotated_at=2_000), 0)
    assert hints(client, prefix) == ["h1"]
    on_redis.swap(make_record(version=2, absolute_expires_at=10**9), 1)
    assert client.pttl(f"{prefix}:user:ada") > 10**9 - 10_000
    on_redis.swap(make_record(version=3, user_id="eve"), 2)
    assert hints(client, prefix, "eve") == ["h1"]
    assert on_redis.delete(("h1",)) == ("h1",)
    assert hints(client, prefix, "eve") == []


# --- every order in which the rounds of two acts can meet ----------------------------------------


@pytest.fixture
def line(redis_server: Server, client: Any) -> Iterator[Line]:
    """A line to a server that knows every script: or else one would need a round more at first."""
    for script in vars(redis_scripts).values():
        if isinstance(script, redis_scripts.Script):
            client.script_load(script.source)
    line = Line(RedisServer.from_url(redis_server.url), None)
    yield line
    line.close()


@attrs.define
class Schedule:
    """Acts on one server, of which one round at a time is carried out."""

    line: Line
    answers: dict[str, Any] = attrs.Factory(dict[str, Any])

    def go(self, name: str, act: Generator[Any, Any, Any], turns: int | None = None) -> None:
        """Carry out so many rounds of an act, or all that are left."""
        while turns is None or turns > 0:
            turns = None if turns is None else turns - 1
            if name in self.answers:
                return
            try:
                asked = act.send(self._replies.pop(name, None))
                self._replies[name] = self.line._answer(asked)  # pyright: ignore[reportPrivateUsage]  # one round
            except StopIteration as end:
                self.answers[name] = end.value

    def go_apart(
        self, name: str, act: Generator[Any, Any, Any], key: str, meanwhile: Callable[[], None]
    ) -> None:
        """Carry out one round: the call on one key first, and those on others after something else.

        So it goes in a cluster, where they are for different servers.
        """
        asked = act.send(self._replies.pop(name, None))
        early = {call.key: self._one(call) for call in asked.calls if call.key == key}
        meanwhile()
        late = {call.key: self._one(call) for call in asked.calls if call.key != key}
        assert early
        assert late
        self._replies[name] = [(early | late)[call.key] for call in asked.calls]

    def _one(self, call: Call) -> Any:
        (reply,) = self.line._answer(Round([call]))  # pyright: ignore[reportPrivateUsage]  # one call
        return reply

    _replies: dict[str, Any] = attrs.Factory(dict[str, Any])


def orders(of_first: int, of_second: int) -> Iterator[list[bool]]:
    """All orders of so many turns of a first and of a second: True is the first's."""
    total = of_first + of_second
    for chosen in combinations(range(total), of_first):
        yield [turn in chosen for turn in range(total)]


@pytest.mark.parametrize("other", ["list_for_user", "delete_for_user"])
def test_a_record_is_never_without_its_hint_however_acts_meet(
    other: str, line: Line, make_record: MakeRecord
) -> None:
    for number, order in enumerate(orders(3, 5)):
        acts = Acts(Names(f"order-{other}-{number}"), HOUR)
        login = acts.create(make_record("new"))
        look = getattr(acts, other)("ada", None, *(((),) if other == "delete_for_user" else ()))
        schedule = Schedule(line)
        for first in order:
            name, act = ("login", login) if first else ("look", look)
            schedule.go(name, act, turns=1)
        schedule.go("login", login)
        schedule.go("look", look)
        assert schedule.answers["login"] is None
        there = line.carry_out(acts.load("new")) != Missing()
        listed = line.carry_out(acts.list_for_user("ada", None))
        assert bool(listed) == there
        assert there or schedule.answers["look"] == ("new",)


def rekey(acts: Acts, old: SessionRecord, born: SessionRecord) -> Generator[Any, Any, bool]:
    """What the engine does to re-key, in its order; answers whether it took its own for lost."""
    yield from acts.create(born)
    retired = attrs.evolve(old, version=old.version + 1, absolute_expires_at=5_000)
    swapped = yield from acts.swap(retired, old.version)
    if isinstance(swapped, Stale):
        yield from acts.delete((born.handle,))
        return True
    gone = yield from acts.delete((old.handle,))
    if not gone:
        yield from acts.delete((born.handle,))
    return not gone


def test_what_is_rekeyed_while_all_are_revoked_does_not_survive(
    line: Line, make_record: MakeRecord
) -> None:
    old, born = make_record("old"), make_record("born", created_at=2_000)
    met = 0
    for number, order in enumerate(orders(7, 5)):
        acts = Acts(Names(f"rekey-{number}"), HOUR)
        line.carry_out(acts.create(old))
        changes, revokes = rekey(acts, old, born), acts.delete_for_user("ada", None, ())
        schedule = Schedule(line)
        for first in order:
            name, act = ("rekey", changes) if first else ("revoke", revokes)
            schedule.go(name, act, turns=1)
        schedule.go("rekey", changes)
        schedule.go("revoke", revokes)
        assert line.carry_out(acts.load("old")) == Missing()
        assert line.carry_out(acts.load("born")) == Missing()
        met += not schedule.answers["rekey"]
    assert met  # in some orders it was re-keyed first, and the successor revoked


@pytest.mark.parametrize("other", ["list_for_user", "delete_for_user"])
def test_a_session_that_is_rekeyed_between_two_looks_of_a_round_is_seen(
    other: str, line: Line, prefix: str, make_record: MakeRecord
) -> None:
    acts = Acts(Names(prefix), HOUR)
    old, born = make_record("old"), make_record("born", created_at=2_000)
    line.carry_out(acts.create(old))
    changes = rekey(acts, old, born)
    look = getattr(acts, other)("ada", None, *(((),) if other == "delete_for_user" else ()))
    schedule = Schedule(line)
    schedule.go("rekey", changes, turns=1)  # the successor's hint is there, its record isn't yet
    schedule.go("look", look, turns=1)  # both hints are read
    key = acts.names.record(born.handle)
    schedule.go_apart("look", look, key, meanwhile=lambda: schedule.go("rekey", changes))
    schedule.go("look", look)
    assert schedule.answers["rekey"] is False
    if other == "list_for_user":
        assert schedule.answers["look"] == (born,)
    else:
        assert schedule.answers["look"] == ("born",)
        assert line.carry_out(acts.load("born")) == Missing()
    assert line.carry_out(acts.load("old")) == Missing()


def test_a_record_is_not_written_long_after_its_hint(
    line: Line, client: Any, prefix: str, make_record: MakeRecord
) -> None:
    acts = Acts(Names(prefix), HOUR)
    login: Any = acts.create(make_record())
    schedule = Schedule(line)
    schedule.go("login", login, turns=1)
    late = str(int(client.time()[0]) * 1000 - GRACE // 2 - 2_000)
    asked = login.send([late])
    assert line._answer(asked) == [-1]  # pyright: ignore[reportPrivateUsage]  # one round
    asked = login.send([-1])
    asked = login.send([late])
    with pytest.raises(StoreUnavailable, match="clocks of the cluster's servers differ"):
        login.send(line._answer(asked))  # pyright: ignore[reportPrivateUsage]  # one round
    assert line.carry_out(acts.load("h1")) == Missing()


# --- one server among others ---------------------------------------------------------------------


def test_prefixes_keep_applications_apart(redis_server: Server, make_record: MakeRecord) -> None:
    with (
        RedisStore.from_url(redis_server.url, prefix="apart.one") as one,
        RedisStore.from_url(redis_server.url, prefix="apart") as other,
    ):
        assert one.create(make_record()) is None
        assert other.load("h1") == Missing()
        assert other.purge(10**12, NEVER) == 0
        assert one.create(make_record()) == HandleTaken()


@pytest.mark.parametrize("prefix", ["", "a:b", "{a}", "a*", "ä", "a" * 65])
def test_a_prefix_that_could_be_taken_for_another_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidInput, match="prefix"):
        RedisStore(RedisServer.from_url("redis://"), prefix=prefix)


def test_names_with_braces_choose_a_slot_and_no_other_record(
    redis_cluster: Cluster, prefix: str, make_record: MakeRecord
) -> None:
    with RedisStore.from_url(redis_cluster.url, prefix=prefix) as store:
        names = ["{a}b", "{a}", "}{", "{}a", "{a", "a}"]
        for name in names:
            assert store.create(make_record(name, user_id=name)) is None
        for name in names:
            assert store.list_for_user(name, None) == (make_record(name, user_id=name),)
        assert sorted(store.delete(tuple(names))) == sorted(names)


def test_many_sessions_of_one_user_are_listed_and_revoked_in_batches(
    redis_cluster: Cluster, prefix: str, make_record: MakeRecord
) -> None:
    handles = [f"h{number:04}" for number in range(1_200)]
    with RedisStore.from_url(redis_cluster.url, prefix=prefix) as store:
        for handle in handles:
            store.create(make_record(handle))
        assert [record.handle for record in store.list_for_user("ada", None)] == handles
        assert store.purge(10**12, 3) == 3
        assert store.delete_for_user("ada", None, ()) == tuple(handles[3:])


# --- replicas ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    with replicated(tmp_path_factory.mktemp("replicated")) as group:
        yield group


def test_what_the_replica_has_confirmed_is_there(
    group: Replicated, prefix: str, make_record: MakeRecord
) -> None:
    durability = RedisDurability(replicas=1, timeout=timedelta(seconds=4))
    with RedisStore.from_url(group.url, prefix=prefix, durability=durability) as store:
        assert store.create(make_record()) is None
        for number in range(20):
            store.merge_payload("h1", FrozenDict({"n": number}), NEVER)
            held = group.replica.ask("HGET", f"{prefix}:session:h1", "p")
            assert held == f'3:"n"{len(str(number))}:{number}'.encode()


def test_a_write_that_too_few_replicas_confirm_is_no_success(
    group: Replicated, prefix: str, make_record: MakeRecord
) -> None:
    durability = RedisDurability(replicas=2, timeout=timedelta(milliseconds=20))
    with (
        RedisStore.from_url(group.url, prefix=prefix, durability=durability) as store,
        RedisStore.from_url(group.url, prefix=prefix) as lenient,
    ):
        with pytest.raises(StoreUnavailable, match="confirmed by 1 of 2 replicas"):
            store.create(make_record())
        hinted = group.primary.ask("ZCARD", f"{prefix}:user:ada")
        assert hinted == 1  # once: the replicas aren't waited for again and again
        lenient.create(make_record())
        with pytest.raises(StoreUnavailable, match="confirmed by 1 of 2 replicas"):
            store.replace_data("h1", FrozenDict({"a": 1}))
        assert store.load("h1") == make_record(version=1, data=FrozenDict({"a": 1}))
        assert store.list_for_user("ada", None) == (store.load("h1"),)


def test_a_reply_that_comes_too_late_is_nobody_elses(
    group: Replicated, prefix: str, make_record: MakeRecord
) -> None:
    with RedisStore.from_url(f"{group.url}?socket_timeout=0.1", prefix=prefix) as store:
        store.create(make_record("h1"))
        store.create(make_record("h2"))
        store.replace_data("h2", EMPTY)  # its script is known from now on
        group.primary.ask("CLIENT", "PAUSE", "250", "ALL")
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            store.replace_data("h2", EMPTY)
        assert store.load("h1") == make_record("h1")  # asked while the other reply is still to come


def test_a_scan_is_asked_again_of_the_same_server() -> None:
    one = ("one", 6379)
    act = ask([Call("SCAN", "", (17,), at=one, repeatable=True), Call("GET", "k", repeatable=True)])
    next(act)
    again = act.send([OSError(), OSError()])
    assert isinstance(again, Round)
    assert [call.at for call in again.calls] == [one, None]


def test_nothing_was_sent_where_no_sentinel_knows_the_primary(group: Replicated) -> None:
    line = Line(RedisServer.from_url(group.url.replace("/mine", "/other")), None)
    (reply,) = line._answer(Round([Call("SET", "key", ("value",))]))  # pyright: ignore[reportPrivateUsage]  # one round
    assert not_done(reply)
    with pytest.raises(StoreUnavailable, match="MasterNotFoundError"):
        line.carry_out(ask([Call("SET", "key", ("value",))]))
    line.close()


@pytest.mark.parametrize(
    ("replicas", "timeout"), [(0, timedelta(seconds=1)), (1, timedelta()), (1, timedelta(days=1))]
)
def test_a_durability_that_can_not_be_is_refused(replicas: int, timeout: timedelta) -> None:
    with pytest.raises(InvalidInput):
        RedisStore(RedisServer.from_url("redis://"), durability=RedisDurability(replicas, timeout))


def test_records_must_outlive_their_end_by_something() -> None:
    with pytest.raises(InvalidInput, match="keep_after_expiry"):
        RedisStore(RedisServer.from_url("redis://"), keep_after_expiry=timedelta())


def test_a_primary_that_dies_takes_nothing_confirmed_with_it(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    durability = RedisDurability(replicas=1, timeout=timedelta(seconds=4))
    with (
        replicated(tmp_path) as group,
        RedisStore.from_url(group.url, durability=durability) as store,
    ):
        for number in range(50):
            store.create(make_record(f"h{number:02}", created_at=number))
        group.primary.kill()
        until(lambda: answers(store), "a replica that took over")
        listed = store.list_for_user("ada", None)
        assert [record.handle for record in listed] == [f"h{n:02}" for n in range(50)]
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            store.create(make_record("alone"))


def answers(store: RedisStore) -> bool:
    try:
        store.load("nobody's")
    except StoreUnavailable:
        return False
    return True
