"""Web origins of any name on this machine, and a Chromium that finds them there."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, BrowserType

PORTS = (80, 3000, 8000)  # of http; https has 443


class Origins:
    """Servers that answer for every host, over http and over https.

    A POST to `/set` is answered with the Set-Cookie lines of `set_cookies`; any other request with
    the Cookie header that came. `posted` has the headers of the last POST, in lower case.
    """

    def __init__(self, http_port: int, https_port: int) -> None:
        self.set_cookies: list[str] = []
        self.posted: dict[str, str] = {}
        mapped = [f"MAP *:{port} 127.0.0.1:{http_port}" for port in PORTS]
        self.rules = ", ".join([*mapped, f"MAP *:443 127.0.0.1:{https_port}"])


@contextmanager
def serve_origins(folder: Path) -> Generator[Origins]:
    """Serve, on free ports, until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def answer(self) -> None:
            """Answer a GET or a POST."""
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.command == "POST":
                origins.posted = {name.lower(): value for name, value in self.headers.items()}
            body = (self.headers.get("cookie") or "").encode()
            self.send_response(200)
            for name, value in self._told(len(body)):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815  # the names that http.server calls

        def _told(self, length: int) -> Iterator[tuple[str, str]]:
            yield "Content-Type", "text/html"
            yield "Content-Length", str(length)
            if self.headers.get("origin"):
                yield "Access-Control-Allow-Origin", self.headers["origin"]
                yield "Access-Control-Allow-Credentials", "true"
            if self.path == "/set":
                yield from (("Set-Cookie", line) for line in origins.set_cookies)

    plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder / "certificate.pem"))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    origins = Origins(plain.server_port, secure.server_port)
    threads = [threading.Thread(target=server.serve_forever) for server in (plain, secure)]
    for thread in threads:
        thread.start()
    try:
        yield origins
    finally:
        for server, thread in zip((plain, secure), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


@contextmanager
def browse(
    browsers: BrowserType, program: str, flags: tuple[str, ...], rules: str, profile: Path,
    *, blocks_third_parties: bool,
) -> Generator[BrowserContext]:  # fmt: skip
    """Chromium with a profile of its own, in which people have chosen about third-party cookies."""
    (profile / "Default").mkdir(parents=True)
    chosen = {
        "block_third_party_cookies": blocks_third_parties,
        "cookie_controls_mode": int(blocks_third_parties),
    }
    (profile / "Default" / "Preferences").write_text(json.dumps({"profile": chosen}))
    context = browsers.launch_persistent_context(
        str(profile),
        executable_path=program,
        args=[*flags, f"--host-resolver-rules={rules}"],
        ignore_https_errors=True,
    )
    context.set_default_timeout(20_000)  # ms; a busy machine is no failure
    try:
        yield context
    finally:
        context.close()


def _certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "every host")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    return path
