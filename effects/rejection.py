"""A rejection: a domain outcome that is both a value and an exception.

A step *ends in* a rejection, it does not raise it: so rejections can be compared, hashed and
matched. `run` raises it once the step's effects are carried out, so that a web handler needs no
`if`. The concrete ones are in `core/rejections.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R", bound="Rejection")


# auto_exc=False: attrs would otherwise compare exceptions by identity; these are values.
@attrs.frozen(auto_exc=False)
class Rejection(Exception):
    """The base of the engine's negative answers.

    `message` is what the client is told; `clear_tokens`, whether it must forget its tokens: only
    where the session is over, never where a retry may help.
    """

    message: ClassVar[str] = "rejected"

    clear_tokens: bool = attrs.field(default=False, kw_only=True)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Callable[..., Rejection], tuple[Any, ...]]:
        fields = (field for field in attrs.fields(type(self)) if field.init)
        return _rebuilt, (type(self), {field.alias: getattr(self, field.name) for field in fields})

    def raised(self: R) -> R:
        """An equal value to raise: a traceback then never clings to one that others hold."""
        return attrs.evolve(self)


def _rebuilt(kind: type[Rejection], fields: dict[str, Any]) -> Rejection:
    return kind(**fields)
