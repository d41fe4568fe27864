"""Connection strings: which store each opens, and what is said of those that open none."""

import builtins
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psycopg
import pytest

from counterfoil import MemoryStore, Missing, SqliteStore, open_store
from counterfoil.adapters import cli
from counterfoil.adapters.connecting import open_database
from counterfoil.adapters.demo.app import demo
from counterfoil.adapters.demo.settings import settings_from
from counterfoil.adapters.demo.watching import watched
from counterfoil.adapters.postgres import PostgresStore
from counterfoil.effects import InvalidInput, SessionRecord, StoreUnavailable

from ..ports import free_port
from .postgres_server import PASSWORD

MakeRecord = Callable[..., SessionRecord]


def test_memory_is_a_store_of_its_own_each_time() -> None:
    assert isinstance(open_store("memory://"), MemoryStore)
    assert open_store("memory://") is not open_store("memory://")


def test_a_file_by_an_absolute_and_by_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url, name in [
        (f"sqlite:///{tmp_path}/absolute.db", "absolute.db"),
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///of%20its%3Fown.db", "of its?own.db"),
    ]:
        with closing(open_store(url)) as store:
            assert isinstance(store, SqliteStore)
            assert (tmp_path / name).exists()


def test_a_path_is_a_place_too(tmp_path: Path) -> None:
    for place in (str(tmp_path / "a.db"), tmp_path / "b.db"):
        with closing(open_database(place)) as store:
            assert isinstance(store, SqliteStore)
    assert isinstance(open_database("memory://"), MemoryStore)
    with pytest.raises(InvalidInput, match="begins with postgresql://"):
        open_database("postgresql:ada:canary@host")


def test_postgresql_with_options_of_ours_and_of_the_drivers(
    database: str, make_record: MakeRecord
) -> None:
    mine = f"{database}?schema=my%20own&application_name=me&prepared=true"
    with closing(open_store(mine)) as store:
        assert isinstance(store, PostgresStore)
        store.create(make_record())
        for _ in range(9):  # those often asked are prepared
            assert store.load("h1") == make_record()
    with closing(open_store(database.replace("postgresql://", "postgres://"))) as store:
        assert store.load("h1") == Missing()
    with PostgresStore(database, schema="my own") as again:
        assert again.load("h1") == make_record()


def test_the_drivers_options_reach_it_as_they_are(database: str) -> None:
    given = "application_name=a+b&options=-c%20statement_timeout%3D70s%20-c%20lock_timeout%3D1s"
    with closing(open_store(f"{database}?{given}")) as store:
        store.load("h1")
        with psycopg.connect(database) as stranger:
            named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a+b'"
            assert stranger.execute(named).fetchone() == (1,)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://ada:canary@host/app", "begins with one of memory://, .*, not mysql://"),
        ("canary", "begins with one of .* For a file: sqlite:///path"),
        ("CANARY canary://host", "begins with one of"),
        ("sqlite://canary.db", "sqlite:///relative.db or sqlite:////absolute.db"),
        ("sqlite:///", "sqlite:///relative.db"),
        ("sqlite:///x.db?mode=canary", "%3F"),
        ("memory://canary", "no address"),
        ("postgresql://ada:can/ary@host/app", "percent-encode"),
        ("redis://:can/ary@host", "%2F"),
        ("redis://:can?ary@host", "%3F"),
        ("postgresql://host/app?prepared=canary", "true or false"),
        ("postgresql://host/app?schema=", "1 to 63 bytes"),
        ("postgresql://host/app?canary=canary", "connection string such as"),
    ],
)
def test_what_names_no_store_is_refused_and_not_shown(url: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as told:
        open_store(url)
    assert "canary" not in str(told.value).lower()


def test_no_string_is_refused() -> None:
    path: Any = Path("sessions.db")
    with pytest.raises(InvalidInput, match="is a str, not PosixPath"):
        open_store(path)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("counterfoil.adapters.postgres"):
            monkeypatch.delitem(sys.modules, name)
    honest = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return honest(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'counterfoil\[postgres\]'"):
        open_store("postgresql://host/app")


def test_the_tour_plays_on_a_server(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tour", "--database", database]) == 0
    assert "Thefts noticed: 1." in capsys.readouterr().out


def test_the_tour_says_what_is_wrong_with_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = f"postgresql://ada:{PASSWORD}@127.0.0.1:{free_port()}/app"
    assert cli.main(["tour", "--database", nobody]) == 1
    told = capsys.readouterr().err
    assert "refused" in told
    assert PASSWORD not in told
    assert cli.main(["tour", "--database", "mysql://host"]) == 1
    assert "begins with one of" in capsys.readouterr().err


def test_the_demo_keeps_its_sessions_on_a_server(database: str) -> None:
    settings = settings_from({"DATABASE": database})
    assert PASSWORD not in repr(settings)

    async def log_in() -> None:
        with closing(open_database(settings.database or "")) as store:
            app = demo(watched(settings.policy, store))
            transport = httpx2.ASGITransport(app)
            origin = {"Origin": settings.origin, "st-auth-mode": "header"}
            async with httpx2.AsyncClient(transport=transport, base_url=settings.origin) as client:
                done = await client.post("/login", json={"userId": "ada"}, headers=origin)
                assert done.status_code == 200
                bearer = {"Authorization": f"Bearer {done.headers['st-access-token']}"}
                shown = await client.get("/me", headers={**origin, **bearer})
                assert shown.json()["userId"] == "ada"

    anyio.run(log_in)
    with PostgresStore(database) as store:
        assert len(store.list_for_user("ada", None)) == 1


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(StoreUnavailable, match="refused"):
        open_store(f"postgresql://127.0.0.1:{free_port()}/app")
