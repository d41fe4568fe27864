"""The end of a session that two hold: revoked, announced, and both clients told."""

from __future__ import annotations

from typing import Never

import attrs

from ..effects import Announce, Done, Revoked, SessionRecord, Theft, TheftDetected
from .rejections import TokenTheftDetected


@attrs.frozen
class AfterTheft:
    """The session is revoked, by us or by another: the client is told why.

    `generation` is that of the token that betrayed the copy.
    """

    record: SessionRecord
    kind: Theft
    generation: int
    now: int

    def __call__(self, reply: Revoked) -> Done[Never]:
        record = self.record
        event = TheftDetected(
            handle=record.handle,
            user_id=record.user_id,
            tenant_id=record.tenant_id,
            kind=self.kind,
            generation=self.generation,
            at=self.now,
        )
        rejection = TokenTheftDetected(
            handle=record.handle,
            user_id=record.user_id,
            tenant_id=record.tenant_id,
            kind=self.kind,
        )
        return Done(rejection, (Announce(event),))
