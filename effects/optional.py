"""Hypothesis, for the strategies: an extra brings it, or else an error says so."""

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "the strategies need Hypothesis: pip install 'counterfoil[testing]'"
    ) from error

__all__ = ["st"]
