"""Records to store, the stores to keep them in, and the servers that some need."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.redis import RedisStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.effects import SessionRecord

from .redis_servers import Cluster, Server, clustered, free_ports


def _record(handle: str = "h1", **changes: Any) -> SessionRecord:
    values: dict[str, Any] = {
        "handle": handle,
        "user_id": "ada",
        "recipe_user_id": "ada",
        "tenant_id": "public",
        "created_at": 1_000,
        "absolute_expires_at": 100_000,
        "idle_lifetime": 10_000,
        "access_lifetime": 1_000,
        "rotated_at": 1_000,
        "current_digest": bytes(32),
        "mac_key": b"k" * 32,
    }
    return SessionRecord(**{**values, **changes})


@pytest.fixture(scope="session")
def make_record() -> Callable[..., SessionRecord]:
    """Builds a record of the handle given; other fields as keywords."""
    return _record


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis server that all tests of a run share."""
    with Server(tmp_path_factory.mktemp("redis"), free_ports(1)[0]) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis cluster that all tests of a run share, so none may stop a server of it."""
    with clustered(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster


@attrs.frozen
class Awaited:
    """The async form of a store, each act of which is awaited on a loop in another thread."""

    store: RedisStore
    loop: BlockingPortal

    def __getattr__(self, act: str) -> Any:
        if act.endswith("_secret"):
            return getattr(self.store, act)

        async def awaited(values: tuple[Any, ...]) -> Any:
            return await getattr(self.store.awaited, act)(*values)

        def call(*values: Any) -> Any:
            return self.loop.call(awaited, values)

        return call


_prefixes = (f"test-{number}" for number in count())


@pytest.fixture
def prefix() -> str:
    """What no other test's keys begin with."""
    return next(_prefixes)


@pytest.fixture(params=["memory", "sqlite", "redis", "redis_cluster", "redis_cluster_awaited"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, prefix: str
) -> Iterator[MemoryStore | SqliteStore | RedisStore | Awaited]:
    """Each of the stores, empty."""
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            with SqliteStore(tmp_path / "sessions.db") as on_disk:
                yield on_disk
        case "redis":
            url = request.getfixturevalue("redis_server").url
            with RedisStore.from_url(url, prefix=prefix) as shared:
                yield shared
        case kind:
            url = request.getfixturevalue("redis_cluster").url
            with RedisStore.from_url(url, prefix=prefix) as shared:
                if kind == "redis_cluster":
                    yield shared
                else:
                    with start_blocking_portal("asyncio") as loop:
                        yield Awaited(shared, loop)
