"""The decisions: pure functions over immutable values. No clock, no entropy, no I/O."""

from .access_token import AccessToken
from .answers import REFRESHED, SIGNED_OUT, UNAVAILABLE, Answer, answer
from .by_handle import (
    SessionDoesNotExist,
    fetch_and_set_claim_by_handle,
    get_claim_value_by_handle,
    merge_into_access_token_payload_by_handle,
    remove_claim_by_handle,
    set_claim_value_by_handle,
    update_session_data_in_database_by_handle,
)
from .claims import SessionClaim, Validator
from .creating import create_session
from .entropy import ENTROPY_BYTES
from .from_request import get_session_from_request
from .in_request import create_session_in_request, refresh_session_in_request
from .informing import (
    SessionInformation,
    get_all_session_handles_for_user,
    get_expiry,
    get_session_data_from_database,
    get_session_information,
    get_time_created,
    update_session_data_in_database,
)
from .keyset import KeySet, Unverified, Verification, Verifier
from .lifetime import Lifetime
from .merging import (
    assert_claims,
    fetch_and_set_claim,
    get_claim_value,
    merge_into_access_token_payload,
    remove_claim,
    set_claim_value,
)
from .origins import Origin
from .policy import AntiCsrf, Policy, Transfer
from .primitive_claims import BooleanClaim, PrimitiveArrayClaim, PrimitiveClaim
from .refreshing import refresh_session
from .rejections import (
    ClaimFailure,
    InvalidClaims,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
)
from .rekeying import rekey_session
from .request import WEBSOCKET, RequestFacts
from .reserved import RESERVED_CLAIMS
from .revoking import (
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    revoke_other_sessions,
    revoke_session,
)
from .rotation import RefreshToken, RotationRule, SameSuccessor, Verdict
from .rotation_rules import (
    ForkAndPromote,
    NewestWins,
    OneBehind,
    SingleUse,
    SingleUseRevoking,
    WindowOnly,
)
from .routes import Route, discovery, routes
from .session import (
    Session,
    attach_to_request_response,
    get_access_token,
    get_access_token_payload,
    get_all_session_tokens_dangerously,
    get_handle,
    get_recipe_user_id,
    get_tenant_id,
    get_user_id,
)
from .signing_out import sign_out
from .transport import (
    ALLOWED_REQUEST_HEADERS,
    EXPOSED_RESPONSE_HEADERS,
    Attachment,
    set_cookie_line,
)
from .validating import ClaimValidation, validate_claims
from .verifying import get_session

__all__ = [
    "ALLOWED_REQUEST_HEADERS",
    "ENTROPY_BYTES",
    "EXPOSED_RESPONSE_HEADERS",
    "REFRESHED",
    "RESERVED_CLAIMS",
    "SIGNED_OUT",
    "UNAVAILABLE",
    "WEBSOCKET",
    "AccessToken",
    "Answer",
    "AntiCsrf",
    "Attachment",
    "BooleanClaim",
    "ClaimFailure",
    "ClaimValidation",
    "ForkAndPromote",
    "InvalidClaims",
    "KeySet",
    "Lifetime",
    "NewestWins",
    "OneBehind",
    "Origin",
    "Policy",
    "PrimitiveArrayClaim",
    "PrimitiveClaim",
    "RefreshToken",
    "RequestFacts",
    "RotationRule",
    "Route",
    "SameSuccessor",
    "Session",
    "SessionClaim",
    "SessionDoesNotExist",
    "SessionInformation",
    "SingleUse",
    "SingleUseRevoking",
    "TokenTheftDetected",
    "Transfer",
    "TryRefreshToken",
    "Unauthorised",
    "Unverified",
    "Validator",
    "Verdict",
    "Verification",
    "Verifier",
    "WindowOnly",
    "answer",
    "assert_claims",
    "attach_to_request_response",
    "create_session",
    "create_session_in_request",
    "discovery",
    "fetch_and_set_claim",
    "fetch_and_set_claim_by_handle",
    "get_access_token",
    "get_access_token_payload",
    "get_all_session_handles_for_user",
    "get_all_session_tokens_dangerously",
    "get_claim_value",
    "get_claim_value_by_handle",
    "get_expiry",
    "get_handle",
    "get_recipe_user_id",
    "get_session",
    "get_session_data_from_database",
    "get_session_from_request",
    "get_session_information",
    "get_tenant_id",
    "get_time_created",
    "get_user_id",
    "merge_into_access_token_payload",
    "merge_into_access_token_payload_by_handle",
    "refresh_session",
    "refresh_session_in_request",
    "rekey_session",
    "remove_claim",
    "remove_claim_by_handle",
    "revoke_all_sessions_for_user",
    "revoke_multiple_sessions",
    "revoke_other_sessions",
    "revoke_session",
    "routes",
    "set_claim_value",
    "set_claim_value_by_handle",
    "set_cookie_line",
    "sign_out",
    "update_session_data_in_database",
    "update_session_data_in_database_by_handle",
    "validate_claims",
]
