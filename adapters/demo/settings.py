"""What the demo is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs

from ...core import AntiCsrf, Lifetime, Policy
from ...effects import InvalidInput

LONGEST_ACCESS_TTL = Lifetime().idle // timedelta(seconds=1)
"""No access token outlives its session, which ends after so many seconds without a refresh."""


@attrs.frozen
class DemoSettings:
    """How the demo runs.

    Attributes:
        port: where it listens, on this machine alone.
        access_ttl: seconds that an access token lives.
        grace: the leeway, in seconds.
        anti_csrf: the mode of the anti-CSRF check.
        database: the path of its SQLite file or a connection string, or None for a file that ends
            with it.
    """

    port: int = 8000
    access_ttl: int = 60
    grace: int = 10
    anti_csrf: AntiCsrf = AntiCsrf.FETCH_METADATA
    database: str | None = attrs.field(default=None, repr=False)

    @property
    def keeps_sessions(self) -> bool:
        """Whether its sessions are still there once it has ended."""
        return self.database not in (None, "memory://")

    @property
    def origin(self) -> str:
        """Where a browser finds it."""
        return f"http://localhost:{self.port}"

    @property
    def policy(self) -> Policy:
        """The policy of its sessions."""
        access = timedelta(seconds=self.access_ttl)
        return Policy(
            self.origin,
            lifetime=Lifetime(access=access),
            longest_access_lifetime=max(access, timedelta(days=1)),
            access_jitter=0,  # so that the life that one watches is the life that was set
            leeway=timedelta(seconds=self.grace),
            anti_csrf=self.anti_csrf,
        )


def settings_from(environment: Mapping[str, str]) -> DemoSettings:
    """The demo's settings from environment variables; what is absent or empty is the default.

    Raises:
        InvalidInput: says which variable is wrong, and what it may be.

    >>> settings_from({"PORT": "8080", "ACCESS_TTL": "5"}).origin
    'http://localhost:8080'
    """
    default = DemoSettings()
    mode = environment.get("ANTI_CSRF") or str(default.anti_csrf)
    if mode not in tuple(AntiCsrf):
        raise InvalidInput(f"ANTI_CSRF must be one of {', '.join(AntiCsrf)}.")
    return DemoSettings(
        port=_whole(environment, "PORT", default.port, 1, 65535),
        access_ttl=_whole(environment, "ACCESS_TTL", default.access_ttl, 1, LONGEST_ACCESS_TTL),
        grace=_whole(environment, "GRACE", default.grace, 1, 3600),
        anti_csrf=AntiCsrf(mode),
        database=environment.get("DATABASE") or None,
    )


def _whole(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    digits = text.isascii() and text.isdigit() and len(text) < 10
    if not (digits and least <= int(text) <= most):
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.")
    return int(text)
