"""A claim that a session lacks: the 403 and its body as the SDK understands them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from counterfoil import BooleanClaim, MemoryStore, Policy, PrimitiveArrayClaim, Sessions
from counterfoil.adapters.web.exchange import ASGIApp
from counterfoil.adapters.web.fastapi import ExchangeDep, SessionDep, add_sessions, verify_session
from counterfoil.core import Session
from counterfoil.effects import FetchClaim

from ..listening import quiet
from .serving import LIFE, REFRESH, Clock, Site
from .tab import Mode, OpenTab, Tab

VERIFIED = BooleanClaim("verified", fetchable=False)
ROLES = PrimitiveArrayClaim("roles")
FRESH = timedelta(minutes=5)
Checked = verify_session(validators=[VERIFIED.is_true(), ROLES.includes("admin", max_age=FRESH)])


def shop(clock: Clock, roles: list[str]) -> Callable[[str], ASGIApp]:
    """An application with a route for verified administrators."""

    def make(origin: str) -> ASGIApp:
        app = FastAPI()
        policy = Policy(origin, access_jitter=0, claims=[ROLES])

        def fetch_roles(question: FetchClaim, context: Any) -> list[str]:
            return list(roles)

        sessions = Sessions(
            policy, MemoryStore(), clock=clock, listener=quiet, fetchers={"roles": fetch_roles}
        )
        add_sessions(app, sessions)

        @app.post("/login")
        async def login(exchange: ExchangeDep) -> dict[str, bool]:
            await exchange.create_session("ada")
            return {"ok": True}

        @app.post("/verify")
        async def verify(session: SessionDep, exchange: ExchangeDep) -> dict[str, bool]:
            await exchange.sessions.set_claim_value(session, VERIFIED, True)
            return {"ok": True}

        @app.get("/admin")
        async def admin(session: Annotated[Session, Depends(Checked)]) -> dict[str, str]:
            return {"userId": session.user_id}

        return app

    return make


@pytest.fixture
def roles() -> list[str]:
    return []


@pytest.fixture
def site(serve: Callable[..., Site], clock: Clock, roles: list[str]) -> Site:
    return serve(shop(clock, roles))


@pytest.fixture
def tab(site: Site, open_tab: OpenTab, mode: Mode) -> Tab:
    tab = open_tab(site.origin, mode).log_in()
    site.seen.clear()
    return tab


def test_the_sdk_reads_which_claims_failed(site: Site, tab: Tab) -> None:
    found: Any = tab.page.evaluate("""async () => {
        const response = await fetch("/admin");
        const claims = await supertokens.getInvalidClaimsFromResponse({response});
        return {status: response.status, body: await response.json(), claims};
    }""")
    assert found["status"] == 403
    assert found["body"]["message"] == "invalid claim"
    assert found["claims"] == found["body"]["claimValidationErrors"]
    assert [claim["id"] for claim in found["claims"]] == ["verified", "roles"]
    assert found["claims"][0]["reason"]["expectedValue"] is True
    assert found["claims"][1]["reason"]["expectedToInclude"] == "admin"
    assert tab.events[-1] == "API_INVALID_CLAIM"
    assert site.calls(REFRESH) == []
    assert tab.has_session


def test_claims_that_came_since_are_seen_by_both_sides(
    site: Site, tab: Tab, roles: list[str], clock: Clock
) -> None:
    roles.append("admin")
    assert tab.post("/verify").status == 200
    assert tab.payload["verified"]["v"] is True
    clock.now += LIFE  # the roles are too old by now, and are fetched again
    assert tab.get("/admin").body == {"userId": "ada"}
    assert tab.payload["roles"]["v"] == ["admin"]


def test_the_sdks_own_validators_read_our_claims(tab: Tab) -> None:
    ask = """async () => {
        const claim = new supertokens.BooleanClaim({id: "verified", refresh: async () => {}});
        const errors = await supertokens.validateClaims(() => [claim.validators.isTrue(1e9)]);
        return {errors, value: await supertokens.getClaimValue({claim})};
    }"""
    before: Any = tab.page.evaluate(ask)
    assert [error["id"] for error in before["errors"]] == ["verified"]
    tab.post("/verify")
    assert tab.page.evaluate(ask) == {"errors": [], "value": True}
