"""The demo's server: uvicorn, on a socket that listens already."""

from __future__ import annotations

import socket
import sys
import warnings

import uvicorn

from ...core import Policy
from ...effects import Store
from ..held import PolicyConcern
from .app import demo
from .watching import watched


def serve(policy: Policy, store: Store, listener: socket.socket, told: str) -> None:
    """Serve until a signal ends it; `told` is printed once requests are answered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyConcern)  # told here as people read it
        app = demo(watched(policy, store))
    for concern in policy.concerns:
        print(f"Note: {concern}.", file=sys.stderr)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    _Telling(config, told).run(sockets=[listener])


class _Telling(uvicorn.Server):
    # Said only now, so that whoever reads it may press Ctrl-C at once.
    def __init__(self, config: uvicorn.Config, told: str) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._told, flush=True)
