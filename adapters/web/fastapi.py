"""Sessions as FastAPI has them: dependencies, typed, and in the OpenAPI document.

    app = FastAPI()
    add_sessions(app, Sessions(Policy("http://localhost:8000"), SqliteStore("sessions.db")))

    @app.get("/me")
    async def me(session: SessionDep) -> str:
        return session.user_id

A rejection needs no handler: the middleware answers with what the frontend SDK expects. A handler
of the application's own for `Rejection` takes precedence.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

from ...core import UNAVAILABLE, Policy, Session, Validator
from ...core.claims import given_validators
from ..held import Checks
from ..optional import needs
from ..sessions import Sessions
from .asgi import SessionMiddleware
from .exchange import Exchange, exchange_of

try:
    from fastapi import Depends, FastAPI
    from fastapi.openapi.models import HTTPBearer
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
except ImportError as error:
    raise needs("fastapi") from error

SCHEME = "session"
OPTIONAL = "session-optional"  # until `document` has said it as OpenAPI does


def add_sessions(
    app: FastAPI, sessions: Sessions, *, recheck: timedelta = timedelta(minutes=1)
) -> None:
    """Give an application sessions: the middleware, the protocol's routes, the documentation.

    Add CORS middleware after this, so that it stands outside. Applications that are mounted have
    these sessions too; add them there as well for the documentation, and where a middleware was
    added before this, which would answer their refusals with 500. `recheck` is how long a
    WebSocket may stay open once its session was revoked, a second or more.

    Raises:
        InvalidInput: these are no sessions that can be awaited, or `recheck` is below a second.
    """
    SessionMiddleware(app, sessions, recheck=recheck)  # FastAPI makes its own at the first request
    app.add_middleware(SessionMiddleware, sessions=sessions, recheck=recheck)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        schema = plain()
        if is_new:
            document(schema, sessions.policy)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation extends it


class VerifySession(SecurityBase):
    """A dependency that gives the session of a request, or of a WebSocket. See `verify_session`."""

    def __init__(self, required: bool, checks: Checks) -> None:
        """Verify with these checks."""
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="The access token of a session, as st-access-token had it at login.",
        )
        self.scheme_name = SCHEME if required else OPTIONAL
        self._required = required
        self._checks = checks

    async def __call__(self, connection: HTTPConnection) -> Session | None:
        """The session, or None where none is required."""
        exchange = exchange_of(connection.scope)
        # Not `get_session`: a request seen before is spared what it costs to await once more.
        recalled = None if self._checks else exchange.recall()
        return recalled or await exchange.find_session(required=self._required, **self._checks)


def verify_session(
    *,
    required: bool = True,
    validators: Iterable[Validator] | None = None,
    check_database: bool = False,
    check_anti_csrf: bool = True,
) -> VerifySession:
    """A dependency that gives the request's session.

    `required`: without a session the answer is 401; if false, the session is None then. A token
    that is shown and isn't good is refused all the same: the client is to refresh it.
    `validators`: claims that the session must have instead of the policy's; else 403. One that it
    lacks is fetched: give `Sessions` a fetcher, or make the claim with `fetchable=False`.
    `check_database`: also refuse a session that was revoked since its token was issued.
    `check_anti_csrf`: by the policy's mode; false for a route that checks in a way of its own.

    Raises:
        InvalidInput: what was given are no validators, such as a claim itself.

    >>> from counterfoil import PrimitiveArrayClaim
    >>> roles = PrimitiveArrayClaim("roles", fetchable=False)
    >>> admin = verify_session(validators=[roles.includes("admin")])
    >>> async def erase(session: Annotated[Session, Depends(admin)]): ...
    """
    checks: Checks = {}  # only what differs from the default: a request seen before costs less so
    if validators is not None:
        checks["validators"] = given_validators(validators)
    if check_database:
        checks["check_database"] = True
    if not check_anti_csrf:
        checks["check_anti_csrf"] = False
    return VerifySession(required, checks)


async def get_exchange(connection: HTTPConnection) -> Exchange:
    """A dependency that gives the request's exchange, for logging in and more."""
    # Asynchronous, or FastAPI would call it in a thread.
    return exchange_of(connection.scope)


require_session = verify_session()
"""What `SessionDep` depends on: tests may put a session of theirs in its place.

A router whose `dependencies` have `Depends(require_session, scope="request")` asks no second time
for a route's `SessionDep`.
"""

# FastAPI asks at each request what scope a dependency has, unless that is told.
SessionDep = Annotated[Session, Depends(require_session, scope="request")]
"""The session of the request, which must have one."""

OptionalSessionDep = Annotated[
    Session | None, Depends(verify_session(required=False), scope="request")
]
"""The session of the request, or None."""

ExchangeDep = Annotated[Exchange, Depends(get_exchange, scope="request")]
"""The exchange of the request."""


def document(schema: dict[str, Any], policy: Policy) -> None:
    """Say of each operation that takes a session how it may come, and how it is refused."""
    operations: list[dict[str, Any]] = [
        operation
        for methods in schema.get("paths", {}).values()
        for operation in methods.values()
        if any(way in operation.get("security", ()) for way in (_REQUIRED_WAY, _OPTIONAL_WAY))
    ]
    if not operations:
        return
    cookie = f"{SCHEME}-cookie"  # a component's name has no space (OpenAPI 3.1, 4.8.7)
    schemes = schema["components"]["securitySchemes"]
    optional = schemes.pop(OPTIONAL, None)
    schemes.setdefault(SCHEME, optional)
    schemes[cookie] = {
        "type": "apiKey",
        "in": "cookie",
        "name": policy.access_cookie,
        "description": "The access token of a session, as browsers send it.",
    }
    for operation in operations:
        operation["security"] = [*_ways(operation["security"]), {cookie: []}]
        for status, response in _refusals(policy).items():
            operation["responses"].setdefault(status, response)


_REQUIRED_WAY: dict[str, list[str]] = {SCHEME: []}
_OPTIONAL_WAY: dict[str, list[str]] = {OPTIONAL: []}


def _ways(security: list[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    if _REQUIRED_WAY in security:
        return [way for way in security if way != _OPTIONAL_WAY]
    # An empty requirement makes the others optional (OpenAPI 3.1, 4.8.30).
    return [{}, *(_REQUIRED_WAY if way == _OPTIONAL_WAY else way for way in security)]


def _refusals(policy: Policy) -> dict[str, Any]:
    failure = _object(id=_TEXT, reason={})
    failures = {"type": "array", "items": failure}
    return {
        str(policy.unauthorised_status): _response("No session, or one to be refreshed"),
        str(policy.invalid_claim_status): _response(
            "The session lacks a claim", claimValidationErrors=failures
        ),
        str(UNAVAILABLE.status): _response("Sessions are unavailable for a moment"),
    }


_TEXT = {"type": "string"}


def _response(description: str, **more: Any) -> dict[str, Any]:
    schema = _object(message=_TEXT, **more)
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
