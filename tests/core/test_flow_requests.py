"""Sessions of a request: which tokens count, what is checked, and the response by header."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from counterfoil import (
    AppendHeader,
    Ask,
    ClaimFailure,
    ClaimFetched,
    FetchClaim,
    FrozenDict,
    InvalidClaims,
    InvalidInput,
    Lifetime,
    MemoryStore,
    Missing,
    Policy,
    PrimitiveClaim,
    Reason,
    Rejection,
    RemoveHeader,
    RequestFacts,
    Session,
    SessionRefreshed,
    SessionsRevoked,
    SetCookie,
    SetHeader,
    Theft,
    TheftDetected,
    TokenTheftDetected,
    Transfer,
    TryRefreshToken,
    Unauthorised,
    answer,
    create_session,
    create_session_in_request,
    get_session_from_request,
    refresh_session_in_request,
    revoke_multiple_sessions,
    sign_out,
    thaw,
)
from counterfoil.core.session import Session as SessionValue

YEAR = 365 * 86_400
SITE = ("Origin", "https://example.com")
EXPOSED = "Access-Control-Expose-Headers"
PRIVATE = [
    SetHeader("Cache-Control", "no-store"),
    AppendHeader("Vary", "Cookie, Authorization"),
]
OURS_ONLY: dict[str, Any] = {
    "path": "/",
    "domain": None,
    "secure": True,
    "http_only": True,
    "same_site": "lax",
}


def exposed(name: str, value: str) -> list[Any]:
    """A header that JavaScript of another origin may read."""
    return [SetHeader(name, value), AppendHeader(EXPOSED, name)]


def cookie(name: str, value: str, *, expires: int, now: int, **other: Any) -> SetCookie:
    """A cookie as the policy of these tests sets it."""
    life = max(0, expires - now) // 1000
    return SetCookie(
        name=name, value=value, expires=expires, max_age=life, **{**OURS_ONLY, **other}
    )


def cleared(name: str, **other: Any) -> SetCookie:
    """The deletion of a cookie: with the path, domain and flags that it was set with."""
    return cookie(name, "", expires=0, now=0, **other)


CLEARED_COOKIES = [
    cleared("sAccessToken"),
    cleared("sRefreshToken", path="/auth/session/refresh"),
]
CLEARED_HEADERS = [*exposed("st-access-token", ""), *exposed("st-refresh-token", "")]
OVER = [RemoveHeader("anti-csrf"), *exposed("front-token", "remove")]


def by_cookie(session: Session, method: str = "GET", *headers: tuple[str, str]) -> RequestFacts:
    """A request as a browser sends it to any route."""
    return RequestFacts(method, [("Cookie", f"sAccessToken={session.access_token}"), *headers])


def by_header(token: str | None, method: str = "GET") -> RequestFacts:
    """A request in header mode."""
    return RequestFacts(method, [("Authorization", f"Bearer {token}")])


def refresh_by_cookie(*tokens: str | None, headers: tuple[tuple[str, str], ...] = (SITE,)) -> Any:
    """A refresh as a browser sends it."""
    pairs = "; ".join(f"sRefreshToken={token}" for token in tokens)
    return RequestFacts("POST", [("Cookie", pairs), *headers])


class Site:
    """An engine, spoken to by requests."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def _outcome(self, operation: Callable[..., Any], *args: Any, **options: Any) -> Any:
        engine = self.engine
        engine.response.clear()
        return engine.outcome(operation(*args, policy=engine.policy, now=engine.now, **options))

    def get(self, request: RequestFacts, **options: Any) -> Any:
        """The session of a request."""
        verify = self.engine.verify
        return self._outcome(get_session_from_request, request, verify=verify, **options)

    def login(self, *headers: tuple[str, str], user_id: str = "ada", **options: Any) -> Any:
        """A login."""
        return self._outcome(
            create_session_in_request,
            RequestFacts("POST", headers),
            user_id,
            verify=self.engine.verify,
            entropy=self.engine.entropy(),
            **options,
        )

    def refresh(self, request: RequestFacts) -> Any:
        """A refresh."""
        entropy = self.engine.entropy()
        return self._outcome(refresh_session_in_request, request, entropy=entropy)

    def sign_out(self, request: RequestFacts) -> Any:
        """A sign-out."""
        return self._outcome(sign_out, request, verify=self.engine.verify)

    @property
    def response(self) -> list[Any]:
        """What the last response says."""
        return list(self.engine.response)


@pytest.fixture
def site(engine: Any) -> Site:
    """A site under the default policy."""
    return Site(engine)


COOKIE_MODE = ("st-auth-mode", "cookie")


def test_a_login_by_cookie(engine_with: Callable[..., Any]) -> None:
    site = Site(engine_with(anti_csrf="VIA_TOKEN"))
    session, now = site.login(COOKIE_MODE, SITE), site.engine.now
    assert session.attachment.transfer is Transfer.COOKIE
    access = cookie("sAccessToken", session.access_token, expires=now + YEAR * 1000, now=now)
    refresh = cookie(
        "sRefreshToken",
        session.refresh_token,
        expires=session.refresh_expires_at,
        now=now,
        path="/auth/session/refresh",
    )
    assert site.response == [
        *PRIVATE,
        access,
        *exposed("front-token", session.front_token),
        refresh,
        *exposed("anti-csrf", session.anti_csrf_token),
    ]


@pytest.mark.parametrize("mode", [(), (("st-auth-mode", "HEADER"),), (("st-auth-mode", "any"),)])
def test_a_login_by_header(site: Site, mode: tuple[tuple[str, str], ...]) -> None:
    session = site.login(*mode)
    assert site.response == [
        *PRIVATE,
        *exposed("st-access-token", session.access_token),
        *exposed("front-token", session.front_token),
        *exposed("st-refresh-token", session.refresh_token),
    ]


def test_the_policy_can_say_how_tokens_travel(engine_with: Callable[..., Any]) -> None:
    site = Site(engine_with(transfer="cookie", expose_access_token=True))
    session = site.login(("st-auth-mode", "header"), SITE)
    assert session.attachment.transfer is Transfer.COOKIE
    assert SetHeader("st-access-token", session.access_token) in site.response


def test_a_login_over_a_session_ends_that_one(site: Site) -> None:
    old = site.login(COOKIE_MODE)
    new = site.login(COOKIE_MODE, ("Cookie", f"sAccessToken={old.access_token}"))
    assert new.handle != old.handle
    assert site.engine.world.load(old.handle) == Missing()
    switched = site.login(("Cookie", f"sAccessToken={new.access_token}"))
    assert switched.attachment.used == (Transfer.COOKIE,)
    assert site.response == [
        *CLEARED_COOKIES,
        *PRIVATE,
        *exposed("st-access-token", switched.access_token),
        *exposed("front-token", switched.front_token),
        *exposed("st-refresh-token", switched.refresh_token),
    ]
    back = site.login(COOKIE_MODE, ("Authorization", f"Bearer {switched.access_token}"))
    assert site.response[:6] == [*CLEARED_HEADERS, *PRIVATE]
    assert site.engine.world.load(switched.handle) == Missing()
    assert site.engine.world.load(back.handle) != Missing()


def test_a_login_beside_garbage_is_a_login(site: Site) -> None:
    shown = ("Authorization", "Bearer garbage"), ("Cookie", "sAccessToken=garbage")
    assert isinstance(site.login(COOKIE_MODE, SITE, *shown), SessionValue)


def test_the_policys_validators_are_asked_where_no_others_are_named(
    engine_with: Callable[..., Any],
) -> None:
    plan = PrimitiveClaim("plan", fetchable=False)
    site = Site(engine_with(validators=[plan.has_value("pro")]))
    free = site.login()
    assert isinstance(site.get(by_header(free.access_token)), InvalidClaims)
    assert isinstance(site.get(by_header(free.access_token), validators=[]), SessionValue)
    assert isinstance(site.get(by_header(free.access_token), required=False), InvalidClaims)
    pro = site.login(payload={"plan": {"v": "pro", "t": site.engine.now}})
    assert isinstance(site.get(by_header(pro.access_token)), SessionValue)
    other = [plan.has_value("free")]
    assert isinstance(site.get(by_header(pro.access_token), validators=other), InvalidClaims)


def test_a_login_that_another_site_sent_is_refused(site: Site) -> None:
    outcome = site.login(COOKIE_MODE, ("Origin", "https://evil.example"))
    assert outcome == Unauthorised(Reason.CSRF)
    assert site.response == PRIVATE
    assert isinstance(site.login(COOKIE_MODE, check_anti_csrf=False), SessionValue)
    evil = ("Origin", "https://evil.example")
    assert isinstance(site.login(evil), SessionValue)
    victim = site.login(COOKIE_MODE)
    jar = ("Cookie", f"sAccessToken={victim.access_token}")
    assert site.login(evil, jar) == Unauthorised(Reason.CSRF)  # it would end the victim's session
    assert site.response == PRIVATE
    assert site.engine.world.load(victim.handle) != Missing()


def test_a_request_by_cookie_and_by_header(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    found = site.get(by_cookie(session))
    assert (found.access, found.attachment.transfer) == (session.access, Transfer.COOKIE)
    assert site.response == PRIVATE
    found = site.get(by_header(session.access_token, "POST"))
    assert (found.access, found.attachment.transfer) == (session.access, Transfer.HEADER)
    both = RequestFacts("POST", [*by_header("a.foreign.token").headers, *by_cookie(session).headers,
                                 SITE])  # fmt: skip
    found = site.get(both)
    assert found.attachment.transfer is Transfer.COOKIE
    assert found.attachment.used == (Transfer.COOKIE, Transfer.HEADER)


def test_javascripts_cookies_of_header_mode_are_no_credential(site: Site) -> None:
    session = site.login()
    forged = RequestFacts("POST", [("Cookie", f"st-access-token={session.access_token}"), SITE])
    assert site.get(forged) == Unauthorised(Reason.NO_TOKEN)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (None, Unauthorised(Reason.NO_TOKEN)),
        ("garbage", Unauthorised(Reason.NOT_OURS)),
    ],
)
def test_a_request_without_a_session_touches_no_token(
    site: Site, token: str | None, expected: Any
) -> None:
    headers = [("Cookie", f"sAccessToken={token}")] if token else []
    assert site.get(RequestFacts("GET", headers)) == expected
    assert site.response == PRIVATE
    optional = site.get(RequestFacts("GET", headers), required=False)
    assert optional == (None if token is None else expected)


def test_an_unsafe_request_by_cookie_must_come_from_the_site(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    refused = TryRefreshToken(Reason.CSRF, session.handle)
    assert site.get(by_cookie(session, "POST")) == refused
    assert site.response == PRIVATE
    assert isinstance(site.get(by_cookie(session, "POST", SITE)), SessionValue)
    assert isinstance(site.get(by_cookie(session, "POST"), check_anti_csrf=False), SessionValue)


def test_a_revocation_that_the_store_tells_of_clears_the_client(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    site.engine.run(revoke_multiple_sessions([session.handle], now=site.engine.now))
    outcome = site.get(by_cookie(session), check_database=True)
    assert outcome == Unauthorised(Reason.SESSION_GONE, clear_tokens=True, handle=session.handle)
    assert site.response == [*PRIVATE, *CLEARED_COOKIES, *OVER]


def test_an_expired_token_clears_nothing(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    site.engine.now = session.access.expires_at
    assert site.get(by_cookie(session)) == TryRefreshToken(Reason.EXPIRED, session.handle)
    assert site.response == PRIVATE


def test_left_over_cookies_of_one_name(engine_with: Callable[..., Any]) -> None:
    site = Site(engine_with())
    older = site.login(COOKIE_MODE)
    site.engine.now += 5_000
    newer = site.login(COOKIE_MODE)
    pairs = f"sAccessToken={older.access_token}; sAccessToken=x; sAccessToken={newer.access_token}"
    request = RequestFacts("GET", [("Cookie", pairs)])
    assert site.get(request).handle == newer.handle
    dead = RequestFacts("GET", [("Cookie", f"sAccessToken=x; sAccessToken={newer.access_token}x")])
    assert isinstance(site.get(dead), TryRefreshToken)

    known = Site(engine_with(older_cookie_domain="example.com"))
    known.engine.verify = site.engine.verify
    assert known.get(request) == TryRefreshToken(Reason.DUPLICATE_COOKIES)
    assert known.response == PRIVATE


def test_a_cookie_of_the_older_protocol_asks_for_a_refresh_that_clears_it(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    legacy = ("Cookie", "sIdRefreshToken=x")
    assert site.get(by_cookie(session, "GET", legacy)) == TryRefreshToken(Reason.LEGACY_COOKIE)
    site.refresh(refresh_by_cookie(session.refresh_token, headers=(SITE, legacy)))
    assert cleared("sIdRefreshToken") in site.response


def test_a_refresh_by_cookie(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    after = site.refresh(refresh_by_cookie(session.refresh_token))
    now = site.engine.now
    assert site.response == [
        *PRIVATE,
        cookie("sAccessToken", after.access_token, expires=now + YEAR * 1000, now=now),
        *exposed("front-token", after.front_token),
        cookie(
            "sRefreshToken",
            after.refresh_token,
            expires=after.refresh_expires_at,
            now=now,
            path="/auth/session/refresh",
        ),
    ]


def test_a_refresh_by_header_clears_the_cookies_of_another_mode(site: Site) -> None:
    session = site.login()
    request = by_header(session.refresh_token, "POST")
    after = site.refresh(
        attrs.evolve(request, headers=[*request.headers, ("Cookie", "sAccessToken=x")])
    )
    assert site.response == [
        *CLEARED_COOKIES,
        *PRIVATE,
        *exposed("st-access-token", after.access_token),
        *exposed("front-token", after.front_token),
        *exposed("st-refresh-token", after.refresh_token),
    ]


def test_a_login_in_a_request_is_a_login(engine: Any) -> None:
    given: dict[str, Any] = {
        "policy": engine.policy,
        "now": engine.now,
        "entropy": engine.entropy(),
        "payload": {"plan": "pro"},
        "data": {"cart": [1]},
        "tenant_id": "acme",
        "recipe_user_id": "ada@mail",
        "lifetime": Lifetime(idle=timedelta(days=60)),
        "claims": [],
    }
    request = RequestFacts("POST", [COOKIE_MODE, SITE])
    fetching: dict[str, Any] = {**given, "claims": [PrimitiveClaim("plan")]}
    for options in (given, fetching):
        alone = create_session("ada", **options)
        sent = create_session_in_request(request, "ada", verify=engine.verify, **options)
        assert isinstance(sent, Ask)
        assert sent.effects == alone.effects
        if isinstance(sent.effect, FetchClaim):
            assert isinstance(alone, Ask)
            reply = ClaimFetched("pro")
            assert sent.resume(reply).effects == alone.resume(reply).effects


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_refreshing_and_signing_out_are_posts(site: Site, method: str) -> None:
    session = site.login()
    for act, token in (
        (site.refresh, session.refresh_token),
        (site.sign_out, session.access_token),
    ):
        assert act(by_header(token, method)) == Unauthorised(Reason.WRONG_METHOD)
        assert site.response == PRIVATE
    assert site.engine.world.load(session.handle).version == 0


def test_a_refresh_that_another_site_sent_changes_and_clears_nothing(site: Site) -> None:
    session = site.login(COOKIE_MODE)
    evil = (("Origin", "https://evil.example"),)
    outcome = site.refresh(refresh_by_cookie(session.refresh_token, headers=evil))
    assert outcome == Unauthorised(Reason.CSRF)
    assert site.response == PRIVATE
    assert site.engine.world.load(session.handle).version == 0


def test_via_token_a_refresh_must_show_the_sessions_token(engine_with: Callable[..., Any]) -> None:
    site = Site(engine_with(anti_csrf="VIA_TOKEN"))
    session = site.login(COOKIE_MODE)
    outcome = site.refresh(refresh_by_cookie(session.refresh_token, headers=()))
    assert outcome == Unauthorised(Reason.CSRF, handle=session.handle)
    assert site.response == PRIVATE
    guard = (("anti-csrf", session.anti_csrf_token),)
    after = site.refresh(refresh_by_cookie(session.refresh_token, headers=guard))
    assert after.anti_csrf_token == session.anti_csrf_token
    in_header_mode = site.login()
    assert in_header_mode.anti_csrf_token is None
    assert isinstance(site.refresh(by_header(in_header_mode.refresh_token, "POST")), SessionValue)


@pytest.mark.parametrize("other", ["garbage", "a.b.c", "x" * 116])
def test_a_bearer_token_that_is_no_refresh_token_hides_no_cookie(site: Site, other: str) -> None:
    session = site.login(COOKIE_MODE)
    headers = (SITE, ("Authorization", f"Bearer {other}"))
    after = site.refresh(refresh_by_cookie(session.refresh_token, headers=headers))
    assert isinstance(after, SessionValue)
    assert after.handle == session.handle


def test_via_token_a_request_by_cookie_must_show_the_sessions_token(
    engine_with: Callable[..., Any],
) -> None:
    site = Site(engine_with(anti_csrf="VIA_TOKEN"))
    session, other = site.login(COOKIE_MODE), site.login(COOKIE_MODE)
    for guard in (session, other):
        found = site.get(by_cookie(session, "POST", ("anti-csrf", guard.anti_csrf_token)))
        if guard is session:
            assert isinstance(found, SessionValue)
            assert found.handle == session.handle
        else:
            assert found == TryRefreshToken(Reason.CSRF, session.handle)
    assert site.get(by_cookie(session, "POST")) == TryRefreshToken(Reason.CSRF, session.handle)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_where_an_older_domain_is_known_several_cookies_ask_for_a_refresh(
    engine_with: Callable[..., Any], copies: int
) -> None:
    site = Site(engine_with(older_cookie_domain="example.com"))
    session = site.login(COOKIE_MODE)
    tokens = [session.access_token, *("older" + "s" * n for n in range(1, copies))]
    pairs = "; ".join(f"sAccessToken={token}" for token in tokens)
    found = site.get(RequestFacts("GET", [("Cookie", pairs)]))
    if copies == 1:
        assert isinstance(found, SessionValue)
    else:
        assert found == TryRefreshToken(Reason.DUPLICATE_COOKIES)


@pytest.mark.parametrize("now", [float("nan"), 1.5, -1, True, None])
def test_a_request_has_its_time_checked(site: Site, now: Any) -> None:
    for operation in (get_session_from_request, sign_out):
        with pytest.raises(InvalidInput, match="milliseconds since the Unix epoch"):
            operation(
                by_header("x", "POST"),
                policy=site.engine.policy,
                verify=site.engine.verify,
                now=now,
            )


def test_that_nobody_is_logged_in_is_no_more_to_be_shared_than_a_session(site: Site) -> None:
    assert site.get(RequestFacts("GET"), required=False) is None
    assert site.response == PRIVATE


def test_a_refused_refresh_clears_what_the_client_has(site: Site) -> None:
    assert site.refresh(RequestFacts("POST")) == Unauthorised(Reason.NO_TOKEN, clear_tokens=True)
    assert site.response == [*PRIVATE, *OVER]
    only_access = RequestFacts("POST", [("Cookie", "sAccessToken=x")])
    site.refresh(only_access)
    assert site.response == [*PRIVATE, *CLEARED_COOKIES, *OVER]
    site.refresh(refresh_by_cookie("garbage"))
    assert site.response == [*PRIVATE, *CLEARED_COOKIES, *OVER]


def test_theft_clears_every_transfer_that_was_used(site: Site) -> None:
    session = site.login()
    second = site.refresh(by_header(session.refresh_token, "POST"))
    site.refresh(by_header(second.refresh_token, "POST"))
    outcome = site.refresh(by_header(session.refresh_token, "POST"))
    assert isinstance(outcome, TokenTheftDetected)
    assert site.response == [*PRIVATE, *CLEARED_HEADERS, *OVER]


def test_of_several_refresh_cookies_the_current_one_is_used(site: Site) -> None:
    first = site.login(COOKIE_MODE).refresh_token
    second = site.refresh(refresh_by_cookie(first)).refresh_token
    third = site.refresh(refresh_by_cookie(second)).refresh_token
    # `first` alone would reveal a copy; left over beside the current one it is only ignored.
    after = site.refresh(refresh_by_cookie(first, "garbage", third))
    assert isinstance(after, SessionValue)
    assert not any(isinstance(e, SetCookie) and e.value == "" for e in site.response)
    outcome = site.refresh(refresh_by_cookie(first, second))
    assert isinstance(outcome, TokenTheftDetected)
    assert outcome.kind is Theft.STALE  # the first's
    assert site.refresh(refresh_by_cookie("x", "y")).reason is Reason.NOT_OURS
    gone = site.refresh(refresh_by_cookie(first, third))
    assert gone.reason is Reason.SESSION_GONE


@pytest.mark.parametrize(
    ("stolen_first", "own_is_good"), [(True, True), (True, False), (False, False)]
)
def test_a_copy_of_another_session_is_not_forgiven_beside_ones_own(
    site: Site, stolen_first: bool, own_is_good: bool
) -> None:
    victim = site.login(COOKIE_MODE)
    second = site.refresh(refresh_by_cookie(victim.refresh_token))
    site.refresh(refresh_by_cookie(second.refresh_token))
    own = site.login(COOKIE_MODE)
    if not own_is_good:
        site.engine.run(revoke_multiple_sessions([own.handle], now=site.engine.now))
    shown = [own.refresh_token, "garbage"]
    shown.insert(0 if stolen_first else 2, victim.refresh_token)
    outcome = site.refresh(refresh_by_cookie(*shown))
    if own_is_good:
        assert outcome.handle == own.handle
    elif not stolen_first:
        assert outcome.reason is Reason.SESSION_GONE
    thefts = [event for event in site.engine.events if isinstance(event, TheftDetected)]
    assert [theft.handle for theft in thefts] == [victim.handle]
    assert site.engine.world.load(victim.handle) == Missing()


def test_a_session_that_ends_at_this_moment_has_no_copy_to_betray(site: Site) -> None:
    victim = site.login(COOKIE_MODE)
    second = site.refresh(refresh_by_cookie(victim.refresh_token))
    third = site.refresh(refresh_by_cookie(second.refresh_token))
    site.engine.now = third.refresh_expires_at
    own = site.login(COOKIE_MODE)
    outcome = site.refresh(refresh_by_cookie(victim.refresh_token, own.refresh_token))
    assert outcome.handle == own.handle
    assert not any(isinstance(event, TheftDetected) for event in site.engine.events)


def test_every_copy_of_another_session_is_noticed(site: Site) -> None:
    stolen: list[Session] = []
    for _ in range(2):
        victim = site.login(COOKIE_MODE)
        second = site.refresh(refresh_by_cookie(victim.refresh_token))
        site.refresh(refresh_by_cookie(second.refresh_token))
        stolen.append(victim)
    own = site.login(COOKIE_MODE)
    outcome = site.refresh(
        refresh_by_cookie(*(one.refresh_token for one in stolen), own.refresh_token)
    )
    assert outcome.handle == own.handle
    for victim in stolen:
        assert site.engine.world.load(victim.handle) == Missing()


@pytest.mark.parametrize("over", ["expired", "revoked"])
def test_a_refresh_cookie_of_a_session_that_is_over_does_not_hide_the_current_one(
    site: Site, over: str
) -> None:
    engine = site.engine
    old = site.login(COOKIE_MODE)
    if over == "revoked":
        engine.run(revoke_multiple_sessions([old.handle], now=engine.now))
    else:
        engine.now += 60_000
    current = site.login(COOKIE_MODE)
    if over == "expired":
        engine.now = old.refresh_expires_at
    engine.events.clear()
    after = site.refresh(refresh_by_cookie(old.refresh_token, current.refresh_token))
    assert isinstance(after, SessionValue)
    assert after.handle == current.handle
    assert [type(event) for event in engine.events] == [SessionRefreshed]  # of the old one nothing


def test_a_refresh_clears_the_older_domain_and_keeps_the_session(
    engine_with: Callable[..., Any],
) -> None:
    site = Site(engine_with(older_cookie_domain="example.com"))
    session = site.login(COOKIE_MODE)
    after = site.refresh(refresh_by_cookie("older", session.refresh_token))
    assert isinstance(after, SessionValue)
    assert site.response[:2] == [
        attrs.evolve(gone, domain="example.com") for gone in CLEARED_COOKIES
    ]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ["sAccessToken", "sRefreshToken"])
@pytest.mark.parametrize("copies", [0, 1, 2])
def test_a_refresh_clears_what_is_left_over_and_no_more(
    engine_with: Callable[..., Any], legacy: bool, name: str, copies: int
) -> None:
    site = Site(engine_with(older_cookie_domain="example.com"))
    session = site.login(COOKIE_MODE)
    held = [f"{name}=older{n}" for n in range(copies)] + ["sIdRefreshToken=x"] * legacy
    if name == "sRefreshToken" and copies:
        held.pop(0)
    cookies = ("Cookie", "; ".join([f"sRefreshToken={session.refresh_token}", *held]))
    assert isinstance(site.refresh(RequestFacts("POST", [cookies, SITE])), SessionValue)
    gone = [e for e in site.response if isinstance(e, SetCookie) and not e.value]
    older = [attrs.evolve(one, domain="example.com") for one in CLEARED_COOKIES]
    at_older = attrs.evolve(cleared("sIdRefreshToken"), domain="example.com")
    legacies = [cleared("sIdRefreshToken"), at_older]
    assert gone == older * (copies > 1) + legacies * legacy


@pytest.mark.parametrize("mode", list(Transfer))
def test_signing_out(site: Site, mode: Transfer) -> None:
    session = site.login(("st-auth-mode", mode))
    request = by_header(session.access_token, "POST")
    if mode is Transfer.COOKIE:
        request = by_cookie(session, "POST", SITE)
    assert site.sign_out(request) is True
    gone_now = SessionsRevoked(handles=(session.handle,), at=site.engine.now)
    assert site.engine.events[-1] == gone_now
    gone = CLEARED_COOKIES if mode is Transfer.COOKIE else CLEARED_HEADERS
    assert site.response == [*PRIVATE, *gone, *OVER]
    assert site.engine.world.load(session.handle) == Missing()
    assert site.sign_out(request) is False
    assert site.sign_out(RequestFacts("POST")) == Unauthorised(Reason.NO_TOKEN)


def test_a_strict_policy_clears_the_site_at_sign_out(engine: Any) -> None:
    engine.policy = Policy("https://api.example.com", site_origin="https://example.com").strict()
    site = Site(engine)
    session = site.login(COOKIE_MODE)
    pairs = ("Cookie", f"__Host-sAccessToken={session.access_token}")
    assert site.sign_out(RequestFacts("POST", [pairs, SITE])) is True
    assert SetHeader("Clear-Site-Data", '"cookies", "storage"') in site.response
    gone = [e for e in site.response if isinstance(e, SetCookie)]
    assert [(e.name, e.path, e.domain) for e in gone] == [
        ("__Host-sAccessToken", "/", None),
        ("__Host-sRefreshToken", "/", None),
    ]


def test_the_answer_to_each_rejection(engine: Any) -> None:
    def told(rejection: Rejection) -> tuple[int, object]:
        found = answer(rejection, engine.policy)
        return found.status, thaw(found.body)

    theft = TokenTheftDetected(handle="h", user_id="u", tenant_id="t", kind=Theft.STALE)
    failure = ClaimFailure("roles", FrozenDict({"message": "wrong value"}))
    for reason in Reason:
        assert told(Unauthorised(reason)) == (401, {"message": "unauthorised"})
        assert told(TryRefreshToken(reason)) == (401, {"message": "try refresh token"})
    assert told(theft) == (401, {"message": "token theft detected"})
    assert told(InvalidClaims((failure,))) == (
        403,
        {
            "message": "invalid claim",
            "claimValidationErrors": [{"id": "roles", "reason": {"message": "wrong value"}}],
        },
    )
    assert str(InvalidClaims((failure,))) == "invalid claim: roles"
    assert str(theft) == "token theft detected"
    assert str(TryRefreshToken(Reason.EXPIRED)) == "try refresh token: access token expired"
    assert str(Unauthorised(Reason.CSRF)) == "unauthorised: anti-CSRF check failed"


def test_headers_of_any_server(engine: Any) -> None:
    site = Site(engine)
    session = site.login(COOKIE_MODE)
    line = f"sAccessToken={session.access_token}"
    as_bytes: Any = [(b"Cookie", line.encode())]
    for headers in ({"cookie": line}, as_bytes):
        assert site.get(RequestFacts("GET", headers)).handle == session.handle
    wrong: Any = [("cookie", 7)]
    with pytest.raises(InvalidInput, match="must be a str, not int"):
        RequestFacts("GET", wrong)


def test_a_heap_of_cookies_is_no_heap_of_work(site: Site) -> None:
    tokens = [site.login(COOKIE_MODE).refresh_token for _ in range(20)]
    site.engine.store = MemoryStore()
    request = refresh_by_cookie(*tokens)
    assert len(request.cookies("sRefreshToken")) == 5
    assert site.refresh(request).reason is Reason.SESSION_GONE
