"""What an application decides about its sessions: one frozen value, checked when it is built.

Nothing here is looked up later in a global: a session carries the policy that it was made under.
Where a setting is left out it follows from the origins, as browsers' rules demand.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from types import NoneType
from typing import Literal, TypeAlias

import attrs
from attrs import Factory

from ..effects import Algorithm, InvalidInput, InvalidPolicy
from . import settings
from .claims import SessionClaim, Validator, given_validators
from .lifetime import Lifetime, positive_duration
from .origins import Origin
from .rotation import RotationRule, SameSuccessor
from .settings import (
    an_instance_of,
    bare_domain,
    check_cookie_domain,
    cookie_name,
    error_status,
    one_of,
    path,
    share,
)

SameSite: TypeAlias = Literal["lax", "strict", "none"]

COOKIE_LIMIT = 4096  # bytes of name and value that every browser keeps (RFC 6265, 6.1)


class AntiCsrf(StrEnum):
    """How requests that carry cookies prove that the site's own pages sent them."""

    VIA_TOKEN = "VIA_TOKEN"  # noqa: S105  # the name of a mode
    """The `anti-csrf` header repeats a token that is fixed for the session."""
    VIA_CUSTOM_HEADER = "VIA_CUSTOM_HEADER"
    """The `rid` header is there, which no form and no simple request can send."""
    FETCH_METADATA = "FETCH_METADATA"
    """The browser's own Sec-Fetch-Site, or else the exact Origin. Needs no frontend code."""
    NONE = "NONE"
    """No check, for applications that have one of their own."""


class Transfer(StrEnum):
    """How tokens travel between client and server."""

    COOKIE = "cookie"
    HEADER = "header"


def _api_origin(value: str | Origin) -> Origin:
    return settings.origin("api_origin", value)


def _site_origin(value: str | Origin) -> Origin:
    return settings.origin("site_origin", value)


def _anti_csrf(value: str) -> AntiCsrf:
    return settings.member("anti_csrf", AntiCsrf, value)


def _transfer(value: str | None) -> Transfer | None:
    return None if value is None else settings.member("transfer", Transfer, value)


def _claims(value: Iterable[SessionClaim]) -> tuple[SessionClaim, ...]:
    claims = settings.members("claims", SessionClaim, value)
    for claim in claims:
        if not claim.fetchable:
            raise InvalidPolicy(
                "claims", f"{claim.key!r} isn't fetchable, so no login could fetch it."
            )
    return claims


def _validators(value: Iterable[Validator]) -> tuple[Validator, ...]:
    try:
        return given_validators(value)
    except InvalidInput as error:
        problem = str(error).removeprefix("validators ")
        raise InvalidPolicy("validators", problem) from None


def _site_is_api(policy: Policy) -> Origin:
    return policy.api_origin


def _issuer_is_base(policy: Policy) -> str:
    return f"{policy.api_origin}{policy.base_path}"


def _fitting_anti_csrf(policy: Policy) -> AntiCsrf:
    return AntiCsrf.FETCH_METADATA if policy.is_same_site else AntiCsrf.VIA_CUSTOM_HEADER


def _secure_as_api(policy: Policy) -> bool:
    return policy.api_origin.scheme == "https"


def _same_site_as_origins(policy: Policy) -> SameSite:
    return "lax" if policy.is_same_site else "none"


def _refresh_route(policy: Policy) -> str:
    # The base path isn't checked yet: validators run once all defaults are there.
    return f"{policy.base_path}".rstrip("/") + "/session/refresh"


@attrs.frozen(kw_only=True, cache_hash=True)
class Policy:
    """How an application's sessions live and travel.

    Attributes:
        api_origin: where the API is served, as in `https://api.example.com`. Positional.
        site_origin: where the pages are served; the API's origin where they are the same.
        base_path: where the protocol's routes are; refresh is `{base_path}/session/refresh`. As
            clients see it: `/api/auth` behind a proxy that takes `/api` off.
        issuer: the `iss` of access tokens.
        audience: their `aud`, or None for none.
        algorithm: what new keys sign with: EdDSA, ES256 or RS256.
        lifetime: of sessions whose login chooses none.
        longest_access_lifetime: a token that claims to live longer is refused, and a retired key
            is kept for this long.
        access_jitter: by which share an access token's life may be shorter, as chance has it for
            each rotation, so that refreshes don't come in waves.
        leeway: how long after a rotation its predecessor is still answered with the same successor.
        clock_skew: how far in the future a token may have been issued, by another server's clock.
        rotation: the rule that judges refresh tokens.
        anti_csrf: how cookie requests are checked; by default `FETCH_METADATA` where site and API
            are same-site, else `VIA_CUSTOM_HEADER`.
        transfer: how new sessions travel; None lets the client say (`st-auth-mode`), by header
            where it doesn't.
        cookie_domain: the cookies' Domain, or None for the API's host alone.
        older_cookie_domain: the domain that cookies used before ("" for the host alone), whose
            left-overs a refresh clears.
        cookie_secure: by default, whether the API is https.
        cookie_same_site: by default `lax`, or `none` where site and API are not same-site.
        access_cookie, refresh_cookie: the cookies' names.
        refresh_cookie_path: by default exactly the refresh route.
        expose_access_token: send the access token as a header too, in cookie mode.
        clear_site_data: on sign-out, have the browser clear the origin's cookies and storage.
        claims: fetched when a session is created, and put in its payload.
        validators: asserted whenever a session is got, unless the call says otherwise.
        unauthorised_status, invalid_claim_status: HTTP statuses; they must differ.

    Raises:
        InvalidPolicy: a setting, or two together, that cannot work; says which and why.

    >>> Policy("https://api.example.com", site_origin="https://example.com").cookie_same_site
    'lax'
    """

    api_origin: Origin = attrs.field(converter=_api_origin, kw_only=False)
    site_origin: Origin = attrs.field(
        default=Factory(_site_is_api, takes_self=True), converter=_site_origin
    )
    base_path: str = attrs.field(default="/auth", validator=path)
    issuer: str = attrs.field(
        default=Factory(_issuer_is_base, takes_self=True), validator=an_instance_of(str)
    )
    audience: str | None = attrs.field(default=None, validator=an_instance_of(str, NoneType))
    algorithm: Algorithm = attrs.field(default="EdDSA", validator=one_of("EdDSA", "ES256", "RS256"))
    lifetime: Lifetime = attrs.field(factory=Lifetime, validator=an_instance_of(Lifetime))
    longest_access_lifetime: timedelta = attrs.field(
        default=timedelta(days=1), validator=positive_duration
    )
    access_jitter: float = attrs.field(default=0.05, validator=share)
    leeway: timedelta = attrs.field(default=timedelta(seconds=10), validator=positive_duration)
    clock_skew: timedelta = attrs.field(default=timedelta(minutes=1), validator=positive_duration)
    rotation: RotationRule = attrs.field(factory=SameSuccessor)
    anti_csrf: AntiCsrf = attrs.field(
        default=Factory(_fitting_anti_csrf, takes_self=True), converter=_anti_csrf
    )
    transfer: Transfer | None = attrs.field(default=None, converter=_transfer)
    cookie_domain: str | None = attrs.field(default=None, converter=bare_domain)
    older_cookie_domain: str | None = attrs.field(default=None, converter=bare_domain)
    cookie_secure: bool = attrs.field(
        default=Factory(_secure_as_api, takes_self=True), validator=an_instance_of(bool)
    )
    cookie_same_site: SameSite = attrs.field(
        default=Factory(_same_site_as_origins, takes_self=True),
        validator=one_of("lax", "strict", "none"),
    )
    access_cookie: str = attrs.field(default="sAccessToken", validator=cookie_name)
    refresh_cookie: str = attrs.field(default="sRefreshToken", validator=cookie_name)
    refresh_cookie_path: str = attrs.field(
        default=Factory(_refresh_route, takes_self=True), validator=path
    )
    expose_access_token: bool = attrs.field(default=False, validator=an_instance_of(bool))
    clear_site_data: bool = attrs.field(default=False, validator=an_instance_of(bool))
    claims: tuple[SessionClaim, ...] = attrs.field(default=(), converter=_claims)
    validators: tuple[Validator, ...] = attrs.field(default=(), converter=_validators)
    unauthorised_status: int = attrs.field(default=401, validator=error_status)
    invalid_claim_status: int = attrs.field(default=403, validator=error_status)

    def __attrs_post_init__(self) -> None:
        check_cookies(self)
        if self.unauthorised_status == self.invalid_claim_status:
            raise InvalidPolicy("invalid_claim_status", "must differ from unauthorised_status.")
        if self.lifetime.access > self.longest_access_lifetime:
            raise InvalidPolicy("lifetime.access", "is longer than longest_access_lifetime.")
        if self.anti_csrf is AntiCsrf.FETCH_METADATA and not self.is_same_site:
            raise InvalidPolicy(
                "anti_csrf",
                f"FETCH_METADATA refuses all that {self.site_origin} sends to {self.api_origin}: "
                "they are not same-site. Use VIA_CUSTOM_HEADER or VIA_TOKEN.",
            )

    @property
    def is_same_site(self) -> bool:
        """Whether browsers take site and API for one site."""
        return self.site_origin.same_site(self.api_origin)

    @property
    def concerns(self) -> tuple[str, ...]:
        """What is allowed but likely to hurt, in words; empty where there is nothing."""
        found: list[str] = []
        if self.leeway * 2 > self.lifetime.access:
            found.append(
                f"the leeway of {self.leeway} isn't well below the access lifetime of "
                f"{self.lifetime.access}: a late response can't be told from a copied token"
            )
        if self.anti_csrf is AntiCsrf.NONE and self.cookie_same_site == "none":
            found.append("cookies travel cross-site and no anti-CSRF check guards them")
        return tuple(found)

    def strict(self) -> Policy:
        """This policy with `__Host-` cookies and a cleared site at sign-out (OWASP ASVS 3.3).

        Such cookies can't be planted by a sibling domain. Their path is `/`, so the refresh token
        travels with each request.

        Raises:
            InvalidPolicy: the policy has a cookie domain, or its API isn't https.
        """
        return attrs.evolve(
            self,
            access_cookie="__Host-sAccessToken",
            refresh_cookie="__Host-sRefreshToken",
            refresh_cookie_path="/",
            clear_site_data=True,
        )


def check_cookies(policy: Policy) -> None:
    """Refuse cookies that a browser would drop (RFC 6265bis, 4.1.3 and 5.7)."""
    local = policy.api_origin.is_local and policy.site_origin.is_local
    if policy.cookie_same_site == "none" and not policy.cookie_secure and not local:
        raise InvalidPolicy(
            "cookie_same_site", "none needs Secure cookies: serve the API over https."
        )
    if policy.access_cookie == policy.refresh_cookie:
        raise InvalidPolicy("refresh_cookie", "needs another name than access_cookie.")
    domain, older = policy.cookie_domain, policy.older_cookie_domain
    if domain is not None:
        check_cookie_domain("cookie_domain", domain, policy.api_origin)
    if older:
        check_cookie_domain("older_cookie_domain", older, policy.api_origin)
    if older is not None and (older or None) == domain:
        raise InvalidPolicy("older_cookie_domain", "is the same as cookie_domain.")
    _check_prefix(policy, policy.access_cookie, "/")
    _check_prefix(policy, policy.refresh_cookie, policy.refresh_cookie_path)


def _check_prefix(policy: Policy, name: str, cookie_path: str) -> None:
    prefix = name.lower()  # as browsers compare it
    if prefix.startswith(("__host-", "__secure-", "__http-")) and not policy.cookie_secure:
        raise InvalidPolicy(
            "cookie_secure",
            f"{name} must be Secure, or browsers drop it: serve the API over https, or take the "
            "prefix off the name.",
        )
    if prefix.startswith("__host-") and (policy.cookie_domain is not None or cookie_path != "/"):
        field = "refresh_cookie_path" if policy.cookie_domain is None else "cookie_domain"
        raise InvalidPolicy(
            field, f"{name} must have no domain and the path /, or browsers drop it."
        )
