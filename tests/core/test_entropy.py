"""Entropy and time: what is drawn, what names look like, and what is refused."""

import hashlib
import hmac
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import ENTROPY_BYTES, InvalidInput
from counterfoil.core.entropy import check_entropy, check_now, draw, new_handle

ENTROPY = st.binary(min_size=32, max_size=64)
TIMES = st.integers(0, (1 << 48) - 1)
LABELS = [b"handle", b"salt", b"refresh secret", b"mac key", b"anti-csrf"]


# --- drawing -----------------------------------------------------------------------------------


@given(ENTROPY, st.binary(max_size=20))
def test_a_draw_is_hmac_of_the_label(entropy: bytes, label: bytes) -> None:
    assert draw(entropy, label) == hmac.new(entropy, label, hashlib.sha256).digest()
    assert len(draw(entropy, label)) == 32


@given(ENTROPY, ENTROPY)
def test_no_two_uses_and_no_two_calls_share_a_draw(one: bytes, other: bytes) -> None:
    drawn = {draw(one, label) for label in LABELS}
    assert len(drawn) == len(LABELS)
    # HMAC fills a short key up with zeros, so those that differ in these alone are one key.
    if one.rstrip(b"\0") != other.rstrip(b"\0"):
        assert drawn.isdisjoint(draw(other, label) for label in LABELS)


# --- handles -----------------------------------------------------------------------------------


@given(TIMES, ENTROPY)
def test_a_handle_is_a_uuid_of_version_7_that_tells_its_time(now: int, entropy: bytes) -> None:
    handle = new_handle(now, entropy)
    name = uuid.UUID(handle)
    assert (name.version, name.variant) == (7, uuid.RFC_4122)
    assert str(name) == handle
    assert name.int >> 80 == now
    assert new_handle(now, entropy) == handle


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_handles_sort_by_time(one: int, other: int, first: bytes, second: bytes) -> None:
    if one < other:
        assert new_handle(one, first) < new_handle(other, second)


def test_a_hundred_thousand_handles_of_one_moment_are_unique() -> None:
    made = {new_handle(1_700_000_000_000, n.to_bytes(32, "big")) for n in range(100_000)}
    assert len(made) == 100_000


def test_74_bits_of_a_handle_are_entropy() -> None:
    ones, zeros = 0, 0
    for n in range(200):
        value = uuid.UUID(new_handle(0, n.to_bytes(32, "big"))).int
        ones |= value
        zeros |= ~value
    assert (ones & zeros & (1 << 128) - 1).bit_count() == 74


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_entropy_that_is_too_short_is_refused(length: int) -> None:
    with pytest.raises(InvalidInput) as problem:
        check_entropy(b"\xfe" * length)
    assert str(problem.value) == (
        f"entropy must be at least 32 bytes, not {length}; "
        "pass secrets.token_bytes(32), fresh for each call."
    )


@pytest.mark.parametrize("value", ["x" * 32, bytearray(32), memoryview(bytes(32)), 32, None, [0]])
def test_entropy_that_is_no_bytes_is_refused(value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(InvalidInput, match=f"entropy must be bytes, not {kind}; pass secrets"):
        check_entropy(value)


@pytest.mark.parametrize("length", [32, 33, 64, 4096])
def test_entropy_that_is_long_enough_will_do(length: int) -> None:
    assert ENTROPY_BYTES == 32
    check_entropy(bytes(length))


@pytest.mark.parametrize(
    "value", [-1, 1 << 48, 1.5, 1e12, "0", None, True, False, float("nan"), b"0"]
)
def test_a_time_that_is_no_milliseconds_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as problem:
        check_now(value)
    assert str(problem.value) == (
        f"now must be an int, milliseconds since the Unix epoch, not {type(value).__name__} "
        "or out of range; pass time.time_ns() // 1_000_000."
    )


@pytest.mark.parametrize("value", [0, 1, 1_700_000_000_000, (1 << 48) - 1])
def test_a_time_in_range_will_do(value: int) -> None:
    check_now(value)
    assert uuid.UUID(new_handle(value, bytes(32))).int >> 80 == value
