"""Django's sessions in a database, and simplejwt's refresh tokens that rotate with a blacklist.

Django is set up once a process: a router sends its queries to the database whose turn it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from counterfoil import BlockingSessions
from counterfoil.adapters import OpenStore
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.adapters.sqlite import SqliteStore

from ..adapters.postgres_server import PASSWORD, USER, PostgresServer
from ..bench.__main__ import PAYLOAD
from . import in_postgres
from .peers import Pair, times
from .places import sessions_on

# Their packages have no types, and are an extra of their own.
_conf: Any = import_module("django.conf")
_django: Any = import_module("django")
_jwt: Any = import_module("rest_framework_simplejwt")

_SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework_simplejwt.token_blacklist",
    ],
    "SECRET_KEY": "a secret of forty characters, for measuring",
    "USE_TZ": True,
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "SIMPLE_JWT": {
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    },
}
# As durable, and as quick, as SQLite can be; Django's own default is a rollback journal.
_SQLITE = {"init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"}


class Here:
    """Sends every query to one of the databases."""

    alias = "default"

    def db_for_read(self, model: object, **hints: object) -> str:
        """Where to read."""
        return self.alias

    def db_for_write(self, model: object, **hints: object) -> str:
        """Where to write."""
        return self.alias


_here = Here()


def pairs(running: ExitStack, folder: Path) -> Iterator[Pair]:
    """Both, on PostgreSQL and on SQLite."""
    server = running.enter_context(in_postgres.durable_server())
    _set_up(server, folder)
    stores: dict[str, tuple[str, OpenStore]] = {
        "default": ("PostgreSQL", PostgresStore(server.url(server.new_database()))),
        "sqlite": ("SQLite", SqliteStore(folder / "beside.db")),
    }
    for alias, (name, store) in stores.items():
        running.callback(store.close)
        running.callback(import_module("django.db").connections[alias].close)
        _here.alias = alias
        sessions = sessions_on(store)
        yield _simplejwt(name, alias, sessions)
        yield _db_sessions(name, alias, sessions)


def _set_up(server: PostgresServer, folder: Path) -> None:
    postgres = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.new_database(),
        "USER": USER,
        "PASSWORD": PASSWORD,
        "HOST": "127.0.0.1",
        "PORT": server.port,
    }
    sqlite = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "django.db",
        "OPTIONS": _SQLITE,
    }
    databases = {"default": postgres, "sqlite": sqlite}
    _conf.settings.configure(**_SETTINGS, DATABASES=databases, DATABASE_ROUTERS=[_here])
    _django.setup()
    call_command = import_module("django.core.management").call_command
    for alias in databases:
        _here.alias = alias
        call_command("migrate", database=alias, verbosity=0)


def _simplejwt(name: str, alias: str, sessions: BlockingSessions) -> Pair:
    serializer = import_module("rest_framework_simplejwt.serializers").TokenRefreshSerializer
    refresh_token = import_module("rest_framework_simplejwt.tokens").RefreshToken
    user = import_module("django.contrib.auth").get_user_model().objects.create_user("ada")
    current = str(refresh_token.for_user(user))

    def theirs() -> None:
        nonlocal current
        checked = serializer(data={"refresh": current})
        checked.is_valid(raise_exception=True)
        current = checked.validated_data["refresh"]

    ours_current = sessions.create_session("ada", payload=PAYLOAD).refresh_token

    def ours() -> None:
        nonlocal ours_current
        ours_current = sessions.refresh_session(ours_current).refresh_token

    return Pair(
        peer=f"simplejwt, rotation with blacklist, {name}",
        theirs=times(theirs),
        theirs_does=f"{_statements(alias, theirs)}; two tokens signed, HS256",
        ours=times(ours),
        ours_does="SELECT, UPDATE (one commit); one token signed, Ed25519",
    )


def _db_sessions(name: str, alias: str, sessions: BlockingSessions) -> Pair:
    store = import_module("django.contrib.sessions.backends.db").SessionStore
    first = store()
    first.update(PAYLOAD)
    first.create()
    count = 0

    def theirs() -> None:
        nonlocal count
        count += 1
        session = store(first.session_key)
        session["count"] = count
        session.save()

    known = sessions.create_session("ada", payload=PAYLOAD, data=PAYLOAD).access_token

    def ours() -> None:
        nonlocal count
        count += 1
        session = sessions.get_session(known)
        data = sessions.get_session_data_from_database(session)
        sessions.update_session_data_in_database(session, {**data, "count": count})

    return Pair(
        peer=f"Django's db sessions, one changed, {name}",
        theirs=times(theirs),
        theirs_does=_statements(alias, theirs),
        ours=times(ours),
        ours_does="access token verified; SELECT, UPDATE (one commit) of the session's data",
    )


def _statements(alias: str, act: Callable[[], object]) -> str:
    """What one act asks of the database, in order."""
    connection = import_module("django.db").connections[alias]
    capture = import_module("django.test.utils").CaptureQueriesContext
    act()  # what happens once
    with capture(connection) as captured:
        act()
    words = [query["sql"].split()[0] for query in captured.captured_queries]
    return ", ".join(words)
