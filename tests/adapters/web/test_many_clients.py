"""Two hundred people with the SDK's habits, on real servers over one SQLite file: all stay in."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .people import Clock, live_together
from .served import sessions_on

PROGRAM = Path(__file__).with_name("served.py")
PEOPLE, TABS, ROUNDS = 200, 2, 4


@contextmanager
def servers(count: int, folder: Path, rule: str) -> Generator[tuple[list[int], Clock]]:
    """Server processes, their ports, and the clock that they go by."""
    clock = Clock(folder / "clock")
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(count)]
    running = [
        subprocess.Popen(
            [
                sys.executable,
                str(PROGRAM),
                *(str(folder / name) for name in ("sessions.db", "clock")),
                str(listening.fileno()),
                rule,
            ],
            pass_fds=[listening.fileno()],
        )
        for listening in sockets
    ]
    try:
        yield [listening.getsockname()[1] for listening in sockets], clock
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        for listening in sockets:
            listening.close()


@pytest.mark.parametrize("count", [1, 2])
def test_nobody_is_logged_out_and_every_merge_is_kept(tmp_path: Path, count: int) -> None:
    with servers(count, tmp_path, "SameSuccessor") as (ports, clock):
        browsers, out, seen = asyncio.run(
            live_together(ports, clock, PEOPLE, tabs=TABS, rounds=ROUNDS, seed=count)
        )
    assert out == []
    refreshed = seen["200 /auth/session/refresh"]
    assert refreshed > 2 * PEOPLE, seen
    assert min(seen["401 /me"], seen["lost"], seen["hung up"], seen["late"]) > PEOPLE / 2, seen
    sessions = sessions_on(tmp_path / "sessions.db", lambda: clock.now)
    for browser in browsers:
        known = asyncio.run(sessions.get_session_information(browser.handle))
        assert known is not None
        assert len(browser.merged) == TABS * ROUNDS
        assert dict(known.payload) == browser.merged


def test_a_rule_without_a_leeway_logs_people_out(tmp_path: Path) -> None:
    with servers(1, tmp_path, "SingleUseRevoking") as (ports, clock):
        _, out, _ = asyncio.run(live_together(ports, clock, 20, tabs=TABS, rounds=ROUNDS, seed=1))
    assert any("token theft detected" in told for told in out), out
