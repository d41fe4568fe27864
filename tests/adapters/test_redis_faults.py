"""Redis refusing, hanging, restarting: what callers are told, and what is never done twice."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from counterfoil.adapters.redis import RedisDurability, RedisServer, RedisStore
from counterfoil.adapters.redis_errors import NotReplicated, not_done
from counterfoil.adapters.redis_rounds import PAUSES
from counterfoil.adapters.redis_routes import SlotMap, unread
from counterfoil.effects import EMPTY, FrozenDict, InvalidInput, SessionRecord, StoreUnavailable

from ..ports import free_port
from .redis_servers import Cluster, Server, until

MakeRecord = Callable[..., SessionRecord]
NEVER = 10**9
CANARY = "canary-of-the-password"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may ill-treat."""
    with Server(tmp_path, free_port()) as server:
        yield server


@pytest.fixture
def store(server: Server) -> Iterator[RedisStore]:
    with RedisStore.from_url(f"{server.url}?socket_timeout=0.2") as store:
        yield store


def calls_of(server: Server, command: str) -> int:
    return int(server.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


@contextmanager
def busy(server: Server) -> Generator[None]:
    """A server that answers nobody for a while, and then does all that it was told meanwhile."""
    loop = "for n = 1, 2e8 do end"  # about a second; to a script the time stands still
    with socket.create_connection(("127.0.0.1", server.port)) as waiting:
        waiting.sendall(f'EVAL "{loop}" 0\r\n'.encode())
        with server.client(timeout=0.05) as probe:
            until(lambda: is_silent(probe), "busy")
        yield
        assert waiting.recv(9) == b"$-1\r\n"


def is_silent(probe: Any) -> bool:
    try:
        probe.ping()
    except redis.TimeoutError:
        return True
    return False


# --- what is never done twice --------------------------------------------------------------------


def test_a_write_whose_reply_is_lost_is_not_sent_again(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    store.merge_payload("h1", FrozenDict({"n": 0}), NEVER)  # the script is known from now on
    before = calls_of(server, "evalsha")
    with busy(server), pytest.raises(StoreUnavailable, match="TimeoutError"):
        store.merge_payload("h1", FrozenDict({"n": 1}), NEVER)
    until(lambda: calls_of(server, "evalsha") > before, "a script that was run after all")
    assert calls_of(server, "evalsha") == before + 1
    assert store.load("h1") == make_record(version=2, payload=FrozenDict({"n": 1}))


def test_a_read_whose_reply_is_lost_is_sent_again(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    server.ask("CLIENT", "PAUSE", "300", "ALL")
    assert store.load("h1") == make_record()


def test_scripts_that_the_server_has_forgotten_are_sent_again(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    server.ask("SCRIPT", "FLUSH")
    assert store.merge_payload("h1", FrozenDict({"n": 1}), NEVER) == FrozenDict({"n": 1})
    server.ask("SCRIPT", "FLUSH")
    assert store.delete_for_user("ada", None, ()) == ("h1",)


def test_the_store_works_again_once_the_server_does(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    server.kill()
    with pytest.raises(StoreUnavailable, match="Connection refused") as caught:
        store.load("h1")
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    with pytest.raises(StoreUnavailable):
        store.create(make_record("h2"))
    server.start()
    assert store.create(make_record("h3")) is None  # no connection of before is used


def test_a_server_that_reads_its_file_is_asked_again(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    with server.client() as client:
        client.mset({f"ballast:{number}": "x" * 2_000 for number in range(500)})
    server.ask("CONFIG", "SET", "rdbcompression", "no")
    server.ask("SAVE")
    server.kill()
    slowly = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    server.options = slowly  # 10 s
    server.begin()
    until(lambda: is_loading(server), "a server that reads its file")
    with pytest.raises(StoreUnavailable, match=r"\(LOADING\).*try again"):
        store.merge_payload("h1", FrozenDict({"n": 1}), NEVER)
    rejected = server.info("commandstats")["cmdstat_evalsha"]["rejected_calls"]
    assert rejected == 1 + len(PAUSES)  # none was done, so all tries were made
    server.ask("CONFIG", "SET", "key-load-delay", "0")
    assert store.merge_payload("h1", FrozenDict({"n": 2}), NEVER) == FrozenDict({"n": 2})


def is_loading(server: Server) -> bool:
    try:
        server.ask("PING")
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False
    raise AssertionError("it has read its file already")


def test_a_slot_that_nobody_had_is_looked_for_again(
    redis_cluster: Cluster, prefix: str, make_record: MakeRecord
) -> None:
    with RedisStore.from_url(redis_cluster.url, prefix=prefix) as store:
        store.create(make_record())
        nobodys = SlotMap(((0, 0, ("nowhere", 1)), (1, 1, ("nowhere", 1))))
        store._line._map = nobodys  # pyright: ignore[reportPrivateUsage]  # as in a failover
        assert store.replace_data("h1", EMPTY) is None


def test_one_commands_refusal_is_no_other_ones() -> None:
    loading = redis.BusyLoadingError("Redis is loading the dataset in memory")
    refused, *unknown = unread(loading, 3)
    assert [not_done(error) for error in (refused, *unknown)] == [True, False, False]
    judged = RedisDurability().judged(1, loading)  # a write that was done, then the wait for it
    assert isinstance(judged, NotReplicated)
    assert not not_done(judged)


# --- what callers are told -----------------------------------------------------------------------


def test_a_server_without_memory_says_so(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record(data=FrozenDict({"secret": "x"})))
    server.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailable, match=r"\(OOM\).*noeviction"):
        store.replace_data("h1", FrozenDict({"secret": CANARY}))
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert store.load("h1") == make_record(data=FrozenDict({"secret": "x"}))


def test_a_replica_is_not_written_to(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    server.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable, match=r"\(READONLY\).*its primary"):
        store.create(make_record())
    server.ask("REPLICAOF", "NO", "ONE")
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match=r"\(NOREPLICAS\)"):
        store.create(make_record())


def test_another_applications_keys_are_seen(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    server.ask("SET", "counterfoil:user:ada", CANARY)
    with pytest.raises(StoreUnavailable, match="prefix") as caught:
        store.create(make_record())
    assert CANARY not in str(caught.value)


def test_a_command_that_is_not_allowed_shows_no_value(server: Server, store: RedisStore) -> None:
    server.ask("ACL", "SETUSER", "default", "-evalsha")
    with pytest.raises(StoreUnavailable, match=r"\(NOPERM\)") as caught:
        store.replace_data("h1", FrozenDict({"secret": CANARY}))
    assert CANARY not in str(caught.value)


def test_a_wrong_password_is_not_shown(server: Server) -> None:
    server.ask("CONFIG", "SET", "requirepass", "right")
    url = f"redis://:{CANARY}@127.0.0.1:{server.port}"
    with pytest.raises(StoreUnavailable) as caught:
        RedisStore.from_url(url)
    assert CANARY not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="asks for a password"):
        RedisStore.from_url(f"redis://127.0.0.1:{server.port}")
    with RedisStore.from_url(f"redis://:right@127.0.0.1:{server.port}/3") as store:
        assert "right" not in repr(store)


@pytest.mark.parametrize(
    ("scheme", "rest", "hint"),
    [
        ("redis+cluster://", "", "connect with redis://"),
        ("redis+sentinel://", "/mine", "connect with redis://"),
        ("redis://", "/99", "fewer numbered databases"),
        (f"redis://:{CANARY}@", "", "has no password"),
    ],
)
def test_a_url_of_another_kind_of_server_says_how_to_connect(
    server: Server, scheme: str, rest: str, hint: str
) -> None:
    with pytest.raises(StoreUnavailable, match=hint) as caught:
        RedisStore.from_url(f"{scheme}127.0.0.1:{server.port}{rest}")
    assert CANARY not in str(caught.value)


def test_the_only_server_is_waited_for_twice(server: Server, store: RedisStore) -> None:
    server.ask("CLIENT", "PAUSE", "60000", "ALL")
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="TimeoutError"):
        store.load("h1")
    assert time.monotonic() - start < 3 * 0.2


def test_what_is_under_way_when_a_store_is_closed_ends_well(server: Server) -> None:
    def load(store: RedisStore) -> str:
        try:
            while True:
                store.load("h1")
        except StoreUnavailable as error:
            return str(error)

    with ThreadPoolExecutor(6) as threads:
        for _ in range(10):
            store = RedisStore.from_url(server.url)
            working = [threads.submit(load, store) for _ in range(6)]
            until(lambda: calls_of(server, "hmget") > 100, "busy")
            store.close()
            assert {one.result(10) for one in working} == {"the store is closed; open a new one."}
            server.ask("CONFIG", "RESETSTAT")
    until(lambda: int(server.info("clients")["connected_clients"]) == 1, "all connections closed")


def test_a_server_of_a_cluster_says_how_to_connect(redis_cluster: Cluster) -> None:
    asked = [server.url for server in redis_cluster.servers]
    told: list[str] = []
    for url in asked:
        try:
            with RedisStore.from_url(url) as store:
                store.delete(tuple(f"h{n}" for n in range(20)))
        except StoreUnavailable as error:
            told.append(str(error))
    assert len(told) == len(asked)
    assert all("redis+cluster://" in text for text in told)


def test_nobody_at_the_address_is_told_at_once() -> None:
    port = free_port()
    for url in (
        f"redis://:{CANARY}@127.0.0.1:{port}",
        f"redis+cluster://:{CANARY}@127.0.0.1:{port}",
        f"redis+sentinel://:{CANARY}@127.0.0.1:{port}/mine",
    ):
        with pytest.raises(StoreUnavailable) as caught:
            RedisStore.from_url(url)
        assert CANARY not in str(caught.value)
        with (
            RedisStore(RedisServer.from_url(url)) as store,
            pytest.raises(StoreUnavailable, match="could not be reached"),
        ):
            store.purge(NEVER, 1)


def test_a_connection_that_the_server_has_closed_is_not_used(
    server: Server, store: RedisStore, make_record: MakeRecord
) -> None:
    store.create(make_record())
    for number in range(5):
        closed = server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert closed >= 1
        merged = store.merge_payload("h1", FrozenDict({"n": number}), NEVER)  # never asked twice
        assert merged == FrozenDict({"n": number})


def test_one_connection_to_each_server_is_enough(
    redis_cluster: Cluster, prefix: str, make_record: MakeRecord
) -> None:
    url = f"{redis_cluster.url}?max_connections=1"
    with RedisStore.from_url(url, prefix=prefix) as store:
        for number in range(9):
            store.create(make_record(f"h{number}"))
        assert store.purge(2**50, 9) == 9


def test_a_closed_store_says_so(redis_server: Server) -> None:
    store = RedisStore.from_url(redis_server.url)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="store is closed"):
        store.merge_payload("h1", EMPTY, 0)


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", ("server", (("localhost", 6379),), "")),
        ("rediss://host:7/2", ("server", (("host", 7),), "")),
        ("redis://[::1]:7", ("server", (("::1", 7),), "")),
        ("redis+cluster://a,b:7", ("cluster", (("a", 6379), ("b", 7)), "")),
        ("rediss+cluster://a", ("cluster", (("a", 6379),), "")),
        ("redis+sentinel://a,b:7/m%C3%BCller/3", ("sentinel", (("a", 26379), ("b", 7)), "müller")),
    ],
)
def test_a_url_is_read(url: str, expected: Any) -> None:
    server = RedisServer.from_url(url)
    assert (server.kind, server.addresses, server.service) == expected
    assert server.options.get("ssl", False) == url.startswith("rediss")


def test_what_a_url_says_reaches_the_driver() -> None:
    url = "redis+sentinel://me:p%40ss%3A@a/m/3?socket_timeout=1.5&sentinel_password=other"
    server = RedisServer.from_url(url, client_name="mine")
    wanted = {"username": "me", "password": "p@ss:", "db": 3, "socket_timeout": 1.5}
    assert server.options | wanted | {"client_name": "mine"} == server.options
    assert server.sentinel_options["password"] == "other"
    assert "sentinel_password" not in server.options
    assert "p@ss" not in repr(server)
    assert "other" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        *("", "redis", "postgresql://x", "redis+other://x", "REDIS://x", "redis://a,b"),
        *("redis://a:b", "redis://a/x", "redis+sentinel://a", "redis+cluster://a/1", "redis://a//"),
        *("redis://a?db=x", "redis://a?socket_timeout=x", "redis://a?decode_responses=yes"),
        *("redis://a?canary=1", "redis+sentinel://a/m?sentinel_canary=1", "redis://:12?canary@a"),
    ],
)
def test_what_is_no_url_of_ours_is_refused(url: str) -> None:
    scheme, separator, rest = url.partition("://")
    secret = f"{scheme}{separator}me:{CANARY}@{rest}" if separator else url
    for given in (url, secret):
        with pytest.raises(InvalidInput) as caught:
            RedisServer.from_url(given)
        assert CANARY not in str(caught.value)
        assert "canary" not in str(caught.value)


def test_without_the_driver_an_error_says_which_extra_brings_it() -> None:
    code = "import sys; sys.modules['redis'] = None; import counterfoil.adapters.redis"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'counterfoil[redis]'" in run.stderr
