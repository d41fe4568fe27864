"""URL-safe base64 without padding, against the standard library's and the RFC's."""

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.effects.base64url import base64url, from_base64url


@given(st.binary(max_size=200))
def test_it_is_the_standard_librarys_without_padding(octets: bytes) -> None:
    text = base64url(octets)
    assert text == urlsafe_b64encode(octets).decode().rstrip("=")
    assert from_base64url(text) == octets


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (bytes([3, 236, 255, 224, 193]), "A-z_4ME"),  # RFC 7515, appendix C
        (b"", ""),
        (b"f", "Zg"),  # RFC 4648, 10, without padding
        (b"foobar", "Zm9vYmFy"),
        (sha256(b"").digest(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
    ],
)
def test_the_very_letters(octets: bytes, text: str) -> None:
    assert base64url(octets) == text
    assert from_base64url(text) == octets


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_is_43_characters(digest: bytes) -> None:
    assert len(base64url(digest)) == 43


@pytest.mark.parametrize("text", ["A", "AAAAA", "Zé"])
def test_what_no_bytes_are_written_as_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ascii"):
        from_base64url(text)
