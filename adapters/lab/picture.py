"""The lab's table as a picture: an SVG that is readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .measures import Measures, percent

_ROW, _TOP, _LEFT, _PANEL, _BAR = 26, 84, 264, 170, 120  # pixels
_BAD, _GOOD, _INK = "#d1495b", "#2e8b57", "#6b7280"


def picture(measured: dict[str, Measures], title: str) -> str:
    """One row a rule; false logouts of 3 overlapping refreshes, unnoticed thieves, late retries."""
    width, height = _LEFT + 3 * _PANEL, _TOP + _ROW * len(measured) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="13" fill="{_INK}" '
        'role="img">',
        f"<title>{escape(title)}</title>",
        f'<text x="12" y="26" font-size="15" font-weight="600">{escape(title)}</text>',
        *(
            _text(_LEFT + panel * _PANEL, 58 + line * 15, words)
            for panel, head in enumerate(_HEADS)
            for line, words in enumerate(head)
        ),
    ]
    for row, (name, measures) in enumerate(measured.items()):
        parts += _row(_TOP + row * _ROW, name, measures)
    return "\n".join([*parts, "</svg>", ""])


_HEADS = (
    ("false logouts,", "3 refreshes at once"),
    ("false logouts,", "response lost, retry late"),
    ("thieves who are", "never noticed"),
)


def _row(y: int, name: str, measures: Measures) -> Iterator[str]:
    weight = ' font-weight="700"' if name == "counterfoil" else ""
    yield f'<text x="12" y="{y + 15}"{weight}>{escape(name)}</text>'
    three, unnoticed = measures.three, measures.unnoticed
    shares = (
        (three.bad / three.all, str(three)),
        (float(measures.late_retry), "logged out" if measures.late_retry else "stays"),
        (unnoticed.bad / unnoticed.all, percent(unnoticed.bad / unnoticed.all, 1)),
    )
    for panel, (share, words) in enumerate(shares):
        x = _LEFT + panel * _PANEL
        length = max(round(_BAR * share * 0.6), 3)
        colour = _BAD if share > 0.02 else _GOOD
        yield f'<rect x="{x}" y="{y + 4}" width="{length}" height="14" rx="3" fill="{colour}"/>'
        yield _text(x + length + 6, y + 16, words)


def _text(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(words)}</text>'
