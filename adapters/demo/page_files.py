"""The page's own files, as they lie in `page/`: no build step, nothing from another place."""

from __future__ import annotations

from importlib.resources import files

from ..optional import needs

try:
    from fastapi import FastAPI
    from fastapi.responses import Response
except ImportError as error:
    raise needs("demo") from error

KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
GUARD = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # the page of another version would speak to another API
}


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and each of its files by its name."""
    for file in (files(f"{__package__}") / "page").iterdir():
        stem, dot, end = file.name.rpartition(".")
        kind = KINDS.get(dot + end)
        if kind is not None:
            _serve(app, "/" if stem == "index" else f"/{file.name}", file.read_bytes(), kind)


def _serve(app: FastAPI, path: str, body: bytes, kind: str) -> None:
    @app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return Response(body, media_type=kind, headers=GUARD)
