"""Exceptions for misuse and for broken infrastructure. Domain outcomes are not here.

    CounterfoilError
    ├── InvalidInput (also ValueError)     a caller's value can't be accepted
    │   ├── NotJson                        a payload holds what JSON cannot say
    │   ├── ReservedClaim                  a payload names a claim that the engine owns
    │   ├── PayloadTooLarge                the access token would not fit in a cookie
    │   └── InvalidPolicy                  a policy that cannot work
    ├── UnknownEffect                      no interpreter takes this effect
    ├── StoreUnavailable                   the store could not be reached, or failed
    └── Mismatch (also AssertionError)     a transcript or a journal tells another story

A session that is over, an old token, a failed claim: those are `Rejection` values (`rejection.py`).
Messages say what was wrong, the *type* of what we got and what to do: never a secret.
"""

from __future__ import annotations


class CounterfoilError(Exception):
    """The base of every exception that is not a `Rejection`."""


class InvalidInput(CounterfoilError, ValueError):
    """A caller's value can't be accepted; nothing was changed."""


class NotJson(InvalidInput):
    """A payload holds something that JSON cannot express.

    `path` says where, for example `payload.roles[2]`.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


class ReservedClaim(InvalidInput):
    """A payload sets or removes claims that only the engine may write (RFC 8725, 3.10)."""

    def __init__(self, names: tuple[str, ...]) -> None:
        listed = ", ".join(repr(name) for name in names)
        super().__init__(
            f"the payload names reserved claims: {listed}. The engine writes them; "
            "store yours under other names."
        )
        self.names = names


class PayloadTooLarge(InvalidInput):
    """The access token would not fit in a cookie; the payload was not stored.

    `size` and `limit` are bytes of the payload as compact JSON; `fattest` is its largest claim.
    """

    def __init__(self, size: int, limit: int, fattest: str) -> None:
        super().__init__(
            f"the access-token payload is {size} bytes of JSON, but at most {limit} fit in a "
            f"cookie of 4096 bytes; the fattest claim is {fattest!r}. Keep large values "
            "in the session's data, which stays on the server."
        )
        self.size = size
        self.limit = limit
        self.fattest = fattest


class InvalidPolicy(InvalidInput):
    """A policy that cannot work, refused when it is built. `field` names the setting."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"Policy.{field}: {problem}")
        self.field = field


class UnknownEffect(CounterfoilError):
    """No interpreter takes this effect. Nothing is ever dropped in silence."""


class StoreUnavailable(CounterfoilError):
    """The store could not be reached or failed. No token is cleared: the client may retry."""


class Mismatch(CounterfoilError, AssertionError):
    """What a step asked for is not what the transcript or the journal has."""
