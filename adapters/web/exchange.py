"""One request and its response: where an application's handlers meet its sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Literal, TypeAlias, Unpack, cast, overload

from ...core import WEBSOCKET, Lifetime, RequestFacts, Session, SessionClaim
from ...core.request import READ_HEADERS
from ...effects import EMPTY, InvalidInput
from ..held import Checks
from ..response import PRIVATE, ResponseHeaders
from ..sessions import Sessions

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "counterfoil.exchange"
_READ = frozenset(name.encode() for name in READ_HEADERS)


class Exchange:
    """The sessions of one request. What its operations tell the response reaches the response.

    `sessions` is the facade for this request: what an operation on it sets or clears at the client
    travels with whatever the handler answers. Fetchers and the listener are given the ASGI scope.
    `on_session` is called with each session that is got.
    """

    __slots__ = (
        "_has_begun",
        "_held",
        "_is_within",
        "_outer",
        "_request",
        "_scope",
        "_sessions",
        "on_session",
        "response",
    )

    def __init__(self, sessions: Sessions, scope: Scope, outer: Exchange | None = None) -> None:
        self.response = ResponseHeaders()
        self.on_session: Callable[[Session], object] | None = None
        self._held: Sessions = sessions
        self._sessions: Sessions | None = None
        self._has_begun = False
        self._outer: Exchange | None = outer
        # A mounted application that was given the same sessions: what is told within, the exchange
        # outside puts on the response.
        around = outer
        while around is not None and around._held is not sessions:
            around = around._outer
        self._is_within = around is not None
        if around is not None:
            self.response = around.response
        self._request: RequestFacts | None = None
        self._scope = scope

    @property
    def sessions(self) -> Sessions:
        """The facade, for this request."""
        if self._sessions is None:
            self._sessions = self._held.using(response=self.response, context=self._scope)
        return self._sessions

    @property
    def has_begun(self) -> bool:
        """Whether the response has: no other answer can take its place."""
        return self._has_begun or self.response.has_begun

    @property
    def would_lose_tokens(self) -> bool:
        """Whether tokens were told that reach the client by no response but one of ours."""
        return not (self.has_begun or self._is_within) and self.response.carries_tokens

    @property
    def request(self) -> RequestFacts:
        """What the core decides by: the method and the headers."""
        if self._request is None:
            method = self._scope.get("method", WEBSOCKET)
            self._request = RequestFacts(method, self._scope["headers"])
        return self._request

    @overload
    async def get_session(
        self, *, required: Literal[True] = True, **checks: Unpack[Checks]
    ) -> Session: ...
    @overload
    async def get_session(self, *, required: bool, **checks: Unpack[Checks]) -> Session | None: ...
    async def get_session(
        self, *, required: bool = True, **checks: Unpack[Checks]
    ) -> Session | None:
        """As `core.get_session_from_request`; a rejection becomes the answer by itself.

        It is the session that the request came with, whatever was created or ended since.
        """
        recalled = None if checks else self.recall()
        return recalled or await self.find_session(required=required, **checks)

    async def find_session(self, *, required: bool, **checks: Unpack[Checks]) -> Session | None:
        """As `get_session`, for a request that `recall` doesn't know."""
        keys = self._held.memo.keys
        session = await self.sessions.get_session_from_request(
            self.request, required=required, **checks
        )
        if session is not None and not checks:
            self._held.recognised.remember(self.request, session, keys)
        if self.on_session is not None and session is not None:
            self.on_session(session)
        return session

    def recall(self) -> Session | None:
        """What `get_session` without checks gives, if such a request was seen; else None."""
        held, scope = self._held, self._scope
        # ASGI has headers' names in lower case, but a middleware may have added one that isn't, and
        # the core reads that too: such a request is like none that is remembered.
        read = [(name, value) for name, value in scope["headers"] if name.lower() in _READ]
        key = scope.get("method", WEBSOCKET), tuple(read)
        session = held.recognised.recall(key, held.operations.clock())
        if session is not None:
            self.response.perform_all(PRIVATE)
            if self.on_session is not None:
                self.on_session(session)
        return session

    async def create_session(
        self,
        user_id: str,
        *,
        payload: Mapping[str, object] = EMPTY,
        data: Mapping[str, object] = EMPTY,
        tenant_id: str = "public",
        recipe_user_id: str | None = None,
        lifetime: Lifetime | None = None,
        claims: Iterable[SessionClaim] | None = None,
        check_anti_csrf: bool = True,
    ) -> Session:
        """Log a user in, as `core.create_session_in_request`, which ends the client's old session.

        The client keeps the new one, whatever is done with that one afterwards in this request.
        To take a login back, revoke it: `sign_out` ends what the request came with.

        Raises:
            InvalidInput: the response has begun, and its headers can't carry the tokens any more.
        """
        return await self.sessions.create_session_in_request(
            self.request,
            user_id,
            payload=payload,
            data=data,
            tenant_id=tenant_id,
            recipe_user_id=recipe_user_id,
            lifetime=lifetime,
            claims=claims,
            check_anti_csrf=check_anti_csrf,
        )

    async def refresh_session(self) -> Session:
        """As `core.refresh_session_in_request`.

        Raises:
            InvalidInput: the response has begun.
        """
        return await self.sessions.refresh_session_in_request(self.request)

    async def sign_out(self) -> bool:
        """As `core.sign_out`; answers whether the session was still there.

        Raises:
            InvalidInput: the response has begun.
        """
        return await self.sessions.sign_out(self.request)

    def begin(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Begin the response: the application's headers, with what was told of sessions."""
        self._has_begun = True
        if self._is_within:
            return list(headers)
        self.response.has_begun = True
        return self.response.onto(headers)

    def close(self) -> None:
        """End the exchange: `exchange_of` finds the one around it again, or none.

        A scope and an exchange that hold each other would be left to the garbage collector, whose
        work on all that hangs on a request costs more than the rest of an exchange.
        """
        if self._outer is None:
            self._scope.pop(_KEY, None)
        else:
            self._scope[_KEY] = self._outer


def open_exchange(sessions: Sessions, scope: Scope) -> Exchange:
    """Begin a request's exchange, which `exchange_of` finds from then on."""
    exchange = scope[_KEY] = Exchange(sessions, scope, scope.get(_KEY))
    return exchange


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    """The exchange of a request, by its ASGI scope (`request.scope`).

    Raises:
        InvalidInput: no `SessionMiddleware` has seen the request.
    """
    exchange = scope.get(_KEY)
    if exchange is None:
        raise InvalidInput(
            "no SessionMiddleware has seen this request, or its response is over: add it to the "
            "application, as in app.add_middleware(SessionMiddleware, sessions=sessions)."
        )
    return cast("Exchange", exchange)
