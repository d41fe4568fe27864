"""The strategies of the decisions: they know every value, and what is drawn belongs together."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from counterfoil import (
    AntiCsrf,
    Backend,
    ClaimFetched,
    FetchClaim,
    Lifetime,
    MemoryStore,
    Origin,
    Policy,
    Reason,
    Rejection,
    RequestFacts,
    SameSuccessor,
    Session,
    SessionRecord,
    StoreEffect,
    Theft,
    TokenTheftDetected,
    Transfer,
    Verdict,
    core,
    create_session,
    refresh_session,
    run,
)
from counterfoil.adapters.memory import UnsignedTokens
from counterfoil.core import strategies as made
from counterfoil.core.access_token import lasting_reason
from counterfoil.core.origins import parse_origin
from counterfoil.core.rotation import parse

CheckValue = Callable[[object], None]

EXPORTED = dict.fromkeys(vars(core)[name] for name in core.__all__)
CLASSES: set[type[Any]] = {cls for cls in EXPORTED if isinstance(cls, type) and attrs.has(cls)}
REJECTIONS: set[Any] = {cls for cls in CLASSES if issubclass(cls, Rejection)}
CLAIMS: set[Any] = {cls for cls in CLASSES if issubclass(cls, core.SessionClaim)}

STRATEGIES: dict[type[Any], st.SearchStrategy[Any]] = {
    **{cls: made.rejections(cls) for cls in REJECTIONS},
    **{cls: made.session_claims(cls) for cls in CLAIMS},
    core.AccessToken: made.access_tokens(),
    core.Answer: made.answers(),
    core.Attachment: made.attachments(),
    core.ClaimFailure: made.claim_failures(),
    core.ClaimValidation: made.claim_validations(),
    core.KeySet: made.key_sets(),
    core.Lifetime: made.lifetimes(),
    core.Origin: made.origins(),
    core.Policy: made.policies(),
    core.RefreshToken: made.parsed_refresh_tokens(),
    core.RequestFacts: made.request_facts(),
    core.ForkAndPromote: made.rotation_rules(),
    core.NewestWins: made.rotation_rules(),
    core.OneBehind: made.rotation_rules(),
    core.SingleUse: made.rotation_rules(),
    core.SingleUseRevoking: made.rotation_rules(),
    core.WindowOnly: made.rotation_rules(),
    core.SameSuccessor: made.rotation_rules(),
    core.Session: made.sessions(),
    core.SessionDoesNotExist: made.claim_values(),
    core.SessionInformation: made.session_information(),
    core.Unverified: made.verifications(),
    core.Validator: made.validators(),
}
FUNCTIONS = sorted(name for name in made.__all__ if inspect.isfunction(getattr(made, name)))
EVERYTHING = [getattr(made, name)() for name in FUNCTIONS]


def found(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], bool]) -> Any:
    """One that is wanted; not the smallest, which takes its time."""
    return find(strategy, wanted, settings=settings(max_examples=2_000, phases=[Phase.generate]))


def by_name(cls: Any) -> str:
    return str(cls.__name__)


def test_every_class_of_the_decisions_has_a_strategy() -> None:
    assert set(STRATEGIES) == CLASSES


@pytest.mark.parametrize("cls", sorted(STRATEGIES, key=by_name), ids=by_name)
def test_a_class_is_drawn_and_its_values_are_values(
    cls: type[Any], check_value: CheckValue
) -> None:
    @settings(max_examples=20)
    @given(STRATEGIES[cls])
    def each(value: object) -> None:
        check_value(value)

    each()
    check_value(found(STRATEGIES[cls], lambda value: isinstance(value, cls)))


@given(st.one_of(EVERYTHING).filter(lambda value: not isinstance(value, bytes | str)))
def test_whatever_is_drawn_is_a_value(check_value: CheckValue, value: object) -> None:
    check_value(value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_strategy_is_a_function_that_says_what_it_gives(name: str) -> None:
    function = getattr(made, name)
    returns = str(inspect.signature(function).return_annotation)
    assert returns.startswith(("st.SearchStrategy[", "Texts", "Durations", "Objects"))
    assert (inspect.getdoc(function) or "").partition("\n")[0].endswith(".")


def test_the_strategies_are_all_shown_in_order() -> None:
    assert made.__all__ == sorted(made.__all__)
    assert not set(made.__all__) & set(core.__all__)


# --- policies ----------------------------------------------------------------------------------

FIELDS = [field.name for field in attrs.fields(Policy) if field.name != "rotation"]


@pytest.mark.parametrize("name", FIELDS)
def test_policies_differ_in_each_setting(name: str) -> None:
    usual = getattr(Policy("https://api.example.com"), name)
    policy = found(made.policies(), lambda drawn: getattr(drawn, name) != usual)
    assert getattr(policy, name) != usual


@pytest.mark.parametrize("wanted", ["same site", "cross site", "domain", "host prefix", *AntiCsrf])
def test_policies_of_each_kind_are_drawn(wanted: str) -> None:
    kinds: dict[str, Callable[[Policy], bool]] = {
        "same site": lambda policy: policy.is_same_site and policy.site_origin != policy.api_origin,
        "cross site": lambda policy: not policy.is_same_site,
        "domain": lambda policy: policy.cookie_domain not in (None, policy.api_origin.host),
        "host prefix": lambda policy: policy.refresh_cookie.startswith("__Host-"),
    }
    found(made.policies(), kinds.get(wanted, lambda policy: policy.anti_csrf == wanted))


@given(made.policies(api_origin="https://api.example.com", transfer=st.sampled_from(Transfer)))
def test_what_is_given_stays(policy: Policy) -> None:
    assert str(policy.api_origin) == "https://api.example.com"
    assert policy.transfer is not None


@pytest.mark.parametrize(
    "given_settings",
    [
        {"anti_csrf": AntiCsrf.FETCH_METADATA},
        {"anti_csrf": "VIA_TOKEN", "cookie_same_site": "none"},
        {"access_cookie": "__Host-a", "refresh_cookie_path": "/"},
        {"longest_access_lifetime": timedelta(minutes=1)},
        {"lifetime": Lifetime(access=timedelta(days=5))},
        {"unauthorised_status": 403},
    ],
    ids=lambda chosen: ", ".join(chosen),
)
def test_the_others_fit_what_is_given(given_settings: dict[str, Any]) -> None:
    @settings(max_examples=25)
    @given(made.policies(**given_settings))
    def each(policy: Policy) -> None:
        assert {name: getattr(policy, name) for name in given_settings} == given_settings

    each()


def test_settings_that_cannot_work_together_give_no_policy() -> None:
    clash: dict[str, Any] = {"cookie_secure": False, "access_cookie": "__Host-a"}
    with pytest.raises(Unsatisfiable):
        find(made.policies(**clash), bool, settings=settings(max_examples=20))


@given(made.origins())
def test_an_origin_is_as_browsers_write_it(origin: Origin) -> None:
    assert parse_origin(str(origin)) == origin


@given(made.lifetimes(longest_access=timedelta(minutes=2)))
def test_a_lifetime_is_within_what_is_asked_for(lifetime: Lifetime) -> None:
    assert lifetime.access <= timedelta(minutes=2)


class World:
    """Holds sessions in memory; every claim that is asked for is true."""

    def __init__(self) -> None:
        self.backend = Backend(MemoryStore(), UnsignedTokens())

    def perform(self, effect: Any) -> Any:
        """Answer what is asked; what is told goes nowhere."""
        if isinstance(effect, FetchClaim):
            return ClaimFetched(True)
        return self.backend.perform(effect) if isinstance(effect, StoreEffect) else None


@given(
    policy=made.policies(),
    payload=made.payloads(),
    now=made.moments(),
    draws=st.lists(made.entropy(), min_size=2, max_size=2),
)
def test_a_policy_can_create_and_refresh_a_session(
    policy: Policy, payload: Any, now: int, draws: list[bytes]
) -> None:
    world = World()
    created = run(
        create_session("ada", policy=policy, now=now, entropy=draws[0], payload=payload), world
    )
    assert payload.keys() <= created.payload.keys()
    tokens: list[Any] = []
    for _ in range(2):  # the second time it is the predecessor, which has the same successor
        refresh = refresh_session(
            created.refresh_token,
            policy=policy,
            now=now,
            entropy=draws[1],
            anti_csrf_token=created.anti_csrf_token,
        )
        tokens.append(run(refresh, world).refresh_token)
    assert tokens[0] == tokens[1] != created.refresh_token


# --- tokens and sessions -----------------------------------------------------------------------


@given(made.issued())
def test_a_token_that_was_issued_is_judged_by_its_age(known: made.Issued) -> None:
    record, moment, leeway = known.record, known.record.rotated_at, 10_000
    verdicts: list[Verdict | Theft] = []
    for token in known.tokens:
        parsed = parse(token)
        assert parsed is not None
        assert parsed.handle == record.handle
        for late in (0, leeway, leeway + 1):
            verdict = SameSuccessor().judge(record, parsed, now=moment + late, leeway=leeway)
            verdicts.append(verdict)
    replayed, forked = Verdict.REPLAY, Verdict.FORK
    assert verdicts[:6] == [*[Verdict.ROTATE] * 3, replayed, replayed, forked][: len(verdicts)]
    assert all(verdict in (Theft.RECENT, Theft.STALE) for verdict in verdicts[6:])
    assert len(known.tokens) == min(record.generation, 2) + 1


def test_all_ages_of_tokens_are_drawn() -> None:
    assert found(made.issued(), lambda known: known.previous is None).record.generation == 0
    assert found(made.issued(), lambda known: known.older is not None).record.generation > 1


@given(st.data(), made.issued())
def test_a_forged_token_is_not_genuine(data: st.DataObject, known: made.Issued) -> None:
    token = data.draw(made.forged_refresh_tokens(st.just(known.record)))
    parsed = parse(token)
    assert parsed is None or not parsed.is_genuine(known.record.mac_key)


def test_some_forged_tokens_are_of_the_form() -> None:
    assert parse(found(made.forged_refresh_tokens(), lambda token: parse(token) is not None))


@given(made.sessions(), made.sessions(now=7))
def test_a_session_holds_when_it_is_drawn(session: Session, other: Session) -> None:
    issued_at: Any = session.access.claims["iat"]
    now = issued_at * 1000
    # One of a second or less may be over when that second ends.
    assert lasting_reason(session.access, session.policy, now) in (None, Reason.EXPIRED)
    assert other.access.claims["iat"] == 0
    for one in (session, other):
        assert one.access_token_updated is (one.refresh_token is not None)
        assert one.anti_csrf_token is None or one.policy.anti_csrf is AntiCsrf.VIA_TOKEN
        if one.refresh_token is not None:
            parsed = parse(one.refresh_token)
            assert parsed is not None
            assert parsed.handle == one.handle


@given(st.data(), made.issued())
def test_moments_are_about_a_records_ends(data: st.DataObject, known: made.Issued) -> None:
    record = known.record
    now = data.draw(made.moments(record))
    assert max(record.created_at, 1) - 1 <= now <= record.absolute_expires_at + 1


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_the_ends_themselves_are_drawn(by: int) -> None:
    record = SessionRecord(
        handle="h",
        user_id="ada",
        recipe_user_id="ada",
        tenant_id="public",
        created_at=1_000,
        absolute_expires_at=10**12,
        idle_lifetime=10**9,
        access_lifetime=1_000,
        rotated_at=10**6,
        current_digest=bytes(32),
        mac_key=bytes(32),
    )
    found(made.moments(record), lambda now: now == record.expires_at + by)


# --- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["cookie", "bearer", "anti-csrf"])
def test_a_token_is_shown_wherever_the_policy_looks(place: str) -> None:
    policy = Policy("https://api.example.com", access_cookie="mine")
    shown: dict[str, Callable[[RequestFacts], bool]] = {
        "cookie": lambda request: "tok" in request.cookies("mine"),
        "bearer": lambda request: request.header("authorization") == "Bearer tok",
        "anti-csrf": lambda request: request.header("anti-csrf") == "tok",
    }
    found(made.request_facts(policy, tokens=st.just("tok")), shown[place])


@given(st.data(), made.policies(), made.issued())
def test_a_refresh_ends_in_a_value_whatever_is_presented(
    data: st.DataObject, policy: Policy, known: made.Issued
) -> None:
    world, record = World(), known.record
    world.backend.store.create(record)
    records = st.just(record)
    token = data.draw(made.refresh_tokens(records) | made.forged_refresh_tokens(records))
    now = data.draw(made.moments(record))
    refresh = refresh_session(
        token, policy=policy, now=now, entropy=data.draw(made.entropy()), check_anti_csrf=False
    )
    try:
        assert run(refresh, world).handle == record.handle
    except Rejection as rejection:
        gone = isinstance(rejection, TokenTheftDetected)
        assert (world.backend.store.load(record.handle) == record) is not gone


# --- without Hypothesis ------------------------------------------------------------------------


def test_without_hypothesis_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(sys.modules):
        if name.startswith("counterfoil.") and name.endswith(("strategies", "optional")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'counterfoil[testing]'")):
        importlib.import_module("counterfoil.core.strategies")
