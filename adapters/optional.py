"""What only some need: an extra brings it, or else an error says how to get it."""

from __future__ import annotations


def needs(extra: str) -> ImportError:
    """The error of a missing library, which this extra of the package would bring.

    >>> needs("fastapi")
    ImportError("this part of counterfoil needs an extra: pip install 'counterfoil[fastapi]'")
    """
    return ImportError(
        f"this part of counterfoil needs an extra: pip install 'counterfoil[{extra}]'"
    )
