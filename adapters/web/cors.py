"""What cross-origin requests to the API need, in the terms of ASGI frameworks' CORS middleware."""

from __future__ import annotations

from typing import TypedDict

from ...core import ALLOWED_REQUEST_HEADERS, EXPOSED_RESPONSE_HEADERS, Policy


class Cors(TypedDict):
    """The arguments of Starlette's and FastAPI's `CORSMiddleware`."""

    allow_origins: list[str]
    allow_credentials: bool
    allow_methods: list[str]
    allow_headers: list[str]
    expose_headers: list[str]


def cors(policy: Policy) -> Cors:
    """What lets the site's pages call the API with sessions.

    Add the CORS middleware after `SessionMiddleware`, so that it stands outside of it and its
    headers are on every answer: `app.add_middleware(CORSMiddleware, **cors(policy))`. What Litestar
    (`CORSConfig`, of the same names) and quart-cors do stands inside, where the protocol's routes
    don't pass: wrap those in Starlette's middleware, `CORSMiddleware(app, **cors(policy))`.

    >>> cors(Policy("https://api.example.com", site_origin="https://example.com"))["allow_origins"]
    ['https://example.com']
    """
    return {
        "allow_origins": [str(policy.site_origin)],
        "allow_credentials": True,
        "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        "allow_headers": [*ALLOWED_REQUEST_HEADERS, "content-type"],
        "expose_headers": list(EXPOSED_RESPONSE_HEADERS),
    }
