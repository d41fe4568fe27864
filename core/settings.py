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

_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@%/-]*", re.ASCII)  # RFC 3986, 3.3, but for the ;
_ATTRIBUTE_LIMIT = 1024  # bytes; browsers ignore a longer one (RFC 6265bis, 5.6)


def origin(field: str, value: object) -> Origin:
    """An origin, parsed; one that is parsed already is normalised.

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
    """A tuple of what is of this class.

    Raises:
        InvalidPolicy: it is no list of it.
    """
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise _wrong_kind(field, f"a list of {kind.__name__}", value)
    given = tuple(cast("Iterable[object]", value))
    for one in given:
        if not isinstance(one, kind):
            raise _wrong_kind(field, f"a list of {kind.__name__}", one)
    return cast("tuple[T, ...]", given)


def bare_domain(value: str | None) -> str | None:
    """A domain as browsers compare it: in lower case, without a leading dot (RFC 6265, 5.2.3)."""
    return (value.lower().removeprefix(".") or value) if isinstance(value, str) else value


@attrs.frozen
class _InstanceOf:
    kinds: tuple[type[Any], ...]

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        check_kind(attribute.name, value, self.kinds)


def an_instance_of(*kinds: type[Any]) -> _InstanceOf:
    """An attrs validator: of one of these classes. The string "false" is no bool."""
    return _InstanceOf(kinds)


@attrs.frozen
class _OneOf:
    words: tuple[str, ...]

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in self.words:
            raise InvalidPolicy(attribute.name, f"{value!r} is none of {', '.join(self.words)}.")


def one_of(*words: str) -> _OneOf:
    """An attrs validator: one of these words."""
    return _OneOf(words)


def share(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    """An attrs validator: a number from 0 to 0.5."""
    check_kind(attribute.name, value, (int, float))
    if not 0 <= value <= 0.5:
        raise InvalidPolicy(attribute.name, f"{value} is not a share between 0 and 0.5.")


def error_status(instance: object, attribute: attrs.Attribute[Any], value: int) -> None:
    """An attrs validator: an HTTP error status."""
    check_kind(attribute.name, value, (int,))
    if not 400 <= value <= 599:
        raise InvalidPolicy(attribute.name, f"{value} is not an HTTP error status.")


def cookie_name(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: a token (RFC 6265, 4.1.1)."""
    check_kind(attribute.name, value, (str,))
    if _COOKIE_NAME.fullmatch(value) is None:
        raise InvalidPolicy(attribute.name, f"{value!r} is no cookie name (RFC 6265, 4.1.1).")


def path(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: a path that cookies can be limited to."""
    check_kind(attribute.name, value, (str,))
    if _PATH.fullmatch(value) is None:
        raise InvalidPolicy(attribute.name, f"{value!r} is no path; write one such as /auth.")
    if len(value) > _ATTRIBUTE_LIMIT:
        raise InvalidPolicy(
            attribute.name, f"has {len(value)} bytes; browsers ignore more than {_ATTRIBUTE_LIMIT}."
        )


def check_cookie_domain(field: str, domain: object, api: Origin) -> None:
    """Refuse a domain whose cookies a browser would drop, if they came from this API.

    Raises:
        InvalidPolicy: it does not cover the API's host, or is a public suffix.
    """
    check_kind(field, domain, (str,))
    if not isinstance(domain, str) or _DOMAIN.fullmatch(domain) is None:
        raise InvalidPolicy(field, f"{domain!r} is no domain; write one such as example.com.")
    if api.host != domain and not api.host.endswith("." + domain):
        raise InvalidPolicy(field, f"{domain!r} does not cover the API's host {api.host!r}.")
    if not api.takes_cookies_of(domain):
        raise InvalidPolicy(field, f"{domain!r} is nobody's own domain: browsers drop its cookies.")


def check_kind(field: str, value: object, kinds: tuple[type[Any], ...]) -> None:
    """Refuse what is of another class; a bool is no number.

    Raises:
        InvalidPolicy: says what it must be.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _wrong_kind(field, " or ".join(kind.__name__ for kind in kinds), value)


def _wrong_kind(field: str, wanted: str, value: object) -> InvalidPolicy:
    return InvalidPolicy(field, f"must be of type {wanted}, not {type(value).__name__}.")
