"""Policies of which something is to tell, by the code of the finding."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from counterfoil import Lifetime

API, SITE, OTHER = "https://api.example.com", "https://example.com", "https://example.org"
LAN, HERE = "http://192.168.1.5:8000", "http://localhost:8000"
COOKIE: dict[str, Any] = {"transfer": "cookie"}
HEADER: dict[str, Any] = {"transfer": "header"}
LONGEST = Lifetime(idle=timedelta(days=400), absolute=timedelta(days=500))
LONG = Lifetime(idle=timedelta(days=500), absolute=timedelta(days=500))

PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "secure-over-http": (LAN, {"cookie_secure": True}),
    "none-without-secure": (HERE, {"site_origin": "http://127.0.0.1:8000"}),
    "cookie-too-large": (API, {"refresh_cookie": "r" * 4000}),
    "same-site-across-sites": (API, {"site_origin": OTHER, "cookie_same_site": "lax"}),
    "third-party-cookies": (API, {"site_origin": OTHER}),
    "refresh-path": (API, {"refresh_cookie_path": "/auth/session/refreshing"}),
    "mixed-content": ("http://api.example.com", {"site_origin": SITE, "cookie_same_site": "lax"}),
    "embedded": (API, {"embedded": True}),
    "no-room-for-a-token": (API, {"access_cookie": "a" * 4000}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "secure-on-localhost": (HERE, {"cookie_secure": True}),
    "not-secure": (API, {"cookie_secure": False}),
    "plain-http": (LAN, {}),
    "host-is-its-own-site": (LAN, {}),
    "no-anti-csrf": (API, {"anti_csrf": "NONE"}),
    "policy-concern": (API, {"leeway": timedelta(minutes=9)}),
    "tokens-in-javascript": (API, HEADER),
    "needs-cors": (API, {"site_origin": SITE}),
    "no-fetch-metadata": (LAN, {}),
    "clear-site-data-ignored": (LAN, {"clear_site_data": True}),
    "refresh-token-everywhere": (API, {"refresh_cookie_path": "/"}),
    "strict-and-links": (API, {"cookie_same_site": "strict"}),
    "cookies-for-siblings": (API, {"cookie_domain": "example.com"}),
    "domain-was-changed": (API, {"cookie_domain": "example.com"}),
    "older-cookie-domain": (API, {"older_cookie_domain": "example.com"}),
    "cookies-ignore-ports": (HERE, {}),
    "cookie-life-capped": (API, {"lifetime": LONG}),
}
