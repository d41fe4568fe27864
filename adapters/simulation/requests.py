"""What browsers and the application ask of the engine: each request as the step it begins with."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs

from ...core import (
    Policy,
    RequestFacts,
    Session,
    create_session_in_request,
    get_session_from_request,
    merge_into_access_token_payload,
    merge_into_access_token_payload_by_handle,
    refresh_session,
    refresh_session_in_request,
    rekey_session,
    revoke_all_sessions_for_user,
    revoke_multiple_sessions,
    revoke_other_sessions,
    sign_out,
)
from ...effects import FrozenDict, Step
from .jar import Jar
from .machine import verify_unsigned

USER = "user-1"


def entropy(name: str) -> bytes:
    """The bytes that go with a name: others for each, always the same."""
    return hashlib.sha256(name.encode()).digest()


@attrs.frozen
class Login:
    """A login whose session travels in cookies, or in headers."""

    policy: Policy
    transfer: str
    now: int
    entropy: bytes = attrs.field(repr=False)

    def __call__(self) -> Step[Session]:
        headers = [("st-auth-mode", self.transfer), ("sec-fetch-site", "same-origin")]
        return create_session_in_request(
            RequestFacts("POST", headers),
            USER,
            policy=self.policy,
            verify=verify_unsigned,
            now=self.now,
            entropy=self.entropy,
        )


@attrs.frozen
class Refresh:
    """A browser's refresh."""

    jar: Jar
    policy: Policy
    now: int
    entropy: bytes = attrs.field(repr=False)

    def __call__(self) -> Step[Session]:
        path = self.policy.refresh_cookie_path
        request = self.jar.request("POST", path, "st-refresh-token")
        return refresh_session_in_request(
            request, policy=self.policy, now=self.now, entropy=self.entropy
        )


@attrs.frozen
class Probe:
    """A refresh with a token, outside of any request: would it be answered with new ones?"""

    token: str = attrs.field(repr=False)
    policy: Policy
    now: int

    def __call__(self) -> Step[Session]:
        return refresh_session(
            self.token,
            policy=self.policy,
            now=self.now,
            entropy=bytes(32),
            check_anti_csrf=False,
        )


@attrs.frozen
class MergeAtHand:
    """A request that merges into the payload of its own session."""

    jar: Jar
    policy: Policy
    now: int
    patch: FrozenDict

    def __call__(self) -> Step[Session]:
        return _session(self).then(_Merging(self.patch, self.now))


@attrs.frozen
class Rekey:
    """A request whose session gets another handle and other tokens."""

    jar: Jar
    policy: Policy
    now: int
    entropy: bytes = attrs.field(repr=False)

    def __call__(self) -> Step[Session]:
        return _session(self).then(_Rekeying(self.now, self.entropy))


@attrs.frozen
class SignOut:
    """A request that ends its session."""

    jar: Jar
    policy: Policy
    now: int

    def __call__(self) -> Step[bool]:
        return sign_out(_call(self.jar), policy=self.policy, verify=verify_unsigned, now=self.now)


def merge(handle: str, patch: FrozenDict, policy: Policy, now: int) -> Step[bool]:
    """The application's merge, by handle."""
    return merge_into_access_token_payload_by_handle(handle, patch, policy=policy, now=now)


def revoke_one(handle: str, now: int) -> Step[tuple[str, ...]]:
    """The application's revocation of one session."""
    return revoke_multiple_sessions((handle,), now=now)


def revoke_all(now: int) -> Step[tuple[str, ...]]:
    """The application's revocation of all sessions of the user."""
    return revoke_all_sessions_for_user(USER, now=now)


def revoke_others(session: Session, now: int) -> Step[tuple[str, ...]]:
    """The application's revocation of all sessions of the user but one."""
    return revoke_other_sessions(session, now=now)


def _call(jar: Jar) -> RequestFacts:
    return jar.request("POST", "/", "st-access-token")


def _session(asked: Any) -> Step[Session]:
    return get_session_from_request(
        _call(asked.jar), policy=asked.policy, verify=verify_unsigned, now=asked.now
    )


@attrs.frozen
class _Merging:
    patch: FrozenDict
    now: int

    def __call__(self, session: Session) -> Step[Session]:
        return merge_into_access_token_payload(session, self.patch, now=self.now)


@attrs.frozen
class _Rekeying:
    now: int
    entropy: bytes = attrs.field(repr=False)

    def __call__(self, session: Session) -> Step[Session]:
        return rekey_session(session, now=self.now, entropy=self.entropy)
