"""Redis servers that keep what they acknowledge, filled through `redis-cli --pipe`."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfoil import SessionRecord
from counterfoil.adapters.redis import RedisStore
from counterfoil.adapters.redis_record import Names, lifetime_of, longest_of, values_of

from ..adapters.redis_servers import Server, program
from ..ports import free_port

NAMES = Names("counterfoil")
MARGIN = 3_600_000  # ms that a record is kept after its end, at least: the store's default
Word = str | int | bytes


@contextmanager
def durable_server(folder: Path, fsync: str = "always") -> Generator[Server]:
    """One server with an append-only file."""
    own = Path(tempfile.mkdtemp(prefix="redis-", dir=folder))
    options = ("--appendonly", "yes", "--appendfsync", fsync)
    with Server(own, free_port(), options) as server:
        yield server


class InRedis:
    """A server of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server

    @property
    def url(self) -> str:
        """Its connection string."""
        return self.server.url

    def open(self) -> RedisStore:
        """The store of the server."""
        return RedisStore.from_url(self.url)

    def fill(self, records: Iterable[SessionRecord]) -> None:
        """Without the append-only file, which is then written anew."""
        self.server.ask("CONFIG", "SET", "appendonly", "no")
        self.pipe(command for record in records for command in _commands(record))
        self.server.ask("CONFIG", "SET", "appendonly", "yes")
        while not self._is_written():
            time.sleep(0.1)

    def pipe(self, commands: Iterable[tuple[Word, ...]]) -> None:
        """Send many commands."""
        client = (program("redis-cli", "valkey-cli"), "-p", str(self.server.port), "--pipe")
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
            assert running.stdin is not None
            running.stdin.writelines(map(_packed, commands))
        assert running.returncode == 0, "redis-cli"

    def size_on_disk(self) -> int:
        """Of the append-only file."""
        return sum(path.stat().st_size for path in self.server.folder.glob("appendonlydir/*"))

    def size_in_memory(self) -> int:
        """Without what an empty server has."""
        told = self.server.info("memory")
        return int(told["used_memory"]) - int(told["used_memory_startup"])

    def _is_written(self) -> bool:
        told = self.server.info("persistence")
        return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])


def deleted_at(record: SessionRecord, margin: int = MARGIN) -> int:
    """When Redis may delete its key, ms since the Unix epoch."""
    return record.rotated_at + lifetime_of(record, margin)


def _commands(record: SessionRecord) -> Iterator[tuple[Word, ...]]:
    """What creating the record would have written by now."""
    key, user = NAMES.record(record.handle), NAMES.user(record.user_id)
    rest, version, payload, data = values_of(record)
    hinted, longest = record.created_at, longest_of(record, MARGIN)
    held = ("v", version, "r", f"{hinted}{rest}", "p", payload, *(("d", data) if data else ()))
    yield "HSET", key, *held
    yield "PEXPIREAT", key, deleted_at(record)
    yield "ZADD", user, hinted + longest, f"{hinted}:{record.handle}"
    yield "PEXPIREAT", user, hinted + longest


def _packed(words: tuple[Word, ...]) -> bytes:
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    parts = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
    return b"*%d\r\n%b" % (len(encoded), parts)
