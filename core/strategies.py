"""Hypothesis strategies for every value of the decisions: for property tests of your own code.

They need Hypothesis: `pip install 'counterfoil[testing]'`. What belongs together fits: a policy can
work, a session's tokens are those of its record. Access tokens are signed by nobody; what clients
send is hostile. JSON, records, effects and replies are in `counterfoil.effects.strategies`.

>>> from hypothesis import given
>>> @given(request_facts(), policies())
... def a_stranger_has_no_session(request, policy):
...     outcome = get_session_from_request(request, policy=policy, verify=KeySet(()), now=0).state
...     assert isinstance(outcome, Unauthorised | TryRefreshToken) and not outcome.clear_tokens
>>> a_stranger_has_no_session()
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import attrs

from ..effects import EMPTY, FrozenDict, Json, Reason, Rejection, SessionRecord, Theft, to_json
from ..effects import strategies as language
from ..effects.base64url import base64url
from ..effects.optional import st
from .access_token import AccessToken, access_token_of, engine_claims
from .answers import Answer, answer
from .by_handle import SessionDoesNotExist
from .client_strategies import (
    Issued,
    Records,
    forged_refresh_tokens,
    issued,
    parsed_refresh_tokens,
    refresh_tokens,
    request_facts,
)
from .entropy import ENTROPY_BYTES
from .informing import AfterLoadForInformation, SessionInformation
from .keyset import KeySet, Unverified, Verification
from .policy import AntiCsrf, Policy, Transfer
from .policy_strategies import (
    claim_keys,
    durations,
    lifetimes,
    origins,
    policies,
    rotation_rules,
    session_claims,
    validators,
)
from .rejections import (
    ClaimFailure,
    InvalidClaims,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
)
from .rotation import Verdict
from .session import Session
from .transport import Attachment
from .validating import ClaimValidation

__all__ = [
    "Issued",
    "access_tokens",
    "answers",
    "attachments",
    "claim_failures",
    "claim_keys",
    "claim_validations",
    "claim_values",
    "durations",
    "entropy",
    "forged_refresh_tokens",
    "issued",
    "key_sets",
    "lifetimes",
    "moments",
    "origins",
    "parsed_refresh_tokens",
    "payload_updates",
    "payloads",
    "policies",
    "refresh_tokens",
    "rejections",
    "request_facts",
    "rotation_rules",
    "session_claims",
    "session_information",
    "sessions",
    "validators",
    "verdicts",
    "verifications",
]

Policies: TypeAlias = st.SearchStrategy[Policy]
Objects: TypeAlias = st.SearchStrategy[FrozenDict]

_KEYS = claim_keys()
_POLICIES = policies()
_HANDLES = language.handles()
_IDENTIFIERS = language.identifiers()


def entropy() -> st.SearchStrategy[bytes]:
    """Fresh bytes for one call: 32 or some more."""
    return st.binary(min_size=ENTROPY_BYTES, max_size=2 * ENTROPY_BYTES)


def moments(record: SessionRecord | None = None) -> st.SearchStrategy[int]:
    """Values of `now`; those of a record's life, and about each of its ends, where it is given."""
    if record is None:
        return language.times()
    ends = (record.rotated_at, record.expires_at, record.absolute_expires_at)
    about = st.sampled_from([time + by for time in ends for by in (-1, 0, 1) if time + by >= 0])
    return about | language.times(record.created_at, record.absolute_expires_at)


def payloads(*, max_size: int = 4) -> Objects:
    """What an application may put in an access token: no reserved claim, nothing null."""
    return language.payloads(keys=_KEYS, max_size=max_size)


def payload_updates(payload: FrozenDict = EMPTY, *, max_size: int = 4) -> Objects:
    """What an application may merge into a payload; some keys are the payload's own."""
    return language.payload_patches(payload, keys=_KEYS, max_size=max_size)


_RECORDS = language.session_records(payloads=payloads())


def access_tokens(
    policies: Policies = _POLICIES, records: Records = _RECORDS
) -> st.SearchStrategy[AccessToken]:
    """Access tokens of sessions that are alive, as if they had been verified."""
    return sessions(policies, records).map(lambda session: session.access)


def verifications() -> st.SearchStrategy[Verification]:
    """What a verifier may say of a token."""
    why = st.sampled_from([Reason.NOT_OURS, Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE])
    return st.builds(Unverified, why) | access_tokens()


def key_sets(*, max_size: int = 3) -> st.SearchStrategy[KeySet]:
    """Sets of public keys of all algorithms."""
    keys = st.lists(language.public_keys(), unique_by=lambda key: key.kid, max_size=max_size)
    return keys.map(tuple).map(KeySet)


def attachments() -> st.SearchStrategy[Attachment]:
    """The ways in which tokens travel to and fro."""
    ways = st.sampled_from(Transfer)
    return st.builds(Attachment, ways, st.lists(ways, unique=True).map(tuple))


def sessions(
    policies: Policies = _POLICIES, records: Records = _RECORDS, *, now: int | None = None
) -> st.SearchStrategy[Session]:
    """Sessions as a request holds them: just created or refreshed, or just verified.

    Their access tokens are issued while the record is alive, or at `now`.
    """
    return _sessions(policies, issued(records), now)


def session_information(records: Records = _RECORDS) -> st.SearchStrategy[SessionInformation]:
    """What may be told of sessions that are alive."""
    return records.map(_information)


def verdicts() -> st.SearchStrategy[Verdict | Theft]:
    """What a rotation rule may say of a refresh token."""
    return st.sampled_from(Verdict) | language.thefts()


def claim_values() -> st.SearchStrategy[Json | SessionDoesNotExist]:
    """What asking for a claim by its session's handle ends in."""
    return language.json_values() | st.just(SessionDoesNotExist())


def claim_failures() -> st.SearchStrategy[ClaimFailure]:
    """Why validators fail: of a payload that has no claim at all, or anything else."""
    return validators().map(_failure) | st.builds(
        ClaimFailure, _IDENTIFIERS, language.json_objects()
    )


def claim_validations() -> st.SearchStrategy[ClaimValidation]:
    """What validating a payload may find."""
    failures = st.lists(claim_failures(), max_size=2).map(tuple)
    return st.builds(ClaimValidation, failures, payload_updates())


def rejections(*kinds: type[Rejection]) -> st.SearchStrategy[Rejection]:
    """Rejections of these classes, or of all that the engine has."""
    reasons, named = language.reasons(), st.none() | _HANDLES
    failures = st.lists(claim_failures(), min_size=1, max_size=2).map(tuple)
    made: dict[type[Rejection], st.SearchStrategy[Any]] = {
        Unauthorised: st.builds(Unauthorised, reasons, named, clear_tokens=st.booleans()),
        TryRefreshToken: st.builds(TryRefreshToken, reasons, named),
        TokenTheftDetected: st.builds(
            TokenTheftDetected, _HANDLES, _IDENTIFIERS, _IDENTIFIERS, language.thefts()
        ),
        InvalidClaims: st.builds(InvalidClaims, failures),
    }
    return st.one_of([made[kind] for kind in kinds or made])


def answers(policies: Policies = _POLICIES) -> st.SearchStrategy[Answer]:
    """What clients are told of rejections."""
    return st.builds(answer, rejections(), policies)


@st.composite
def _sessions(
    draw: st.DrawFn, policies: Policies, known: st.SearchStrategy[Issued], now: int | None
) -> Session:
    policy, tokens = draw(policies), draw(known)
    record = tokens.record
    if policy.anti_csrf is not AntiCsrf.VIA_TOKEN:
        record = attrs.evolve(record, anti_csrf_token=None)
    at = draw(st.integers(record.rotated_at, record.expires_at - 1)) if now is None else now
    claims = engine_claims(record, policy, now=at)
    verified = Session(
        access=_unsigned(FrozenDict({**record.payload, **claims})),
        policy=policy,
        attachment=draw(st.none() | attachments()),
    )
    if draw(st.booleans()):
        return verified
    return attrs.evolve(
        verified,
        refresh_token=tokens.current,
        refresh_expires_at=record.expires_at,
        access_token_updated=True,
    )


def _unsigned(claims: FrozenDict) -> AccessToken:
    body = base64url(to_json(claims).encode())
    return access_token_of(f"unsigned.{body}.by-nobody", claims)


def _information(record: SessionRecord) -> SessionInformation:
    step = AfterLoadForInformation(record.rotated_at)(record)
    return cast("SessionInformation", step.state)  # it is alive then


def _failure(validator: Any) -> ClaimFailure:
    return ClaimFailure(validator.id, validator.failure(EMPTY, now=0))
