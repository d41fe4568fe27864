"""The protocol as it goes over the wire: every header and body of every answer, to the letter.

`wire.txt` is what was said, request by request; clock, entropy and key are fixed, so the tokens are
too. They stand there by name (`<A1>` is the first access token) and in full at its end. It was
checked by eye against the protocol; a line that changes here changes for every client.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from counterfoil import BooleanClaim, LocalKeys, Policy, Sessions
from counterfoil.adapters.web.asgi import SessionMiddleware
from counterfoil.adapters.web.exchange import Exchange, exchange_of

from ...listening import quiet
from .conftest import START, Away, Clock, call

GOLDEN = Path(__file__).with_name("wire.txt")
ADMIN = BooleanClaim("admin", fetchable=False)
KINDS = {
    "st-access-token": "A",
    "st-refresh-token": "R",
    "sAccessToken": "A",
    "sRefreshToken": "R",
    "__Host-sAccessToken": "A",
    "__Host-sRefreshToken": "R",
    "front-token": "F",
    "anti-csrf": "C",
}
CSRF = {"anti_csrf": "<C1>"}


async def handle(path: str, exchange: Exchange) -> None:
    """What the application does by path; all else reads the session."""
    match path:
        case "/login":
            await exchange.create_session("ada", payload={"plan": "free"})
        case "/merge":
            session = await exchange.get_session()
            await exchange.sessions.merge_into_access_token_payload(session, {"plan": "pro"})
        case "/admin":
            await exchange.get_session(validators=[ADMIN.is_true()])
        case "/now":
            await exchange.get_session(check_database=True)
        case "/revoke":
            await exchange.sessions.revoke_all_sessions_for_user("ada")
        case "/me" | "/optional":
            await exchange.get_session(required=path == "/me")
        case _:
            raise AssertionError(f"nothing is at {path}")


class Line:
    """A server, and all that was said on the line to it."""

    def __init__(self, title: str, policy: Policy) -> None:
        self.clock, self.store = Clock(), Away()
        self.said = ["", f"=== {title}"]
        self.names: dict[str, str] = {}
        draws = itertools.count(1)
        secret = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        sessions = Sessions(
            policy,
            self.store,
            LocalKeys.from_pem(pem, clock=self.clock),
            clock=self.clock,
            entropy=lambda size: next(draws).to_bytes(size),
            listener=quiet,
        )
        self._app = SessionMiddleware(self._application, sessions)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        await handle(scope["path"], exchange_of(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def ask(self, why: str, method: str, path: str, **headers: str) -> None:
        """Send a request; `<A1>` in a header stands for that token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.said += ["", f"# {why}", f"{method} {path}"]
        self.said += [f"  {name}: {value}" for name, value in given.items()]
        pairs = [(name.encode(), self._in_full(value).encode()) for name, value in given.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": pairs}
        start, body = call(self._app, scope)
        self.said.append(f"{start['status']}")
        for name, value in start["headers"]:
            self.said.append(f"  {name.decode()}: {self._by_name(name.decode(), value.decode())}")
        self.said.append(body["body"].decode())

    def tokens(self) -> list[str]:
        """The tokens in full."""
        return ["", *(f"{name} = {token}" for token, name in self.names.items())]

    def _in_full(self, text: str) -> str:
        for token, name in self.names.items():
            text = text.replace(name, token)
        assert "<" not in text, f"no such token yet: {text}"
        return text

    def _by_name(self, header: str, value: str) -> str:
        if header == "set-cookie":
            name, _, rest = value.partition("=")
            token, _, flags = rest.partition("; ")
            return f"{name}={self._name(name, token)}; {flags}"
        return self._name(header, value)

    def _name(self, of: str, token: str) -> str:
        kind = KINDS.get(of)
        if kind is None or token in ("", "remove"):
            return token
        number = sum(name.startswith(f"<{kind}") for name in self.names.values()) + 1
        return self.names.setdefault(token, f"<{kind}{number}>")


def by_cookie(title: str, policy: Policy, *, prefix: str = "") -> list[str]:
    """A life in cookies, with VIA_TOKEN."""
    line = Line(title, policy)
    access, refresh = f"{prefix}sAccessToken", f"{prefix}sRefreshToken"
    both = f"{access}=<A1>; {refresh}=<R1>"
    line.ask("nobody is logged in", "GET", "/me")
    line.ask("that may be, where no session is required", "GET", "/optional")
    line.ask("nor is there anything to refresh", "POST", "/auth/session/refresh")
    line.ask("or to sign out of", "POST", "/auth/signout")
    line.ask("a login", "POST", "/login", st_auth_mode="cookie", origin=str(policy.site_origin))
    line.ask("a request", "GET", "/me", cookie=f"{access}=<A1>")
    line.ask("without the anti-CSRF token", "POST", "/me", cookie=f"{access}=<A1>")
    line.ask("with it", "POST", "/me", cookie=f"{access}=<A1>", **CSRF)
    line.ask("claims that fail", "GET", "/admin", cookie=f"{access}=<A1>")
    line.clock.now += 1000
    line.ask("a merge", "POST", "/merge", cookie=f"{access}=<A1>", **CSRF)
    line.clock.now += 15 * 60_000
    line.ask("it has expired", "GET", "/me", cookie=f"{access}=<A2>")
    line.ask("garbage", "GET", "/me", cookie=f"{access}=garbage")
    line.ask("a refresh", "POST", "/auth/session/refresh", cookie=both, **CSRF)
    line.ask("the same again, at once", "POST", "/auth/session/refresh", cookie=both, **CSRF)
    line.ask("with another's anti-CSRF token", "POST", "/auth/session/refresh", cookie=both,
             anti_csrf="another's")  # fmt: skip
    line.store.away = True
    line.ask("an outage", "GET", "/now", cookie=f"{access}=<A3>")
    line.ask("at a refresh", "POST", "/auth/session/refresh", cookie=f"{refresh}=<R2>", **CSRF)
    line.store.away = False
    legacy = f"{access}=<A3>; sIdRefreshToken=old"
    line.ask("a cookie of an older protocol", "GET", "/me", cookie=legacy)
    line.ask("is cleared by a refresh", "POST", "/auth/session/refresh",
             cookie=f"{refresh}=<R2>; {legacy}", **CSRF)  # fmt: skip
    line.ask("a copy", "POST", "/auth/session/refresh", cookie=f"{refresh}=<R1>", **CSRF)
    line.ask("the session is over", "GET", "/now", cookie=f"{access}=<A3>")
    line.ask("only an access token is left", "POST", "/auth/session/refresh",
             cookie=f"{access}=<A3>")  # fmt: skip
    line.ask("another login", "POST", "/login", st_auth_mode="cookie")
    newest = f"{access}=<A5>; {refresh}=<R4>"
    line.ask("a login by header instead", "POST", "/login", st_auth_mode="header", cookie=newest,
             origin=str(policy.api_origin))  # fmt: skip
    line.ask("a sign-out by header", "POST", "/auth/signout", authorization="Bearer <A6>")
    line.ask("a last login", "POST", "/login", st_auth_mode="cookie")
    line.ask("a sign-out", "POST", "/auth/signout", cookie=f"{access}=<A7>", anti_csrf="<C3>")
    return [*line.said, *line.tokens()]


def by_header(title: str, policy: Policy) -> list[str]:
    """A life in headers."""
    line = Line(title, policy)
    line.ask("a login", "POST", "/login")
    line.ask("a request", "POST", "/me", authorization="Bearer <A1>")
    line.ask("claims that fail", "GET", "/admin", authorization="Bearer <A1>")
    line.clock.now += 1000
    line.ask("a merge", "POST", "/merge", authorization="Bearer <A1>")
    line.clock.now += 15 * 60_000
    line.ask("it has expired", "GET", "/me", authorization="Bearer <A2>")
    line.ask("a bearer token of another's", "GET", "/me", authorization="Bearer another's")
    line.ask("a refresh", "POST", "/auth/session/refresh", authorization="Bearer <R1>")
    line.ask("its successor", "POST", "/auth/session/refresh", authorization="Bearer <R2>")
    line.ask("a copy", "POST", "/auth/session/refresh", authorization="Bearer <R1>")
    line.ask("another login", "POST", "/login", st_auth_mode="any")
    line.store.away = True
    line.ask("an outage", "GET", "/now", authorization="Bearer <A5>")
    line.store.away = False
    line.ask("a login by cookie instead", "POST", "/login", st_auth_mode="Cookie",
             authorization="Bearer <A5>", origin=str(policy.site_origin))  # fmt: skip
    line.ask("revoked elsewhere", "POST", "/revoke")
    line.ask("which a look in the store tells", "GET", "/now", cookie="sAccessToken=<A6>")
    line.ask("the keys", "GET", "/auth/jwt/jwks.json")
    line.ask("where they are", "GET", "/auth/.well-known/openid-configuration")
    return [*line.said, *line.tokens()]


def moved(title: str, policy: Policy) -> list[str]:
    """Cookies of two domains at once."""
    line = Line(title, policy)
    line.ask("a login", "POST", "/login", st_auth_mode="cookie")
    line.clock.now += 1000
    line.ask(
        "a merge", "POST", "/merge", cookie="sAccessToken=<A1>", origin=str(policy.site_origin)
    )
    doubled = "sAccessToken=<A1>; sAccessToken=<A2>"
    line.ask("two cookies of one name", "GET", "/me", cookie=doubled)
    line.ask("a refresh clears the older", "POST", "/auth/session/refresh",
             cookie=f"{doubled}; sRefreshToken=old; sRefreshToken=<R1>",
             origin=str(policy.site_origin))  # fmt: skip
    return [*line.said, *line.tokens()]


def transcript() -> str:
    """All that is said."""
    api, site = "https://api.example.com", "https://example.com"
    fixed: dict[str, Any] = {"access_jitter": 0, "anti_csrf": "VIA_TOKEN"}
    here = Policy("http://localhost:8000", **fixed)
    said = [
        f"The clock begins at {START}.",
        *by_cookie("by cookie, over https", Policy(api, site_origin=site, **fixed)),
        *by_cookie("by cookie, on localhost", here),
        *by_cookie(
            "by cookie, across sites", Policy(api, site_origin="https://example.org", **fixed)
        ),
        *by_cookie("by strict cookies", Policy(api, **fixed).strict(), prefix="__Host-"),
        *by_header("by header, over https", Policy(api, site_origin=site, **fixed)),
        *by_header("by header, on localhost", here),
        *moved(
            "after the domain has changed",
            Policy(
                api,
                site_origin=site,
                access_jitter=0,
                cookie_domain="example.com",
                older_cookie_domain="",
                expose_access_token=True,
            ),
        ),
    ]
    return "\n".join(said) + "\n"


def test_every_answer_is_as_it_was_to_the_letter() -> None:
    assert transcript().splitlines() == GOLDEN.read_text("utf-8").splitlines()


def test_the_transcript_has_every_body_of_the_protocol() -> None:
    said = GOLDEN.read_text("utf-8").splitlines()
    bodies = {json.dumps(json.loads(line)) for line in said if line.startswith("{")}
    assert {
        "{}",
        '{"status": "OK"}',
        '{"message": "unauthorised"}',
        '{"message": "try refresh token"}',
        '{"message": "token theft detected"}',
        '{"message": "temporarily unavailable"}',
    } <= bodies
