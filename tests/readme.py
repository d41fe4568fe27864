"""The README's code, for the tests that run it."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def between(marker: str) -> str:
    """The code of the block behind a marker."""
    _, _, rest = README.read_text("utf-8").partition(f"<!-- {marker} -->\n```")
    return rest.partition("\n")[2].partition("```\n<!-- end -->")[0]
