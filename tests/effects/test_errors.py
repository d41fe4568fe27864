"""Errors say what was wrong, where, and what to do; all are one family."""

import pytest

from counterfoil import effects
from counterfoil.effects import (
    CounterfoilError,
    InvalidInput,
    InvalidPolicy,
    NotJson,
    PayloadTooLarge,
    ReservedClaim,
)


def test_a_reserved_claim_is_named() -> None:
    error = ReservedClaim(("iss", "sub"))
    assert error.names == ("iss", "sub")
    assert str(error) == (
        "the payload names reserved claims: 'iss', 'sub'. The engine writes them; "
        "store yours under other names."
    )


def test_a_payload_that_is_too_large_names_its_fattest_claim() -> None:
    error = PayloadTooLarge(size=5000, limit=2000, fattest="roles")
    assert (error.size, error.limit, error.fattest) == (5000, 2000, "roles")
    assert str(error) == (
        "the access-token payload is 5000 bytes of JSON, but at most 2000 fit in a cookie of "
        "4096 bytes; the fattest claim is 'roles'. Keep large values in the session's data, "
        "which stays on the server."
    )


def test_an_invalid_policy_names_its_field() -> None:
    error = InvalidPolicy("leeway", "is negative")
    assert (error.field, str(error)) == ("leeway", "Policy.leeway: is negative")


@pytest.mark.parametrize("kind", [NotJson, ReservedClaim, PayloadTooLarge, InvalidPolicy])
def test_a_callers_mistake_is_a_value_error(kind: type[Exception]) -> None:
    assert issubclass(kind, InvalidInput)
    assert issubclass(kind, ValueError)


def test_all_errors_share_one_base() -> None:
    exported = [vars(effects)[name] for name in effects.__all__]
    errors = [e for e in exported if isinstance(e, type) and issubclass(e, Exception)]
    assert [e for e in errors if not issubclass(e, CounterfoilError)] == [effects.Rejection]
