"""What one setting of a policy may be: converters that normalise, validators that refuse.

What two settings may be together is the policy's own to say (`policy.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar, cast

import attrs

from ..effects import InvalidPolicy
from .origins import Origin, parse_origin

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_ATTRIBUTE_LIMIT = 1024  # bytes of a cookie attribute; a longer one is ignored (RFC 6265bis, 5.6)

_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@%/-]*", re.ASCII)  # RFC 3986, 3.3, but for the ;


def origin(field: str, value: object) -> Origin:
    """An origin, parsed and normalised.

    Raises:
        InvalidPolicy: it is none.
    """
    parsed = parse_origin(str(value)) if isinstance(value, str | Origin) else None
    if parsed is None:
        raise InvalidPolicy(
            field,
            f"{value!r} is no origin; write scheme, host and port, as in https://api.example.com.",
        )
    return parsed


def member(field: str, kind: type[E], value: object) -> E:
    """A member of an enum, by itself or by its value.

    Raises:
        InvalidPolicy: it is none of them.
    """
    try:
        return kind(cast("str", value))
    except ValueError:
        raise InvalidPolicy(field, f"{value!r} is none of {', '.join(kind)}.") from None


def members(field: str, kind: type[T], value: object) -> tuple[T, ...]:
    """A tuple of this class.

    Raises:
        InvalidPolicy: it is no list of it.
    """
    listed = isinstance(value, Iterable) and not isinstance(value, str)
    given = tuple(cast("Iterable[T]", value)) if listed else (value,)
    for one in given:
        if not listed or not isinstance(one, kind):
            raise _wrong_kind(field, one, f"a list of {kind.__name__}s")
    return cast("tuple[T, ...]", given)


def bare_domain(value: str | None) -> str | None:
    """A cookie's domain as browsers compare it: lower case, no leading dot (RFC 6265, 5.2.3)."""
    return value.lower().removeprefix(".") if isinstance(value, str) else value


@attrs.frozen
class OfKind:
    """An attrs validator: of this class. A string such as "false" is no bool, a bool no number."""

    kind: type[Any]
    example: str

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, self.kind):
            raise _wrong_kind(attribute.name, value, self.example)


@attrs.frozen
class OneOf:
    """An attrs validator: one of these words."""

    words: tuple[str, ...]

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or value not in self.words:
            raise InvalidPolicy(attribute.name, f"{value!r} is none of {', '.join(self.words)}.")


def text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a string that isn't empty."""
    if not isinstance(value, str) or not value:
        raise _wrong_kind(attribute.name, value, "a string that isn't empty")


def share(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a number from 0 to 0.5."""
    if type(value) not in (int, float) or not 0 <= cast("float", value) <= 0.5:
        raise InvalidPolicy(attribute.name, f"{value!r} is not a share between 0 and 0.5.")


def status(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: an HTTP error status."""
    if type(value) is not int or not 400 <= value <= 599:
        raise InvalidPolicy(attribute.name, f"{value!r} is not an HTTP error status.")


def cookie_name(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a token (RFC 6265, 4.1.1)."""
    an_instance_of(str)(instance, attribute, value)
    if _COOKIE_NAME.fullmatch(value) is None:
        raise InvalidPolicy(attribute.name, f"{value!r} is no cookie name (RFC 6265, 4.1.1).")


def path(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a path that a cookie may be limited to."""
    if not isinstance(value, str) or _PATH.fullmatch(value) is None:
        raise InvalidPolicy(attribute.name, f"{value!r} is no path; write one such as /auth.")
    if len(value) > _ATTRIBUTE_LIMIT:
        raise InvalidPolicy(
            attribute.name, f"is a path of more than {_ATTRIBUTE_LIMIT} bytes: browsers ignore it."
        )


def cookie_domain(field: str, domain: str | None, api: Origin) -> None:
    """Refuse a domain whose cookies a browser would drop.

    Raises:
        InvalidPolicy: it does not cover the API's host, or is anyone's (a public suffix).
    """
    if domain is None:
        return
    if not isinstance(cast("object", domain), str) or not domain:
        raise InvalidPolicy(field, f"{domain!r} is no domain; write one such as example.com.")
    if api.host != domain and not api.host.endswith("." + domain):
        raise InvalidPolicy(field, f"{domain!r} does not cover the API's host {api.host!r}.")
    if not api.takes_cookies_of(domain):
        raise InvalidPolicy(
            field,
            f"{domain!r} is a public suffix or part of an address: browsers drop its cookies.",
        )


def _wrong_kind(field: str, value: object, wanted: str) -> InvalidPolicy:
    kind = "an empty string" if value == "" else type(value).__name__
    return InvalidPolicy(field, f"must be {wanted}, not {kind}.")
