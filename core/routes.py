"""The protocol's own routes: which request is for the engine, not for the application."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ..effects import FrozenDict
from .policy import Policy

_KEYS = "/jwt/jwks.json"


class Route(StrEnum):
    """A route of the frontend protocol, or of those who verify tokens elsewhere."""

    REFRESH = "refresh"
    SIGN_OUT = "sign out"
    JWKS = "jwks"
    DISCOVERY = "discovery"


def routes(policy: Policy) -> Mapping[tuple[str, str], Route]:
    """The routes by method and path (WIRE: routes and answers).

    A request of another method to one of the paths is the application's own: so is the preflight
    that CORS makes.

    >>> for method, path in routes(example_policy()):
    ...     print(method, path)
    POST /auth/session/refresh
    POST /auth/signout
    GET /auth/jwt/jwks.json
    GET /auth/.well-known/openid-configuration
    """
    base = policy.base_path.rstrip("/")
    return MappingProxyType(
        {
            ("POST", f"{base}/session/refresh"): Route.REFRESH,
            ("POST", f"{base}/signout"): Route.SIGN_OUT,
            ("GET", f"{base}{_KEYS}"): Route.JWKS,
            ("GET", f"{base}/.well-known/openid-configuration"): Route.DISCOVERY,
        }
    )


def discovery(policy: Policy) -> FrozenDict:
    """Where others find the keys that verify access tokens (OpenID Connect Discovery 1.0, 4).

    >>> discovery(example_policy())["jwks_uri"]
    'http://localhost:8000/auth/jwt/jwks.json'
    """
    keys = f"{policy.api_origin}{policy.base_path.rstrip('/')}{_KEYS}"
    return FrozenDict({"issuer": policy.issuer, "jwks_uri": keys})
