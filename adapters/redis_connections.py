"""The connections of one process to one server of Redis, for callers that block.

They are the driver's, from its pool, which bounds and closes them. Those that nobody uses now are
kept here: taking one from the pool and giving it back costs as much as reading a record.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .redis_errors import ERRORS
from .redis_server import with_sentinels


class Connections:
    """Connections of a client of redis-py. May be used by many threads.

    Under Sentinels none is kept: the pool knows which of them lead to a primary that was replaced.
    """

    def __init__(self, client: Any) -> None:
        self._clients = with_sentinels(client)
        self._pool = client.connection_pool
        self._idle: list[Any] = []
        self._closed = False

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
            if _is_ready(connection):
                return connection
            self.drop(connection)
        return self._pool.get_connection()

    def give(self, connection: Any) -> None:
        """Take a connection back, all of whose answers were read."""
        if len(self._clients) > 1:
            self._pool.release(connection)
            return
        self._idle.append(connection)
        if self._closed:
            self._drop_idle()

    def drop(self, connection: Any) -> None:
        """Close a connection: it is the pool's again, which may open it anew."""
        connection.disconnect()
        self._pool.release(connection)

    def close(self) -> None:
        """Close those that nobody uses now; the others, when they are given back."""
        self._closed = True
        self._drop_idle()
        for client in self._clients:
            client.connection_pool.disconnect(inuse_connections=False)

    def _drop_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):  # another thread has taken it
                self.drop(self._idle.pop())


def _is_ready(connection: Any) -> bool:
    try:
        return not connection.can_read()  # a server that has closed it can be read from
    except ERRORS:
        return False
