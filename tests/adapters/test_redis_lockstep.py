"""Redis, alone and as a cluster, in step with the other stores and a plain dict."""

from itertools import count
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from counterfoil.adapters.redis import RedisServer, RedisStore

from .redis_servers import Cluster, Server
from .test_store_lockstep import Lockstep

_prefixes = (f"lockstep-{number}" for number in count())


class RedisLockstep(Lockstep):
    """The same acts, on Redis as well."""

    servers: ClassVar[list[RedisServer]] = []

    def __init__(self) -> None:
        super().__init__()
        prefix = next(_prefixes)
        self.redis = [RedisStore(server, prefix=prefix) for server in self.servers]
        self.stores = (*self.stores, *self.redis)

    def teardown(self) -> None:
        super().teardown()
        for store in self.redis:
            store.close()

    @rule()
    def open_the_file_again(self) -> None:
        super().open_the_file_again()
        self.stores = (*self.stores, *self.redis)


@pytest.fixture(scope="module")
def both(redis_server: Server, redis_cluster: Cluster) -> None:
    RedisLockstep.servers = [
        RedisServer.from_url(redis_server.url),
        RedisServer.from_url(redis_cluster.url),
    ]


TestRedisLockstep = pytest.mark.usefixtures("both")(RedisLockstep.TestCase)
TestRedisLockstep.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
