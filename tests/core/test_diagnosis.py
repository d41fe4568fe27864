"""What is found of a policy: each finding by the settings that bring it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counterfoil import InvalidPolicy, Policy, PrimitiveClaim, SetCookie, Transfer
from counterfoil.core.browsers import Refusal, Way, dropped, kept_back, matches
from counterfoil.core.cookie_rules import COOKIE_RULES
from counterfoil.core.diagnosis import Diagnosis, diagnose
from counterfoil.core.findings import Severity, refused_policy
from counterfoil.core.other_rules import OTHER_RULES
from counterfoil.core.policy_strategies import policies
from counterfoil.core.specimens import Occasion, specimens

from .telling import API, COOKIE, HEADER, HERE, LAN, LONGEST, OTHER, OTHERS, PROBLEMS, SITE

NOW = 1_700_000_000_000


def found(api: str, *, embedded: bool = False, **chosen: Any) -> list[str]:
    """The codes of what is found."""
    diagnosis = diagnose(Policy(api, **{**COOKIE, **chosen}), now=NOW, embedded=embedded)
    return [finding.code for finding in diagnosis.findings]


@pytest.mark.parametrize("code", [*PROBLEMS, *OTHERS])
def test_each_finding_has_its_cause(code: str) -> None:
    api, chosen = (PROBLEMS | OTHERS)[code]
    assert code in found(api, **chosen)


@pytest.mark.parametrize(
    ("code", "api", "chosen"),
    [
        ("cookie-life-capped", API, {"lifetime": LONGEST}),
        ("clear-site-data-ignored", LAN, {}),
        ("clear-site-data-ignored", API, {"clear_site_data": True}),
        ("no-fetch-metadata", LAN, {"anti_csrf": "VIA_CUSTOM_HEADER"}),
        ("no-fetch-metadata", LAN, HEADER),
        ("no-fetch-metadata", API, {}),
        ("plain-http", "http://app.localhost:8000", {}),
        ("plain-http", "http://[::1]:8000", {}),
    ],
)
def test_each_finding_has_its_limit(code: str, api: str, chosen: dict[str, Any]) -> None:
    assert code not in found(api, **chosen)


def test_a_policy_without_fault_has_none() -> None:
    assert found(API) == []
    assert found(API, **HEADER) == ["tokens-in-javascript"]


@pytest.mark.parametrize("code", PROBLEMS)
def test_only_a_problem_stops_a_policy_from_working(code: str) -> None:
    api, chosen = PROBLEMS[code]
    options = {**COOKIE, **chosen}
    embedded = options.pop("embedded", False)
    diagnosis = diagnose(Policy(api, **options), now=NOW, embedded=embedded)
    assert not diagnosis.works
    assert diagnosis.findings[0].severity is Severity.PROBLEM


def test_in_headers_no_rule_of_cookies_counts() -> None:
    for code in ("secure-over-http", "none-without-secure", "third-party-cookies"):
        api, chosen = PROBLEMS[code]
        policy = Policy(api, **chosen, **HEADER)
        assert diagnose(policy, now=NOW, embedded=True).works
        assert diagnose(policy, now=NOW).journeys == ()
    bare = Policy(LAN, anti_csrf="NONE", **HEADER)
    assert "no-anti-csrf" not in [f.code for f in diagnose(bare, now=NOW).findings]


def test_a_policy_that_lets_the_client_choose_is_measured_by_both_ways() -> None:
    codes = found(API, site_origin=OTHER, transfer=None)
    assert codes == ["third-party-cookies", "tokens-in-javascript", "needs-cors"]


def test_a_policy_that_is_refused_is_a_finding() -> None:
    with pytest.raises(InvalidPolicy) as refused:
        Policy(API, cookie_domain="com")
    finding = refused_policy(refused.value)
    assert (finding.code, finding.severity) == ("policy-refused", Severity.PROBLEM)
    assert "cookie_domain, or leave it out" in finding.remedy


def test_an_origin_that_is_none_can_not_be_left_out() -> None:
    with pytest.raises(InvalidPolicy) as refused:
        Policy("api.example.com")
    assert refused_policy(refused.value).remedy == "Change api_origin."


def test_every_rule_is_tried_here() -> None:
    codes = {*PROBLEMS, *OTHERS} - {"policy-concern", "no-room-for-a-token"}
    # One rule tells of the older domain, whether it is known or not.
    assert len(codes) == len(COOKIE_RULES) + len(OTHER_RULES) + 1


def test_the_example_policies_of_one_name_differ_by_their_domain() -> None:
    own = found(API, cookie_domain="api.example.com")
    assert "cookies-for-siblings" not in own
    assert "domain-was-changed" in own


# --- what is sent ------------------------------------------------------------------------------


def test_there_is_a_specimen_for_each_occasion_and_transfer() -> None:
    kinds = [(s.occasion, s.transfer) for s in specimens(Policy(API), now=NOW)]
    assert kinds == [(occasion, way) for way in Transfer for occasion in Occasion]


@pytest.mark.parametrize("mode", ["VIA_TOKEN", "VIA_CUSTOM_HEADER", "FETCH_METADATA", "NONE"])
@pytest.mark.parametrize("transfer", Transfer)
def test_each_mode_lets_the_sites_page_log_in_refresh_and_leave(mode: str, transfer: str) -> None:
    policy = Policy(API, site_origin=SITE, anti_csrf=mode, transfer=transfer)
    login, refresh, leave = specimens(policy, now=NOW)
    assert "front-token" in [effect.name for effect in login.effects]
    assert len(refresh.effects) == len(login.effects)
    assert [cookie.value for cookie in leave.cookies] == [""] * len(login.cookies)


def test_claims_are_fetched_for_nobody() -> None:
    policy = Policy(API, claims=[PrimitiveClaim("plan")], **COOKIE)
    assert len(specimens(policy, now=NOW)) == 3


# --- what is kept and sent back ----------------------------------------------------------------


def cookie(**changes: Any) -> SetCookie:
    """A cookie."""
    (first, *_) = specimens(Policy(API, **COOKIE), now=NOW)[0].cookies
    return attrs.evolve(first, **changes)


@pytest.mark.parametrize(
    ("same_site", "sent"),
    [
        ("none", {Way.FETCH, Way.LINK, Way.FORM}),
        ("lax", {Way.FETCH, Way.LINK}),
        ("strict", {Way.FETCH}),
    ],
)
def test_same_site_decides_what_crosses(same_site: Any, sent: set[Way]) -> None:
    policy = Policy(API, site_origin=SITE)
    told = {way: kept_back(cookie(same_site=same_site), policy, way, "/") for way in Way}
    assert {way for way, refusal in told.items() if refusal is None} == sent
    blocked = {way for way, refusal in told.items() if refusal is Refusal.THIRD_PARTY}
    assert blocked == ({Way.FOREIGN, Way.FRAMED} if same_site == "none" else set())


def test_a_name_and_a_value_of_4096_bytes_are_kept_and_one_more_is_not() -> None:
    name = cookie().name
    fits = cookie(value="v" * (4096 - len(name)))
    assert dropped(fits, Policy(API)) is None
    assert dropped(attrs.evolve(fits, value=f"{fits.value}v"), Policy(API)) is Refusal.TOO_LARGE
    escaped = cookie(value="é" * ((4096 - len(name)) // 6))
    assert dropped(escaped, Policy(API)) is None
    assert dropped(attrs.evolve(escaped, value=f"{escaped.value}é"), Policy(API))


@given(st.text("/ab", max_size=6).map("/{}".format), st.text("/ab", max_size=4).map("/{}".format))
@example("/authors", "/auth")
def test_a_path_is_matched_by_whole_segments(path: str, cookie_path: str) -> None:
    # RFC 6265bis, 5.1.4, word for word.
    prefix = path.startswith(cookie_path)
    meant = path == cookie_path or (
        prefix and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")
    )
    assert matches(path, cookie_path) is meant


# --- any policy --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(policies(), st.booleans())
def test_every_policy_can_be_diagnosed(policy: Policy, embedded: bool) -> None:
    diagnosis = diagnose(policy, now=NOW, embedded=embedded)
    assert diagnosis == diagnose(policy, now=NOW, embedded=embedded)
    severities = [list(Severity).index(finding.severity) for finding in diagnosis.findings]
    assert severities == sorted(severities)
    assert len({f.code for f in diagnosis.findings}) >= len(diagnosis.findings) - 1
    by_cookie = policy.transfer is not Transfer.HEADER
    assert bool(diagnosis.journeys) is (by_cookie and bool(diagnosis.specimens))
    for finding in diagnosis.findings:
        for text in (finding.what, finding.why, finding.remedy):
            assert text.endswith(".")


@settings(max_examples=60)
@given(policies())
def test_cookies_that_are_lost_are_nowhere_sent(policy: Policy) -> None:
    diagnosis = diagnose(policy, now=NOW)
    lost = any(f.code in ("secure-over-http", "none-without-secure") for f in diagnosis.findings)
    if lost:
        assert all(None not in journey.refusals for journey in diagnosis.journeys)


def test_a_diagnosis_is_a_value(check_value: Any) -> None:
    for policy in (Policy(API), Policy(HERE, site_origin="http://127.0.0.1:1")):
        check_value(diagnose(policy, now=NOW))
    assert Diagnosis(findings=()).works
