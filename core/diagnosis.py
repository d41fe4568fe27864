"""A policy, diagnosed: what it sends, what browsers make of that, and what to do about it.

`counterfoil doctor` prints it. All of it follows from the policy and the time alone.
"""

from __future__ import annotations

import attrs

from ..effects import PayloadTooLarge
from .browsers import Refusal, Way, dropped, kept_back
from .cookie_rules import COOKIE_RULES
from .findings import Case, Finding, Severity, problem, warning
from .other_rules import OTHER_RULES
from .policy import Policy, Transfer
from .routes import Route, routes
from .specimens import Occasion, Specimen, payload_room, specimens


@attrs.frozen(kw_only=True)
class Journey:
    """What becomes of a session's cookies on one way to the API.

    Attributes:
        way: how the request comes about.
        path: where it goes.
        refusals: for each cookie, why it isn't there; None if it is. The access token first.
    """

    way: Way
    path: str
    refusals: tuple[Refusal | None, ...]


@attrs.frozen(kw_only=True)
class Diagnosis:
    """What was found.

    Attributes:
        policy: the policy, or None where it can't be built.
        specimens: what it answers, occasion by occasion.
        journeys: what browsers send back; empty where there are no cookies.
        findings: the worst first.
        payload_room: bytes of JSON that a payload may have, beside a user id of six characters.
    """

    policy: Policy | None = attrs.field(default=None, repr=False)
    specimens: tuple[Specimen, ...] = ()
    journeys: tuple[Journey, ...] = ()
    findings: tuple[Finding, ...]
    payload_room: int = 0

    @property
    def works(self) -> bool:
        """Whether no problem was found."""
        return all(finding.severity is not Severity.PROBLEM for finding in self.findings)


def diagnose(policy: Policy, *, now: int, embedded: bool = False) -> Diagnosis:
    """Say what a policy sends, and what browsers drop or keep back. No effect.

    `now` is ms since the epoch, for the dates in the lines. `embedded`: whether the site's pages
    are shown in frames of other sites too.

    >>> policy = Policy("https://api.example.org", site_origin="https://example.com")
    >>> [finding.code for finding in diagnose(policy, now=0).findings]
    ['third-party-cookies', 'tokens-in-javascript', 'needs-cors']
    """
    try:
        shown = specimens(policy, now=now)
    except PayloadTooLarge:
        return Diagnosis(policy=policy, findings=(_NO_ROOM,))
    login = [s for s in shown if s.occasion is Occasion.LOGIN and s.transfer is Transfer.COOKIE]
    lost = tuple(dropped(cookie, policy) for specimen in login for cookie in specimen.cookies)
    journeys = tuple(
        _journey(specimen, policy, way, path, lost)
        for specimen in login
        for way, path in _ways(policy)
    )
    case = Case(
        policy,
        embedded=embedded,
        refused=tuple(refusal for refusal in lost if refusal is not None),
        refresh_withheld=any(j.refusals[1] is Refusal.PATH for j in journeys[1:2]),
    )
    return Diagnosis(
        policy=policy,
        specimens=shown,
        journeys=journeys,
        findings=_findings(case),
        payload_room=payload_room(policy, now=now),
    )


def _ways(policy: Policy) -> tuple[tuple[Way, str], ...]:
    refresh = next(path for (_, path), route in routes(policy).items() if route is Route.REFRESH)
    others = (way for way in Way if way is not Way.FETCH)
    return ((Way.FETCH, "/"), (Way.FETCH, refresh), *((way, "/") for way in others))


def _journey(
    specimen: Specimen, policy: Policy, way: Way, path: str, lost: tuple[Refusal | None, ...]
) -> Journey:
    kept = (kept_back(cookie, policy, way, path) for cookie in specimen.cookies)
    pairs = zip(lost, kept, strict=True)
    return Journey(way=way, path=path, refusals=tuple(_harder(*pair) for pair in pairs))


def _harder(one: Refusal | None, other: Refusal | None) -> Refusal | None:
    # That a cookie is a third party's is told only where nothing else is in its way.
    firm = [refusal for refusal in (one, other) if refusal not in (None, Refusal.THIRD_PARTY)]
    return firm[0] if firm else one or other


def _findings(case: Case) -> tuple[Finding, ...]:
    rules = (*(COOKIE_RULES if case.by_cookie else ()), *OTHER_RULES)
    found = [finding for rule in rules if (finding := rule(case)) is not None]
    found += [_concern(concern) for concern in case.policy.concerns]
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _concern(concern: str) -> Finding:
    return warning(
        "policy-concern",
        f"{concern[0].upper()}{concern[1:]}.",
        "The policy itself warns of it (Policy.concerns).",
        "Choose other values, unless you know why not.",
    )


_NO_ROOM = problem(
    "no-room-for-a-token",
    "No access token fits in its cookie, whatever is in the payload.",
    "Browsers drop a cookie of more than 4096 bytes (RFC 6265bis, 5.6), so the engine refuses to "
    "make one.",
    "Give access_cookie a short name, and the policy a short issuer and audience.",
)
