"""Creating a session, and re-keying one that exists.

The core draws nothing itself: handle, refresh secret, MAC key and anti-CSRF token are all derived
from the caller's entropy (`entropy.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

import attrs

from ..effects import (
    EMPTY,
    Announce,
    Done,
    Establish,
    Established,
    FrozenDict,
    HandleTaken,
    InvalidInput,
    Secret,
    SessionCreated,
    SessionRecord,
    Step,
    apply_patch,
    check_name,
    freeze_object,
)
from ..effects.base64url import base64url
from .access_token import check_size, engine_claims, payload_limit
from .claims import SessionClaim
from .entropy import check_entropy, check_now, draw, new_handle
from .fetching import Subject, fetch_claims
from .issuing import issued_session
from .lifetime import Lifetime, ms
from .policy import AntiCsrf, Policy
from .reserved import check_payload
from .rotation import digest
from .session import Session

MAX_IDENTIFIER = 256  # characters


def create_session(
    user_id: str,
    *,
    policy: Policy,
    now: int,
    entropy: bytes,
    payload: Mapping[str, object] = EMPTY,
    data: Mapping[str, object] = EMPTY,
    tenant_id: str = "public",
    recipe_user_id: str | None = None,
    lifetime: Lifetime | None = None,
    claims: Iterable[SessionClaim] | None = None,
    anti_csrf: bool = True,
) -> Step[Session]:
    """Log a user in: a new session with its first tokens. [FetchClaim each, Establish]

    `payload` goes into the access token, `data` stays on the server. `lifetime` is of this
    session alone ("remember me"); `claims` are fetched into the payload; both are the policy's by
    default. `anti_csrf=False` makes none, for a session that travels in headers.

    Ends in the session; announces `SessionCreated`.

    Raises:
        NotJson, ReservedClaim, PayloadTooLarge: the payload or the data can't be accepted.
        InvalidInput: no user id, a time or entropy of the wrong kind, or entropy used twice.

    >>> step = create_session("user-1", policy=example_policy(), now=0, entropy=bytes(32))
    >>> step.effect.record.user_id
    'user-1'
    """
    check_now(now)
    check_entropy(entropy)
    chosen = policy.lifetime if lifetime is None else check_lifetime(lifetime, policy)
    wanted = policy.claims if claims is None else tuple(claims)
    who = Subject(
        user_id=check_identifier(user_id, "user_id"),
        recipe_user_id=check_identifier(recipe_user_id or user_id, "recipe_user_id"),
        tenant_id=check_identifier(tenant_id, "tenant_id"),
    )
    with_token = anti_csrf and policy.anti_csrf is AntiCsrf.VIA_TOKEN
    birth = Birth(policy, now, entropy, with_anti_csrf=with_token)
    record = birth.record(
        who,
        payload=apply_patch(EMPTY, check_payload(payload)),
        data=freeze_object(data, "data"),
        lifetime=chosen,
    )
    fetched = fetch_claims(wanted, who, held=EMPTY, now=now)
    return fetched.then(AfterCreationClaims(birth, record))


@attrs.frozen
class AfterCreationClaims:
    """Puts the fetched claims in the payload and establishes the record."""

    birth: Birth
    record: SessionRecord

    def __call__(self, patch: FrozenDict) -> Step[Session]:
        payload = apply_patch(self.record.payload, patch)
        return self.birth.establish(attrs.evolve(self.record, payload=payload))


@attrs.frozen
class AfterEstablish:
    """Takes the first access token."""

    birth: Birth
    record: SessionRecord
    claims: FrozenDict

    def __call__(self, reply: Established | HandleTaken) -> Step[Session]:
        match reply:
            case Established(token):
                session = self.birth.session(self.record, self.claims, token)
                return Done(session, (Announce(self.birth.event(self.record)),))
            case HandleTaken():
                raise InvalidInput(
                    "the new session's handle is taken: this entropy was used before. "
                    "Pass fresh bytes from secrets.token_bytes(32) to each call."
                )
            case _:
                assert_never(reply)


@attrs.frozen
class Birth:
    """What a new session's secrets come from.

    `replaces` is the handle of the session that this one takes the place of, if any.
    """

    policy: Policy = attrs.field(repr=False)
    now: int
    entropy: bytes = attrs.field(repr=False)
    with_anti_csrf: bool = attrs.field(kw_only=True)
    replaces: str | None = None

    def record(
        self, who: Subject, *, payload: FrozenDict, data: FrozenDict, lifetime: Lifetime
    ) -> SessionRecord:
        """The record of a session that is created now."""
        return SessionRecord(
            handle=new_handle(self.now, self.entropy),
            user_id=who.user_id,
            recipe_user_id=who.recipe_user_id,
            tenant_id=who.tenant_id,
            created_at=self.now,
            absolute_expires_at=self.now + ms(lifetime.absolute),
            idle_lifetime=ms(lifetime.idle),
            access_lifetime=ms(lifetime.access),
            rotated_at=self.now,
            current_digest=digest(self.secret),
            mac_key=draw(self.entropy, b"mac key"),
            anti_csrf_token=self._anti_csrf_token(),
            payload=payload,
            data=data,
        )

    def record_like(self, old: SessionRecord) -> SessionRecord:
        """The record of a session that goes on under other secrets."""
        return attrs.evolve(
            old,
            handle=new_handle(self.now, self.entropy),
            rotated_at=self.now,
            current_digest=digest(self.secret),
            mac_key=draw(self.entropy, b"mac key"),
            version=0,
            generation=0,
            previous_digest=None,
            salt=None,
            anti_csrf_token=self._anti_csrf_token(),
        )

    @property
    def secret(self) -> bytes:
        """The first refresh secret, 32 bytes."""
        return draw(self.entropy, b"refresh secret")

    def claims(self, record: SessionRecord) -> FrozenDict:
        """The engine's claims of the first access token."""
        return engine_claims(record, self.policy, now=self.now)

    def establish(self, record: SessionRecord) -> Step[Session]:
        """Store the record, and go on with its first access token.

        Raises:
            PayloadTooLarge: the access token would not fit in a cookie.
        """
        claims = self.claims(record)
        check_size(record.payload, payload_limit(claims, self.policy))
        return Establish(record, claims).then(AfterEstablish(self, record, claims))

    def session(self, record: SessionRecord, claims: FrozenDict, token: str) -> Session:
        """The session, with the tokens that its client is to be given."""
        return issued_session(record, self.policy, claims, secret=self.secret, token=token)

    def event(self, record: SessionRecord) -> SessionCreated:
        """What is announced."""
        return SessionCreated(
            handle=record.handle,
            user_id=record.user_id,
            tenant_id=record.tenant_id,
            at=self.now,
            replaces=self.replaces,
        )

    def _anti_csrf_token(self) -> Secret | None:
        if not self.with_anti_csrf:
            return None
        return Secret(base64url(draw(self.entropy, b"anti-csrf")[:24]))


def check_identifier(value: str, name: str) -> str:
    """Refuse what can't name a user or a tenant.

    Raises:
        InvalidInput: it is no text, empty, or so long that it crowds the payload out of the token.
    """
    check_name(value, name)
    if not 0 < len(value) <= MAX_IDENTIFIER:
        raise InvalidInput(
            f"{name} must have 1 to {MAX_IDENTIFIER} characters, not {len(value)}: it is in every "
            "access token."
        )
    return value


def check_lifetime(lifetime: object, policy: Policy) -> Lifetime:
    """Refuse a lifetime whose access tokens the policy would not take.

    Raises:
        InvalidInput: it is no `Lifetime`, or its access tokens live too long.
    """
    if not isinstance(lifetime, Lifetime):
        raise InvalidInput(f"lifetime must be a Lifetime, not {type(lifetime).__name__}.")
    if lifetime.access > policy.longest_access_lifetime:
        raise InvalidInput(
            f"lifetime.access of {lifetime.access} is longer than the policy's "
            f"longest_access_lifetime of {policy.longest_access_lifetime}."
        )
    return lifetime
