"""What the driver raises, and what it is to the engine.

Its texts may hold values of commands: only a code, a class and an address are taken from them.
"""

from __future__ import annotations

import re

from ..effects import StoreUnavailable
from .redis_driver import exceptions

ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""All that the driver raises when a server can't be reached or fails."""

REFUSED = (
    exceptions.AskError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.ReadOnlyError,
)
"""Replies of a server that has not done what it was told, and might if asked again."""

_HINTS = {
    "MOVED": "The server belongs to a cluster: connect with redis+cluster://.",
    "READONLY": "The server is a replica: connect to its primary, or by redis+sentinel://.",
    "OOM": "Give it more memory; its maxmemory-policy should be noeviction.",
    "NOREPLICAS": "Too few of its replicas are connected (min-replicas-to-write).",
    "NOPERM": "Its user may not run a command or touch a key that sessions need.",
    "NOAUTH": "It asks for a password.",
    "WRONGPASS": "It refuses the user name or the password.",
    "WRONGTYPE": "Another application uses the same keys: choose another prefix.",
}


class NotReplicated(exceptions.RedisError):
    """A write that fewer replicas have confirmed in time than were asked for."""


class Closed(exceptions.RedisError):
    """The store was closed."""


def never_left(error: BaseException | None) -> bool:
    """Whether nothing was sent, since nobody took the connection."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError | exceptions.MaxConnectionsError):
            return True
        error = error.__cause__ or error.__context__
    return False


def unavailable(error: Exception) -> StoreUnavailable:
    """What a driver's error is to the engine. Its text may hold values, so little of it is kept."""
    if isinstance(error, NotReplicated | Closed):
        return StoreUnavailable(str(error))
    code = re.match(r"[A-Z]{3,}\b", _text(error))
    kind = type(error).__name__ if code is None else code.group()
    # How the driver says that it could not connect holds the address and the system's reason.
    place = re.match(r"Error \S+ connecting to [^ ]+\. [\w .]*", _text(error))
    where = "" if place is None else f": {place.group().rstrip('.')}"
    hint = f" {_HINTS[kind]}" if kind in _HINTS else ""
    return StoreUnavailable(f"Redis failed or could not be reached ({kind}{where}).{hint}")


def _text(error: Exception) -> str:
    # The driver cuts the code off where it has a class for it.
    codes: dict[type[Exception], str] = {
        exceptions.MovedError: "MOVED",
        exceptions.ReadOnlyError: "READONLY",
        exceptions.OutOfMemoryError: "OOM",
        exceptions.NoPermissionError: "NOPERM",
    }
    return codes.get(type(error), str(error))
