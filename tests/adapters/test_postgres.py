"""The PostgreSQL store among others who write, on a server that ends connections, in any loop."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import attrs
import psycopg
import pytest

from counterfoil import BlockingSessions, FrozenDict, Missing, Policy, Sessions
from counterfoil.adapters import postgres_acts, postgres_connections
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.core.examples import example_record
from counterfoil.effects import EMPTY, SessionRecord, Stale, StoreUnavailable, TooLarge

from .postgres_server import PostgresServer, pgbouncer

NEVER = 10**9
THREADS = 8
POLICY = Policy("https://api.example.com")
HANDLE = example_record().handle


def record(handle: str = HANDLE, **changes: Any) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle, **changes)


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    with PostgresStore(database) as opened:
        yield opened


@pytest.fixture
def stranger(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else's, in a transaction."""
    with psycopg.connect(database) as connection:
        yield connection
        connection.rollback()


def payload(held: SessionRecord | Missing) -> FrozenDict:
    assert isinstance(held, SessionRecord)
    return held.payload


def until(condition: Callable[[], bool]) -> None:
    """Wait for what the server does in its own time."""
    patience = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < patience


def wait_until_blocked(stranger: psycopg.Connection[Any]) -> None:
    """Until some statement waits for a lock."""
    waiting = (
        "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    until(lambda: stranger.execute(waiting.encode()).fetchone() != ("", 0))


@contextmanager
def meanwhile(act: Callable[[], Any]) -> Generator[Callable[[], Any]]:
    """Begins an act in a thread; gives what waits for its answer."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(act).result


# --- among others who write --------------------------------------------------------------------


def merge(store: PostgresStore, patch: FrozenDict, *, awaits: bool) -> Any:
    """A merge that leaves room for 20 bytes, blocking or awaited."""

    async def awaited() -> Any:
        form = store.awaited
        assert form is not None
        return await form.merge_payload(HANDLE, patch, 20)

    return anyio.run(awaited) if awaits else store.merge_payload(HANDLE, patch, 20)


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_a_merge_goes_by_what_others_wrote_while_it_waited(
    isolation: str,
    awaits: bool,
    postgres: PostgresServer,
    database: str,
    stranger: psycopg.Connection[Any],
) -> None:
    # Under "repeatable read" the server gives up the statement that waited: it's asked again.
    name = database.rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    with PostgresStore(database) as store:
        store.create(record(payload=FrozenDict({"a": 1}), version=4))
        change = 'UPDATE counterfoil.sessions SET payload = payload || \'{"b": "22"}\', version = 5'
        stranger.execute(change.encode())
        with meanwhile(lambda: merge(store, FrozenDict({"c": 3}), awaits=awaits)) as answer:
            wait_until_blocked(stranger)
            stranger.commit()
            assert answer() == {"a": 1, "b": 22, "c": 3}
        assert store.load(HANDLE) == record(payload={"a": 1, "b": 22, "c": 3}, version=6)
        stranger.execute(change.replace('"22"', '"2222"').encode())
        with meanwhile(lambda: merge(store, FrozenDict({"c": 4}), awaits=awaits)) as answer:
            wait_until_blocked(stranger)
            stranger.commit()
            assert answer() == TooLarge(FrozenDict({"a": 1, "b": 2222, "c": 4}))
        assert payload(store.load(HANDLE)) == {"a": 1, "b": 2222, "c": 3}


@pytest.mark.parametrize("awaits", [False, True])
def test_what_the_server_gives_up_is_not_asked_for_ever(
    awaits: bool,
    monkeypatch: pytest.MonkeyPatch,
    postgres: PostgresServer,
    database: str,
    stranger: psycopg.Connection[Any],
) -> None:
    name = database.rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    monkeypatch.setattr(postgres_connections, "TRIES", 1)
    with PostgresStore(database) as store:
        store.create(record(payload=EMPTY))
        stranger.execute("UPDATE counterfoil.sessions SET version = 5")
        with meanwhile(lambda: merge(store, FrozenDict({"c": 3}), awaits=awaits)) as answer:
            wait_until_blocked(stranger)
            stranger.commit()
            with pytest.raises(StoreUnavailable, match=r"SerializationFailure \(40001\)"):
                answer()
        assert payload(store.load(HANDLE)) == {}


def test_a_merge_into_what_is_deleted_meanwhile_is_missing(
    store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    store.create(record())
    stranger.execute("DELETE FROM counterfoil.sessions")
    with meanwhile(lambda: store.merge_payload(HANDLE, FrozenDict({"c": 3}), NEVER)) as answer:
        wait_until_blocked(stranger)
        stranger.commit()
        assert answer() == Missing()
    assert store.load(HANDLE) == Missing()


def test_a_swap_that_waited_for_another_is_stale(
    store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    store.create(record())
    stranger.execute("UPDATE counterfoil.sessions SET version = 1")
    with meanwhile(lambda: store.swap(record(version=1, generation=9), 0)) as answer:
        wait_until_blocked(stranger)
        stranger.commit()
        assert answer() == Stale(record(version=1))


@pytest.mark.parametrize("awaits", [False, True])
def test_what_is_rekeyed_while_all_are_revoked_does_not_survive(
    awaits: bool, store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    # The revocation has begun, and waits for the first session, when the second is re-keyed.
    user = record().user_id

    async def awaited() -> Any:
        form = store.awaited
        assert form is not None
        return await form.delete_for_user(user, None, ("kept",))

    def revoke() -> Any:
        return anyio.run(awaited) if awaits else store.delete_for_user(user, None, ("kept",))

    for handle, created in (("first", 1), ("second", 3), ("kept", 4)):
        store.create(record(handle, created_at=created))
    stranger.execute("SELECT FROM counterfoil.sessions WHERE handle = 'first' FOR UPDATE")
    with meanwhile(revoke) as answer:
        wait_until_blocked(stranger)
        store.create(record("successor", created_at=0))
        assert store.delete(("second",)) == ("second",)
        stranger.rollback()
        assert answer() == ("successor", "first")
    assert [one.handle for one in store.list_for_user(user, None)] == ["kept"]


@pytest.mark.parametrize("awaits", [False, True])
def test_a_session_that_can_not_be_deleted_is_not_looked_for_for_ever(
    awaits: bool, database: str, store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    store.create(record())
    stranger.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER keep BEFORE DELETE ON counterfoil.sessions"
        " FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    stranger.commit()

    async def awaited() -> Any:
        form = store.awaited
        assert form is not None
        return await form.delete_for_user(record().user_id, None, ())

    with pytest.raises(StoreUnavailable, match="try again, and see whether a trigger"):
        anyio.run(awaited) if awaits else store.delete_for_user(record().user_id, None, ())


def test_in_a_crowd_one_swap_wins_and_every_merge_is_kept(store: PostgresStore) -> None:
    store.create(record(payload=EMPTY))
    start = threading.Barrier(THREADS, timeout=30)

    def fight(worker: int) -> int:
        start.wait()
        won = store.swap(record(payload=EMPTY, version=1, generation=worker), 0) is None
        start.wait()
        for number in range(10):
            store.merge_payload(HANDLE, FrozenDict({f"{worker}-{number}": worker}), NEVER)
        return won

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(fight, range(THREADS))) == 1
    held = store.load(HANDLE)
    assert len(payload(held)) == 10 * THREADS
    assert isinstance(held, SessionRecord)
    assert held.version == 1 + 10 * THREADS


# --- purge and indexes -------------------------------------------------------------------------


def test_a_purge_passes_over_what_others_have_locked(
    store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    for handle in ("h1", "h2", "h3"):
        store.create(record(handle, absolute_expires_at=1))
    stranger.execute("SELECT FROM counterfoil.sessions WHERE handle = 'h2' FOR UPDATE")
    assert store.purge(1, NEVER) == 2
    stranger.rollback()
    assert store.purge(1, NEVER) == 1


def test_a_purge_goes_on_past_more_sessions_alive_than_it_looks_at_in_one_statement(
    monkeypatch: pytest.MonkeyPatch, store: PostgresStore
) -> None:
    alive = [record(f"h{n}", rotated_at=n, idle_lifetime=10) for n in range(7)]
    for one in alive:
        store.create(one)
        store.swap(attrs.evolve(one, rotated_at=1_000, version=1), 0)
    store.create(record("over", rotated_at=50, idle_lifetime=10))
    monkeypatch.setattr(postgres_acts, "WINDOW", 3)
    assert store.purge(100, NEVER) == 1
    assert store.purge(100, NEVER) == 0
    assert all(isinstance(store.load(one.handle), SessionRecord) for one in alive)
    assert store.purge(2_000, 2) == 2
    assert store.purge(2_000, NEVER) == 5


def test_a_refresh_writes_to_no_index(
    store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    held = record()
    store.create(held)
    for version in range(60):
        held = attrs.evolve(held, version=version + 1, rotated_at=held.rotated_at + 900_000)
        assert store.swap(held, version) is None
        store.merge_payload("nobody's", FrozenDict({"a": 1}), NEVER)
    store.close()  # the server counts at the end of a connection at the latest
    counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"

    def updates() -> tuple[int, int]:
        stranger.rollback()
        return stranger.execute(counted.encode()).fetchone() or (0, 0)

    until(lambda: updates()[0] >= 60)
    _, hot = updates()
    assert hot >= 57  # a page has room for a few; then the server tidies it up at the next look


@pytest.mark.parametrize(
    ("act", "index"),
    [
        (postgres_acts.Acts("counterfoil").load("h"), "sessions_pkey"),
        (postgres_acts.Acts("counterfoil").delete(("h",)), "sessions_pkey"),
        (postgres_acts.Acts("counterfoil").list_for_user("ada", None), "sessions_of_user"),
        (postgres_acts.Acts("counterfoil").delete_for_user("a", "b", ()), "sessions_of_user"),
        (postgres_acts.Acts("counterfoil").purge(1, 1), "sessions_due"),
    ],
)
def test_each_act_has_its_index(
    act: postgres_acts.Act[Any],
    index: str,
    store: PostgresStore,
    stranger: psycopg.Connection[Any],
) -> None:
    store.create(record())
    stranger.execute("SET enable_seqscan = off")
    plan = stranger.execute(b"EXPLAIN " + act.statement, act.values).fetchall()
    assert any(index in line for (line,) in plan)
    assert not any("Seq Scan" in line for (line,) in plan)


def test_names_longer_than_an_entry_of_an_index(store: PostgresStore) -> None:
    names = [os.urandom(4_000).hex() for _ in range(2)]
    alike = [f"{names[0][:300]}{name}" for name in names]
    for name in alike:
        store.create(record(name[-10:], user_id=name, tenant_id=name))
    for name in alike:
        assert [one.user_id for one in store.list_for_user(name, name)] == [name]


# --- connections that end ----------------------------------------------------------------------


def test_connections_that_the_server_ended_are_replaced_unnoticed(
    postgres: PostgresServer, store: PostgresStore
) -> None:
    def crowd() -> None:
        start = threading.Barrier(THREADS, timeout=30)

        def look(_: int) -> object:
            start.wait()
            return store.load(HANDLE)

        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(look, range(THREADS))) == [record()] * THREADS

    store.create(record())
    crowd()
    postgres.kick_all()
    crowd()
    assert store.load(HANDLE) == record()


def test_connections_are_not_kept_for_ever(
    monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer, store: PostgresStore, database: str
) -> None:
    name = database.rpartition("/")[2]
    monkeypatch.setattr(postgres_connections, "LIFE", -1.0)
    for _ in range(3):
        assert store.load(HANDLE) == Missing()
    until(lambda: postgres.connected_to(name) == 1)
    monkeypatch.setattr(postgres_connections, "IDLE", -1.0)
    assert store.load(HANDLE) == Missing()
    until(lambda: postgres.connected_to(name) == 0)


def test_after_a_restart_the_first_act_is_answered(
    postgres: PostgresServer, store: PostgresStore
) -> None:
    async def through_a_restart() -> None:
        awaited = store.awaited
        assert awaited is not None
        assert await awaited.load(HANDLE) == record()
        postgres.control("stop", "-m", "fast")
        with pytest.raises(StoreUnavailable, match="refused"):
            await awaited.load(HANDLE)
        with pytest.raises(StoreUnavailable, match="refused"):
            store.load(HANDLE)
        postgres.control("start")
        assert await awaited.load(HANDLE) == record()
        assert store.load(HANDLE) == record()

    store.create(record())
    anyio.run(through_a_restart)


def test_an_act_whose_connection_ends_under_way_may_have_been_done(
    postgres: PostgresServer, store: PostgresStore, database: str
) -> None:
    store.create(record())
    with psycopg.connect(database) as stranger:
        stranger.execute("SELECT FROM counterfoil.sessions FOR UPDATE")
        with meanwhile(lambda: store.swap(record(version=1), 0)) as answer:
            wait_until_blocked(stranger)
            waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            postgres.ask(f"SELECT pg_terminate_backend(pid) {waiting}")
            with pytest.raises(StoreUnavailable, match="terminating connection") as told:
                answer()
    assert isinstance(told.value.__cause__, psycopg.Error)
    assert store.load(HANDLE) == record()


# --- a pooler ----------------------------------------------------------------------------------


def test_behind_a_pooler_in_transaction_mode(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    with pgbouncer(postgres) as port, PostgresStore(postgres.url(name, port=port)) as store:
        test_in_a_crowd_one_swap_wins_and_every_merge_is_kept(store)
        store.delete((HANDLE,))
        with ThreadPoolExecutor(THREADS) as many:
            users = [f"user-{number}" for number in range(40)]
            list(many.map(live_a_life, [store] * len(users), users))
        anyio.run(live_a_life_awaited, store, "ada")
        assert store.purge(10**15, NEVER) == 0
    postgres.drop(name)


def live_a_life(store: PostgresStore, user_id: str) -> None:
    """Every operation that the store has an act for."""
    sessions = BlockingSessions(POLICY, store)
    session = sessions.create_session(user_id, payload={"plan": "free"})
    merged = sessions.merge_into_access_token_payload(session, {"plan": "pro"})
    refreshed = sessions.refresh_session(session.refresh_token)
    assert merged.payload["plan"] == refreshed.payload["plan"] == "pro"
    sessions.update_session_data_in_database(refreshed, {"cart": [1]})
    assert sessions.get_session_data_from_database(refreshed) == {"cart": (1,)}
    assert sessions.get_all_session_handles_for_user(user_id) == (session.handle,)
    assert sessions.revoke_all_sessions_for_user(user_id) == (session.handle,)
    assert sessions.get_session_information(session.handle) is None


async def live_a_life_awaited(store: PostgresStore, user_id: str) -> None:
    """The same, awaited."""
    sessions = Sessions(POLICY, store)
    session = await sessions.create_session(user_id, payload={"plan": "free"})
    merged = await sessions.merge_into_access_token_payload(session, {"plan": "pro"})
    refreshed = await sessions.refresh_session(session.refresh_token)
    assert merged.payload["plan"] == refreshed.payload["plan"] == "pro"
    await sessions.update_session_data_in_database(refreshed, {"cart": [1]})
    assert await sessions.get_session_data_from_database(refreshed) == {"cart": (1,)}
    assert await sessions.get_all_session_handles_for_user(user_id) == (session.handle,)
    assert await sessions.revoke_all_sessions_for_user(user_id) == (session.handle,)
    assert await sessions.get_session_information(session.handle) is None


# --- event loops -------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_sessions_live_on_any_event_loop(loop: str, store: PostgresStore) -> None:
    anyio.run(live_a_life_awaited, store, "ada", backend=loop)
    assert store.awaited is None  # no loop runs here


def test_trio_is_served_by_threads(store: PostgresStore) -> None:
    async def form() -> object:
        return store.awaited

    assert anyio.run(form, backend="trio") is None
    assert anyio.run(form, backend="asyncio") is not None


def test_the_connections_of_a_loop_that_is_over_are_ended(
    store: PostgresStore, postgres: PostgresServer, database: str
) -> None:
    async def look() -> None:
        awaited = store.awaited
        assert awaited is not None
        assert await awaited.load(HANDLE) == Missing()
        assert store.awaited is awaited

    for _ in range(5):
        anyio.run(look)
    name = database.rpartition("/")[2]
    until(lambda: postgres.connected_to(name) <= 2)  # the server notices a moment later
    store.close()
    until(lambda: postgres.connected_to(name) == 0)


def test_a_caller_who_is_cancelled_leaves_a_store_that_works(
    store: PostgresStore, stranger: psycopg.Connection[Any]
) -> None:
    async def give_up() -> None:
        awaited = store.awaited
        assert awaited is not None
        with anyio.move_on_after(0.05) as scope:
            await awaited.merge_payload(HANDLE, FrozenDict({"a": 1}), NEVER)
        assert scope.cancelled_caught
        stranger.rollback()
        for _ in range(2):
            assert await awaited.replace_data(HANDLE, FrozenDict({"b": 1})) is None

    store.create(record())
    stranger.execute("SELECT FROM counterfoil.sessions FOR UPDATE")
    anyio.run(give_up)


def test_a_deadline_is_kept_when_the_server_hangs(postgres: PostgresServer, database: str) -> None:
    async def in_time(store: PostgresStore) -> None:
        awaited = store.awaited
        assert awaited is not None
        assert await awaited.load(HANDLE) == record()  # connected
        with postgres.hung():
            started = time.monotonic()
            for _ in range(2):  # the second one needs the place of the first
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await awaited.load(HANDLE)
            assert time.monotonic() - started < 3
        assert await awaited.load(HANDLE) == record()

    with PostgresStore(database, connections=1) as store:
        store.create(record())
        anyio.run(in_time, store)


def test_no_server_or_pooler_is_asked_to_cancel(
    postgres: PostgresServer,
    stranger: psycopg.Connection[Any],
    database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def give_up(store: PostgresStore) -> None:
        awaited = store.awaited
        assert awaited is not None
        before = postgres.came_for_no_session()
        act = asyncio.create_task(awaited.replace_data(HANDLE, FrozenDict({"a": 1})))
        await asyncio.to_thread(wait_until_blocked, stranger)
        act.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await act
        assert postgres.came_for_no_session() == before
        stranger.rollback()
        assert await awaited.replace_data(HANDLE, FrozenDict({"b": 1})) is None

    with PostgresStore(database, connections=1) as store:
        store.create(record())
        stranger.execute("SELECT FROM counterfoil.sessions FOR UPDATE")
        anyio.run(give_up, store)
    assert [one for one in caplog.records if one.name.startswith("psycopg")] == []


@pytest.mark.parametrize("awaits", [False, True])
def test_who_waits_too_long_for_a_connection_is_told(awaits: bool, database: str) -> None:
    async def two_at_once(store: PostgresStore) -> None:
        awaited = store.awaited
        assert awaited is not None
        async with awaited.connections.connection():
            await awaited.load(HANDLE)

    with PostgresStore(database, connections=1, patience=0.05) as store:
        if awaits:
            with pytest.raises(
                StoreUnavailable, match=r"all 1 connections were in use for 0\.05 s"
            ):
                anyio.run(two_at_once, store)
        else:
            threads = store._threads  # pyright: ignore[reportPrivateUsage]  # to hold the only one
            with threads.connection(), pytest.raises(StoreUnavailable, match="all 1 connections"):
                store.load(HANDLE)
        assert store.load(HANDLE) == Missing()


def test_a_closed_store_says_so(database: str) -> None:
    async def look(store: PostgresStore) -> None:
        awaited = store.awaited
        assert awaited is not None
        with pytest.raises(StoreUnavailable, match="closed"):
            await awaited.load(HANDLE)

    with PostgresStore(database) as store:
        store.load(HANDLE)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.load(HANDLE)
    anyio.run(look, store)
