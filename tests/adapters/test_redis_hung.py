"""A cluster whose primary hangs: it takes connections and answers nothing."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import anyio
import attrs
import pytest

from counterfoil.adapters.redis import RedisDurability, RedisStore
from counterfoil.adapters.redis_async_line import CONNECTIONS
from counterfoil.core.examples import example_record
from counterfoil.effects import AsyncStore, FrozenDict, SessionRecord, StoreUnavailable

from .redis_servers import Cluster, Server, clustered, until

CONFIRMED = RedisDurability(replicas=1, timeout=timedelta(seconds=4))
NEVER = 10**9
MARK = FrozenDict({"mark": 1})


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clustered(tmp_path_factory.mktemp("hung")) as cluster:
        yield cluster


def record(handle: str) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle)


def two_servers(cluster: Cluster, prefix: str) -> tuple[str, Server, str]:
    """A handle and its primary, and a handle that another primary has; both are replicated."""
    handles = [f"h{number}" for number in range(30)]
    homes = {handle: cluster.whose(f"{prefix}:session:{handle}") for handle in handles}
    first = handles[0]
    second = next(handle for handle in handles if homes[handle] is not homes[first])
    with RedisStore.from_url(cluster.url, prefix=prefix, durability=CONFIRMED) as store:
        for handle in (first, second):
            assert store.create(record(handle)) is None
    return first, homes[first], second


def awaited(store: RedisStore) -> AsyncStore:
    """Its form for the loop that runs here."""
    form = store.awaited
    assert form is not None
    return form


def until_replaced(cluster: Cluster, handle: str, prefix: str, hung: Server) -> None:
    """Wait until the others have promoted its replica."""
    asked = next(server for server in cluster.servers if server is not hung)
    key = f"{prefix}:session:{handle}"
    until(lambda: cluster.whose(key, asked) is not hung, "a replica that took over")


@pytest.mark.parametrize("form", ["blocking", "awaited"])
def test_a_primary_that_hangs_is_left_once_another_has_its_place(
    form: str, cluster: Cluster, prefix: str
) -> None:
    handle, victim, _ = two_servers(cluster, prefix)
    with (
        RedisStore.from_url(cluster.url, prefix=prefix, socket_timeout=0.3) as store,
        asyncio.Runner() as loop,
    ):

        async def merge_awaited() -> object:
            return await awaited(store).merge_payload(handle, MARK, NEVER)

        def merge() -> object:
            if form == "awaited":
                return loop.run(merge_awaited())
            return store.merge_payload(handle, MARK, NEVER)

        merged = merge()
        assert isinstance(merged, FrozenDict)
        with victim.hung():
            until_replaced(cluster, handle, prefix, victim)
            with pytest.raises(StoreUnavailable):  # which may have been done, so it isn't repeated
                merge()
            assert merge() == merged


def test_a_primary_that_hangs_holds_up_nobody_on_another(cluster: Cluster, prefix: str) -> None:
    handle, victim, elsewhere = two_servers(cluster, prefix)
    with RedisStore.from_url(cluster.url, prefix=prefix) as store:

        async def load_meanwhile() -> object:
            form = awaited(store)
            await form.load(elsewhere)
            with victim.hung():
                stuck = [
                    asyncio.create_task(form.merge_payload(handle, MARK, NEVER))
                    for _ in range(2 * CONNECTIONS)
                ]
                await anyio.lowlevel.checkpoint()  # now they are on their way
                with anyio.fail_after(3):  # well below the 5 s that an answer is waited for
                    found = await form.load(elsewhere)
                for task in stuck:
                    task.cancel()
                await asyncio.gather(*stuck, return_exceptions=True)
            return found

        assert asyncio.run(load_meanwhile()) == record(elsewhere)
