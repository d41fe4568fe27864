"""The async facade for tests that are written once for both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import attrs

from counterfoil import Sessions


@attrs.frozen
class Awaited:
    """`Sessions`, called as if it were blocking, on an event loop of each call's own."""

    sessions: Sessions
    loop: str

    def using(self, **options: Any) -> Awaited:
        """For one request."""
        return attrs.evolve(self, sessions=self.sessions.using(**options))

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self.sessions, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            async def act() -> Any:
                return await method(*args, **kwargs)

            return anyio.run(act, backend=self.loop)

        return call
