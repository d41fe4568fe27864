"""Servers that something happens to: how each is set up, and what is done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import attrs
import redis

from counterfoil.adapters import OpenStore
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.redis import RedisDurability, RedisStore

from ..adapters.postgres_server import PostgresServer
from ..adapters.redis_servers import Cluster, Server, clustered, until
from . import in_postgres, in_redis

PATIENCE = 60.0  # s that a killed server may take to start again
WATCHED = 1.0  # s between two looks at how long the append-only file is


@attrs.frozen
class Fault:
    """Something done to a server while it is used; answers when it struck (s, monotonic)."""

    name: str
    act: Callable[[], float]


Running = tuple[OpenStore, list[Fault]]


@attrs.frozen
class Setting:
    """Servers, a store on them, and what can happen to them.

    `may_lose` says that it is no fault if something acknowledged is gone.
    """

    name: str
    running: Callable[[Path], AbstractContextManager[Running]]
    may_lose: bool = False


# --- PostgreSQL --------------------------------------------------------------------------------


@contextmanager
def _postgres(folder: Path) -> Generator[Running]:
    with in_postgres.durable_server() as server:
        yield (
            PostgresStore(server.url(server.new_database())),
            [
                Fault("pg_ctl restart -m fast", partial(_restart_postgres, server)),
                Fault("SIGKILL of the postmaster, start", partial(_kill_postgres, server)),
            ],
        )


def _restart_postgres(server: PostgresServer) -> float:
    struck = time.monotonic()
    server.control("restart", "-m", "fast")
    return struck


def _kill_postgres(server: PostgresServer) -> float:
    process = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    struck = time.monotonic()
    os.kill(process, signal.SIGKILL)
    while True:  # as long as the old one's children are not gone, it refuses
        try:
            server.control("start")
        except subprocess.CalledProcessError:
            assert time.monotonic() < struck + PATIENCE, "PostgreSQL doesn't start"
            time.sleep(0.1)
        else:
            return struck


# --- one Redis server --------------------------------------------------------------------------


@contextmanager
def _redis(folder: Path, fsync: str) -> Generator[Running]:
    with in_redis.durable_server(folder, fsync) as server:
        faults = [
            Fault("SHUTDOWN, start", partial(_restart_redis, server)),
            Fault("SIGKILL, start", partial(_kill_redis, server)),
        ]
        if fsync == "everysec":
            cut = partial(_lose_power, server)
            faults.append(Fault("power lost: the file's last second cut off, start", cut))
        yield RedisStore.from_url(server.url), faults


def _restart_redis(server: Server) -> float:
    struck = time.monotonic()
    with suppress(redis.ConnectionError):
        server.ask("SHUTDOWN")
    assert server.process is not None
    server.process.wait()
    _start(server)
    return struck


def _kill_redis(server: Server) -> float:
    struck = time.monotonic()
    server.kill()
    _start(server)
    return struck


def _lose_power(server: Server) -> float:
    # A kill leaves what the kernel was given; only the loss of the machine takes what isn't synced.
    (file,) = server.folder.glob("appendonlydir/*.incr.aof")
    synced = file.stat().st_size
    time.sleep(WATCHED)
    struck = time.monotonic()
    server.kill()
    os.truncate(file, synced)
    _start(server)
    return struck


def _start(server: Server) -> None:
    server.start()
    until(partial(_is_loaded, server), "a server that has read its file")


def _is_loaded(server: Server) -> bool:
    return not server.info("persistence")["loading"]


# --- Redis Cluster -----------------------------------------------------------------------------


@contextmanager
def _cluster(folder: Path, durability: RedisDurability | None) -> Generator[Running]:
    with clustered(Path(tempfile.mkdtemp(dir=folder))) as cluster:
        replaced = Fault(
            "SIGKILL of a primary, its replica promoted, back as a replica",
            partial(_replace, cluster),
        )
        yield RedisStore.from_url(cluster.url, durability=durability), [replaced]


def _replace(cluster: Cluster) -> float:
    killed = cluster.servers[0]
    struck = time.monotonic()
    killed.kill()
    until(partial(cluster.is_whole, primaries=3, replicas=2), "a replica that was promoted")
    killed.start()
    until(cluster.is_whole, "a whole cluster")
    return struck


SETTINGS: dict[str, list[Setting]] = {
    "postgres": [Setting("PostgreSQL, fsync", _postgres)],
    "redis": [
        Setting("Redis, appendfsync always", partial(_redis, fsync="always")),
        Setting("Redis, appendfsync everysec", partial(_redis, fsync="everysec"), may_lose=True),
    ],
    "cluster": [
        Setting(
            "Redis Cluster, replicas=1 (WAIT)",
            partial(_cluster, durability=RedisDurability(replicas=1)),
        ),
        Setting("Redis Cluster, no WAIT", partial(_cluster, durability=None), may_lose=True),
    ],
}
