"""What a store has that keeps secrets too, such as a key ring: `SecretStore` of the adapters."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class KeepsSecrets(Protocol):
    """Keeps secrets by name. Each method is one atomic act, durable when it returns."""

    def load_secret(self, name: str, /) -> bytes | None:
        """The secret of this name, or None."""
        ...

    def swap_secret(self, name: str, expected: bytes | None, new: bytes, /) -> bool:
        """Store `new` if the secret is `expected` (None: absent); answers whether it was."""
        ...
