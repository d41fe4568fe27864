"""Refreshing: a presented refresh token, judged, and what follows (DESIGN section 5).

    current                       rotate: one compare-and-swap; on `Stale` judge again
    predecessor, within leeway    replay: the same successor, nothing written
    predecessor, later            fork: a new successor displaces the unused one
    forged                        `Unauthorised`; the record is not touched
    anything else genuine         `TokenTheftDetected`; the session is revoked

Claims and payload come from the record, never from the old access token.
"""

from __future__ import annotations

from typing import Never, assert_never

import attrs

from ..effects import (
    EMPTY,
    Announce,
    Done,
    Event,
    FrozenDict,
    Load,
    Missing,
    Reason,
    RefreshForked,
    RefreshReplayed,
    Regenerate,
    Regenerated,
    Revoke,
    Rotate,
    Rotated,
    SessionRecord,
    SessionRefreshed,
    Stale,
    Step,
    Theft,
    TooLarge,
)
from .access_token import engine_claims
from .csrf import token_matches
from .entropy import check_entropy, check_now, check_text, draw
from .issuing import issued_session
from .lifetime import ms
from .policy import AntiCsrf, Policy
from .rejections import Unauthorised
from .rotation import RefreshToken, Verdict, child_of, parse, promoted, rotated, successor
from .session import Session
from .theft import AfterTheft
from .verifying import rejected


def refresh_session(
    refresh_token: str | None,
    *,
    policy: Policy,
    now: int,
    entropy: bytes,
    anti_csrf_token: str | None = None,
    check_anti_csrf: bool = True,
) -> Step[Session]:
    """New tokens for a refresh token. [Load, then Rotate, Regenerate or Revoke]

    `anti_csrf_token` must be the session's, if the policy is VIA_TOKEN, unless `check_anti_csrf`
    is false.

    Ends in the session with its new tokens, or in `Unauthorised` or `TokenTheftDetected`, which
    clear the client's tokens (a failed anti-CSRF check clears none that might pass it); announces
    `SessionRefreshed`, `RefreshReplayed`, `RefreshForked`, `TheftDetected` or `RequestRejected`.

    Raises:
        InvalidInput: a time, entropy or token of the wrong kind.

    >>> step = refresh_session("garbage", policy=example_policy(), now=0, entropy=bytes(32))
    >>> step.state.reason
    <Reason.NOT_OURS: 'not a token of ours'>
    """
    if not refresh_token:
        return rejected(Unauthorised(Reason.NO_TOKEN, clear_tokens=True), now)
    refresh = prepare_refresh(
        refresh_token,
        policy=policy,
        now=now,
        entropy=entropy,
        anti_csrf_token=anti_csrf_token,
        check_anti_csrf=check_anti_csrf,
    )
    if refresh is None:
        return rejected(Unauthorised(Reason.NOT_OURS, clear_tokens=True), now)
    return refresh.begin()


def prepare_refresh(
    refresh_token: str,
    *,
    policy: Policy,
    now: int,
    entropy: bytes,
    anti_csrf_token: str | None,
    check_anti_csrf: bool,
) -> Refresh | None:
    """A refresh request that is ready to meet its record; None if the token isn't of our form.

    Raises:
        InvalidInput: a time or entropy of the wrong kind.
    """
    check_now(now)
    check_entropy(entropy)
    check_text(refresh_token, "refresh_token")
    presented = parse(refresh_token)
    if presented is None:
        return None
    checks = check_anti_csrf and policy.anti_csrf is AntiCsrf.VIA_TOKEN
    return Refresh(policy, now, presented, entropy, anti_csrf_token, checks)


ANSWERED = frozenset({Verdict.ROTATE, Verdict.REPLAY, Verdict.FORK, Verdict.MINT, Verdict.PROMOTE})
"""The verdicts that give a client new tokens."""


@attrs.frozen
class Refresh:
    """One refresh request: everything about it but the record."""

    policy: Policy = attrs.field(repr=False)
    now: int
    presented: RefreshToken
    entropy: bytes = attrs.field(repr=False)
    anti_csrf_token: str | None = attrs.field(repr=False)
    check_anti_csrf: bool

    def begin(self) -> Step[Session]:
        """Ask for the record that the token names."""
        return Load(self.presented.handle).then(AfterLoadToRefresh(self))

    def judge(self, record: SessionRecord) -> Verdict | Theft:
        """The policy's verdict on the presented token."""
        leeway = ms(self.policy.leeway)
        verdict = self.policy.rotation.judge(record, self.presented, now=self.now, leeway=leeway)
        # Under another rule, that the policy had before, a child was drawn and not derived.
        is_lost = verdict is Verdict.REPLAY and record.salt is None
        return Verdict.FORK if is_lost else verdict

    def is_usable(self, record: SessionRecord | Missing) -> bool:
        """Whether the presented token would be answered with new ones."""
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return False
        return self.judge(record) in ANSWERED

    def betrays_copy(self, record: SessionRecord | Missing) -> bool:
        """Whether the presented token shows that two hold its session."""
        if isinstance(record, Missing) or self.now >= record.expires_at:
            return False
        return isinstance(self.judge(record), Theft)

    def proceed(self, record: SessionRecord | Missing) -> Step[Session]:
        """Judge the token by what the store holds, and ask for what follows."""
        if isinstance(record, Missing):
            return self._refuse(Reason.SESSION_GONE)
        if self.now >= record.expires_at:
            return self._refuse(Reason.SESSION_EXPIRED)
        if self.check_anti_csrf and not token_matches(self.anti_csrf_token, record.anti_csrf_token):
            # A session that has no token, made under another mode, can't pass ever: it is let go.
            return self._refuse(Reason.CSRF, clear_tokens=record.anti_csrf_token is None)
        return self.follow(self.judge(record), record)

    def claims(self, record: SessionRecord) -> FrozenDict:
        """The engine's claims of the access token that goes with the record."""
        return engine_claims(record, self.policy, now=self.now)

    def session(
        self, record: SessionRecord, claims: FrozenDict, *, secret: bytes, token: str
    ) -> Session:
        """The session with its new tokens."""
        return issued_session(record, self.policy, claims, secret=secret, token=token)

    def follow(self, verdict: Verdict | Theft, record: SessionRecord) -> Step[Session]:
        """Ask for what a verdict asks for."""
        match verdict:
            case Verdict.ROTATE:
                return self._swap(record, generation=record.generation + 1, forked=False)
            case Verdict.FORK:
                return self._swap(record, generation=record.generation, forked=True)
            case Verdict.REPLAY:
                return self._sign(record)
            case Verdict.FORGED:
                return self._refuse(Reason.FORGED)
            case Verdict.SPENT:
                return self._refuse(Reason.SPENT)
            case Verdict.MINT:
                return self._mint(record)
            case Verdict.PROMOTE:
                return self._promote(record)
            case Theft():
                return Revoke((record.handle,)).then(
                    AfterTheft(record, verdict, self.presented.generation, self.now)
                )
            case _:
                assert_never(verdict)

    def _swap(self, record: SessionRecord, *, generation: int, forked: bool) -> Step[Session]:
        salt = draw(self.entropy, b"salt")
        secret = successor(self.presented.secret, salt)
        following = rotated(
            record, self.presented, secret, salt, generation=generation, now=self.now
        )
        claims = self.claims(following)
        swap = Rotate(following, expected_version=record.version, claims=claims)
        return swap.then(AfterSwap(self, following, claims, secret, forked))

    def _sign(self, record: SessionRecord) -> Step[Session]:
        claims = self.claims(record)
        # An empty patch writes nothing: the store only signs, if the session still lives.
        again = Regenerate(record.handle, EMPTY, claims, limit=0)
        return again.then(AfterReplay(self, record, claims))

    def _mint(self, record: SessionRecord) -> Step[Session]:
        return self._sign(child_of(record, self.presented, draw(self.entropy, b"salt")))

    def _promote(self, record: SessionRecord) -> Step[Session]:
        held = promoted(record, self.presented, now=self.now)
        salt = draw(self.entropy, b"salt")
        child = child_of(held, self.presented, salt)
        claims = self.claims(child)
        swap = Rotate(held, expected_version=record.version, claims=claims)
        secret = successor(self.presented.secret, salt)
        return swap.then(AfterSwap(self, child, claims, secret, forked=False))

    def _refuse(self, reason: Reason, *, clear_tokens: bool = True) -> Done[Never]:
        handle = self.presented.handle
        return rejected(Unauthorised(reason, clear_tokens=clear_tokens, handle=handle), self.now)


@attrs.frozen
class AfterLoadToRefresh:
    """Takes the record that the token names."""

    refresh: Refresh

    def __call__(self, record: SessionRecord | Missing) -> Step[Session]:
        return self.refresh.proceed(record)


@attrs.frozen
class AfterSwap:
    """Takes the outcome of the compare-and-swap; a lost race is judged again."""

    refresh: Refresh
    record: SessionRecord
    claims: FrozenDict
    secret: bytes = attrs.field(repr=False)
    forked: bool

    def __call__(self, reply: Rotated | Stale) -> Step[Session]:
        match reply:
            case Rotated(token):
                session = self.refresh.session(
                    self.record, self.claims, secret=self.secret, token=token
                )
                return Done(session, (Announce(self._event()),))
            case Stale(current):
                return self.refresh.proceed(current)
            case _:
                assert_never(reply)

    def _event(self) -> Event:
        kind = RefreshForked if self.forked else SessionRefreshed
        record = self.record
        return kind(handle=record.handle, generation=record.generation, at=self.refresh.now)


@attrs.frozen
class AfterReplay:
    """Takes the access token that comes with the same successor."""

    refresh: Refresh
    record: SessionRecord
    claims: FrozenDict

    def __call__(self, reply: Regenerated | TooLarge | Missing) -> Step[Session]:
        if not isinstance(reply, Regenerated) or reply.access_token is None:
            return self.refresh.proceed(Missing())  # revoked since it was loaded
        record = attrs.evolve(self.record, payload=reply.payload)
        secret = successor(self.refresh.presented.secret, record.salt or b"")
        session = self.refresh.session(record, self.claims, secret=secret, token=reply.access_token)
        event = RefreshReplayed(
            handle=record.handle, generation=record.generation, at=self.refresh.now
        )
        return Done(session, (Announce(event),))
