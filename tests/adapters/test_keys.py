"""The local signer: tokens, rotation, first use, several processes, and what goes wrong."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.utils import base64url_decode

from counterfoil.adapters.key_pair import InvalidKeys, generate
from counterfoil.adapters.key_ring import KeyRing, dump, load, rotate, state_of
from counterfoil.adapters.keys import LocalKeys
from counterfoil.effects import (
    TOKEN_TYPE,
    TOKEN_VERSION,
    Algorithm,
    FrozenDict,
    InvalidInput,
    PublicKey,
    Signer,
    StoreUnavailable,
    freeze_object,
    to_json,
)

START = 1_800_000_000_000
SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
PASSPHRASE = b"sixteen bytes or more"
OTHER_PASSPHRASE = b"another of sixteen bytes"
CLAIMS = freeze_object({"sub": "u-1", "city": "Zürich", "roles": ["admin"], "exp": 1_800_000_900})
NAME = "access-token-keys"


@attrs.define
class Clock:
    now: int = START

    def __call__(self) -> int:
        return self.now


@attrs.define
class SharedSecrets:
    """A store of secrets that several signers share, and that may fail or be fought over."""

    held: dict[str, bytes] = attrs.Factory(dict[str, bytes])
    loads: int = 0
    losses: int = 0  # how many swaps to lose, as if another process had been faster
    broken: bool = False
    readonly: bool = False
    shared_loads: int = 0  # how many of the next loads come in pairs, each waiting for its twin
    pair: threading.Barrier = attrs.Factory(lambda: threading.Barrier(2, timeout=10))
    turn: threading.Lock = attrs.Factory(threading.Lock)

    def load_secret(self, name: str) -> bytes | None:
        if self.broken:
            raise StoreUnavailable("the store is down")
        with self.turn:
            self.loads += 1
            held = self.held.get(name)
            shared, self.shared_loads = self.shared_loads > 0, max(0, self.shared_loads - 1)
        if shared:
            self.pair.wait()
        return held

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        if self.readonly:
            raise StoreUnavailable("the store can't be written")
        with self.turn:
            if self.losses:
                self.losses -= 1
                return False
            if self.held.get(name) != expected:
                return False
            self.held[name] = new
            return True


def opened(token: str, keys: tuple[PublicKey, ...]) -> dict[str, Any]:
    """The claims of a token, verified with the published key that its `kid` names."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in keys if key.kid == kid)
    public = cast("Ed25519PublicKey", load_der_public_key(key.der))
    options: Any = {"verify_exp": False}  # its time is the test's
    return jwt.decode(token, public, algorithms=[key.algorithm], options=options)


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def kids(keys: LocalKeys) -> list[str]:
    return [key.kid for key in keys.public_keys()]


def together(count: int, act: Callable[[], str]) -> set[str]:
    """What `act` answers in `count` threads that start at once."""
    start, answers = threading.Barrier(count), list[str]()

    def run() -> None:
        start.wait()
        answers.append(act())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return set(answers)


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_token_verifies_and_says_what_was_signed(algorithm: Algorithm) -> None:
    signer: Signer = LocalKeys.in_memory(algorithm=algorithm)
    token = signer.sign(CLAIMS)
    (key,) = signer.public_keys()
    header, payload, _ = token.split(".")
    assert json.loads(base64url_decode(header)) == {
        "alg": algorithm,
        "kid": key.kid,
        "typ": TOKEN_TYPE,
        "version": TOKEN_VERSION,
    }
    assert base64url_decode(payload).decode() == to_json(CLAIMS)
    assert opened(token, signer.public_keys())["city"] == "Zürich"
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}", token)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_other_libraries_verify_with_the_jwks(algorithm: Algorithm) -> None:
    keys = LocalKeys.in_memory(algorithm=algorithm)
    keys.rotate()
    token, published = keys.sign(CLAIMS), jwt.PyJWKSet.from_dict(keys.jwks())
    assert len(published.keys) == 2
    options: Any = {"verify_exp": False}
    key = published[kid_of(token)].key
    claims = jwt.decode(token, key, algorithms=[algorithm], options=options)
    assert claims["sub"] == "u-1"


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=6))
def test_any_claims_come_back(claims: dict[str, object]) -> None:
    token = ONE_SIGNER.sign(freeze_object({"claims": claims}))
    assert opened(token, ONE_SIGNER.public_keys()) == {"claims": claims}


ONE_SIGNER = LocalKeys.in_memory(algorithm="ES256")


# --- rotation ----------------------------------------------------------------------------------

STEPS = st.sampled_from(
    [
        0,
        1,
        60 * SECOND - 1,
        60 * SECOND,
        HOUR - 1,
        HOUR,
        HOUR + 1,
        DAY - 1,
        DAY,
        DAY + HOUR,
        30 * DAY,
    ]
) | st.integers(0, 3 * DAY)


@settings(max_examples=60)
@given(st.lists(st.tuples(STEPS, st.sampled_from([0, 1]), st.booleans()), max_size=12))
def test_a_live_token_verifies_in_every_process_at_every_time(
    history: list[tuple[int, int, bool]],
) -> None:
    clock, store = Clock(), SharedSecrets()
    processes = [LocalKeys.in_store(store, clock=clock) for _ in range(2)]
    signed: list[tuple[str, int]] = []
    for step, who, by_hand in history:
        clock.now += step
        if by_hand:
            processes[who].rotate()
        signed.append((processes[who].sign(CLAIMS), clock.now))
        for process in processes:
            published = process.public_keys()
            for token, at in signed:
                if clock.now < at + DAY:
                    opened(token, published)


def test_a_key_signs_an_hour_after_it_was_published() -> None:
    clock = Clock()
    keys = LocalKeys.in_memory(clock=clock)
    first = kid_of(keys.sign(CLAIMS))
    second = keys.rotate()
    assert (second.published_at, second.active_from) == (START, START + HOUR)
    assert kids(keys) == [first, second.kid]
    clock.now = START + HOUR - 1
    assert kid_of(keys.sign(CLAIMS)) == first
    clock.now = START + HOUR
    assert kid_of(keys.sign(CLAIMS)) == second.kid
    clock.now = START + DAY + 2 * HOUR - 1
    assert kids(keys) == [first, second.kid]
    clock.now = START + DAY + 2 * HOUR
    assert kids(keys) == [second.kid]


def test_keys_rotate_by_themselves_when_it_is_time() -> None:
    clock = Clock()
    keys = LocalKeys.in_memory(clock=clock)
    first = kid_of(keys.sign(CLAIMS))
    clock.now += 30 * DAY - 1
    keys.sign(CLAIMS)
    assert kids(keys) == [first]
    clock.now += 60 * SECOND
    assert kid_of(keys.sign(CLAIMS)) == first
    assert len(kids(keys)) == 2
    clock.now += HOUR
    assert kid_of(keys.sign(CLAIMS)) == kids(keys)[1]


def test_keys_rotate_by_hand_only_if_so_wished() -> None:
    clock = Clock()
    keys = LocalKeys.in_memory(clock=clock, rotate_every=None)
    first = kid_of(keys.sign(CLAIMS))
    clock.now += 4000 * DAY
    assert kid_of(keys.sign(CLAIMS)) == first


def test_rotating_twice_publishes_one_key() -> None:
    keys = LocalKeys.in_memory(clock=Clock())
    assert keys.rotate() == keys.rotate()
    assert len(keys.public_keys()) == 2


def test_rotating_while_a_key_is_on_its_way_writes_nothing() -> None:
    store = SharedSecrets()
    keys = LocalKeys.in_store(store, clock=Clock())
    coming = keys.rotate()
    store.readonly = True
    assert keys.rotate() == coming


def test_a_ring_may_change_its_algorithm() -> None:
    clock, store = Clock(), SharedSecrets()
    old = LocalKeys.in_store(store, clock=clock).sign(CLAIMS)
    keys = LocalKeys.in_store(store, clock=clock, algorithm="ES256")
    assert keys.rotate().pair.public.algorithm == "ES256"
    clock.now += HOUR
    new = keys.sign(CLAIMS)
    assert jwt.get_unverified_header(new)["alg"] == "ES256"
    for token in (old, new):
        opened(token, keys.public_keys())


def test_what_is_gone_is_dropped_at_the_next_rotation() -> None:
    clock, store = Clock(), SharedSecrets()
    keys = LocalKeys.in_store(store, clock=clock)
    for _ in range(5):
        keys.rotate()
        clock.now += 3 * DAY
    assert len(load(store.held[NAME]).keys) == 2


# --- several processes -------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [timedelta(hours=1), timedelta()])
def test_two_that_rotate_at_once_publish_one_key(lead: timedelta) -> None:
    store, clock = SharedSecrets(), Clock()
    signers = [
        LocalKeys.in_store(store, clock=clock, lead=lead, reload_every=timedelta())
        for _ in range(2)
    ]
    first = kids(signers[0])
    turns = iter(signers)
    store.shared_loads = 4  # both look twice before either writes
    published = together(2, lambda: next(turns).rotate().kid)
    assert len(published) == 1
    assert [key.kid for key in load(store.held[NAME]).keys] == [*first, *published]


def test_a_lost_swap_is_tried_again() -> None:
    store = SharedSecrets(losses=1)
    keys = LocalKeys.in_store(store, clock=Clock())
    first = kids(keys)
    assert len(load(store.held[NAME]).keys) == 1
    store.losses = 1
    assert [*first, keys.rotate().kid] == kids(keys)


def test_swaps_that_are_always_lost_are_an_error() -> None:
    keys = LocalKeys.in_store(SharedSecrets(losses=1000))
    with pytest.raises(StoreUnavailable, match="access-token-keys changed 16 times in a row"):
        keys.public_keys()


def test_the_ring_is_read_once_in_a_minute() -> None:
    clock, store = Clock(), SharedSecrets()
    keys = LocalKeys.in_store(store, clock=clock)
    keys.sign(CLAIMS)
    loads = store.loads
    for step in (0, 1, 59_998):
        clock.now += step
        keys.sign(CLAIMS)
        keys.jwks()
    assert store.loads == loads
    clock.now += 1
    keys.sign(CLAIMS)
    keys.public_keys()
    assert store.loads == loads + 1


def test_a_key_that_takes_over_costs_no_reading() -> None:
    clock, store = Clock(), SharedSecrets()
    keys = LocalKeys.in_store(store, clock=clock, reload_every=timedelta(hours=1))
    new = keys.rotate()
    clock.now += HOUR - 1
    keys.reload()
    loads = store.loads
    clock.now += 1
    assert kid_of(keys.sign(CLAIMS)) == new.kid
    assert store.loads == loads


def test_a_clock_that_was_set_back_does_not_stop_the_reading() -> None:
    clock, store = Clock(START + 4000 * DAY), SharedSecrets()
    keys, other = (LocalKeys.in_store(store, clock=clock, rotate_every=None) for _ in range(2))
    keys.sign(CLAIMS)
    new = other.rotate()
    clock.now = START
    assert kids(keys)[-1] == new.kid
    assert kid_of(keys.sign(CLAIMS)) == kids(keys)[0]


def test_a_ring_that_was_deleted_is_made_anew_by_all_who_share_it() -> None:
    clock, store = Clock(), SharedSecrets()
    one, other = (LocalKeys.in_store(store, clock=clock) for _ in range(2))
    leaked = kids(one)
    assert kids(other) == leaked
    del store.held[NAME]
    clock.now += 60 * SECOND
    assert kids(one) == kids(other) != leaked
    assert len(kids(one)) == 1


# --- first use ---------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    keys = LocalKeys.in_file(tmp_path / "keys.json")
    assert list(tmp_path.iterdir()) == []
    keys.public_keys()
    assert load((tmp_path / "keys.json").read_bytes()) == keys.reload()


def test_a_relative_path_means_where_the_program_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = LocalKeys.in_file("keys.json")
    monkeypatch.chdir("/")
    keys.public_keys()
    assert (tmp_path / "keys.json").exists()


def test_threads_that_begin_at_once_end_with_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    shared = LocalKeys.in_file(path)
    assert len(together(8, lambda: kid_of(shared.sign(CLAIMS)))) == 1
    path.unlink()
    assert len(together(8, lambda: kid_of(LocalKeys.in_file(path).sign(CLAIMS)))) == 1
    memory = LocalKeys.in_memory(algorithm="RS256")  # so slow to make that all of them meet
    assert len(together(8, lambda: kid_of(memory.sign(CLAIMS)))) == 1


FIRST_USE = """
import sys
from counterfoil.adapters.keys import LocalKeys
from counterfoil.effects import FrozenDict

keys = LocalKeys.in_file(sys.argv[1], algorithm="RS256")
print("ready", flush=True)
sys.stdin.readline()
keys.sign(FrozenDict())
print(keys.public_keys()[0].kid)
"""


def test_processes_that_begin_at_once_end_with_one_ring(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    processes = [
        subprocess.Popen(  # this interpreter, with the program above
            [sys.executable, "-c", FIRST_USE, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate()[0].strip() for process in processes}
    assert answers == set(kids(LocalKeys.in_file(path)))


# --- what goes wrong ---------------------------------------------------------------------------


def test_garbage_in_the_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b"garbage")
    path.chmod(0o600)
    keys = LocalKeys.in_file(path)
    for use in (keys.public_keys, keys.rotate, keys.reload, lambda: keys.sign(CLAIMS)):
        with pytest.raises(InvalidKeys, match=r"keys\.json: 7 bytes that are no key ring"):
            use()
    assert path.read_bytes() == b"garbage"


@pytest.mark.parametrize(
    ("kept_with", "given", "problem"),
    [
        (PASSPHRASE, None, "no passphrase was given"),
        (PASSPHRASE, OTHER_PASSPHRASE, "the passphrase is another one"),
        (None, PASSPHRASE, "kept without one"),
    ],
)
def test_the_wrong_passphrase_is_named_and_the_ring_left_alone(
    kept_with: bytes | None, given: bytes | None, problem: str
) -> None:
    store = SharedSecrets()
    LocalKeys.in_store(store, passphrase=kept_with).public_keys()
    kept = store.held[NAME]
    with pytest.raises(InvalidKeys, match=f"{NAME}: .*{problem}"):
        LocalKeys.in_store(store, passphrase=given).sign(CLAIMS)
    assert store.held[NAME] == kept


def test_the_passphrase_opens_the_ring_again_and_encrypts_every_key() -> None:
    store = SharedSecrets()
    keys = LocalKeys.in_store(store, passphrase=PASSPHRASE)
    keys.rotate()
    token = keys.sign(CLAIMS)
    opened(token, LocalKeys.in_store(store, passphrase=PASSPHRASE).public_keys())
    assert store.held[NAME].count(b"BEGIN ENCRYPTED PRIVATE KEY") == 2
    assert b"BEGIN PRIVATE KEY" not in store.held[NAME]


def test_an_outage_is_borne_for_as_long_as_no_unknown_key_can_sign(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, store = Clock(), SharedSecrets()
    keys = LocalKeys.in_store(store, clock=clock)
    first = kid_of(keys.sign(CLAIMS))
    store.broken = True
    clock.now = START + HOUR - 1
    with caplog.at_level(logging.WARNING):
        assert kid_of(keys.sign(CLAIMS)) == first
        keys.sign(CLAIMS)  # not asked again so soon
    assert [record.getMessage() for record in caplog.records] == [
        "signing goes on with the keys known: the store is down"
    ]
    with pytest.raises(StoreUnavailable, match="the store is down"):
        keys.reload()
    assert kid_of(keys.sign(CLAIMS)) == first
    clock.now += 60 * SECOND
    with pytest.raises(StoreUnavailable, match="the store is down"):
        keys.sign(CLAIMS)
    store.broken = False
    assert kid_of(keys.sign(CLAIMS)) == first


def test_a_ring_that_can_only_be_read_is_used_and_not_rotated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, store = Clock(), SharedSecrets()
    keys = LocalKeys.in_store(store, clock=clock)
    first = kid_of(keys.sign(CLAIMS))
    store.readonly = True
    for _ in range(3):
        clock.now += 40 * DAY
        assert kid_of(keys.sign(CLAIMS)) == first
    assert "can't be written" in caplog.text
    assert kids(keys) == [first]


def test_without_keys_an_outage_is_an_error() -> None:
    with pytest.raises(StoreUnavailable):
        LocalKeys.in_store(SharedSecrets(broken=True)).sign(CLAIMS)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"algorithm": "HS256"}, "EdDSA, ES256, RS256"),
        ({"algorithm": "none"}, "EdDSA, ES256, RS256"),
        ({"lead": 3600}, "lead must be a datetime.timedelta"),
        ({"lead": timedelta(seconds=-1)}, "zero or more"),
        ({"longest_token": "1h"}, "this str isn't"),
        ({"rotate_every": 30}, "rotate_every"),
        ({"reload_every": None}, "reload_every"),
        ({"lead": timedelta(seconds=59)}, "not be longer than lead"),
        ({"passphrase": "sixteen bytes or more"}, "this str isn't"),
        ({"passphrase": b"too short"}, "secrets.token_bytes"),
        ({"passphrase": bytes(1024)}, "secrets.token_bytes"),
    ],
)
def test_options_that_can_not_work_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        LocalKeys.in_memory(**cast("Any", options))


# --- given keys --------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_given_key_signs_in_every_process_and_stays(passphrase: bytes | None) -> None:
    pair, clock = generate("ES256", passphrase), Clock()
    signers = [
        LocalKeys.from_pem(pair.private, clock=clock, passphrase=passphrase) for _ in range(2)
    ]
    clock.now += 4000 * DAY
    for signer in signers:
        assert signer.public_keys() == (pair.public,)
    opened(signers[0].sign(CLAIMS), signers[1].public_keys())


def test_a_given_key_rotates_when_told_to() -> None:
    pair = generate("EdDSA")
    keys = LocalKeys.from_pem(pair.private.decode(), clock=Clock())
    new = keys.rotate()
    assert kids(keys) == [pair.public.kid, new.kid]
    assert state_of(new, START) == "next"


@pytest.mark.parametrize("pem", ["", "garbage", b"\xff", "-----BEGIN PRIVATE KEY-----\n"])
def test_garbage_is_no_given_key(pem: str | bytes) -> None:
    with pytest.raises(InvalidKeys, match="can't be opened"):
        LocalKeys.from_pem(pem)


# --- trust -------------------------------------------------------------------------------------


def test_a_key_planted_without_the_passphrase_is_refused() -> None:
    clock, store = Clock(), SharedSecrets()
    LocalKeys.in_store(store, clock=clock, passphrase=PASSPHRASE).public_keys()
    foreign = generate("EdDSA", OTHER_PASSPHRASE)
    ring = load(store.held[NAME])
    planted = rotate(ring, foreign, now=START, lead=timedelta(), longest_token=timedelta(days=1))
    store.held[NAME] = dump(planted)
    with pytest.raises(InvalidKeys, match="the passphrase is another one"):
        LocalKeys.in_store(store, clock=clock, passphrase=PASSPHRASE).public_keys()


def test_a_ring_of_one_key_is_what_the_first_use_makes() -> None:
    store = SharedSecrets()
    keys = LocalKeys.in_store(store, clock=Clock(), name="other")
    (key,) = keys.public_keys()
    assert list(store.held) == ["other"]
    assert [kept.kid for kept in load(store.held["other"]).keys] == [key.kid]
    assert keys.reload() != KeyRing()
    assert keys.sign(FrozenDict()).count(".") == 2
