"""What a diagnosis finds: one value a finding, with a code that stays the same."""

from __future__ import annotations

from enum import StrEnum

import attrs

from ..effects import InvalidPolicy
from .browsers import Refusal
from .policy import Policy, Transfer


class Severity(StrEnum):
    """How much a finding hurts."""

    PROBLEM = "problem"
    """Something does not work."""
    WARNING = "warning"
    """It works, but is likely to hurt."""
    NOTE = "note"
    """Good to know."""


@attrs.frozen(kw_only=True)
class Finding:
    """One finding.

    Attributes:
        code: its name, which stays the same from version to version. Positional.
        severity: how much it hurts.
        what: what happens, in a sentence.
        why: the rule that makes it so, and where that stands.
        remedy: what to do.
    """

    code: str = attrs.field(kw_only=False)
    severity: Severity
    what: str
    why: str
    remedy: str


@attrs.frozen(kw_only=True)
class Case:
    """What is diagnosed.

    Attributes:
        policy: the policy. Positional.
        embedded: whether the site's pages are shown in frames of other sites too.
        refused: what browsers do not keep of a login's cookies that the site's page fetched.
        refresh_withheld: whether the refresh route is out of its cookie's path.
    """

    policy: Policy = attrs.field(kw_only=False)
    embedded: bool = False
    refused: tuple[Refusal, ...] = ()
    refresh_withheld: bool = False

    @property
    def by_cookie(self) -> bool:
        """Whether tokens may travel in cookies."""
        return self.policy.transfer is not Transfer.HEADER

    @property
    def by_header(self) -> bool:
        """Whether tokens may travel in headers."""
        return self.policy.transfer is not Transfer.COOKIE


def problem(code: str, what: str, why: str, remedy: str) -> Finding:
    """A finding of something that does not work."""
    return Finding(code, severity=Severity.PROBLEM, what=what, why=why, remedy=remedy)


def warning(code: str, what: str, why: str, remedy: str) -> Finding:
    """A finding of something that is likely to hurt."""
    return Finding(code, severity=Severity.WARNING, what=what, why=why, remedy=remedy)


def note(code: str, what: str, why: str, remedy: str) -> Finding:
    """A finding that is good to know."""
    return Finding(code, severity=Severity.NOTE, what=what, why=why, remedy=remedy)


def refused_policy(error: InvalidPolicy) -> Finding:
    """The finding of a policy that can't be built.

    >>> from counterfoil.effects import InvalidPolicy
    >>> refused_policy(InvalidPolicy("cookie_domain", "'com' is nobody's own domain.")).what
    "Policy.cookie_domain: 'com' is nobody's own domain."
    """
    is_needed = error.field == "api_origin"  # all else follows from it
    return problem(
        "policy-refused",
        str(error),
        "A policy that cannot work is refused when it is built, so that nobody is logged out by it "
        "(cookies: RFC 6265bis, 4.1.3 and 5.7).",
        f"Change {error.field}"
        + ("." if is_needed else ", or leave it out: what isn't said follows from the origins."),
    )
