"""Sessions for any ASGI application: Starlette, FastAPI, Litestar, Quart, or none of them.

The middleware answers the protocol's own routes, gives every other request an `Exchange`, and puts
on each response what the operations told it. A rejection that the application lets through becomes
the protocol's answer; so does a store that is away, with nothing cleared.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never, cast

from ...core import REFRESHED, SIGNED_OUT, Answer, Route, discovery, routes
from ...effects import InvalidInput, Rejection, StoreUnavailable, freeze_object
from ..sessions import Sessions
from .answering import FAILED, Sender, answer_to
from .exchange import ASGIApp, Exchange, Receive, Scope, Send, open_exchange
from .websocket import check_recheck, serve_websocket


class SessionMiddleware:
    """Gives an ASGI application sessions.

    Wrap the application, or hand the class to the framework's `add_middleware`; CORS middleware
    belongs outside of it. Handlers find the request's `Exchange` by `exchange_of(scope)`.

    >>> async def app(scope, receive, send):
    ...     session = await exchange_of(scope).get_session()
    >>> app = SessionMiddleware(app, Sessions(Policy("http://localhost:8000"), MemoryStore()))
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        *,
        recheck: timedelta = timedelta(minutes=1),
    ) -> None:
        """Wrap an application. A WebSocket's session is looked for in the store each `recheck`.

        Raises:
            InvalidInput: these are no sessions that can be awaited, or `recheck` is below a second.
        """
        if not isinstance(cast("object", sessions), Sessions):
            raise InvalidInput(
                f"sessions must be Sessions, not {type(sessions).__name__}; "
                "write Sessions(policy, store)."
            )
        check_recheck(recheck)
        self._app = app
        self._sessions = sessions
        self._routes = routes(sessions.policy)
        self._recheck = recheck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "websocket":
                exchange = open_exchange(self._sessions, scope)
                try:
                    await serve_websocket(self._app, exchange, self._recheck, scope, receive, send)
                finally:
                    exchange.close()
            case _:
                await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = open_exchange(self._sessions, scope)
        sender = Sender(exchange, send)
        route = self._routes.get((scope["method"], public_path(scope)))
        try:
            if route is None:
                await self._app(scope, receive, sender)
            else:
                await sender.answer(await _answer_route(route, exchange))
        except (Rejection, StoreUnavailable) as error:
            if error is sender.gave_way:
                return
            if exchange.has_begun:
                raise
            await sender.answer(answer_to(error, exchange))
        except Exception:
            # What was done is done, and its tokens must reach the client whatever the outer layers
            # make of the error; they still get it, to log.
            if exchange.would_lose_tokens:
                await sender.answer(FAILED)
            raise
        finally:
            sender.gave_way = None  # its traceback holds this frame
            exchange.close()


async def _answer_route(route: Route, exchange: Exchange) -> Answer:
    match route:
        case Route.REFRESH:
            await exchange.refresh_session()
            return REFRESHED
        case Route.SIGN_OUT:
            await exchange.sign_out()
            return SIGNED_OUT
        case Route.JWKS:
            await exchange.sessions.renew()
            return Answer(200, freeze_object(exchange.sessions.jwks()))
        case Route.DISCOVERY:
            return Answer(200, discovery(exchange.sessions.policy))
        case _:
            assert_never(route)


def public_path(scope: Scope) -> str:
    """The path as the client asked for it, behind a proxy that took a part of it off too."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    has_root = path == root or path.startswith(f"{root}/")
    return path if has_root else root + path
