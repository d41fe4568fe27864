"""Secrets, where a store keeps them: by name, by compare-and-swap, and apart from the sessions."""

from __future__ import annotations

from .secret_keeping import KeepsSecrets


def test_a_secret_is_kept_by_compare_and_swap(keeper: KeepsSecrets) -> None:
    assert keeper.load_secret("ring") is None
    assert not keeper.swap_secret("ring", b"something", b"one")
    assert keeper.load_secret("ring") is None
    assert keeper.swap_secret("ring", None, b"one")
    assert not keeper.swap_secret("ring", None, b"two")
    assert not keeper.swap_secret("ring", b"another", b"two")
    assert keeper.load_secret("ring") == b"one"
    assert keeper.swap_secret("ring", b"one", b"\x00two\xff")
    loaded = keeper.load_secret("ring")
    assert loaded == b"\x00two\xff"
    assert type(loaded) is bytes


def test_an_empty_secret_is_a_secret(keeper: KeepsSecrets) -> None:
    assert keeper.swap_secret("ring", None, b"")
    assert keeper.load_secret("ring") == b""
    assert not keeper.swap_secret("ring", None, b"one")
    assert keeper.swap_secret("ring", b"", b"one")


def test_secrets_have_names_and_are_no_sessions(keeper: KeepsSecrets) -> None:
    assert keeper.swap_secret("ring", None, b"one")
    assert keeper.swap_secret("Ring", None, b"two")
    assert keeper.swap_secret("", None, b"three")
    names = ("ring", "Ring", "", "rin")
    assert [keeper.load_secret(name) for name in names] == [b"one", b"two", b"three", None]


def test_a_secret_may_be_long(keeper: KeepsSecrets) -> None:
    secret = bytes(range(256)) * 256
    assert keeper.swap_secret("ring", None, secret)
    assert keeper.load_secret("ring") == secret
    assert keeper.swap_secret("ring", secret, secret[:-1])
