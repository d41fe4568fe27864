"""redis-py, the driver: an extra brings it, or else an error says so."""

from __future__ import annotations

from .optional import needs

try:
    import redis
    from redis import asyncio, connection, exceptions
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.crc import key_slot
    from redis.retry import Retry
except ImportError as error:
    raise needs("redis") from error

__all__ = [
    "AsyncRetry",
    "NoBackoff",
    "Retry",
    "asyncio",
    "connection",
    "exceptions",
    "key_slot",
    "redis",
]
