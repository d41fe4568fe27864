"""Where a key ring is kept: the store that it asks for, in files, and in memory.

A file is replaced whole, so that no reader ever meets half of one, and is open to its owner
alone from its first byte. Two processes that write at once are told apart by a lock on
`<name>.lock`, which the system releases when its holder ends, however it ends. The lock file
stays: if it were deleted, two processes could lock two different files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from ..effects import StoreUnavailable
from .key_pair import InvalidKeys

if TYPE_CHECKING:
    from collections.abc import Generator

if sys.platform == "win32":  # pragma: no cover  # the one branch that other systems can't run
    import msvcrt

    def _hold(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _release(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _hold(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@runtime_checkable
class SecretStore(Protocol):
    """Keeps secrets by name. Each method is one atomic act, durable when it returns."""

    def load_secret(self, name: str, /) -> bytes | None:
        """The secret of this name, or None."""
        ...

    def swap_secret(self, name: str, expected: bytes | None, new: bytes, /) -> bool:
        """Store `new` if the secret is `expected` (None: absent); answers whether it was."""
        ...


@attrs.define
class SecretInMemory:
    """One secret that ends with its process. Its one user sees to it that calls take turns."""

    secret: bytes | None = attrs.field(default=None, repr=False)

    def load_secret(self, name: str) -> bytes | None:
        """The secret, whatever its name."""
        return self.secret

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace it: nobody else has."""
        self.secret = new
        return True


@attrs.frozen
class SecretFiles:
    """Secrets as files, named by their paths, in folders that exist. For one machine."""

    def load_secret(self, name: str) -> bytes | None:
        """The file's bytes, or None where there is no file.

        Raises:
            InvalidKeys: others than its owner may read or change the file (POSIX).
            StoreUnavailable: it can't be read.
        """
        path = Path(name)
        with _translated(path):
            try:
                with path.open("rb") as file:
                    _refuse_if_shared(path, os.fstat(file.fileno()).st_mode)
                    return file.read()
            except FileNotFoundError:
                return None

    def swap_secret(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace the file if it holds `expected` (None: if there is none); answers whether.

        Raises: as `load_secret` does.
        """
        path = Path(name)
        with _translated(path), _turn(f"{name}.lock"):
            if self.load_secret(name) != expected:
                return False
            _replace(path, new)
            return True


def _refuse_if_shared(path: Path, mode: int) -> None:
    if os.name == "posix" and mode & 0o077:
        raise InvalidKeys(
            f"the key file {path} has mode {mode & 0o777:04o}: others may read it, and whoever "
            f"does can sign tokens. Run: chmod 600 {path}"
        )


def _replace(path: Path, content: bytes) -> None:
    # mkstemp creates the draft with mode 0600. The folder is not synced: if the power fails at
    # once, the ring may be the one before, at the price of one refresh for each client.
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


@contextmanager
def _turn(lock: str) -> Generator[None]:
    # 0600 again: who may open the file may hold the lock.
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _hold(descriptor)
        try:
            yield
        finally:
            # Closing isn't enough: a process forked meanwhile has the descriptor too.
            _release(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the key file {path} can't be used: {error.strerror}. Its folder must exist and be "
            "writable for this process."
        ) from error
