"""A listener for sessions whose events no test looks at."""

from __future__ import annotations


def quiet(event: object, context: object) -> None:
    """Hears nothing."""
