"""Real servers for tests: Debian's PostgreSQL and PgBouncer, on loopback, on free ports.

Each has a folder of its own that goes with it. PostgreSQL refuses to run as root, so root starts
it as the user `postgres`.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg import sql

from ..ports import free_port

USER, PASSWORD = "keeper", "canary-of-the-password"
HOW = "apt-get install postgresql pgbouncer"
SETTINGS = {
    "fsync": "off",  # these databases end with their tests
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_connections": "on",
}
_names = count(1)


@attrs.frozen
class PostgresServer:
    """A running server."""

    binaries: Path
    folder: Path
    port: int

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """How a client finds a database, here or through a pooler on another port."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What the server answers to a stranger's statement."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, options: str = "") -> str:
        """The name of a database that nobody used before."""
        name = f"sessions_{next(_names)}"
        self.ask(f"CREATE DATABASE {name} {options}")
        return name

    def drop(self, database: str) -> None:
        """End a database, whoever is connected to it."""
        self.ask(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def control(self, *words: str) -> None:
        """`pg_ctl`, which waits until it is done."""
        log = self.folder / "log"
        command = [self.binaries / "pg_ctl", "-D", self.folder / "data", "-w", "-l", log, *words]
        # Its output must not be ours: the server would keep the pipe open.
        as_user(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def connected_to(self, database: str) -> int:
        """How many connections there are to a database."""
        counted = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608  # ours
        ((count,),) = self.ask(counted)
        return int(count)

    def came_for_no_session(self) -> int:
        """How many connections there were that nobody logged in on, such as a cancel request's."""
        log = (self.folder / "log").read_text()
        return log.count("connection received:") - log.count("connection authorized:")

    @contextmanager
    def hung(self) -> Generator[None]:
        """Where it takes what is sent, and does nothing; its children of now included."""
        postmaster = (self.folder / "data" / "postmaster.pid").read_text().partition("\n")[0]
        children = self.ask("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        processes = [int(postmaster), *(pid for (pid,) in children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def kick_all(self) -> None:
        """End every connection but the one that says so."""
        self.ask(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@contextmanager
def postgres_server(**settings: str) -> Generator[PostgresServer]:
    """Start a server, and stop it afterwards; skips where none is installed."""
    binaries = _binaries()
    with _folder() as folder:
        password = folder / "password"
        password.write_text(PASSWORD)
        server = PostgresServer(binaries, folder, free_port())
        words = ["-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256"]
        initdb = [binaries / "initdb", "-D", folder / "data", "-N", f"--pwfile={password}", *words]
        as_user(*initdb, stdout=subprocess.DEVNULL)
        lines = [f"{key} = '{value}'\n" for key, value in {**SETTINGS, **settings}.items()]
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines([*lines, f"port = {server.port}\n"])
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "fast")


@contextmanager
def pgbouncer(server: PostgresServer) -> Generator[int]:
    """Start PgBouncer in transaction mode before a server; answers its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"needs PgBouncer: {HOW}")
    with _folder() as folder:
        port = free_port()
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder / 'users'}\n"
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        )
        with (folder / "log").open("w") as log:
            command = [program, "-q", str(folder / "ini")]
            running = subprocess.Popen(command, text=True, stderr=log, stdout=log, **_user())
        try:
            _wait_for(server.url(port=port), running)
            yield port
        finally:
            running.terminate()
            running.wait(30)


def quoted(name: str) -> str:
    """A name for a statement."""
    return sql.Identifier(name).as_string(None)


def as_user(*command: object, **options: Any) -> None:
    """Run a program that must not be root's."""
    subprocess.run([*map(str, command)], check=True, timeout=120, cwd="/", **options, **_user())


def _user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


@contextmanager
def _folder() -> Generator[Path]:
    # Not pytest's: its folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_release)
    program = str(found[-1]) if found else shutil.which("initdb")
    if program is None:
        pytest.skip(f"needs a PostgreSQL server: {HOW}")
    return Path(program).parent


def _release(program: Path) -> float:
    return float(program.parts[-3])


def _wait_for(url: str, running: subprocess.Popen[str]) -> None:
    while running.poll() is None:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.01)  # until it listens
        else:
            return
    raise AssertionError("pgbouncer ended")
