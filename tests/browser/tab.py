"""A tab in which the official SDK runs, as an application's page would use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from counterfoil import AntiCsrf

if TYPE_CHECKING:
    from playwright.sync_api import Page

Mode = Literal["cookie", "header"]

# The anti-CSRF modes by cookie; by header there is nothing to check.
WAYS: list[tuple[Mode, AntiCsrf]] = [
    *(("cookie", anti_csrf) for anti_csrf in AntiCsrf),
    ("header", AntiCsrf.VIA_TOKEN),
]

# A document of the origin on which no script runs: the SDK is alone.
BLANK = "/auth/jwt/jwks.json"

INIT = """({api, mode, locked}) => {
    window.events = [];
    const unlocked = async () => ({acquireLock: async () => true, releaseLock: async () => {}});
    supertokens.init({
        apiDomain: api,
        apiBasePath: "/auth",
        tokenTransferMethod: mode,
        onHandleEvent: event => events.push(event.action),
        ...(locked ? {} : {lockFactory: unlocked}),
    });
    window.api = api;
    window.call = async (method, path, body) => {
        const answer = await fetch(api + path, {method, body: body && JSON.stringify(body)});
        return {status: answer.status, body: await answer.json()};
    };
}"""

BEGIN = """(expression) => {
    const one = promise => promise.then(value => ({value}), error => ({error: String(error)}));
    window.running = one(Promise.resolve().then(() => eval(expression)));
}"""


@attrs.frozen
class Answer:
    """What `fetch` gave to the page."""

    status: int
    body: Any


@attrs.frozen
class Tab:
    """A page with the SDK, and what an application does with it."""

    page: Page
    sdk: Path
    api: str
    mode: Mode
    locked: bool = True

    def open(self, site: str | None = None) -> Tab:
        """Load a document of the site, by default the API's own origin, and start the SDK."""
        self.page.goto((site or self.api) + BLANK)
        self.page.add_script_tag(path=self.sdk)
        self.page.evaluate(INIT, {"api": self.api, "mode": self.mode, "locked": self.locked})
        return self

    def beside(self, *, locked: bool = True, mode: Mode | None = None) -> Tab:
        """Another tab with the same cookies."""
        page = self.page.context.new_page()
        tab = attrs.evolve(self, page=page, locked=locked, mode=mode or self.mode)
        return tab.open(self.page.url.removesuffix(BLANK))

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Call the API by `fetch`, which the SDK wraps."""
        given = self.page.evaluate("([m, p, b]) => call(m, p, b)", [method, path, body])
        return Answer(given["status"], given["body"])

    def get(self, path: str) -> Answer:
        """GET."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        """POST."""
        return self.call("POST", path, body)

    def log_in(self, user_id: str = "ada") -> Tab:
        """Log in."""
        assert self.post("/login", {"userId": user_id}).status == 200
        return self

    def ask(self, name: str) -> Any:
        """Call a function of the SDK."""
        return self.page.evaluate(f"() => supertokens.{name}()")

    @property
    def has_session(self) -> bool:
        """Whether the SDK says that there is one."""
        exists: bool = self.ask("doesSessionExist")
        return exists

    @property
    def payload(self) -> dict[str, Any]:
        """The access token's payload, as the SDK gives it to the application."""
        payload: dict[str, Any] = self.ask("getAccessTokenPayloadSecurely")
        return payload

    @property
    def events(self) -> list[str]:
        """What the SDK told the application."""
        events: list[str] = self.page.evaluate("() => events")
        return events

    def begin(self, expression: str) -> None:
        """Begin something that `result` waits for, while the test goes on."""
        self.page.evaluate(BEGIN, expression)

    def result(self) -> Any:
        """The value of what was begun, or `{"error": ...}`."""
        ended = self.page.evaluate("() => running")
        return ended.get("value", ended)

    def refresh(self) -> bool:
        """Have the SDK refresh now; whether there is a session then."""
        refreshed: bool = self.ask("attemptRefreshingSession")
        return refreshed

    @property
    def jar(self) -> list[Any]:
        """The browser's cookies, of each domain."""
        return [*self.page.context.cookies()]

    @property
    def cookies(self) -> dict[str, Any]:
        """The browser's cookies, by name."""
        return {cookie["name"]: cookie for cookie in self.jar}

    def refresh_token(self) -> str:
        """The refresh token that the browser holds, in this mode."""
        name = "sRefreshToken" if self.mode == "cookie" else "st-refresh-token"
        token: str = self.cookies[name]["value"]
        return token


OpenTab = Callable[..., Tab]
