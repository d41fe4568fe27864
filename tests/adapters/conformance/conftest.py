"""Where the factories of `stores` find the servers: in the environment."""

from typing import Any

import pytest

from .stores import POSTGRES, REDIS


@pytest.fixture
def at_postgres(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factory's server is the one of this run."""
    monkeypatch.setenv(POSTGRES, postgres.url())


@pytest.fixture
def at_redis(redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factory's server is the one of this run that stands alone."""
    monkeypatch.setenv(REDIS, redis_server.url)


@pytest.fixture
def at_redis_cluster(redis_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factory's server is the cluster of this run."""
    monkeypatch.setenv(REDIS, redis_cluster.url)
