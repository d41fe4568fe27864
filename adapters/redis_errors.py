"""What the driver raises, and what it is to the engine.

Its texts may hold values of commands: only a code, a class and an address are taken from them.
"""

from __future__ import annotations

import re

from ..effects import StoreUnavailable
from .redis_driver import exceptions

ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""All that the driver raises when a server can't be reached or fails."""

REFUSED = frozenset(
    {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "LOADING"}
)
"""Codes of a server that has not done what it was told, and might if asked again."""

# Where the driver has a class for a reply, it cuts the code off; it has more of them with time.
_CODES: dict[type[Exception], str] = {
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.AuthenticationError: "WRONGPASS",
}
_HINTS = {
    "MOVED": "The server belongs to a cluster: connect with redis+cluster://.",
    "READONLY": "The server is a replica: connect to its primary, or by redis+sentinel://.",
    "LOADING": "It is reading its data after a start; try again.",
    "OOM": "Give it more memory; its maxmemory-policy should be noeviction.",
    "NOREPLICAS": "Too few of its replicas are connected (min-replicas-to-write).",
    "NOPERM": "Its user may not run a command or touch a key that sessions need.",
    "WRONGPASS": "It asks for a password, or refuses the user name or the password.",
    "MaxConnectionsError": "All of its max_connections are in use: allow more.",
    "WRONGTYPE": "Another application uses the same keys: choose another prefix.",
}


# Replies that have no code, by what stands in them.
_PHRASES = {
    "cluster support disabled": "The server is in no cluster: connect with redis://.",
    "DB index is out of range": "The server has fewer numbered databases.",
    "unknown command 'SENTINEL'": "The server is no Sentinel: connect with redis://.",
    "without any password configured": "It has no password: leave it out of the URL.",
}


class NotReplicated(exceptions.RedisError):
    """A write that fewer replicas have confirmed in time than were asked for."""


class Explained(exceptions.RedisError):
    """What an error of the driver means here."""

    def __init__(self, error: Exception) -> None:
        Exception.__init__(self)  # the text may hold values
        self.error = error


class Unsent(Explained):
    """Nothing was sent, since no server could be found or connected to."""


class Hung(Explained):
    """The only server there is didn't answer in time."""


class Unread(exceptions.RedisError):
    """No answer, since the connection ended before it could be read."""


class Closed(exceptions.RedisError):
    """The store was closed."""


def unsent(error: Exception) -> Exception:
    """What stands for a reply where nothing was sent.

    A server that doesn't take a connection in time was waited for long enough: it isn't tried
    again, unless that could do no harm anyway.
    """
    told = isinstance(error, exceptions.TimeoutError | Closed | Explained)
    return error if told else Unsent(error)


def not_done(error: Exception) -> bool:
    """Whether what was asked for was surely not done."""
    return isinstance(error, Unsent) or code_of(error) in REFUSED


def unavailable(error: Exception) -> StoreUnavailable:
    """What a driver's error is to the engine. Its text may hold values, so little of it is kept."""
    if isinstance(error, NotReplicated | Unread | Closed):
        return StoreUnavailable(str(error))
    kind = code_of(error) or type(error).__name__
    # How the driver says that it could not connect holds the address and the system's reason.
    place = re.match(r"Error \S+ connecting to [^ ]+\. [\w .]*", str(error))
    where = "" if place is None else f": {place.group().rstrip('.')}"
    phrases = (hint for phrase, hint in _PHRASES.items() if phrase in str(error))
    hint = next(phrases, _HINTS.get(kind, ""))
    told = f"Redis failed or could not be reached ({kind}{where}). {hint}"
    return StoreUnavailable(told.rstrip())


def code_of(error: Exception) -> str | None:
    """The code of a server's reply, such as `READONLY`, if it is one."""
    for cls, code in _CODES.items():
        if isinstance(error, cls):
            return code
    matched = re.match(r"[A-Z]{3,}\b", str(error))
    return matched.group() if matched else None


def redirection(error: Exception) -> tuple[str, int]:
    """The server that `ASK 4711 host:port` sends to."""
    host, _, port = str(error).rpartition(" ")[2].rpartition(":")
    return host, int(port)
