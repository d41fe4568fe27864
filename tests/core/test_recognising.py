"""What may be remembered of a request whose session was recognised, and for how long."""

from typing import Any

import pytest

from counterfoil import RequestFacts, TryRefreshToken, get_session
from counterfoil.core.recognising import is_plain, lasting


@pytest.mark.parametrize(
    ("headers", "plain"),
    [
        ([], False),
        ([("Cookie", "sAccessToken=a")], True),
        ([("Cookie", "sAccessToken=a; sAccessToken=b")], False),
        ([("Cookie", "other=a")], False),
        ([("Authorization", "Bearer a")], True),
        ([("Authorization", "Basic a")], False),
        ([("Authorization", "Bearer a"), ("Cookie", "sAccessToken=a")], False),
        ([("Authorization", "Bearer a"), ("Cookie", "sRefreshToken=a")], True),
    ],
)
def test_a_request_is_plain_that_shows_one_access_token(
    headers: list[tuple[str, str]], plain: bool, engine: Any
) -> None:
    assert is_plain(RequestFacts("GET", headers), engine.policy) is plain


def test_a_session_lasts_as_long_as_its_token_holds(engine: Any) -> None:
    session = engine.login()
    times = lasting(session)
    assert times == range(engine.now - 60_000, session.access.expires_at)
    for now, holds in (
        (times.start - 1, False),
        (times.start, True),
        (times.stop - 1, True),
        (times.stop, False),
    ):
        step = get_session(
            session.access_token, policy=engine.policy, verify=engine.verify, now=now
        )
        assert isinstance(step.state, TryRefreshToken) is not holds
