"""Connection strings: one line of configuration names a store, whichever it is.

A message never shows a connection string, which may hold a password: its scheme at most. A store's
own module, and the library that it needs, is imported when it is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import unquote

from ..effects import InvalidInput, Store
from .key_storage import SecretStore
from .memory import MemoryStore
from .sqlite import SqliteStore


class OpenStore(Store, SecretStore, Protocol):
    """A store that keeps keys too, and is closed when it is no longer needed."""

    def close(self) -> None:
        """Let go of files and connections; later calls raise `StoreUnavailable`."""
        ...


def open_store(url: str) -> OpenStore:
    """The store that a connection string names.

        memory://                                         in this process, and ends with it
        sqlite:///sessions.db, sqlite:////var/lib/s.db    a file, by a relative or absolute path
        postgresql://user:password@host/database          ?schema=counterfoil&prepared=true
        redis://host:6379/0, rediss://...                 one server (TLS: rediss)
        redis+sentinel://..., redis+cluster://...         several; `RedisStore.from_url` says how

    Whatever in a user or password isn't a letter or a digit must be percent-encoded.

    Raises:
        InvalidInput: no such scheme, or something in the string can't be.
        StoreUnavailable: the server can't be reached, or holds what isn't ours, or is of a newer
            counterfoil.
        ImportError: the store needs an extra; says which.

    >>> open_store("memory://").load("nobody's")
    Missing()
    """
    if not isinstance(cast("object", url), str):
        raise InvalidInput(f"a connection string is a str, not {type(url).__name__}.")
    scheme, found, _ = url.partition("://")
    opener = _OPENERS.get(scheme) if found else None
    if opener is None:
        told = f", not {scheme}://" if found and _SCHEME.fullmatch(scheme) else ""
        raise InvalidInput(
            f"a connection string begins with one of {', '.join(f'{s}://' for s in _OPENERS)}"
            f"{told}. For a file: sqlite:///path."
        )
    return opener(url)


def open_database(place: str | os.PathLike[str]) -> OpenStore:
    """As `open_store`; what is no connection string is the path of a SQLite file."""
    if isinstance(place, str):
        scheme, colon, rest = place.partition(":")
        if rest.startswith("//"):
            return open_store(place)
        if colon and scheme in _OPENERS:  # no file is meant
            raise InvalidInput(f"a connection string begins with {scheme}://, not {scheme}: alone.")
    return SqliteStore(place)


def _memory(url: str) -> OpenStore:
    if url != "memory://":
        raise InvalidInput("memory:// has no address: it is a store of its own each time.")
    return MemoryStore()


def _sqlite(url: str) -> OpenStore:
    empty, slash, path = url.removeprefix("sqlite://").partition("/")
    if empty or not slash or not path or "?" in path:
        raise InvalidInput(
            "sqlite:// takes the path of a file alone: sqlite:///relative.db or "
            "sqlite:////absolute.db, with %3F for a question mark."
        )
    return SqliteStore(unquote(path))


def _postgres(url: str) -> OpenStore:
    from .postgres import PostgresStore

    address, _, query = url.partition("?")
    ours = {"schema": "counterfoil", "prepared": "false"}
    theirs: list[str] = []  # as they are: libpq has its own way to read them
    for option in query.split("&"):
        name, _, value = option.partition("=")
        if name in ours:
            ours[name] = unquote(value)
        elif option:
            theirs.append(option)
    if ours["prepared"] not in ("true", "false"):
        raise InvalidInput("prepared must be true or false in a connection string.")
    rest = f"{address}?{'&'.join(theirs)}" if theirs else address
    return PostgresStore(rest, schema=ours["schema"], prepared=ours["prepared"] == "true")


def _redis(url: str) -> OpenStore:
    from .redis import RedisStore

    return RedisStore.from_url(url)


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}")
_OPENERS: dict[str, Callable[[str], OpenStore]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
    "redis": _redis,
    "rediss": _redis,
    "redis+sentinel": _redis,
    "rediss+sentinel": _redis,
    "redis+cluster": _redis,
    "rediss+cluster": _redis,
}
