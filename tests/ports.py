"""Ports for the servers that tests start."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many of them, all different."""
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in bound]
