"""A Redis cluster of its own: slots that move, many processes at once, a primary that is killed.

Run as a program, this file is one of the processes: it works and prints what it was
answered.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from counterfoil.adapters.redis import RedisDurability, RedisServer, RedisStore
from counterfoil.core.examples import example_record
from counterfoil.effects import FrozenDict, Missing, SessionRecord, StoreUnavailable

from .redis_servers import Cluster, Server, clustered, until

ROOT = Path(__file__).parents[2]
NEVER = 10**9
THREADS, PROCESSES, ROUNDS = 4, 3, 30
CONFIRMED = RedisDurability(replicas=1, timeout=timedelta(seconds=4))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clustered(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def record(handle: str, user_id: str = "ada", version: int = 0) -> SessionRecord:
    return attrs.evolve(example_record(), handle=handle, user_id=user_id, version=version)


def swap_and_merge(store: RedisStore, worker: int) -> list[int]:
    """Swaps one record and merges own keys into another; answers the versions that it won."""
    won: list[int] = []
    for version in range(ROUNDS):
        if store.swap(record("h1", version=version + 1), version) is None:
            won.append(version)
        merged = store.merge_payload("h2", FrozenDict({f"{worker}.{version}": worker}), NEVER)
        assert isinstance(merged, FrozenDict)
        assert merged[f"{worker}.{version}"] == worker
    return won


def test_threads_and_processes_that_write_at_once_lose_nothing(
    cluster: Cluster, prefix: str
) -> None:
    with RedisStore.from_url(cluster.url, prefix=prefix) as store:
        store.create(record("h1"))
        store.create(record("h2"))
        command = [sys.executable, "-m", __name__, cluster.url, prefix]
        workers = [
            subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for n in range(PROCESSES)
        ]
        with ThreadPoolExecutor(THREADS) as threads:
            tried = [threads.submit(swap_and_merge, store, 100 + n) for n in range(THREADS)]
            won = [version for future in tried for version in future.result()]
        for worker in workers:
            told, _ = worker.communicate()
            assert worker.returncode == 0
            won += json.loads(told)
        held = store.load("h2")
    assert sorted(won) == list(range(ROUNDS))
    assert isinstance(held, SessionRecord)
    before = example_record().payload
    assert len(held.payload) - len(before) == (THREADS + PROCESSES) * ROUNDS == held.version


def test_a_store_is_used_on_both_sides_of_a_fork(cluster: Cluster, prefix: str) -> None:
    with RedisStore.from_url(cluster.url, prefix=prefix) as store:
        store.create(record("h1"))
        child = os.fork()
        if child == 0:
            merged = store.merge_payload("h1", FrozenDict({"child": 1}), NEVER)
            os._exit(0 if isinstance(merged, FrozenDict) else 1)
        for number in range(50):
            store.merge_payload("h1", FrozenDict({"parent": number}), NEVER)
        assert os.waitpid(child, 0)[1] == 0
        held = store.load("h1")
        assert isinstance(held, SessionRecord)
        assert held.payload["child"] == 1
        assert held.payload["parent"] == 49


def test_a_lock_that_is_held_during_a_fork_is_free_in_the_child(
    cluster: Cluster, prefix: str
) -> None:
    with RedisStore(RedisServer.from_url(cluster.url), prefix=prefix) as store:
        with store._line.lock:  # pyright: ignore[reportPrivateUsage]  # as another thread might
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if store.load("h1") == Missing() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert store.load("h1") == Missing()


def name_of(server: Server) -> str:
    return str(server.ask("CLUSTER", "MYID").decode())


def test_a_session_is_found_while_its_slot_moves_and_after(cluster: Cluster, prefix: str) -> None:
    # Braces put the keys of these handles into one slot.
    key = f"{prefix}:session:{{moving}}1"
    source = cluster.whose(key)
    target = next(
        server
        for server in cluster.servers
        if server is not source and server.info("replication")["role"] == "master"
    )
    slot = str(source.ask("CLUSTER", "KEYSLOT", key))
    with (
        RedisStore.from_url(cluster.url, prefix=prefix) as store,
        RedisStore.from_url(cluster.url, prefix=prefix, durability=CONFIRMED) as confirming,
    ):
        store.create(record("{moving}1"))
        confirming.load("{moving}1")
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", name_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", name_of(target))
        for number, each in enumerate((store, confirming), start=2):
            born = record(f"{{moving}}{number}")
            assert each.create(born) is None  # on the target, which must be asked
            assert each.load(born.handle) == born
            assert each.load("{moving}1") == record("{moving}1")  # still on the source
        source.ask("MIGRATE", "127.0.0.1", str(target.port), key, "0", "5000")
        assert store.merge_payload("{moving}1", FrozenDict({"a": 1}), NEVER) != Missing()
        for server in (target, source):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", name_of(target))
        until(lambda: cluster.whose(key) is target, "a slot that has moved")
        handles = tuple(f"{{moving}}{number}" for number in (1, 2, 3))
        assert len(store.list_for_user("ada", None)) == 3
        assert confirming.delete(handles) == handles
        assert store.list_for_user("ada", None) == ()


@attrs.define
class Worker:
    """Logs in, merges and revokes, and remembers what was acknowledged."""

    store: RedisStore
    user_id: str
    alive: dict[str, int] = attrs.Factory(dict[str, int])
    revoked: set[str] = attrs.Factory(set[str])
    refused: int = 0
    since: int = 0  # acts that were acknowledged since the last refusal

    def work(self, stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            handle = f"{self.user_id}-{number:05}"
            try:
                self._log_in(handle, number)
                self.since += 1
            except StoreUnavailable:
                self.refused += 1
                self.since = 0

    def _log_in(self, handle: str, number: int) -> None:
        assert self.store.create(record(handle, self.user_id)) is None
        self.alive[handle] = 0
        if number % 3 == 0:
            del self.alive[handle]  # whether it is there can't be known until this is answered
            assert self.store.delete((handle,)) == (handle,)
            self.revoked.add(handle)
            return
        del self.alive[handle]
        merged = self.store.merge_payload(handle, FrozenDict({"n": number}), NEVER)
        assert isinstance(merged, FrozenDict)
        self.alive[handle] = number

    def check(self) -> None:
        listed = {held.handle: held for held in self.store.list_for_user(self.user_id, None)}
        assert self.alive.keys() <= listed.keys()
        assert not self.revoked & listed.keys()
        for handle, number in self.alive.items():
            assert listed[handle].payload["n"] == number
            assert self.store.load(handle) == listed[handle]
        assert set(self.store.delete_for_user(self.user_id, None, ())) == listed.keys()


def test_a_primary_that_is_killed_takes_nothing_acknowledged_with_it(
    cluster: Cluster, prefix: str
) -> None:
    stop = threading.Event()
    with RedisStore.from_url(cluster.url, prefix=prefix, durability=CONFIRMED) as store:
        workers = [Worker(store, f"user-{number}") for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            tasks = [threads.submit(worker.work, stop) for worker in workers]
            try:
                until(lambda: all(worker.since > 20 for worker in workers), "a steady load")
                victim = cluster.whose(f"{prefix}:user:{workers[0].user_id}")
                victim.kill()
                until(lambda: all(worker.refused for worker in workers), "an outage that is felt")
                until(lambda: cluster.is_whole(replicas=2), "a replica that took over")
                # It has no replica that could confirm, until the old primary is one.
                victim.start()
                until(cluster.is_whole, "a whole cluster")
                until(lambda: all(worker.since > 20 for worker in workers), "a steady load again")
            finally:
                stop.set()
            for task in tasks:
                task.result()
        for worker in workers:
            worker.check()


def main(url: str, prefix: str, worker: str) -> None:
    with RedisStore.from_url(url, prefix=prefix) as store:
        print(json.dumps(swap_and_merge(store, int(worker))))


if __name__ == "__main__":
    arguments: list[Any] = sys.argv[1:]
    main(*arguments)
