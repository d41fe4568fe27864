"""Where a PostgreSQL database is, and what its driver's errors are told as.

No password and no value of a statement is in a message. A connection string that can't be read is
not shown at all: what is wrong with it may be its password.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import attrs

from ..effects import InvalidInput, StoreUnavailable
from .postgres_driver import conninfo_to_dict, psycopg

# Unless the connection string says otherwise: a server that is gone is noticed. Seconds, but
# tcp_user_timeout: ms that what was sent may stay unacknowledged.
DEFAULTS: dict[str, Any] = {
    "application_name": "counterfoil",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
SCHEMES = ("postgresql://", "postgres://")

# Classes of SQLSTATE whose messages may quote a value: data exceptions, violated constraints.
_QUOTING = ("22", "23")


@attrs.frozen
class Target:
    """A database.

    Attributes:
        options: what the driver's `connect` is given; it has the password.
        where: how messages call the database.
    """

    options: dict[str, Any] = attrs.field(repr=False)
    where: str

    @classmethod
    def of(cls, conninfo: str, *, prepared: bool) -> Target:
        """The database of a connection string, in either form that libpq takes.

        Raises:
            InvalidInput: it is none.
        """
        given = _parsed(conninfo)
        ours = {
            "autocommit": True,
            # Prepared statements belong to a server's session, and a pooler in transaction mode
            # gives each statement another one.
            "prepare_threshold": 3 if prepared else None,
            "client_encoding": "utf8",
        }
        return cls({**DEFAULTS, **given, **ours}, _place(given))

    @contextmanager
    def translated(self) -> Generator[None]:
        """Where the driver's errors become `StoreUnavailable`."""
        try:
            yield
        except psycopg.Error as error:
            # A traceback would show the text of the cause, too.
            cause = None if _quotes(error) else error
            raise StoreUnavailable(f"{self.where}: {told(error)}") from cause

    def busy(self, most: int, patience: float) -> StoreUnavailable:
        """The error of an act that waited for a connection in vain."""
        return StoreUnavailable(
            f"{self.where}: all {most} connections were in use for {patience:g} s; allow more, or "
            "find out what keeps the database busy."
        )


def told(error: psycopg.Error) -> str:
    """What a driver's error says, without a value of the statement that failed."""
    kind = type(error).__name__
    state = error.sqlstate or ""
    if _quotes(error):
        return f"{kind} ({state})."
    if state:
        return f"{kind} ({state}): {error.diag.message_primary}."
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return f"{kind}."
    line = str(error).strip().partition("\n")[0].rstrip(":.")
    return f"{line}."


def _quotes(error: psycopg.Error) -> bool:
    return (error.sqlstate or "")[:2] in _QUOTING


def _parsed(conninfo: str) -> dict[str, Any]:
    if not isinstance(cast("object", conninfo), str):
        raise InvalidInput(
            f"PostgresStore needs a connection string, not {type(conninfo).__name__}."
        )
    _check_password(conninfo)
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.Error:
        raise InvalidInput(
            "PostgresStore needs a connection string such as "
            "'postgresql://user:password@host:5432/database', and this can't be read as one."
        ) from None
    ports = str(given.get("port", "")).split(",")
    if not all(port == "" or (port.isascii() and port.isdigit()) for port in ports):
        raise _unclear()
    return given


def _check_password(conninfo: str) -> None:
    # `user:p@ss@host` and `user:p/ss@host` would be taken apart in the wrong place, and a part of
    # the password for the name of a host, which messages tell.
    if not conninfo.startswith(SCHEMES):
        return
    rest = conninfo.partition("://")[2].partition("?")[0]
    if rest.count("@") > 1 or "/" in rest.rpartition("@")[0]:
        raise _unclear()


def _unclear() -> InvalidInput:
    return InvalidInput(
        "the connection string is not clear: percent-encode the user and the password "
        "(urllib.parse.quote(password, safe='')); a port is a number."
    )


def _place(given: dict[str, Any]) -> str:
    host = given.get("host") or given.get("hostaddr") or given.get("service")
    if not host:
        return "PostgreSQL"
    port = f":{given['port']}" if given.get("port") else ""
    name = f"/{given['dbname']}" if given.get("dbname") else ""
    return f"PostgreSQL at {host}{port}{name}"
