"""Several refresh cookies of one name: left over from another domain or path. Use the current one.

Each is only looked at until one is found that would be answered with new tokens, so that a
left-over of this very session is not taken for a copy. If none would, the first is presented.
A token that betrays a copy of *another* session is forgiven by nothing that stands beside it: that
session ends. Otherwise a thief could try what he stole beside a token of his own, unnoticed.
What comes after the one that is used is not looked at, and so tells nobody anything.
"""

from __future__ import annotations

import attrs

from ..effects import Effect, Load, Missing, Reason, Rejection, SessionRecord, Step
from .policy import Policy
from .refreshing import Refresh, prepare_refresh
from .rejections import Unauthorised
from .request import LEGACY_COOKIE, RequestFacts
from .session import Session
from .transport import clear_cookie, clear_cookies
from .verifying import rejected


def refresh_with_one_of(
    tokens: tuple[str, ...],
    *,
    policy: Policy,
    now: int,
    entropy: bytes,
    anti_csrf_token: str | None,
    check_anti_csrf: bool,
) -> Step[Session]:
    """`refresh_session` with the first of the tokens that is usable. [Load each]"""
    prepared = (
        prepare_refresh(
            token,
            policy=policy,
            now=now,
            entropy=entropy,
            anti_csrf_token=anti_csrf_token,
            check_anti_csrf=check_anti_csrf,
        )
        for token in tokens
    )
    candidates = tuple(refresh for refresh in prepared if refresh is not None)
    match candidates:
        case ():
            reason = Reason.NOT_OURS if tokens else Reason.NO_TOKEN
            return rejected(Unauthorised(reason, clear_tokens=True), now)
        case (only,):
            return only.begin()
        case _:
            return _look_at(candidates, candidates[0], ())


@attrs.frozen
class AfterCandidate:
    """Takes one candidate's record: uses it, or looks at the next."""

    candidate: Refresh
    others: tuple[Refresh, ...]
    first: Refresh
    thefts: tuple[Refresh, ...]

    def __call__(self, record: SessionRecord | Missing) -> Step[Session]:
        candidate = self.candidate
        if candidate.is_usable(record):
            return _present(candidate, candidate.proceed(record), self.thefts)
        is_theft = candidate.betrays_copy(record)
        thefts = (*self.thefts, candidate) if is_theft else self.thefts
        return _look_at(self.others, self.first, thefts)


@attrs.frozen
class GoOn:
    """Goes on with the candidate that is presented, now that another betrayed its session."""

    step: Step[Session]

    def __call__(self, _: Session | Rejection) -> Step[Session]:
        return self.step


def _look_at(
    candidates: tuple[Refresh, ...], first: Refresh, thefts: tuple[Refresh, ...]
) -> Step[Session]:
    if not candidates:
        return _present(first, first.begin(), thefts)
    candidate, *others = candidates
    load = Load(candidate.presented.handle)
    return load.then(AfterCandidate(candidate, tuple(others), first, thefts))


def _present(chosen: Refresh, step: Step[Session], thefts: tuple[Refresh, ...]) -> Step[Session]:
    for theft in reversed(thefts):
        if theft.presented.handle != chosen.presented.handle:
            step = theft.begin().always(GoOn(step))
    return step


def left_overs(request: RequestFacts, policy: Policy) -> tuple[Effect[None], ...]:
    """The response effects that clear cookies of an older domain or an older protocol."""
    effects: tuple[Effect[None], ...] = ()
    names = (policy.access_cookie, policy.refresh_cookie)
    doubled = any(len(request.cookies(name)) > 1 for name in names)
    if doubled and policy.older_cookie_domain is not None:
        effects += clear_cookies(policy, policy.older_cookie_domain)
    if request.cookies(LEGACY_COOKIE):
        effects += clear_cookie(policy, LEGACY_COOKIE)
    return effects
