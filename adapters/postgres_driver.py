"""psycopg, the driver: an extra brings it, or else an error says so."""

from __future__ import annotations

from .optional import needs

try:
    import psycopg
    from psycopg import sql
    from psycopg.abc import PQGen
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import ConnStatus, TransactionStatus
    from psycopg.waiting import wait_async
except ImportError as error:
    raise needs("postgres") from error

__all__ = [
    "ConnStatus",
    "PQGen",
    "TransactionStatus",
    "conninfo_to_dict",
    "psycopg",
    "sql",
    "wait_async",
]
