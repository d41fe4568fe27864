"""Requests that replace their session: whatever is done with the old one, the client keeps the new.

A handler logs in or re-keys, and goes on with any of the sessions that it has at hand. The client
does what browsers do with the response; what it holds then is what is alive in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import (
    BlockingSessions,
    MemoryStore,
    Policy,
    RequestFacts,
    ResponseEffect,
    ResponseHeaders,
    Session,
    Sessions,
    Unauthorised,
)

from ..listening import quiet
from .awaited import Awaited

POLICY = Policy("https://api.example.com", anti_csrf="NONE")

FACADES: Mapping[str, Callable[[], Any]] = {
    "blocking": lambda: BlockingSessions(POLICY, MemoryStore(), listener=quiet),
    "awaited": lambda: Awaited(Sessions(POLICY, MemoryStore(), listener=quiet), "asyncio"),
}
SHOWN = {"cookie": ("Cookie", "s{}Token="), "header": ("Authorization", "Bearer ")}
TOKENS = {
    "sAccessToken": "access",
    "st-access-token": "access",
    "sRefreshToken": "refresh",
    "st-refresh-token": "refresh",
}


@attrs.frozen
class Own:
    """An interpreter of an application's own for what a response is told."""

    headers: ResponseHeaders

    def perform(self, effect: ResponseEffect) -> None:
        """Leave it to the headers, which the engine doesn't see."""
        self.headers.perform(effect)


@attrs.define
class Client:
    """A client that was logged in, and the request that it sends: `here` is a facade for it.

    With the engine's own headers each act may have another facade; else there is one.
    """

    sessions: Any
    mode: str
    has_own_response: bool = False
    tokens: dict[str, str] = attrs.Factory(dict[str, str])
    request: RequestFacts = attrs.field(init=False)
    response: ResponseHeaders = attrs.field(init=False)
    _here: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ask()
        self.here.create_session_in_request(self.request, "ada")
        self.hear()
        self.ask()

    def showing(self, kind: str) -> RequestFacts:
        """A request with the token of this kind that the client holds."""
        headers = [("st-auth-mode", self.mode)]
        if self.tokens.get(kind):
            name, before = SHOWN[self.mode]
            headers.append((name, before.format(kind.capitalize()) + self.tokens[kind]))
        return RequestFacts("POST", headers)

    def ask(self) -> None:
        """Begin a request, with the access token that the client holds."""
        self.request = self.showing("access")
        self.response = ResponseHeaders()
        self._here = self.sessions.using(response=Own(self.response))

    @property
    def here(self) -> Any:
        """A facade for the request."""
        return self._here if self.has_own_response else self.sessions.using(response=self.response)

    def hear(self) -> None:
        """End it: take what the response sets, and forget what it clears."""
        for name, value in self.response.headers:
            if name == "Set-Cookie":
                name, _, value = value.partition(";")[0].partition("=")
            if name in TOKENS:
                self.tokens[TOKENS[name]] = value

    def kept(self) -> tuple[str, ...]:
        """The handle of the session that the client can go on with, by either token; or none."""
        if not any(self.tokens.values()):
            return ()
        self.ask()
        found = self.here.get_session_from_request(self.request, check_database=True)
        refreshed = self.sessions.refresh_session(self.tokens["refresh"])
        assert refreshed.handle == found.handle
        return (found.handle,)


Move = Callable[[Client, Session], Any]


def log_in_by_hand(client: Client, old: Session) -> Any:
    """A login that ends the old session itself."""
    client.here.revoke_session(old)
    new = client.here.create_session("ada")
    return client.here.attach_to_request_response(new, client.mode)


REPLACING: Mapping[str, Move] = {
    "log in": lambda client, _: client.here.create_session_in_request(client.request, "ada"),
    "log in by hand": log_in_by_hand,
    "re-key": lambda client, old: client.here.rekey_session(old),
}
MOVES: Mapping[str, Move] = {
    "revoke": lambda client, session: client.here.revoke_session(session),
    "merge": lambda client, session: client.here.merge_into_access_token_payload(
        session, {"plan": "pro"}
    ),
    "read": lambda client, session: client.here.get_session_data_from_database(session=session),
    "re-key": REPLACING["re-key"],
    "refresh": lambda client, _: client.here.refresh_session_in_request(client.showing("refresh")),
    "look again": lambda client, _: client.here.get_session_from_request(
        client.request, check_database=True
    ),
}
WITH_THE_OLD: Mapping[str, Move] = {
    **MOVES,
    "attach": lambda client, session: client.here.attach_to_request_response(session, client.mode),
}
modes = st.sampled_from(sorted(SHOWN))
moves = st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 3)), max_size=4)


@pytest.mark.parametrize("facade", FACADES)
@pytest.mark.parametrize("replacing", REPLACING)
@given(mode=modes, has_own_response=st.booleans(), moves=moves)
def test_the_client_holds_what_is_alive(
    facade: str,
    replacing: str,
    mode: str,
    has_own_response: bool,
    moves: list[tuple[str, int]],
) -> None:
    client = Client(FACADES[facade](), mode, has_own_response)
    old = client.here.get_session_from_request(client.request)
    at_hand = [old, REPLACING[replacing](client, old)]
    for name, number in moves:
        with suppress(Unauthorised):
            outcome = MOVES[name](client, at_hand[number % len(at_hand)])
            if name == "re-key":
                at_hand.append(outcome)
    client.hear()
    alive = client.sessions.get_all_session_handles_for_user("ada")
    assert client.kept() == alive


@pytest.mark.parametrize("facade", FACADES)
@pytest.mark.parametrize("mode", SHOWN)
@pytest.mark.parametrize("replacing", REPLACING)
@pytest.mark.parametrize("name", WITH_THE_OLD)
@pytest.mark.parametrize("has_own_response", [False, True])
def test_whatever_is_done_with_the_old_session_the_client_keeps_the_new(
    facade: str, mode: str, replacing: str, name: str, has_own_response: bool
) -> None:
    client = Client(FACADES[facade](), mode, has_own_response)
    old = client.here.get_session_from_request(client.request)
    new = REPLACING[replacing](client, old)
    with suppress(Unauthorised):
        WITH_THE_OLD[name](client, attrs.evolve(old, access_token_updated=True))
    client.hear()
    assert client.kept() == (new.handle,)


@pytest.mark.parametrize("facade", FACADES)
@pytest.mark.parametrize("mode", SHOWN)
def test_a_merge_into_the_new_session_reaches_the_client(facade: str, mode: str) -> None:
    client = Client(FACADES[facade](), mode)
    old = client.here.get_session_from_request(client.request)
    new = client.here.rekey_session(old)
    client.here.revoke_session(old)
    client.here.merge_into_access_token_payload(new, {"plan": "pro"})
    client.hear()
    client.ask()
    assert client.here.get_session_from_request(client.request).payload["plan"] == "pro"


@pytest.mark.parametrize("facade", FACADES)
def test_a_request_says_nothing_of_the_sessions_of_others(facade: str) -> None:
    sessions = FACADES[facade]()
    one, other = Client(sessions, "cookie"), Client(sessions, "cookie")
    one.here.create_session_in_request(one.request, "ada")
    theirs = other.here.get_session_from_request(other.request)
    other.here.revoke_session(theirs)
    other.hear()
    assert other.kept() == ()
