"""The async form of a store on Redis: awaited on asyncio, in threads under trio, cancelled."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from counterfoil import BlockingSessions, Policy, Sessions
from counterfoil.adapters.redis import RedisDurability, RedisServer, RedisStore
from counterfoil.adapters.redis_async_line import CONNECTIONS
from counterfoil.effects import (
    AsyncStore,
    FrozenDict,
    HasAsyncForm,
    Missing,
    SessionRecord,
    Store,
    StoreUnavailable,
)

from ..ports import free_port
from .redis_servers import Cluster, Server, replicated, until

MakeRecord = Callable[..., SessionRecord]
NEVER = 10**9


@pytest.fixture(params=["server", "cluster"])
def url(request: pytest.FixtureRequest, redis_server: Server, redis_cluster: Cluster) -> str:
    return redis_server.url if request.param == "server" else redis_cluster.url


@pytest.fixture
def shared(url: str, prefix: str) -> Iterator[RedisStore]:
    with RedisStore.from_url(url, prefix=prefix) as store:
        yield store


def test_it_has_an_async_form_on_asyncio_alone(shared: RedisStore) -> None:
    async def form() -> AsyncStore | None:
        assert shared.awaited is shared.awaited
        return shared.awaited

    blocking: Store = shared
    assert isinstance(blocking, HasAsyncForm)
    assert shared.awaited is None
    assert anyio.run(form, backend="trio") is None
    first, second = anyio.run(form), anyio.run(form)
    assert first is not None
    assert first is not second


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_sessions_live_on_it(backend: str, shared: RedisStore) -> None:
    async def life() -> str:
        sessions = Sessions(Policy("https://api.example.com"), shared)
        session = await sessions.create_session("ada", payload={"plan": "free"})
        await sessions.merge_into_access_token_payload(session, {"plan": "pro"})
        refreshed = await sessions.refresh_session(session.refresh_token)
        assert refreshed.payload["plan"] == "pro"
        other = await sessions.create_session("ada")
        assert len(await sessions.get_all_session_handles_for_user("ada")) == 2
        await sessions.revoke_other_sessions(refreshed)
        assert await sessions.get_session_information(other.handle) is None
        assert await sessions.purge() == 0
        return refreshed.handle

    handle = anyio.run(life, backend=backend)
    sessions = BlockingSessions(Policy("https://api.example.com"), shared)
    assert sessions.get_all_session_handles_for_user("ada") == (handle,)


def test_tasks_that_swap_and_merge_at_once_lose_nothing(
    shared: RedisStore, make_record: MakeRecord
) -> None:
    workers, rounds = 100, 5  # more than there are connections
    assert workers > CONNECTIONS
    won: list[int] = []

    async def work(worker: int) -> None:
        store = shared.awaited
        assert store is not None
        for number in range(rounds):
            merged = await store.merge_payload("h1", FrozenDict({f"{worker}.{number}": 1}), NEVER)
            assert isinstance(merged, FrozenDict)
            for version in range(number * 10, number * 10 + 10):
                swapped = make_record("h2", version=version + 1, generation=worker)
                if await store.swap(swapped, version) is None:
                    won.append(version)

    async def all_work() -> None:
        async with anyio.create_task_group() as tasks:
            for worker in range(workers):
                tasks.start_soon(work, worker)

    shared.create(make_record("h1"))
    shared.create(make_record("h2"))
    anyio.run(all_work)
    held = shared.load("h1")
    assert isinstance(held, SessionRecord)
    assert held.version == len(held.payload) == workers * rounds
    assert sorted(won) == list(range(rounds * 10))


def test_a_cancelled_call_leaves_no_reply_for_the_next(
    shared: RedisStore, make_record: MakeRecord
) -> None:
    async def cancel_many() -> None:
        store = shared.awaited
        assert store is not None
        for number in range(20):
            await store.create(make_record(f"h{number}"))
        for number in range(200):
            handle = f"h{number % 20}"
            with anyio.move_on_after(number % 10 * 0.0001):
                await store.replace_data(handle, FrozenDict({"n": number}))
            loaded = await store.load(handle)
            assert isinstance(loaded, SessionRecord)
            assert loaded.handle == handle
            assert loaded == make_record(handle, version=loaded.version, data=loaded.data)
        assert await store.load("nobody's") == Missing()

    anyio.run(cancel_many)


def test_connections_end_with_their_loop(redis_server: Server, prefix: str) -> None:
    def connected() -> int:
        return int(redis_server.info("clients")["connected_clients"])

    async def load_at_once() -> int:
        store = mine.awaited
        assert store is not None
        await asyncio.gather(*(store.load("nobody's") for _ in range(10)))
        return connected()

    with RedisStore.from_url(redis_server.url, prefix=prefix) as mine:
        before = connected()
        assert asyncio.run(load_at_once()) > before
        until(lambda: connected() == before, "as few connections as before")


def test_a_closed_store_is_closed_for_every_loop(redis_server: Server, prefix: str) -> None:
    async def close_early() -> None:
        store = mine.awaited
        assert store is not None
        assert await store.load("nobody's") == Missing()
        mine.close()
        for form in (store, mine.awaited):
            assert form is not None
            with pytest.raises(StoreUnavailable, match="store is closed"):
                await form.load("nobody's")

    async def close_this_loops() -> None:
        store = mine.awaited
        assert store is not None
        await store.load("nobody's")
        await store.aclose()
        with pytest.raises(StoreUnavailable, match="store is closed"):
            await store.load("nobody's")

    with RedisStore.from_url(redis_server.url, prefix=prefix) as mine:
        asyncio.run(close_this_loops())
        assert mine.load("nobody's") == Missing()
        asyncio.run(close_early())


@pytest.mark.parametrize("scheme", ["redis://", "redis+cluster://", "redis+sentinel://"])
def test_nobody_at_the_address_is_told(scheme: str) -> None:
    async def load() -> None:
        assert mine.awaited is not None
        with pytest.raises(StoreUnavailable):
            await mine.awaited.load("nobody's")

    port = free_port()
    url = f"{scheme}127.0.0.1:{port}{'/mine' if 'sentinel' in scheme else ''}"
    with RedisStore(RedisServer.from_url(url)) as mine:
        asyncio.run(load())


def test_it_follows_the_sentinels(tmp_path: Path, make_record: MakeRecord) -> None:
    async def fill() -> None:
        assert mine.awaited is not None
        for handle in ("h1", "h2"):
            await mine.awaited.create(make_record(handle))

    async def outlive(primary: Server) -> None:
        store = mine.awaited
        assert store is not None
        assert await store.load("h1") == make_record()
        primary.kill()
        revoked: tuple[str, ...] = ()
        with anyio.fail_after(30):
            while not revoked:
                with suppress(StoreUnavailable):  # until the replica is promoted
                    revoked = await store.delete_for_user("ada", None, ())
        assert revoked == ("h1", "h2")

    with replicated(tmp_path) as group:
        confirmed = RedisDurability(replicas=1)
        with RedisStore.from_url(group.url, durability=confirmed) as mine:
            asyncio.run(fill())
        with RedisStore.from_url(group.url) as mine:
            asyncio.run(outlive(group.primary))
