"""A session's life in eight chapters, on a real store with really signed tokens.

What is told is what happened: each effect is carried out by a `Backend`, recorded, and told as it
was asked and answered. The clock is the story's own, so that an hour takes no time.
"""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

import attrs

from ..core import (
    KeySet,
    Policy,
    PrimitiveArrayClaim,
    RequestFacts,
    Session,
    assert_claims,
    create_session,
    create_session_in_request,
    get_session,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    sign_out,
)
from ..core.entropy import ENTROPY_BYTES
from ..effects import (
    Announce,
    Ask,
    Backend,
    ClaimFetched,
    Done,
    Effect,
    Entry,
    FetchClaim,
    Journal,
    Rejection,
    ResponseEffect,
    Secret,
    Step,
    TheftDetected,
)
from .connecting import OpenStore
from .keys import LocalKeys
from .tour_words import Teller

T = TypeVar("T")

MINUTE = 60_000  # ms
ROLES = PrimitiveArrayClaim("roles")
POLICY = Policy("https://api.example.com", site_origin="https://example.com")
SITE = ("Origin", "https://example.com")


@attrs.define(eq=False)
class Tour:
    """The stage: a store, a signer, a clock that the story moves, and who tells it."""

    store: OpenStore
    teller: Teller
    now: int
    entries: list[Entry] = attrs.field(factory=list[Entry])
    signer: LocalKeys = attrs.field(init=False)
    verify: KeySet = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.signer = LocalKeys.in_store(self.store, clock=lambda: self.now)
        self.verify = KeySet(self.signer.public_keys())

    @property
    def journal(self) -> Journal:
        """All that was carried out so far."""
        return Journal(tuple(self.entries))

    def play(self) -> None:
        """Tell the whole story."""
        session = self.login()
        self.request(session)
        session = self.claim(session)
        self.merge(session)
        token = self.two_tabs(session.handle, session.refresh_token)
        token = self.lost_response(session.handle, token)
        self.theft(session.handle, token)
        self.logout()
        self.teller.end(
            effects=len(self.entries),
            signed=sum(bool(getattr(e.reply, "access_token", None)) for e in self.entries),
            thefts=sum(_is_theft(entry.effect) for entry in self.entries),
        )

    # --- the chapters --------------------------------------------------------------------------

    def login(self) -> Session:
        """A user logs in."""
        self.teller.chapter(
            "Login",
            "Nothing happens by itself: the operation describes one effect, and an interpreter "
            "carries it out. The store keeps digests; only the browser gets the tokens.",
        )
        step = create_session("ada", payload={"plan": "free"}, **self._fresh())
        session = self.carry_out("application", 'create_session("ada", {"plan": "free"})', step)
        self._state("after", session.handle, session.refresh_token)
        return session

    def request(self, session: Session) -> None:
        """A request is verified."""
        self.now += MINUTE
        self.teller.chapter(
            "A request",
            "Verifying is a pure function of the token, the public keys and the time. It asks "
            "the world nothing.",
        )
        step = get_session(session.access_token, policy=POLICY, verify=self.verify, now=self.now)
        self.carry_out("application", "get_session(%s)", step, session.access_token)

    def claim(self, session: Session) -> Session:
        """A claim is fetched, then demanded."""
        self.teller.chapter(
            "A claim",
            "A route demands a role. The claim isn't in the token yet, so the application is "
            "asked for it, and what it answers is merged before it is judged.",
        )
        self._state("before", session.handle, session.refresh_token)
        step = assert_claims(session, [ROLES.includes("editor")], now=self.now)
        session = self.carry_out(
            "application", 'assert_claims(session, [roles.includes("editor")])', step
        )
        denied = assert_claims(session, [ROLES.includes("admin")], now=self.now)
        self._fail("application", 'assert_claims(session, [roles.includes("admin")])', denied)
        self._state("after", session.handle, session.refresh_token)
        return session

    def merge(self, session: Session) -> None:
        """Two writers change the payload at once."""
        self.teller.chapter(
            "Two changes at once",
            "A request and a background job change the payload at the same moment. A change is "
            "a patch that the store merges, so neither overwrites the other.",
        )
        plan = merge_into_access_token_payload(session, {"plan": "pro"}, now=self.now)
        seats = merge_into_access_token_payload_by_handle(
            session.handle, {"seats": 5}, policy=POLICY, now=self.now
        )
        self._state("before", session.handle, session.refresh_token)
        self.teller.operation("request", 'merge_into_access_token_payload(…, {"plan": "pro"})')
        self.teller.operation("job", 'merge_…_by_handle(handle, {"seats": 5})')
        self._together(("request", plan), ("job", seats))
        self._state("after", session.handle, session.refresh_token)

    def two_tabs(self, handle: str, token: Secret | None) -> Secret | None:
        """Two tabs refresh at once."""
        self.now += 15 * MINUTE
        self.teller.chapter(
            "Two tabs refresh at once",
            "Both present the same refresh token. One wins the compare-and-swap; the other is "
            "told that its record is stale, judges again, and gets the very same successor.",
        )
        self._state("before", handle, token)
        steps = [self._refreshing(token) for _ in range(2)]
        for tab in ("tab 1", "tab 2"):
            self.teller.operation(tab, "refresh_session(%s)", token)
        first, second = self._together(("tab 1", steps[0]), ("tab 2", steps[1]))
        same = "the same token" if first.refresh_token == second.refresh_token else "different"
        self.teller.remark(f"tab 1 and tab 2 hold {same}.")
        self._state("after", handle, first.refresh_token)
        return Secret(first.refresh_token)

    def lost_response(self, handle: str, token: Secret | None) -> Secret | None:
        """The response to a refresh never arrives."""
        self.now += 15 * MINUTE
        self.teller.chapter(
            "A lost response",
            "The train enters a tunnel: the server has rotated, the browser never hears of it. "
            "An hour later it presents the old token. Its successor was never used, so a new one "
            "displaces it, and nobody is logged out.",
        )
        self._state("before", handle, token)
        lost = self.carry_out("browser", "refresh_session(%s)", self._refreshing(token), token)
        self.teller.remark("the response is lost; an hour passes.", lost.refresh_token)
        self.now += 60 * MINUTE
        found = self.carry_out("browser", "refresh_session(%s)", self._refreshing(token), token)
        self._state("after", handle, found.refresh_token)
        return found.refresh_token

    def theft(self, handle: str, token: Secret | None) -> None:
        """A token is copied, and the copy is noticed."""
        self.now += 15 * MINUTE
        self.teller.chapter(
            "A copied token",
            "A thief has copied the browser's refresh token and uses it first. The browser then "
            "uses its own, and displaces the thief's. When the thief comes again, a token of a "
            "displaced line betrays the copy: the session ends, for both.",
        )
        self._state("before", handle, token)
        stolen = self.carry_out("thief", "refresh_session(%s)", self._refreshing(token), token)
        self.now += MINUTE
        self.carry_out("browser", "refresh_session(%s)", self._refreshing(token), token)
        self.now += 15 * MINUTE
        copy = stolen.refresh_token
        self._fail("thief", "refresh_session(%s)", self._refreshing(copy), copy)
        self._state("after", handle, None)

    def logout(self) -> None:
        """A login and a logout by cookie, from request to response."""
        self.now += MINUTE
        self.teller.chapter(
            "A new login, and the logout",
            "With a request, the response is described as well: header by header, what is set "
            "and what is cleared. A framework only has to write it down.",
        )
        login = RequestFacts("POST", [("st-auth-mode", "cookie"), SITE])
        created = create_session_in_request(login, "ada", verify=self.verify, **self._fresh())
        session = self.carry_out("browser", "POST /login", created)
        self.now += MINUTE
        cookie = ("Cookie", f"sAccessToken={session.access_token}")
        request = RequestFacts("POST", [cookie, SITE])
        ending = sign_out(request, policy=POLICY, verify=self.verify, now=self.now)
        self._state("before", session.handle, session.refresh_token)
        self.carry_out("browser", "POST /auth/signout", ending)
        self._state("after", session.handle, None)

    # --- how a step is carried out -------------------------------------------------------------

    def perform(self, effect: Effect[Any]) -> Any:
        """Carry one effect out, and record it."""
        reply = self._reply(effect)
        self.entries.append(Entry(effect, reply))
        return reply

    def _reply(self, effect: Any) -> Any:
        if isinstance(effect, FetchClaim):
            return ClaimFetched(["editor"])
        if isinstance(effect, Announce | ResponseEffect):
            return None
        return Backend(self.store, self.signer).perform(effect)

    def carry_out(self, who: str, call: str, step: Step[T], token: Secret | None = None) -> T:
        """Tell an operation, carry it out and give its end.

        Raises:
            Rejection: it ended in one, which the story did not expect.
        """
        state = self._walk(who, call, step, token)
        if isinstance(state, Rejection):
            raise state.raised()
        return state

    def _fail(self, who: str, call: str, step: Step[Any], token: Secret | None = None) -> None:
        self.teller.rejected(self._walk(who, call, step, token))

    def _walk(self, who: str, call: str, step: Step[T], token: Secret | None) -> T | Rejection:
        self.teller.operation(who, call, token)
        before = len(self.entries)
        while isinstance(step, Ask):
            step = self._answered(step)
        state = self._told(step)
        if len(self.entries) == before:
            self.teller.nothing()
        return state

    def _together(self, *steps: tuple[str, Step[Any]]) -> list[Any]:
        """Carry several steps out, one effect of each in turn."""
        running = dict(steps)
        ended: dict[str, Any] = {}
        while len(ended) < len(running):
            for who, step in running.items():
                if isinstance(step, Ask):
                    running[who] = self._answered(step, who)
                elif who not in ended:
                    ended[who] = self._told(step, who)
        return [ended[who] for who, _ in steps]

    def _answered(self, step: Ask[T], who: str = "") -> Step[T]:
        reply = self.perform(step.effect)
        self.teller.effect(step.effect, reply, who)
        return step.resume(reply)

    def _told(self, step: Done[T], who: str = "") -> T | Rejection:
        for effect in step.effects:
            self.perform(effect)
            self.teller.effect(effect, None, who)
        return step.state

    def _refreshing(self, token: Secret | None) -> Step[Session]:
        return refresh_session(token, **self._fresh())

    def _fresh(self) -> dict[str, Any]:
        entropy = secrets.token_bytes(ENTROPY_BYTES)
        return {"policy": POLICY, "now": self.now, "entropy": entropy}

    def _state(self, when: str, handle: str, token: Secret | None) -> None:
        self.teller.state(when, self.store.load(handle), token)


def _is_theft(effect: object) -> bool:
    return isinstance(effect, Announce) and isinstance(effect.event, TheftDetected)
