"""Web origins: scheme, host and port (RFC 6454), and whether two are of one site.

Two origins are same-site when scheme and registrable domain agree; what is registrable is the
public suffix list's to say, and is asked only when the hosts themselves don't tell.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs
from publicsuffixlist import PublicSuffixList

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)


@attrs.frozen(kw_only=True)
class Origin:
    """A parsed web origin; `str()` of it is its serialisation, as browsers send it."""

    scheme: str
    host: str
    port: int | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")

    @property
    def is_local(self) -> bool:
        """Whether it is localhost or an IP address, where browsers relax the cookie rules."""
        return self.host == "localhost" or self.host.endswith(".localhost") or _is_ip(self.host)

    @property
    def is_trustworthy(self) -> bool:
        """Whether browsers trust its pages as they do https (W3C Secure Contexts, 3.1).

        >>> [parse_origin(f"http://{host}").is_trustworthy for host in ("localhost", "10.0.0.1")]
        [True, False]
        """
        own = self.host == "localhost" or self.host.endswith(".localhost")
        return self.scheme == "https" or own or _is_loopback(self.host)

    def same_site(self, other: Origin) -> bool:
        """Whether browsers take the two for one site: same scheme and registrable domain.

        >>> parse_origin("https://app.example.co.uk").same_site(
        ...     parse_origin("https://api.example.co.uk")
        ... )
        True
        """
        if self.scheme != other.scheme:
            return False
        if self.host == other.host:
            return True
        if _is_ip(self.host) or _is_ip(other.host):
            return False
        site = _registrable(self.host)
        return site is not None and site == _registrable(other.host)

    def takes_cookies_of(self, domain: str) -> bool:
        """Whether browsers keep a cookie of this host for a domain (RFC 6265bis, 5.7).

        For its own, or for one above it that is somebody's: no public suffix, no piece of an IP
        address. `domain` is in lower case, without a leading dot.

        >>> parse_origin("https://api.example.co.uk").takes_cookies_of("co.uk")
        False
        """
        if self.host == domain:
            return True
        above = self.host.endswith("." + domain) and not _is_ip(self.host)
        return above and _registrable(domain) is not None


def parse_origin(text: str) -> Origin | None:
    """Parse an http or https origin; None if it is anything else, or has a path.

    >>> str(parse_origin("https://API.example.com:443"))
    'https://api.example.com'
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2].lower()
    if port is not None:
        host = host.rpartition(":")[0]
    if (
        parts.scheme not in ("http", "https")
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not _HOST.fullmatch(host)
    ):
        return None
    default = 443 if parts.scheme == "https" else 80
    return Origin(scheme=parts.scheme, host=host, port=None if port == default else port)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_ip(host) and ip_address(host.strip("[]")).is_loopback


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _registrable(host: str) -> str | None:
    return _suffixes().privatesuffix(host)
