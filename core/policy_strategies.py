"""Strategies for policies, and for all that a policy is made of.

All of them are shown by `strategies.py`, which see. A policy is put together in an order in which
each setting can fit those before it, so that next to none is thrown away.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeAlias, cast

import attrs

from ..effects import InvalidPolicy
from ..effects.optional import st
from ..effects.strategies import identifiers
from . import settings
from .claims import SessionClaim, Validator
from .lifetime import Lifetime, ms
from .origins import Origin
from .policy import AntiCsrf, Policy, Transfer
from .primitive_claims import BooleanClaim, PrimitiveArrayClaim, PrimitiveClaim
from .reserved import RESERVED_CLAIMS
from .rotation import RotationRule, SameSuccessor
from .rotation_rules import (
    ForkAndPromote,
    NewestWins,
    OneBehind,
    SingleUse,
    SingleUseRevoking,
    WindowOnly,
)

Texts: TypeAlias = st.SearchStrategy[str]
Durations: TypeAlias = st.SearchStrategy[timedelta]

_MILLISECOND, _SECOND, _DAY = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(days=1)
_LETTERS = string.ascii_lowercase + string.digits
_LABELS = st.text(_LETTERS, min_size=1, max_size=5)
_SUFFIXES = st.sampled_from(["com", "example.com", "co.uk", "github.io"])
_PUBLIC = st.builds(
    "{}.{}".format, st.lists(_LABELS, min_size=1, max_size=2).map(".".join), _SUFFIXES
)
_LOCAL = st.sampled_from(["localhost", "app.localhost"])
_IPS = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map("[{}]".format)
_PORTS = st.none() | st.integers(1, 65535)
_PATHS = st.lists(st.text(_LETTERS + "-._~%", min_size=1, max_size=6), max_size=3).map(
    lambda segments: "/" + "/".join(segments)
)
_COOKIE_NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(["", "__Host-", "__Secure-", "__Http-"]),
    st.text(string.ascii_letters + string.digits + "!#$%&'*+.^`|~-_", min_size=1, max_size=9),
)
_EITHER = st.booleans()
_STATUSES = st.integers(400, 599)
_PRIMITIVES = st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "", "admin", "pro"])
_LISTS = st.lists(_PRIMITIVES, max_size=3)
_USUAL: dict[str, Any] = {
    field.name: field.default
    for field in attrs.fields(Policy)
    if field.default is not attrs.NOTHING and not callable(getattr(field.default, "factory", None))
}
_CLAIMS = (SessionClaim, PrimitiveClaim, BooleanClaim, PrimitiveArrayClaim)


def _origin(scheme: str, host: str, port: int | None) -> Origin:
    return settings.origin(
        "api_origin", f"{scheme}://{host}" + ("" if port is None else f":{port}")
    )


def durations(shortest: timedelta = _MILLISECOND, longest: timedelta = 400 * _DAY) -> Durations:
    """Durations in whole milliseconds."""
    return st.integers(ms(shortest), ms(longest)).map(lambda count: count * _MILLISECOND)


def lifetimes(*, longest_access: timedelta = _DAY) -> st.SearchStrategy[Lifetime]:
    """Lifetimes in an order that can be: access, idle, absolute."""
    return _lifetimes(longest_access)


def origins() -> st.SearchStrategy[Origin]:
    """Origins on public hosts, on localhost and on IP addresses, as browsers write them."""
    hosts = _PUBLIC | _LOCAL | _IPS
    return st.builds(_origin, st.sampled_from(["https", "http"]), hosts, _PORTS)


_RULES: tuple[RotationRule, ...] = (
    SameSuccessor(),
    SingleUse(),
    SingleUseRevoking(),
    ForkAndPromote(),
    NewestWins(),
    OneBehind(),
    WindowOnly(),
)


def rotation_rules() -> st.SearchStrategy[RotationRule]:
    """The rules that ship."""
    return st.sampled_from(_RULES)


def claim_keys() -> Texts:
    """What a claim, or any member of a payload, may be called: no reserved name."""
    return st.text(min_size=1, max_size=8).filter(lambda key: key not in RESERVED_CLAIMS)


_KEYS = claim_keys()


def session_claims(
    *kinds: type[SessionClaim], keys: Texts = _KEYS, fetchable: st.SearchStrategy[bool] = _EITHER
) -> st.SearchStrategy[SessionClaim]:
    """Claims of these classes, or of all that ship."""
    return st.one_of([st.builds(kind, keys, fetchable=fetchable) for kind in kinds or _CLAIMS])


def validators(*, keys: Texts = _KEYS) -> st.SearchStrategy[Validator]:
    """Validators of the claims that ship, each with values that it can tell apart."""
    options = {"max_age": st.none() | durations(), "id": st.none() | identifiers()}
    ones = session_claims(PrimitiveClaim, keys=keys)
    truths = session_claims(BooleanClaim, keys=keys)
    lists = session_claims(PrimitiveArrayClaim, keys=keys)
    roles = PrimitiveArrayClaim
    return st.one_of(
        st.builds(PrimitiveClaim.has_value, ones, _PRIMITIVES, **options),
        *(st.builds(of, truths, **options) for of in (BooleanClaim.is_true, BooleanClaim.is_false)),
        *(st.builds(of, lists, _PRIMITIVES, **options) for of in (roles.includes, roles.excludes)),
        *(
            st.builds(of, lists, _LISTS, **options)
            for of in (roles.includes_all, roles.includes_any, roles.excludes_all)
        ),
    )


_ORIGINS = origins()
_FETCHED = session_claims(fetchable=st.just(True))  # a login can fetch no other
_SOME_CLAIMS = st.lists(_FETCHED, unique_by=attrgetter("key"), max_size=2)
_SOME_VALIDATORS = st.lists(validators(), max_size=2)


def policies(**given: Any) -> st.SearchStrategy[Policy]:
    """Policies that can work, over all settings; a given one stays, or is drawn from a strategy."""
    if not given:
        return _settings({}).map(_policy)
    # What is given may not fit what was drawn before it: then another is drawn.
    return _settings(given).filter(_works).map(_policy)


@st.composite
def _lifetimes(draw: st.DrawFn, longest_access: timedelta) -> Lifetime:
    presets: tuple[Lifetime, ...] = (Lifetime(), Lifetime.AAL1, Lifetime.AAL2, Lifetime.AAL3)
    fitting = [preset for preset in presets if preset.access <= longest_access]
    if len(fitting) > 0 and draw(st.booleans()):
        return draw(st.sampled_from(fitting))
    access = draw(durations(_SECOND, longest_access))
    idle = draw(durations(access, access + 90 * _DAY))
    return Lifetime(access=access, idle=idle, absolute=draw(durations(idle, idle + 400 * _DAY)))


@st.composite
def _settings(draw: st.DrawFn, given: dict[str, Any]) -> dict[str, Any]:
    choice = _Choice(draw, dict(given))
    api = settings.origin("api_origin", choice.of("api_origin", _ORIGINS))
    site = settings.origin("site_origin", choice.of("site_origin", _sites(api)))
    base = choice.of("base_path", _PATHS)
    choice.of("issuer", st.just(f"{api}{base}") | identifiers())
    choice.of("audience", identifiers())
    choice.of("algorithm", st.sampled_from(["ES256", "RS256"]))
    longest = choice.made.get("longest_access_lifetime", _DAY)
    access = choice.of("lifetime", lifetimes(longest_access=longest)).access
    choice.of("longest_access_lifetime", durations(access, access + _DAY), lambda it: it >= access)
    choice.of("access_jitter", st.floats(0, 0.5))
    choice.of("leeway", durations(longest=timedelta(minutes=1)))
    choice.of("clock_skew", durations(longest=timedelta(minutes=10)))
    choice.of("rotation", st.just(SameSuccessor()))  # what a token is worth hangs on the rule
    modes = set(AntiCsrf) - (set() if site.same_site(api) else {AntiCsrf.FETCH_METADATA})
    choice.of("anti_csrf", st.sampled_from(sorted(modes)))
    choice.of("transfer", st.sampled_from(Transfer))
    _choose_cookies(choice, api, site, refresh_route=f"{base}".rstrip("/") + "/session/refresh")
    choice.of("expose_access_token", st.just(True))
    choice.of("clear_site_data", st.just(True))
    choice.of("claims", _SOME_CLAIMS)
    choice.of("validators", _SOME_VALIDATORS)
    status = choice.of("unauthorised_status", _STATUSES)
    choice.of("invalid_claim_status", _STATUSES, lambda it: it != status)
    return choice.made


def _choose_cookies(choice: _Choice, api: Origin, site: Origin, *, refresh_route: str) -> None:
    # What browsers would drop is refused: `check_cookies` of `policy.py` has the rules.
    domains = [domain for domain in _with_parents(api.host) if api.takes_cookies_of(domain)]
    domain = choice.of("cookie_domain", st.sampled_from(domains))
    older = st.sampled_from(["", *domains])
    choice.of("older_cookie_domain", older, lambda it: it is None or (it or None) != domain)
    secure = choice.of("cookie_secure", st.just(api.scheme == "https") | st.booleans())
    may_be_none = secure or (api.is_local and site.is_local)
    usual = "lax" if site.same_site(api) or not may_be_none else "none"
    choice.of(
        "cookie_same_site", st.sampled_from([usual, "lax", "strict", "none"][: 3 + may_be_none])
    )
    path = choice.of("refresh_cookie_path", st.sampled_from([refresh_route, "/"]) | _PATHS)
    access = choice.of("access_cookie", _COOKIE_NAMES, _Keeps(secure, domain, "/"))
    keeps = _Keeps(secure, domain, path)
    choice.of("refresh_cookie", _COOKIE_NAMES, lambda it: it != access and keeps(it))


@attrs.frozen
class _Choice:
    """Settings, as they are made one after the other; those that are usual come first."""

    draw: st.DrawFn
    made: dict[str, Any]

    def of(
        self, name: str, others: st.SearchStrategy[Any], fits: Callable[[Any], bool] | None = None
    ) -> Any:
        """The setting, if it is given; or else its default or one of the others, if it fits."""
        if name in self.made:
            if isinstance(self.made[name], st.SearchStrategy):
                self.made[name] = self.draw(cast("st.SearchStrategy[Any]", self.made[name]))
        elif name in _USUAL and (not fits or fits(_USUAL[name])) and not self.draw(_EITHER):
            self.made[name] = _USUAL[name]
        else:
            self.made[name] = self.draw(others.filter(fits) if fits else others)
        return self.made[name]


@attrs.frozen
class _Keeps:
    """Whether browsers keep a cookie of a name."""

    secure: bool
    domain: str | None
    path: str

    def __call__(self, name: str) -> bool:
        prefix = name.lower()
        if prefix.startswith("__host-") and (self.domain is not None or self.path != "/"):
            return False
        return self.secure or not prefix.startswith(("__host-", "__secure-", "__http-"))


def _sites(api: Origin) -> st.SearchStrategy[Origin]:
    near = [attrs.evolve(api, host=host) for host in (f"www.{api.host}", *_with_parents(api.host))]
    return st.sampled_from([api, *(site for site in near if site.same_site(api))]) | _ORIGINS


def _with_parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _policy(chosen: dict[str, Any]) -> Policy:
    return Policy(**chosen)


def _works(chosen: dict[str, Any]) -> bool:
    try:
        Policy(**chosen)
    except InvalidPolicy:
        return False
    return True
