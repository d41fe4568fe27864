"""Faults at each boundary between effects, of those that are told too: row B10."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil import (
    RequestFacts,
    Session,
    Step,
    StoreUnavailable,
    TheftDetected,
    run,
)
from counterfoil.effects import Effect

LEEWAY, DAY = 10_000, 86_400_000


def is_live(app: Any, session: Session) -> bool:
    """Whether an access token is taken where the store is asked."""
    found = app.outcome(app.sessions.get_session, session.access_token, check_database=True)
    return isinstance(found, Session)


def refresh(app: Any, token: str | None) -> Any:
    """What presenting a refresh token ends in."""
    return app.outcome(app.sessions.refresh_session, token)


class Outage:
    """An interpreter that fails once, before or after it carries out its nth effect."""

    def __init__(self, interpreter: Any, nth: int, *, after: bool) -> None:
        self.interpreter = interpreter
        self.left = nth
        self.after = after

    def perform(self, effect: Effect[Any]) -> Any:
        """Carry an effect out, or fail."""
        self.left -= 1
        if self.left == 0 and not self.after:
            raise StoreUnavailable("before")
        reply = self.interpreter.perform(effect)
        if self.left == 0:
            raise StoreUnavailable("after")
        return reply


class Silence:
    """A response that nobody gets."""

    def perform(self, effect: object) -> None:
        """Take a response effect."""


def through(app: Any, step: Step[Any], nth: int, *, after: bool) -> bool:
    """Carry a step out through an outage; whether one was met."""
    interpreter = app.sessions.using(response=Silence()).interpreter
    try:
        run(step, Outage(interpreter, nth, after=after))
    except StoreUnavailable:
        return True
    return False


def presenting(app: Any, token: str) -> Step[Session]:
    """The first step of a refresh by cookie, as it comes in."""
    headers = [("Cookie", f"sRefreshToken={token}"), ("Origin", "https://example.com")]
    request = RequestFacts("POST", headers)
    step: Step[Session] = app.sessions.operations.refresh_session_in_request(request)
    return step


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("wait", [0, LEEWAY, LEEWAY + 1, DAY])
@pytest.mark.parametrize("verdict", ["rotate", "replay", "fork"])
def test_b10_whatever_fails_the_old_token_is_good_for_another_try(
    make_app: Any, verdict: str, wait: int, after: bool
) -> None:
    met = 0
    for nth in range(1, 40):
        app = make_app()
        token = app.sessions.create_session("ada").refresh_token
        if verdict != "rotate":
            app.sessions.refresh_session(token)
            app.now += LEEWAY + 1 if verdict == "fork" else 0
        if not through(app, presenting(app, token), nth, after=after):
            break
        met += 1
        app.now += wait
        again = refresh(app, token)
        assert isinstance(again, Session)
        assert isinstance(refresh(app, again.refresh_token), Session)
        assert not any(isinstance(event, TheftDetected) for event in app.events)
    assert met >= 9  # two of the store, one announcement, and the response's


@pytest.mark.parametrize("after", [False, True])
def test_b10_a_login_that_fails_can_be_tried_again(make_app: Any, after: bool) -> None:
    request = RequestFacts("POST", [("st-auth-mode", "cookie")])
    for nth in range(1, 40):
        app = make_app()
        login = app.sessions.operations.create_session_in_request
        if not through(app, login(request, "ada"), nth, after=after):
            break
        session = run(login(request, "ada"), app.sessions.using(response=Silence()).interpreter)
        assert is_live(app, session)
    else:
        pytest.fail("the login never ended")


@pytest.mark.parametrize("after", [False, True])
def test_b10_a_merge_that_fails_is_all_or_nothing(make_app: Any, after: bool) -> None:
    app = make_app()
    session = app.sessions.create_session("ada", payload={"plan": "free"})
    step = app.sessions.operations.merge_into_access_token_payload(session, {"plan": "pro"})
    assert through(app, step, 1, after=after)
    held = app.sessions.get_session_information(session.handle).payload
    assert held == {"plan": "pro" if after else "free"}
    merged = app.sessions.merge_into_access_token_payload(session, {"plan": "pro"})
    assert app.sessions.refresh_session(session.refresh_token).payload["plan"] == "pro"
    assert merged.payload["plan"] == "pro"


@pytest.mark.parametrize(
    ("nth", "after"), [(1, False), (1, True), (2, False), (2, True), (3, False)]
)
def test_b10_a_rekey_that_fails_before_the_old_name_is_retired_leaves_it(
    app: Any, nth: int, after: bool
) -> None:
    session = app.sessions.create_session("ada")
    assert through(app, app.sessions.operations.rekey_session(session), nth, after=after)
    assert is_live(app, session)
    assert isinstance(refresh(app, session.refresh_token), Session)
