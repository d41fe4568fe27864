"""Somebody who copied a refresh token, as malware or a proxy's log would: a jar of his own."""

from __future__ import annotations

from typing import Any

import attrs

from ...core import REFRESHED, UNAVAILABLE, RequestFacts, answer
from ...core.request import bearer_token
from ...effects import InvalidInput, Rejection, Secret, StoreUnavailable
from ..response import ResponseHeaders
from .fingerprints import fingerprint
from .watching import WatchedSessions


@attrs.define
class Thief:
    """He holds one copied token, and later whatever it is exchanged for."""

    sessions: WatchedSessions
    token: Secret | None = attrs.field(default=None, repr=False)

    @property
    def holds(self) -> str | None:
        """The fingerprint of the token in his jar."""
        return None if self.token is None else fingerprint(self.token)

    def steal(self, request: RequestFacts) -> None:
        """Copy the refresh token that a request carries.

        Raises:
            InvalidInput: it carries none.
        """
        shown = bearer_token(request), *request.cookies(self.sessions.policy.refresh_cookie)
        token = next((token for token in shown if token), None)
        if token is None:
            raise InvalidInput("there is no refresh token to copy: log in first.")
        self.token = Secret(token)

    async def refresh(self) -> dict[str, Any]:
        """Exchange his copy for new tokens, from a machine of his own."""
        if self.token is None:
            raise InvalidInput("nothing was stolen yet.")
        request = RequestFacts("POST", [("authorization", f"Bearer {Secret.__str__(self.token)}")])
        here = self.sessions.using(response=ResponseHeaders())
        try:
            session = await here.refresh_session_in_request(request)
        except Rejection as rejection:
            here.group.status(answer(rejection, here.policy).status)
            return {"refreshed": False, "told": rejection.message, "holds": self.holds}
        except StoreUnavailable:
            here.group.status(UNAVAILABLE.status)
            raise
        here.group.status(REFRESHED.status)
        self.token = session.refresh_token
        return {"refreshed": True, "told": "new tokens", "holds": self.holds}
