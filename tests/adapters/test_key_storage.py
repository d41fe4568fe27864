"""Key files: open to their owner alone, never half written, one writer at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from counterfoil.adapters.key_pair import InvalidKeys
from counterfoil.adapters.key_storage import SecretFiles, SecretInMemory, SecretStore
from counterfoil.effects import StoreUnavailable

posix = pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "keys.json")


@pytest.mark.parametrize("make", [SecretFiles, SecretInMemory])
def test_what_was_swapped_in_is_loaded(make: Callable[[], SecretStore], path: str) -> None:
    files = make()
    assert files.load_secret(path) is None
    assert files.swap_secret(path, None, b"one")
    assert files.load_secret(path) == b"one"
    assert files.swap_secret(path, b"one", b"two")
    assert files.load_secret(path) == b"two"


def test_a_swap_that_expects_something_else_changes_nothing(path: str) -> None:
    files = SecretFiles()
    assert not files.swap_secret(path, b"one", b"two")
    assert files.load_secret(path) is None
    files.swap_secret(path, None, b"one")
    assert not files.swap_secret(path, None, b"two")
    assert not files.swap_secret(path, b"other", b"two")
    assert files.load_secret(path) == b"one"


@posix
def test_the_file_is_its_owners_alone_whatever_the_umask(path: str) -> None:
    before = os.umask(0)
    try:
        SecretFiles().swap_secret(path, None, b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}.lock").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644])
def test_a_file_that_others_may_read_or_change_is_refused(path: str, mode: int) -> None:
    files = SecretFiles()
    files.swap_secret(path, None, b"one")
    Path(path).chmod(mode)
    with pytest.raises(InvalidKeys, match=f"mode {mode:04o}.*chmod 600 {path}"):
        files.load_secret(path)
    with pytest.raises(InvalidKeys, match="chmod 600"):
        files.swap_secret(path, b"one", b"two")
    assert Path(path).read_bytes() == b"one"


def test_nothing_is_left_beside_the_file_but_its_lock(path: str) -> None:
    files = SecretFiles()
    files.swap_secret(path, None, b"one")
    files.swap_secret(path, b"one", b"two")
    files.swap_secret(path, b"one", b"three")
    assert {file.name for file in Path(path).parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    files, path = SecretFiles(), str(tmp_path / "none" / "keys.json")
    assert files.load_secret(path) is None
    with pytest.raises(StoreUnavailable, match=r"keys\.json can't be used.*folder must exist"):
        files.swap_secret(path, None, b"one")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="can't be used"):
        SecretFiles().load_secret(str(tmp_path))


def test_a_draft_that_can_not_be_written_is_deleted(path: str) -> None:
    with pytest.raises(TypeError):
        SecretFiles().swap_secret(path, None, cast("bytes", "text"))
    assert [file.name for file in Path(path).parent.iterdir()] == ["keys.json.lock"]


def test_of_many_threads_that_swap_at_once_one_succeeds(path: str) -> None:
    start, answers = threading.Barrier(8), list[bool]()

    def swap(number: int) -> None:
        start.wait()
        answers.append(SecretFiles().swap_secret(path, None, b"%d" % number))

    threads = [threading.Thread(target=swap, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]


COUNT = """
import sys
from counterfoil.adapters.key_storage import SecretFiles

files, path = SecretFiles(), sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    while True:
        now = files.load_secret(path)
        if files.swap_secret(path, now, b"%d" % (int(now or 0) + 1)):
            break
"""


def test_processes_that_count_together_lose_no_count(path: str) -> None:
    processes = [
        subprocess.Popen(  # this interpreter, with the program above
            [sys.executable, "-c", COUNT, path],
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
        process.communicate("go\n")
        assert process.returncode == 0
    assert SecretFiles().load_secret(path) == b"150"
