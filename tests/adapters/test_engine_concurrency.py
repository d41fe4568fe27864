"""Operations that happen at once, in threads and in processes, on both stores.

Run as a program, this file is one of the processes: it reads an act a line, and prints its answer.
"""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest

from counterfoil.adapters.keys import LocalKeys
from counterfoil.adapters.memory import MemoryStore
from counterfoil.adapters.sqlite import SqliteStore
from counterfoil.core import (
    KeySet,
    Session,
    Unauthorised,
    create_session,
    get_session,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    rekey_session,
    revoke_all_sessions_for_user,
    revoke_session,
)
from counterfoil.core.examples import example_policy
from counterfoil.effects import Announce, Backend, Missing, Rejection, SessionRecord, Step, run

POLICY = example_policy()
LOGIN = 1_800_000_000_000  # ms
SECOND = 1_000
THREADS, PROCESSES = 8, 4
ROUNDS = 8
TIMES = 12  # how often an act of many repeats
GONE = "Unauthorised:SESSION_GONE"


@attrs.frozen
class Engine:
    """A store, and keys that are kept in it: all processes at one file sign with one key."""

    store: MemoryStore | SqliteStore
    keys: LocalKeys

    @classmethod
    def on(cls, store: MemoryStore | SqliteStore) -> "Engine":
        return cls(store, LocalKeys.in_store(store))

    def perform(self, effect: Any) -> Any:
        """Carries out one effect; nobody listens to announcements."""
        if isinstance(effect, Announce):
            return None
        return Backend(self.store, self.keys).perform(effect)

    def run(self, step: Step[Any]) -> Any:
        return run(step, self)

    def log_in(self, user: str) -> Session:
        entropy = secrets.token_bytes(32)
        session = self.run(create_session(user, policy=POLICY, now=LOGIN, entropy=entropy))
        assert isinstance(session, Session)
        return session

    def session(self, access_token: str, now: int, *, check_database: bool = False) -> Session:
        """The session of an access token; if the store is asked, it must know it and its line."""
        step = get_session(
            access_token,
            policy=POLICY,
            verify=KeySet(self.keys.public_keys()),
            now=now,
            check_database=check_database,
        )
        session = self.run(step)
        assert isinstance(session, Session)
        return session

    def held(self, handle: str) -> SessionRecord:
        record = self.store.load(handle)
        assert isinstance(record, SessionRecord)
        return record


# --- acts: a token or a name, and a time or a key, in; a word out ------------------------------


def refresh(engine: Engine, token: str, now: str) -> str:
    """The next refresh token. The access token that came with it holds."""
    entropy = secrets.token_bytes(32)
    session = engine.run(refresh_session(token, policy=POLICY, now=int(now), entropy=entropy))
    known = engine.session(session.access_token, int(now), check_database=True)
    assert known.handle == session.handle
    return str(session.refresh_token)


def refresh_alone(engine: Engine, token: str, now: str) -> str:
    """The next refresh token, where others may revoke the session at once."""
    entropy = secrets.token_bytes(32)
    step = refresh_session(token, policy=POLICY, now=int(now), entropy=entropy)
    return str(engine.run(step).refresh_token)


def refresh_many(engine: Engine, token: str, now: str) -> str:
    """The last refresh token of a client that refreshes again and again."""
    for number in range(TIMES):
        token = refresh(engine, token, str(int(now) + number * SECOND))
    return token


def merge_away(engine: Engine, handle: str, name: str) -> str:
    """Merges keys of its own, as for a user who is away."""
    for number in range(TIMES):
        update = {f"{name}-{number}": number}
        step = merge_into_access_token_payload_by_handle(handle, update, policy=POLICY, now=LOGIN)
        assert engine.run(step) is True
    return "merged"


def merge_here(engine: Engine, access_token: str, name: str) -> str:
    """Merges keys of its own, as one request does."""
    session = engine.session(access_token, LOGIN)
    for number in range(TIMES):
        update = {f"{name}-{number}": number}
        session = engine.run(merge_into_access_token_payload(session, update, now=LOGIN))
        assert session.payload[f"{name}-{number}"] == number
    return "merged"


def sign_out(engine: Engine, access_token: str, now: str) -> str:
    session = engine.session(access_token, int(now))
    return str(engine.run(revoke_session(session, now=int(now))))


def sign_out_everywhere(engine: Engine, user_id: str, now: str) -> str:
    revoked = engine.run(revoke_all_sessions_for_user(user_id, now=int(now)))
    return f"{len(revoked)}"


def rekey(engine: Engine, access_token: str, now: str) -> str:
    session = engine.session(access_token, int(now))
    entropy = secrets.token_bytes(32)
    return str(engine.run(rekey_session(session, now=int(now), entropy=entropy)).handle)


Act = Callable[[Engine, str, str], str]
Asked = tuple[Act, str, object]

ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        *(refresh, refresh_alone, refresh_many, merge_away, merge_here),
        *(sign_out, sign_out_everywhere, rekey),
    )
}


def answered(engine: Engine, name: str, first: str, second: str) -> str:
    """What the act answers; of a rejection its kind and reason."""
    try:
        return ACTS[name](engine, first, second)
    except Unauthorised as rejection:
        return f"Unauthorised:{rejection.reason.name}"
    except Rejection as rejection:
        return type(rejection).__name__


# --- crowds: all acts of a round begin at once -------------------------------------------------


class Crowd(Protocol):
    """Who acts: as many at once as its size."""

    engine: Engine
    size: int

    def do(self, asked: list[Asked]) -> list[str]:
        """What each act answers."""
        ...


@attrs.define
class Threads:
    engine: Engine
    pool: ThreadPoolExecutor
    size: int = THREADS

    def do(self, asked: list[Asked]) -> list[str]:
        start = threading.Barrier(len(asked), timeout=30)

        def begin(one: Asked) -> str:
            act, first, second = one
            start.wait()
            return answered(self.engine, act.__name__, first, str(second))

        return list(self.pool.map(begin, asked))


@attrs.define
class Processes:
    engine: Engine
    workers: list[subprocess.Popen[str]]
    size: int = PROCESSES

    def do(self, asked: list[Asked]) -> list[str]:
        for worker, (act, first, second) in zip(self.workers, asked, strict=True):
            assert worker.stdin is not None
            worker.stdin.write(f"{act.__name__} {first} {second}\n")
            worker.stdin.flush()
        return [self.answer(worker) for worker in self.workers]

    def answer(self, worker: subprocess.Popen[str]) -> str:
        assert worker.stdout is not None
        line = worker.stdout.readline().strip()
        assert line, "the process ended; its errors are above"
        return line


@pytest.fixture(
    scope="module", params=["threads on memory", "threads on SQLite", "processes on SQLite"]
)
def crowd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowd]:
    path = tmp_path_factory.mktemp("crowd") / "sessions.db"
    with SqliteStore(path) as on_disk, ThreadPoolExecutor(THREADS) as pool:
        match request.param:
            case "threads on memory":
                yield Threads(Engine.on(MemoryStore()), pool)
            case "threads on SQLite":
                yield Threads(Engine.on(on_disk), pool)
            case _:
                workers = [process(path) for _ in range(PROCESSES)]
                yield Processes(Engine.on(on_disk), workers)
                for worker in workers:
                    worker.communicate(timeout=30)  # closes its input, which ends it
                assert [worker.returncode for worker in workers] == [0] * PROCESSES


@pytest.fixture
def user() -> str:
    """Somebody with no session yet."""
    return f"user-{secrets.token_hex(4)}"


def process(path: Path) -> subprocess.Popen[str]:
    """This file as a process of its own, which begins with no delay when it is told to."""
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, str(path)]
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # this file
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def main(path: str) -> None:
    with SqliteStore(path) as store:
        engine = Engine.on(store)
        print("ready", flush=True)
        for line in sys.stdin:
            name, first, second = line.split()
            print(answered(engine, name, first, second), flush=True)


# --- what holds whoever is first ---------------------------------------------------------------


def test_all_who_present_one_token_get_one_successor(crowd: Crowd, user: str) -> None:
    session = crowd.engine.log_in(user)
    token = str(session.refresh_token)
    for number in range(ROUNDS):
        now = LOGIN + number * SECOND
        (token,) = set(crowd.do([(refresh, token, now)] * crowd.size))
        held = crowd.engine.held(session.handle)
        assert held.generation == number + 1
        assert held.version == number + 1  # all but one of them wrote nothing


def test_a_token_whose_successor_was_lost_forks_once_for_all(crowd: Crowd, user: str) -> None:
    session = crowd.engine.log_in(user)
    token, now = str(session.refresh_token), LOGIN
    lost = refresh(crowd.engine, token, str(now))
    for number in range(ROUNDS):
        now += 60 * SECOND
        (successor,) = set(crowd.do([(refresh, token, now)] * crowd.size))
        assert successor != lost
        lost = successor
        held = crowd.engine.held(session.handle)
        assert held.generation == 1
        assert held.version == 2 + number


def test_merges_among_refreshes_are_all_kept(crowd: Crowd, user: str) -> None:
    session = crowd.engine.log_in(user)
    asked: list[Asked] = [(refresh_many, str(session.refresh_token), LOGIN)]
    for number in range(crowd.size - 1):
        away: Asked = (merge_away, session.handle, f"k{number}")
        here: Asked = (merge_here, str(session.access_token), f"k{number}")
        asked.append(away if number % 2 else here)
    token, *merged = crowd.do(asked)
    assert merged == ["merged"] * (crowd.size - 1)
    held = crowd.engine.held(session.handle)
    assert held.generation == TIMES
    assert held.version == TIMES * crowd.size
    assert held.payload == {
        f"k{name}-{number}": number for name in range(crowd.size - 1) for number in range(TIMES)
    }
    assert refresh(crowd.engine, token, str(LOGIN + TIMES * SECOND)) != token
    assert crowd.engine.held(session.handle).payload == held.payload


@pytest.mark.parametrize("everywhere", [False, True])
def test_no_refresh_brings_back_a_session_that_is_revoked_meanwhile(
    everywhere: bool, crowd: Crowd, user: str
) -> None:
    for number in range(ROUNDS):
        session = crowd.engine.log_in(user)
        token, now = str(session.refresh_token), LOGIN + number
        here: Asked = (sign_out, str(session.access_token), now)
        end: Asked = (sign_out_everywhere, user, now) if everywhere else here
        asked: list[Asked] = [(refresh_alone, token, now)] * (crowd.size - 2)
        asked.append((merge_here, str(session.access_token), "k"))
        asked.insert(number % crowd.size, end)
        answers = crowd.do(asked)
        assert answers.pop(number % crowd.size) in ("True", "1")
        assert crowd.engine.store.load(session.handle) == Missing()
        assert crowd.engine.store.list_for_user(user, None) == ()
        *refreshed, merged = answers
        assert merged in ("merged", GONE)
        assert len(set(refreshed) - {GONE}) <= 1  # before the end they got one successor
        assert answered(crowd.engine, "refresh", token, str(now)) == GONE


def test_signing_out_everywhere_takes_sessions_that_are_rekeyed_meanwhile(
    crowd: Crowd, user: str
) -> None:
    for number in range(ROUNDS):
        sessions = [crowd.engine.log_in(user) for _ in range(crowd.size - 1)]
        now = LOGIN + number
        asked: list[Asked] = [(rekey, str(s.access_token), now) for s in sessions]
        asked.insert(number % crowd.size, (sign_out_everywhere, user, now))
        answers = crowd.do(asked)
        assert int(answers.pop(number % crowd.size)) >= len(sessions)
        assert crowd.engine.store.list_for_user(user, None) == ()
        assert len(set(answers) - {GONE}) + answers.count(GONE) == len(sessions)


if __name__ == "__main__":
    main(*sys.argv[1:])
