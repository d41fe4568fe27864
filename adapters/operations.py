"""Every operation as an application calls it: told only what is particular to the call.

The pure operations are told the policy, the time and the entropy each time; here they come from
what the application holds. Each method gives a `Step`: `sessions.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from .. import core
from ..core import (
    ClaimValidation,
    Lifetime,
    Policy,
    RequestFacts,
    Session,
    SessionClaim,
    SessionDoesNotExist,
    SessionInformation,
    Transfer,
    Validator,
    Verifier,
)
from ..effects import EMPTY, FrozenDict, Json, Step


@attrs.frozen
class Operations:
    """The operations under one policy, with a clock and a source of entropy.

    Attributes:
        policy: the rules.
        verify: tells whether an access token is ours.
        clock: gives ms since the Unix epoch.
        entropy: gives that many fresh random bytes.
    """

    policy: Policy
    verify: Verifier
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]

    def create_session(
        self,
        user_id: str,
        *,
        payload: Mapping[str, object] = EMPTY,
        data: Mapping[str, object] = EMPTY,
        tenant_id: str = "public",
        recipe_user_id: str | None = None,
        lifetime: Lifetime | None = None,
        claims: Iterable[SessionClaim] | None = None,
        anti_csrf: bool = True,
    ) -> Step[Session]:
        """As `core.create_session`."""
        return core.create_session(
            user_id,
            policy=self.policy,
            now=self.clock(),
            entropy=self.entropy(core.ENTROPY_BYTES),
            payload=payload,
            data=data,
            tenant_id=tenant_id,
            recipe_user_id=recipe_user_id,
            lifetime=lifetime,
            claims=claims,
            anti_csrf=anti_csrf,
        )

    def refresh_session(
        self,
        refresh_token: str | None,
        *,
        anti_csrf_token: str | None = None,
        check_anti_csrf: bool = True,
    ) -> Step[Session]:
        """As `core.refresh_session`."""
        return core.refresh_session(
            refresh_token,
            policy=self.policy,
            now=self.clock(),
            entropy=self.entropy(core.ENTROPY_BYTES),
            anti_csrf_token=anti_csrf_token,
            check_anti_csrf=check_anti_csrf,
        )

    def rekey_session(
        self,
        session: Session,
        *,
        user_id: str | None = None,
        recipe_user_id: str | None = None,
        lifetime: Lifetime | None = None,
    ) -> Step[Session]:
        """As `core.rekey_session`."""
        return core.rekey_session(
            session,
            now=self.clock(),
            entropy=self.entropy(core.ENTROPY_BYTES),
            user_id=user_id,
            recipe_user_id=recipe_user_id,
            lifetime=lifetime,
        )

    def revoke_session(self, session: Session) -> Step[bool]:
        """As `core.revoke_session`."""
        return core.revoke_session(session, now=self.clock())

    def revoke_other_sessions(
        self, session: Session, *, all_tenants: bool = False
    ) -> Step[tuple[str, ...]]:
        """As `core.revoke_other_sessions`."""
        return core.revoke_other_sessions(session, now=self.clock(), all_tenants=all_tenants)

    def revoke_all_sessions_for_user(
        self, user_id: str, *, tenant_id: str | None = None
    ) -> Step[tuple[str, ...]]:
        """As `core.revoke_all_sessions_for_user`."""
        return core.revoke_all_sessions_for_user(user_id, now=self.clock(), tenant_id=tenant_id)

    def revoke_multiple_sessions(self, handles: Iterable[str]) -> Step[tuple[str, ...]]:
        """As `core.revoke_multiple_sessions`."""
        return core.revoke_multiple_sessions(handles, now=self.clock())

    def merge_into_access_token_payload(
        self, session: Session, update: Mapping[str, object]
    ) -> Step[Session]:
        """As `core.merge_into_access_token_payload`."""
        return core.merge_into_access_token_payload(session, update, now=self.clock())

    def set_claim_value(
        self, session: Session, claim: SessionClaim, value: object
    ) -> Step[Session]:
        """As `core.set_claim_value`."""
        return core.set_claim_value(session, claim, value, now=self.clock())

    def fetch_and_set_claim(self, session: Session, claim: SessionClaim) -> Step[Session]:
        """As `core.fetch_and_set_claim`."""
        return core.fetch_and_set_claim(session, claim, now=self.clock())

    def remove_claim(self, session: Session, claim: SessionClaim) -> Step[Session]:
        """As `core.remove_claim`."""
        return core.remove_claim(session, claim, now=self.clock())

    def assert_claims(self, session: Session, validators: Iterable[Validator]) -> Step[Session]:
        """As `core.assert_claims`."""
        return core.assert_claims(session, validators, now=self.clock())

    def validate_claims(
        self,
        user_id: str,
        payload: Mapping[str, object],
        validators: Iterable[Validator],
        *,
        recipe_user_id: str | None = None,
        tenant_id: str = "public",
    ) -> Step[ClaimValidation]:
        """As `core.validate_claims`."""
        return core.validate_claims(
            user_id,
            payload,
            validators,
            now=self.clock(),
            recipe_user_id=recipe_user_id,
            tenant_id=tenant_id,
        )

    def get_session_data_from_database(self, session: Session) -> Step[FrozenDict]:
        """As `core.get_session_data_from_database`."""
        return core.get_session_data_from_database(session, now=self.clock())

    def update_session_data_in_database(
        self, session: Session, data: Mapping[str, object]
    ) -> Step[Session]:
        """As `core.update_session_data_in_database`."""
        return core.update_session_data_in_database(session, data, now=self.clock())

    def get_time_created(self, session: Session) -> Step[int]:
        """As `core.get_time_created`."""
        return core.get_time_created(session, now=self.clock())

    def get_expiry(self, session: Session) -> Step[int]:
        """As `core.get_expiry`."""
        return core.get_expiry(session, now=self.clock())

    def get_session_information(self, handle: str) -> Step[SessionInformation | None]:
        """As `core.get_session_information`."""
        return core.get_session_information(handle, now=self.clock())

    def get_all_session_handles_for_user(
        self, user_id: str, *, tenant_id: str | None = None
    ) -> Step[tuple[str, ...]]:
        """As `core.get_all_session_handles_for_user`."""
        return core.get_all_session_handles_for_user(user_id, now=self.clock(), tenant_id=tenant_id)

    def merge_into_access_token_payload_by_handle(
        self, handle: str, update: Mapping[str, object]
    ) -> Step[bool]:
        """As `core.merge_into_access_token_payload_by_handle`."""
        return core.merge_into_access_token_payload_by_handle(
            handle, update, policy=self.policy, now=self.clock()
        )

    def set_claim_value_by_handle(
        self, handle: str, claim: SessionClaim, value: object
    ) -> Step[bool]:
        """As `core.set_claim_value_by_handle`."""
        return core.set_claim_value_by_handle(
            handle, claim, value, policy=self.policy, now=self.clock()
        )

    def fetch_and_set_claim_by_handle(self, handle: str, claim: SessionClaim) -> Step[bool]:
        """As `core.fetch_and_set_claim_by_handle`."""
        return core.fetch_and_set_claim_by_handle(
            handle, claim, policy=self.policy, now=self.clock()
        )

    def remove_claim_by_handle(self, handle: str, claim: SessionClaim) -> Step[bool]:
        """As `core.remove_claim_by_handle`."""
        return core.remove_claim_by_handle(handle, claim, policy=self.policy, now=self.clock())

    def get_claim_value_by_handle(
        self, handle: str, claim: SessionClaim
    ) -> Step[Json | SessionDoesNotExist]:
        """As `core.get_claim_value_by_handle`."""
        return core.get_claim_value_by_handle(handle, claim, now=self.clock())

    def update_session_data_in_database_by_handle(
        self, handle: str, data: Mapping[str, object]
    ) -> Step[bool]:
        """As `core.update_session_data_in_database_by_handle`."""
        return core.update_session_data_in_database_by_handle(handle, data)

    def attach_to_request_response(
        self, session: Session, transfer: Transfer, *, used: tuple[Transfer, ...] = ()
    ) -> Step[Session]:
        """As `core.attach_to_request_response`."""
        return core.attach_to_request_response(session, transfer, now=self.clock(), used=used)

    def create_session_in_request(
        self,
        request: RequestFacts,
        user_id: str,
        *,
        payload: Mapping[str, object] = EMPTY,
        data: Mapping[str, object] = EMPTY,
        tenant_id: str = "public",
        recipe_user_id: str | None = None,
        lifetime: Lifetime | None = None,
        claims: Iterable[SessionClaim] | None = None,
        check_anti_csrf: bool = True,
    ) -> Step[Session]:
        """As `core.create_session_in_request`."""
        return core.create_session_in_request(
            request,
            user_id,
            policy=self.policy,
            verify=self.verify,
            now=self.clock(),
            entropy=self.entropy(core.ENTROPY_BYTES),
            payload=payload,
            data=data,
            tenant_id=tenant_id,
            recipe_user_id=recipe_user_id,
            lifetime=lifetime,
            claims=claims,
            check_anti_csrf=check_anti_csrf,
        )

    def refresh_session_in_request(self, request: RequestFacts) -> Step[Session]:
        """As `core.refresh_session_in_request`."""
        return core.refresh_session_in_request(
            request, policy=self.policy, now=self.clock(), entropy=self.entropy(core.ENTROPY_BYTES)
        )

    def sign_out(self, request: RequestFacts) -> Step[bool]:
        """As `core.sign_out`."""
        return core.sign_out(request, policy=self.policy, verify=self.verify, now=self.clock())
