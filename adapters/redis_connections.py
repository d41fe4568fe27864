"""The connections of one process to one server of Redis, for callers that block.

They are the driver's, from its pool, which bounds and closes them. Those that nobody uses now are
kept here: taking one from the pool and giving it back costs as much as reading a record.
"""

from __future__ import annotations

from typing import Any

from .redis_errors import ERRORS


class Connections:
    """Connections of a client of redis-py. May be used by many threads."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._pool = client.connection_pool
        self._idle: list[Any] = []

    def take(self) -> Any:
        """A connection that is open and has nothing unread.

        Raises:
            ERRORS: none can be opened.
        """
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread has taken it
                break
            if self._is_ready(connection):
                return connection
            self.drop(connection)
        return self._pool.get_connection()

    def give(self, connection: Any) -> None:
        """Take a connection back, all of whose answers were read."""
        self._idle.append(connection)

    def drop(self, connection: Any) -> None:
        """Close a connection: it is the pool's again, which may open it anew."""
        connection.disconnect()
        self._pool.release(connection)

    def _is_ready(self, connection: Any) -> bool:
        # A server that has closed it can be read from. A pool that asks Sentinels doesn't own what
        # leads to a primary that was replaced.
        try:
            return self._pool.owns_connection(connection) and not connection.can_read()
        except ERRORS:
            return False
