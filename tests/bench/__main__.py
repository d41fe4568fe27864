"""What the engine costs, as ratios that are taken in one run: `python tests/bench`.

Each row times ours and its yardstick in turn, in many short rounds, and takes the median of the
rounds' ratios: a machine that is busy, or changes its speed, slows both. Exits with 1 if a bound
doesn't hold.
"""

from __future__ import annotations

import gc
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from counterfoil import (
    Ask,
    BlockingSessions,
    Established,
    KeySet,
    LocalKeys,
    MemoryStore,
    Policy,
    Rotated,
    SessionRecord,
    SqliteStore,
    Step,
    create_session,
    get_session,
    refresh_session,
)
from counterfoil.core import Session
from counterfoil.effects import Establish, Load, Rotate

if not __package__:  # `python tests/bench` finds what is beside this file by the root
    sys.path.append(str(Path(__file__).parents[2]))

from tests.bench.rows import Row, row, table
from tests.bench.web import serving
from tests.listening import quiet

POLICY = Policy("https://api.example.com", site_origin="https://example.com")
PAYLOAD = {"plan": "pro", "roles": ["admin", "editor"], "locale": "de-CH"}


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def verifying() -> list[Row]:
    """`get_session` against `jwt.decode` of the same token."""
    sessions = BlockingSessions(POLICY, MemoryStore(), listener=quiet)
    token = str(sessions.create_session("user-1", payload=PAYLOAD).access_token)
    keys: KeySet = sessions.keys
    public = load_der_public_key(keys.keys[0].der)

    def decode() -> object:
        return jwt.decode(token, public, algorithms=["EdDSA"], issuer=POLICY.issuer)  # type: ignore[arg-type]  # an Ed25519 key

    def unseen() -> object:
        return get_session(token, policy=POLICY, verify=keys, now=now())

    return [
        row("get_session, token seen before", lambda: sessions.get_session(token),
            "jwt.decode", decode, bound=1 / 12),
        row("get_session, token not seen before", unseen, "jwt.decode", decode, bound=1.3),
    ]  # fmt: skip


def begun() -> tuple[Session, SessionRecord]:
    """A session and its record, without a store or a signature."""
    step: Step[Session] = create_session(
        "user-1", policy=POLICY, now=now(), entropy=secrets.token_bytes(32), payload=PAYLOAD
    )
    assert isinstance(step, Ask)
    assert isinstance(step.effect, Establish)
    done = step.resume(Established("token"))
    assert isinstance(done.state, Session)
    return done.state, step.effect.record


def refreshing() -> Row:
    """All pure steps of a refresh against one raw signature."""
    session, record = begun()
    entropy, key = secrets.token_bytes(32), Ed25519PrivateKey.generate()
    loaded = attrs.evolve(record)
    rotated = Rotated("token")

    def pure() -> object:
        step = refresh_session(session.refresh_token, policy=POLICY, now=now(), entropy=entropy)
        assert isinstance(step, Ask)
        assert isinstance(step.effect, Load)
        step = step.resume(loaded)
        assert isinstance(step, Ask)
        assert isinstance(step.effect, Rotate)
        return step.resume(rotated)

    message = b"m" * 600
    return row("refresh_session, the pure part", pure, "Ed25519 signature",
               lambda: key.sign(message), bound=1.5)  # fmt: skip


def refreshing_on_sqlite(folder: Path) -> Row:
    """A whole refresh on SQLite against a bare script that does the same to a row."""
    sessions = BlockingSessions(
        POLICY, SqliteStore(folder / "ours.db"), LocalKeys.in_memory(), listener=quiet
    )
    current = sessions.create_session("user-1", payload=PAYLOAD).refresh_token

    def ours() -> object:
        nonlocal current
        current = sessions.refresh_session(current).refresh_token
        return current

    return row("refresh_session on SQLite, durable", ours, "bare script",
               bare_script(folder / "bare.db"), bound=1.5, n=10)  # fmt: skip


def bare_script(path: Path) -> Callable[[], object]:
    """Reads a row, updates it in one durable transaction, signs a token."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE sessions (handle TEXT PRIMARY KEY, user_id TEXT, digest BLOB, payload TEXT,"
        " rotated_at INTEGER, expires_at INTEGER)"
    )
    connection.execute(
        "INSERT INTO sessions VALUES ('h', 'user-1', ?, '{\"plan\":\"pro\"}', 0, 0)",
        (secrets.token_bytes(32),),
    )
    sign = signing()

    def refresh() -> object:
        read = "SELECT user_id, digest, payload, rotated_at FROM sessions WHERE handle = ?"
        user_id, *_ = connection.execute(read, ("h",)).fetchone()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE sessions SET digest = ?, rotated_at = ?, expires_at = ? WHERE handle = ?",
            (secrets.token_bytes(32), now(), now() + 1, "h"),
        )
        connection.execute("COMMIT")
        return sign(user_id)

    return refresh


def signing() -> Callable[[str], str]:
    """Signs a token such as ours, of a user, with what any script would use."""
    key = Ed25519PrivateKey.generate()

    def sign(user_id: str) -> str:
        seconds = now() // 1000
        claims = {
            "sub": user_id,
            "iat": seconds,
            "exp": seconds + 900,
            "iss": POLICY.issuer,
            "sessionHandle": "018bcfe5-6800-7727-82d6-bb4b702604b7",
            **PAYLOAD,
        }
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "k" * 43})

    return sign


def memory() -> Row:
    """Bytes that a session takes in the memory store, by the process's resident set."""
    found = subprocess.run(
        [sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True
    )
    kib = float(found.stdout) / 1024
    size = f"{kib:.2f} KiB"
    return Row("a session in the memory store", size, "", kib, 2.0, f"{size} (2 KiB)")


def measure_memory() -> float:
    """How much the resident set grows for each of 50,000 sessions that were refreshed once."""
    store, count = MemoryStore(), 50_000
    before = _resident()
    for number in range(count):
        _, record = begun()
        store.create(
            attrs.evolve(
                record,
                user_id=f"user-{number}",
                previous_digest=secrets.token_bytes(32),
                salt=secrets.token_bytes(32),
            )
        )
    gc.collect()
    return (_resident() - before) / count


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main() -> int:
    """Print the table; 1 if a bound doesn't hold."""
    if "--memory" in sys.argv:
        print(measure_memory())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            *verifying(),
            refreshing(),
            refreshing_on_sqlite(Path(folder)),
            *serving(),
            memory(),
        ]
    print(table(rows))
    missed = [r.what for r in rows if r.ratio > r.bound]
    if missed:
        print("\nnot held:", ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
