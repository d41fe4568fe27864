"""A diagnosis for people: short sections, colour where a terminal has it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator

import attrs

from ...core import Policy, Transfer
from ...core.browsers import Refusal
from ...core.diagnosis import Diagnosis
from ...core.findings import Finding, Severity
from ...core.specimens import Occasion, Specimen
from .lines import Lines, cross_origin_lines, masked_lines, preflight_lines

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = "1", "2", "31", "32", "33", "36"
_STYLES = {Severity.PROBLEM: _RED, Severity.WARNING: _YELLOW, Severity.NOTE: _CYAN}


@attrs.frozen(kw_only=True)
class Page:
    """How wide the text may be, in columns, and whether it is marked with ANSI escapes."""

    width: int = 80
    colour: bool = False

    def in_(self, style: str, text: str) -> str:
        """A text in a style."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour else text

    def paragraph(self, text: str, indent: str, first: str = "") -> Iterator[str]:
        """A text in lines; header lines are never broken, and so don't come here."""
        yield from textwrap.wrap(
            text,
            self.width,
            initial_indent=first or indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )


def as_text(diagnosis: Diagnosis, page: Page) -> Iterator[str]:
    """The lines of a report."""
    policy = diagnosis.policy
    if policy is not None:
        yield from _head(diagnosis, policy, page)
        yield from _answers(diagnosis, page)
        yield from _cross_origin(policy, page)
        yield from _journeys(diagnosis, policy, page)
        yield ""
    yield from _findings(diagnosis, page)


def _head(diagnosis: Diagnosis, policy: Policy, page: Page) -> Iterator[str]:
    site, api = policy.site_origin, policy.api_origin
    yield page.in_(_BOLD, f"{api} for pages of {site}")
    where = "one site" if policy.is_same_site else "two sites"
    how = "one origin" if site == api else f"two origins, {where}"
    ways = [way.value for way in Transfer if policy.transfer in (way, None)]
    told = [how, f"tokens by {' or '.join(ways)}", f"anti-CSRF {policy.anti_csrf.value}"]
    if diagnosis.specimens:
        told.append(f"room for a payload of {diagnosis.payload_room:,} bytes")
    yield from page.paragraph(" · ".join(told), "")


def _answers(diagnosis: Diagnosis, page: Page) -> Iterator[str]:
    for transfer in Transfer:
        shown = {s.occasion: s for s in diagnosis.specimens if s.transfer is transfer}
        if not shown:
            continue
        login, refresh = masked_lines(shown[Occasion.LOGIN]), masked_lines(shown[Occasion.REFRESH])
        both = login == refresh
        title = "A login and each refresh answer" if both else "A login answers"
        yield from _section(f"{title}, by {transfer.value}", login, page)
        if not both:
            yield from _section(f"A refresh answers, by {transfer.value}", refresh, page)
        yield from _section(*_leaving(shown[Occasion.SIGN_OUT]), page)


def _leaving(specimen: Specimen) -> tuple[str, Lines]:
    return f"A sign-out clears, by {specimen.transfer.value}", masked_lines(specimen)


def _cross_origin(policy: Policy, page: Page) -> Iterator[str]:
    if policy.site_origin != policy.api_origin:
        yield from _section("CORS: a preflight must be told", preflight_lines(policy), page)
        yield from _section("CORS: every answer must have", cross_origin_lines(policy), page)


def _section(title: str, lines: Lines, page: Page) -> Iterator[str]:
    yield ""
    yield page.in_(_BOLD, title)
    for name, value in lines:
        yield f"  {page.in_(_CYAN, name)}: {value}"


def _journeys(diagnosis: Diagnosis, policy: Policy, page: Page) -> Iterator[str]:
    if not diagnosis.journeys:
        return
    yield ""
    yield page.in_(_BOLD, "What browsers send back")
    for journey in diagnosis.journeys:
        yield f"  {journey.way.value[0].upper()}{journey.way.value[1:]} {journey.path}"
        names = (policy.access_cookie, policy.refresh_cookie)
        width = max(map(len, names))
        for name, refusal in zip(names, journey.refusals, strict=True):
            yield f"    {name.ljust(width)}  {_fate(refusal, page)}"


def _fate(refusal: Refusal | None, page: Page) -> str:
    if refusal is None:
        return page.in_(_GREEN, "sent")
    if refusal is Refusal.THIRD_PARTY:
        return page.in_(_YELLOW, "blocked") + " as a third-party cookie, unless those are allowed"
    return page.in_(_DIM, "not sent") + f": {refusal.value}"


def _findings(diagnosis: Diagnosis, page: Page) -> Iterator[str]:
    for finding in diagnosis.findings:
        yield from _finding(finding, page)
    found = Counter(finding.severity for finding in diagnosis.findings)
    problems, warnings = found[Severity.PROBLEM], found[Severity.WARNING]
    if problems:
        yield page.in_(_RED, f"{_counted(problems, 'problem')} found.")
    elif warnings:
        yield page.in_(_YELLOW, f"All works, but for {_counted(warnings, 'warning')}.")
    else:
        yield page.in_(_GREEN, "All works: no problem found.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def _finding(finding: Finding, page: Page) -> Iterator[str]:
    label = page.in_(_STYLES[finding.severity], finding.severity.value)
    yield f"{label}  {page.in_(_BOLD, finding.code)}"
    yield from page.paragraph(finding.what, "  ")
    yield from page.paragraph(finding.why, "       ", "  Why: ")
    yield from page.paragraph(finding.remedy, "       ", "  Do:  ")
    yield ""
