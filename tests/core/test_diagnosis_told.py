"""What a diagnosis says, word by word: `diagnoses.md` is what it said when somebody last read it.

`python -m tests.core.test_diagnosis_told` writes it anew; then read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import pytest

from counterfoil import (
    AppendHeader,
    InvalidPolicy,
    Policy,
    RemoveHeader,
    SetCookie,
    SetHeader,
    set_cookie_line,
)
from counterfoil.core.diagnosis import Diagnosis, diagnose
from counterfoil.core.findings import Finding, refused_policy
from counterfoil.effects import ResponseEffect

from .telling import API, COOKIE, HEADER, HERE, LAN, OTHER, OTHERS, PROBLEMS, SITE

READ = Path(__file__).with_name("diagnoses.md")
NOW = 1_700_000_000_000
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "One site": (API, {"site_origin": SITE, "anti_csrf": "VIA_TOKEN"}),
    "A domain that was changed": (
        API,
        {**COOKIE, "cookie_same_site": "strict", "older_cookie_domain": "example.com"},
    ),
}
JOURNEYS: dict[str, tuple[str, dict[str, Any]]] = {
    "One origin": (API, {}),
    "Strict": (API, {"cookie_same_site": "strict"}),
    "Two sites": (API, {"site_origin": OTHER, "anti_csrf": "VIA_CUSTOM_HEADER"}),
    "Two sites, lax": (API, {"site_origin": OTHER, "cookie_same_site": "lax"}),
    "Two sites, a large cookie": (API, {"site_origin": OTHER, "refresh_cookie": "r" * 4000}),
    "This machine, two names": (HERE, {"site_origin": "http://127.0.0.1:8000"}),
    "Secure over http": (LAN, {"cookie_secure": True}),
    "By header": (API, HEADER),
    "No room": (API, {"access_cookie": "a" * 4000}),
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a domain that is nobody's": (API, {"cookie_domain": "com"}),
    "an API that is no origin": ("api.example.com", {}),
}
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "older-cookie-domain": (API, {"cookie_domain": "example.com", "older_cookie_domain": ""}),
    "refresh-path": (API, {"refresh_cookie_path": "/other", "base_path": "/"}),
    "same-site-across-sites": (API, {"site_origin": OTHER, "cookie_same_site": "strict"}),
}


def test_what_is_told_is_what_was_read() -> None:
    assert "\n".join(report()) == READ.read_text("utf-8")


def report() -> Iterator[str]:
    """All that a diagnosis says, as Markdown."""
    yield "# What a diagnosis says\n"
    yield "## Each finding\n"
    for table in (PROBLEMS, OTHERS, MORE):
        for code, (api, chosen) in table.items():
            yield f"### {code}\n"
            yield f"{settings(api, chosen)}\n"
            told = diagnosed(api, {**COOKIE, **chosen})
            yield from finding_lines(next(f for f in told.findings if f.code == code))
    yield "## Policies that can't be\n"
    for title, (api, chosen) in REFUSED.items():
        yield f"### {title}\n"
        with pytest.raises(InvalidPolicy) as refused:
            Policy(api, **chosen)
        yield from finding_lines(refused_policy(refused.value))
    yield "## What is sent\n"
    for title, (api, chosen) in ANSWERS.items():
        yield f"### {title}\n"
        yield f"{settings(api, chosen)}\n"
        yield from answer_lines(diagnosed(api, chosen))
    yield "## What comes back\n"
    for title, (api, chosen) in JOURNEYS.items():
        yield f"### {title}\n"
        yield f"{settings(api, chosen)}\n"
        yield from journey_lines(diagnosed(api, chosen))


def diagnosed(api: str, chosen: dict[str, Any]) -> Diagnosis:
    """The diagnosis of a policy, whose pages are in frames if that is chosen too."""
    options = dict(chosen)
    framed: dict[str, bool] = {"embedded": True} if options.pop("embedded", False) else {}
    return diagnose(Policy(api, **options), now=NOW, **framed)


def settings(api: str, chosen: dict[str, Any]) -> str:
    """What was chosen; what is long, cut."""
    shown = [f"{name}={f'{value}'[:60]}" for name, value in chosen.items()]
    return ", ".join([api, *shown])


def finding_lines(finding: Finding) -> Iterator[str]:
    """One finding, in full."""
    yield f"- {finding.severity}: {finding.what}"
    yield f"- why: {finding.why}"
    yield f"- do: {finding.remedy}\n"


def answer_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """The answers, header by header."""
    for specimen in diagnosis.specimens:
        yield f"- {specimen.occasion}, by {specimen.transfer}:"
        yield from (f"  - `{header_line(effect)}`" for effect in specimen.effects)
    yield ""


def journey_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """What becomes of the access cookie and of the refresh cookie, and what was found."""
    policy = diagnosis.policy
    assert policy is not None
    yield f"- {policy.api_origin} has room for {diagnosis.payload_room} bytes of payload"
    yield f"- found: {', '.join(finding.code for finding in diagnosis.findings) or 'nothing'}"
    for journey in diagnosis.journeys:
        refusals = (refusal or "sent" for refusal in journey.refusals)
        yield f"- {journey.way} {journey.path}: {'; '.join(refusals)}"
    yield ""


def header_line(effect: ResponseEffect) -> str:
    """A header without what differs from session to session."""
    match effect:
        case SetCookie(value=value):
            line = set_cookie_line(effect)
            name, _, flags = line.partition("=")
            return f"set-cookie: {name}={'...' if value else ''};{flags.partition(';')[2]}"
        case SetHeader(name, value) | AppendHeader(name, value):
            return f"{name}: {'...' if len(value) > 60 else value}"
        case RemoveHeader(name):
            return f"no {name}"
        case _:
            assert_never(effect)


if __name__ == "__main__":
    READ.write_text("\n".join(report()), "utf-8")
