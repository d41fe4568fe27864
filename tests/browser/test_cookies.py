"""What `counterfoil doctor` says of cookies, held against a real Chromium.

Rows D1 to D5 of the security checklist: the very lines that policies make are kept or dropped,
sent or kept back, and deleted, as the core predicts. Chromium is met twice: as one that blocks
third-party cookies, and as one that doesn't.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from counterfoil import InvalidPolicy, Policy, SetCookie, Transfer, set_cookie_line
from counterfoil.core.browsers import Refusal, Way
from counterfoil.core.diagnosis import diagnose
from counterfoil.core.specimens import Occasion, Specimen, specimens

from .conftest import FLAGS
from .origins import Origins, browse, serve_origins

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

API, SITE, OTHER = "https://api.example.com", "https://example.com", "https://example.org"
HERE, THIS, LAN = "http://localhost:8000", "http://127.0.0.1:8000", "http://192.168.1.5:8000"
PLAIN = "http://api.example.com"

POLICIES = {
    "one origin": Policy(API),
    "one site": Policy(API, site_origin=SITE),
    "one site, strict links": Policy(API, site_origin=SITE, cookie_same_site="strict"),
    "one site, None": Policy(API, site_origin=SITE, cookie_same_site="none"),
    "cookie domain": Policy(API, site_origin=SITE, cookie_domain=".Example.com"),
    "own host as domain": Policy(API, cookie_domain="api.example.com"),
    "host cookies": Policy(API, site_origin=SITE).strict(),
    "secure prefix": Policy(API, access_cookie="__Secure-a", cookie_domain="example.com"),
    "two sites": Policy(API, site_origin=OTHER),
    "two sites, Lax": Policy(API, site_origin=OTHER, cookie_same_site="lax"),
    "two sites, Strict": Policy(API, site_origin=OTHER, cookie_same_site="strict"),
    "two sites, host cookies": Policy(API, site_origin=OTHER).strict(),
    "two schemes": Policy(API, site_origin="http://example.com"),
    "plain http": Policy(PLAIN, site_origin="http://example.com"),
    "plain http, Secure": Policy(PLAIN, cookie_secure=True),
    "localhost": Policy(HERE, site_origin="http://localhost:3000"),
    "localhost, Secure": Policy(HERE, cookie_secure=True),
    "localhost, host cookies": attrs.evolve(Policy(HERE), cookie_secure=True).strict(),
    "localhost and 127.0.0.1": Policy(HERE, site_origin=THIS),
    "localhost and 127.0.0.1, Secure": Policy(HERE, site_origin=THIS, cookie_secure=True),
    "127.0.0.1": Policy(THIS, site_origin="http://127.0.0.1:3000"),
    "app.localhost": Policy("http://app.localhost:8000", site_origin=HERE),
    "a machine nearby": Policy(LAN),
    "a machine nearby, Secure": Policy(LAN, cookie_secure=True),
    "a machine nearby and another": Policy(LAN, site_origin="http://192.168.1.6:8000"),
    "public suffix": Policy("https://api.github.io", site_origin="https://site.github.io"),
    "refresh path": Policy(API, refresh_cookie_path="/auth/session/refreshing"),
    "too large": Policy(API, refresh_cookie="r" * 4000),
    "at the root": Policy(API, base_path="/"),
}


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origins]:
    with serve_origins(tmp_path_factory.mktemp("origins")) as served:
        yield served


@pytest.fixture(scope="module")
def contexts(
    chromium: Browser, origins: Origins, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[bool, BrowserContext]]:
    """A browser that blocks third-party cookies, and one that doesn't."""
    program, folder = shutil.which("chromium"), tmp_path_factory.mktemp("profiles")
    assert program is not None
    with ExitStack() as stack:

        def open_browser(name: str, *, blocks: bool) -> BrowserContext:
            browser = browse(
                chromium.browser_type,
                program,
                FLAGS,
                origins.rules,
                folder / name,
                blocks_third_parties=blocks,
            )
            return stack.enter_context(browser)

        yield {
            True: open_browser("blocks", blocks=True),
            False: open_browser("allows", blocks=False),
        }


@pytest.fixture
def page(contexts: dict[bool, BrowserContext]) -> Iterator[Page]:
    """A page of the browser that blocks, with an empty jar."""
    yield from _empty(contexts[True])


def _empty(context: BrowserContext) -> Iterator[Page]:
    context.clear_cookies()
    page = context.new_page()
    yield page
    page.close()


# --- what a page does --------------------------------------------------------------------------

FETCH = """async ([url, method]) =>
    (await fetch(url, {method, credentials: "include"})).text()"""
FRAME = """url => new Promise(done => {
    const frame = document.createElement("iframe")
    frame.onload = done
    frame.src = url
    document.body.append(frame)
})"""
LINK = """url => {
    const link = document.createElement("a")
    link.href = url
    document.body.append(link)
    link.click()
}"""
FORM = """url => {
    const form = document.createElement("form")
    form.method = "post"
    form.action = url
    document.body.append(form)
    form.submit()
}"""


def sent_by(page: Page, policy: Policy, way: Way, path: str) -> set[str]:
    """The names of the cookies that reach the API on one way."""
    site, api = str(policy.site_origin), f"{policy.api_origin}{path}"
    # Of the scheme that may call the API and hold the site's page in a frame.
    foreign = (
        f"{(policy.site_origin if way is Way.FRAMED else policy.api_origin).scheme}://foreign.test/"
    )
    match way:
        case Way.FETCH:
            page.goto(f"{site}/")
            return names(fetch(page, api, "POST"))
        case Way.FOREIGN:
            page.goto(foreign)
            return names(fetch(page, api))
        case Way.FRAMED:
            page.goto(foreign)
            page.evaluate(FRAME, f"{site}/")
            return names(fetch(page.frames[1], api))
        case Way.LINK | Way.FORM:
            page.goto(foreign)
            with page.expect_navigation(url=api):
                page.evaluate(LINK if way is Way.LINK else FORM, api)
            return names(page.inner_text("body"))


def fetch(page: Page | Frame, url: str, method: str = "GET") -> str:
    told: str = page.evaluate(FETCH, [url, method])
    return told


def names(cookie_header: str) -> set[str]:
    return {pair.partition("=")[0] for pair in cookie_header.split("; ") if pair}


def take(page: Page, origins: Origins, policy: Policy, lines: list[str]) -> None:
    """Have the site's page fetch an answer with these Set-Cookie lines."""
    origins.set_cookies[:] = lines
    page.goto(f"{policy.site_origin}/")
    fetch(page, f"{policy.api_origin}/set", "POST")


def jar(page: Page) -> set[str]:
    return {cookie["name"] for cookie in page.context.cookies() if "name" in cookie}


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def shown(policy: Policy, occasion: Occasion) -> Specimen:
    """The specimen of an occasion, by cookie."""
    by_cookie = attrs.evolve(policy, transfer=Transfer.COOKIE)
    (found,) = [s for s in specimens(by_cookie, now=milliseconds()) if s.occasion is occasion]
    return found


def lines(specimen: Specimen) -> list[str]:
    return [set_cookie_line(cookie) for cookie in specimen.cookies]


# --- what the doctor says ----------------------------------------------------------------------


# Whether third-party cookies are blocked matters to those alone that say SameSite=None.
CASES = [(kind, True) for kind in POLICIES] + [
    (kind, False) for kind, policy in POLICIES.items() if policy.cookie_same_site == "none"
]


@pytest.mark.parametrize(("kind", "blocks"), CASES)
def test_d1_d4_d5_what_is_predicted_happens(
    contexts: dict[bool, BrowserContext], origins: Origins, kind: str, blocks: bool
) -> None:
    policy = POLICIES[kind]
    for page in _empty(contexts[blocks]):
        _hold_against(page, origins, policy, blocks=blocks)


def _hold_against(page: Page, origins: Origins, policy: Policy, *, blocks: bool) -> None:
    diagnosis = diagnose(policy, now=milliseconds())
    cookies = (policy.access_cookie, policy.refresh_cookie)
    take(page, origins, policy, lines(shown(policy, Occasion.LOGIN)))
    assert len(diagnosis.journeys) == 6
    for journey in diagnosis.journeys:
        passed = (None,) if blocks else (None, Refusal.THIRD_PARTY)
        fates = zip(cookies, journey.refusals, strict=True)
        predicted = {name for name, refusal in fates if refusal in passed}
        assert sent_by(page, policy, journey.way, journey.path) == predicted, journey
    kept = jar(page)
    take(page, origins, policy, lines(shown(policy, Occasion.SIGN_OUT)))
    assert jar(page) == set(), f"of {kept}"


@pytest.mark.parametrize("api", [API, HERE, THIS, LAN, PLAIN])
def test_fetch_metadata_goes_to_trustworthy_origins_alone(
    page: Page, origins: Origins, api: str
) -> None:
    page.goto(f"{api}/")
    fetch(page, f"{api}/", "POST")
    codes = [finding.code for finding in diagnose(Policy(api), now=milliseconds()).findings]
    assert ("sec-fetch-site" in origins.posted) is ("no-fetch-metadata" not in codes)
    assert origins.posted["origin"] == api


@pytest.mark.parametrize("api", [PLAIN, HERE, THIS])
def test_a_page_over_https_calls_no_api_over_plain_http(page: Page, api: str) -> None:
    policy = Policy(api, site_origin=SITE, cookie_same_site="lax")
    codes = [finding.code for finding in diagnose(policy, now=milliseconds()).findings]
    page.goto(f"{SITE}/")
    called = page.evaluate(
        "url => fetch(url, {mode: 'no-cors', signal: AbortSignal.timeout(15000)})"
        ".then(() => true, error => error.name)",
        f"{api}/",
    )
    assert called == ("TypeError" if "mixed-content" in codes else True)


def test_d2_an_unset_same_site_would_cross_with_a_form_and_ours_is_set(
    page: Page, origins: Origins
) -> None:
    for same_site in ("lax", "strict"):
        policy = Policy(API, cookie_same_site=same_site, transfer="cookie")
        ours = lines(shown(policy, Occasion.LOGIN))
        assert all("; SameSite=" in line for line in ours)
        take(page, origins, policy, [*ours, "unset=1; Path=/; Secure"])
        assert {"unset", "sAccessToken"} <= jar(page)
        assert sent_by(page, policy, Way.FORM, "/") == {"unset"}


def test_d3_a_script_can_plant_a_host_cookie_but_no_host_http_one(
    page: Page, origins: Origins
) -> None:
    policy = Policy(API, access_cookie="__Host-Http-s", refresh_cookie_path="/")
    take(page, origins, policy, lines(shown(policy, Occasion.LOGIN)))
    assert "__Host-Http-s" in jar(page)
    page.context.clear_cookies()
    page.evaluate("""() => {
        for (const name of ["__Host-Http-s", "__Host-s"])
            document.cookie = `${name}=planted; Secure; Path=/`
    }""")
    assert jar(page) == {"__Host-s"}


NAMES = ["s", "__Host-s", "__Secure-s", "__HOST-s"]
PATHS = ["/", "/auth/session/refresh", "/" + "a" * 1023, "/" + "a" * 1024]
DOMAINS = [None, "example.com", ".example.com", "api.example.com", "EXAMPLE.com", "com",
           "evil.example", "ample.com", "www.api.example.com", "co.uk"]  # fmt: skip


@pytest.mark.parametrize("secure", [True, False], ids=["Secure", "not Secure"])
@pytest.mark.parametrize("name", NAMES)
def test_d4_a_policy_is_accepted_if_and_only_if_chromium_keeps_its_cookies(
    page: Page, origins: Origins, name: str, secure: bool
) -> None:
    page.goto(f"{API}/")
    both: tuple[Literal["lax", "none"], ...] = ("lax", "none")
    for same_site, path, domain in product(both, PATHS, DOMAINS):
        cookie = SetCookie(
            name=name, value="v", path=path, domain=domain, secure=secure, http_only=True,
            same_site=same_site, expires=milliseconds() + 60_000, max_age=60,
        )  # fmt: skip
        origins.set_cookies[:] = [set_cookie_line(cookie)]
        fetch(page, f"{API}/set", "POST")
        kept = [(c.get("name"), c.get("path")) for c in page.context.cookies()]
        page.context.clear_cookies()
        settings: dict[str, Any] = {"cookie_domain": domain, "refresh_cookie_path": path}
        settings |= {"cookie_secure": secure, "cookie_same_site": same_site}
        try:
            Policy(API, refresh_cookie=name, **settings)
        except InvalidPolicy:
            assert kept != [(name, path)], settings
        else:
            assert kept == [(name, path)], settings
