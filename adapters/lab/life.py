"""One session under a rule, lived through by hand: the real operations over the memory world."""

from __future__ import annotations

import hashlib
from typing import Any

from ...core import ForkAndPromote, Policy, Session, create_session, refresh_session
from ...core.rotation import Verdict, parse, promoted
from ...effects import Ask, Rejection, Revoked, Rotated, SessionRecord, Step
from ..memory import EMPTY_WORLD, World
from ..simulation import unsigned

LOGIN = 1_700_000_000_000  # ms


class Life:
    """A session and its store. `writes` counts the acts that changed the store."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.world: World = EMPTY_WORLD
        self.writes = 0
        self._asked = 0
        self.first = self._token(
            self._run(create_session("user", policy=policy, now=LOGIN, entropy=self._fresh()))
        )
        self.writes = 0

    def refresh(self, token: str, now: int) -> str | Rejection:
        """The new refresh token, or why there is none. `now` is ms since the login."""
        step = refresh_session(
            token,
            policy=self.policy,
            now=LOGIN + now,
            entropy=self._fresh(),
            check_anti_csrf=False,
        )
        end = self._run(step)
        return end if isinstance(end, Rejection) else self._token(end)

    def verify(self, token: str, now: int) -> None:
        """Use the access token that came with a refresh token.

        It changes nothing, but where a child is promoted by its first use.
        """
        rule, child = self.policy.rotation, parse(token)
        if not isinstance(rule, ForkAndPromote) or child is None:
            return
        record = self.world.load(child.handle)
        if isinstance(record, SessionRecord):
            verdict = rule.judge(record, child, now=LOGIN + now, leeway=0)
            if verdict is Verdict.PROMOTE:
                after = promoted(record, child, now=LOGIN + now)
                self.world, _ = self.world.swap(after, record.version)
                self.writes += 1

    def _run(self, step: Step[Any]) -> Any:
        while isinstance(step, Ask):
            self.world, reply = unsigned(self.world, step.effect)
            self.writes += isinstance(reply, Rotated | Revoked)
            step = step.resume(reply)
        return step.state

    def _fresh(self) -> bytes:
        self._asked += 1
        return hashlib.sha256(str(self._asked).encode()).digest()

    def _token(self, session: Session) -> str:
        return str(session.refresh_token)
