"""Real Redis servers on free ports of the loopback, begun when they are needed and ended after."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..ports import free_ports

PATIENCE = 30.0  # s that a server may take for what it was told
HOST = "127.0.0.1"


def program(*names: str) -> str:
    """Where the first of these programs is that is installed; else the test is skipped."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    pytest.skip(f"{names[0]} isn't installed: apt-get install redis-server redis-sentinel")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a server's state is what it was told to become."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in {PATIENCE} s: not {what}"
        time.sleep(0.02)


@attrs.define
class Server:
    """A `redis-server` of ours."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        self.begin()
        until(self.answers, "an answer from redis-server")
        return self

    def begin(self) -> None:
        """Start it."""
        command = (
            *(program("redis-server", "valkey-server"), "--port", str(self.port)),
            *("--bind", HOST, "--save", "", "--appendonly", "no", "--daemonize", "no"),
            *("--dir", str(self.folder), "--logfile", str(self.folder / f"{self.port}.log")),
            *self.options,
        )
        self.process = subprocess.Popen(command)

    def kill(self) -> None:
        """End it on the spot, as the loss of its machine would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextmanager
    def hung(self) -> Generator[None]:
        """Have it take connections and answer nothing, as a machine that swaps does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        """Whether it answers by now."""
        try:
            return bool(self.ask("PING"))
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def ask(self, *words: str) -> Any:
        """The reply to a command."""
        with self.client() as client:
            return client.execute_command(*words)

    def info(self, section: str) -> dict[str, Any]:
        """What it tells of itself."""
        with self.client() as client:
            return dict(client.info(section))

    def client(self, timeout: float = PATIENCE) -> Any:
        """A client that tries once; its replies have no types."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(host=HOST, port=self.port, socket_timeout=timeout, retry=once)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


@attrs.frozen
class Replicated:
    """A primary, its replica, and a Sentinel that knows them as `mine`."""

    primary: Server
    replica: Server
    sentinel: Server

    @property
    def url(self) -> str:
        """Where the Sentinel is."""
        return f"redis+sentinel://{HOST}:{self.sentinel.port}/mine"


@contextmanager
def replicated(folder: Path) -> Generator[Replicated]:
    """Such a group, in step."""
    first, second, watching = free_ports(3)
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor mine {HOST} {first} 1\n"
        "sentinel down-after-milliseconds mine 500\n"
        "sentinel failover-timeout mine 5000\n"
    )
    diskless = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
    with (
        Server(folder, first, diskless) as primary,
        Server(folder, second, (*diskless, "--replicaof", HOST, str(first))) as replica,
    ):
        until(lambda: in_step(replica), "a replica in step")
        with Sentinel(folder, watching) as sentinel:
            until(lambda: sentinel.knows_a_replica(), "a Sentinel that knows the replica")
            yield Replicated(primary, replica, sentinel)


@attrs.define
class Sentinel(Server):
    """A `redis-sentinel` of ours."""

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        command = (
            *(program("redis-server", "valkey-server"), str(self.folder / "sentinel.conf")),
            *("--sentinel", "--port", str(self.port), "--bind", HOST, "--daemonize", "no"),
            *("--logfile", str(self.folder / "sentinel.log")),
        )
        self.process = subprocess.Popen(command)
        until(self.answers, "an answer from the Sentinel")
        return self

    def knows_a_replica(self) -> bool:
        """Whether it has somebody to promote."""
        return bool(self.info("sentinel")["master0"]["slaves"] == 1)


@attrs.frozen
class Cluster:
    """Three primaries with a replica each."""

    servers: tuple[Server, ...]

    @property
    def url(self) -> str:
        """Where some of them are."""
        return f"redis+cluster://{','.join(f'{HOST}:{s.port}' for s in self.servers[:3])}"

    def whose(self, key: str, asked: Server | None = None) -> Server:
        """The primary that has a key, as one of them tells."""
        asked = asked or self.alive()[0]
        slot = int(asked.ask("CLUSTER", "KEYSLOT", key))
        for first, last, node, *_ in asked.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == int(node[1]))
        raise AssertionError("nobody has the slot")

    def alive(self) -> list[Server]:
        """Those that run."""
        return [server for server in self.servers if server.process is not None]

    def is_whole(self, primaries: int = 3, replicas: int = 3) -> bool:
        """Whether all that run agree that every slot is served, by so many and their replicas."""
        for server in self.alive():
            told = server.ask("CLUSTER", "INFO")
            if b"cluster_state:ok" not in told or b"cluster_slots_ok:16384" not in told:
                return False
        roles = [server.info("replication") for server in self.alive()]
        following = [role for role in roles if role["role"] == "slave"]
        in_step = [role for role in following if role["master_link_status"] == "up"]
        return len(roles) - len(following) == primaries and len(in_step) == replicas


@contextmanager
def clustered(folder: Path) -> Generator[Cluster]:
    """A cluster of six servers, whole."""
    ports = free_ports(12)
    servers: list[Server] = []
    with ExitStack() as running:
        for port, bus in zip(ports[:6], ports[6:], strict=True):
            options = (
                *("--cluster-enabled", "yes", "--cluster-port", str(bus)),
                *("--cluster-config-file", f"nodes-{port}.conf", "--cluster-node-timeout", "1000"),
                *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
            )
            servers.append(running.enter_context(Server(folder, port, options)))
        addresses = [f"{HOST}:{port}" for port in ports[:6]]
        command = (program("redis-cli", "valkey-cli"), "--cluster", "create", *addresses)
        arguments = ("--cluster-replicas", "1", "--cluster-yes")
        subprocess.run((*command, *arguments), check=True, capture_output=True, timeout=PATIENCE)
        cluster = Cluster(tuple(servers))
        until(cluster.is_whole, "a whole cluster")
        yield cluster


def in_step(replica: Server) -> bool:
    """Whether a replica has all that its primary has."""
    told = replica.info("replication")
    return bool(told["role"] == "slave" and told["master_link_status"] == "up")
