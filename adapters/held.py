"""What an application holds, whichever way it calls: policy, store, signer, clock, entropy."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from types import MappingProxyType
from typing import Any, Self, TypedDict

from ..core import KeySet, Policy, Validator
from ..effects import (
    AnnouncementEffect,
    Backend,
    ByFamily,
    ClaimEffect,
    Interpreter,
    InvalidInput,
    ResponseEffect,
    Signer,
    Store,
    StoreEffect,
)
from .application import ClaimFetchers, Fetcher, Listener, Listeners, log_event
from .key_storage import SecretStore
from .keys import LocalKeys
from .memo import DEFAULT_SIZE, Memo
from .operations import Operations


def milliseconds() -> int:
    """The system's clock, ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


class PolicyConcern(UserWarning):
    """A policy that works but is likely to hurt; see `Policy.concerns`."""


class Checks(TypedDict, total=False):
    """What is asked of a session beside its token; `core.get_session` says what each means."""

    check_anti_csrf: bool
    check_database: bool
    validators: Iterable[Validator] | None


class Held:
    """The base of `Sessions` and `BlockingSessions`."""

    def __init__(
        self,
        policy: Policy,
        store: Store,
        signer: Signer | None = None,
        *,
        fetchers: Mapping[str, Fetcher] = MappingProxyType({}),
        listener: Listener = log_event,
        clock: Callable[[], int] = milliseconds,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        remembered_tokens: int = DEFAULT_SIZE,
    ) -> None:
        """Hold a policy, a store and a signer.

        Without a signer, keys of the policy's algorithm are kept in the store. `fetchers` gives
        claims' values by the claim's key, `listener` hears every event (by default, the log does),
        `clock` gives ms since the epoch, `entropy` fresh random bytes; `remembered_tokens` bounds
        the memory of verified access tokens.

        Raises:
            InvalidInput: the store can't keep keys and no signer was given, or the signer's keys
                don't outlive the policy's tokens.
            StoreUnavailable: the keys can't be read.
        """
        self.policy = policy
        self.store = store
        self.memo = Memo(signer or _keys_in(store, policy, clock), remembered_tokens)
        self.operations = Operations(policy, self.memo, clock, entropy)
        self._fetchers = fetchers
        self._listener = listener
        self.interpreter = self._interpret(None, None)
        for concern in policy.concerns:
            warnings.warn(concern, PolicyConcern, stacklevel=2)

    @property
    def keys(self) -> KeySet:
        """The public keys that access tokens are verified with now."""
        return self.memo.keys

    def using(self, *, response: Interpreter | None = None, context: Any = None) -> Self:
        """The same, for one request: its response takes the response effects, and fetchers and the
        listener are given the context. Cheap; everything else is shared.

        >>> from counterfoil.adapters import ResponseHeaders
        >>> sessions = BlockingSessions(Policy("http://localhost:8000"), MemoryStore())
        >>> response = ResponseHeaders()
        >>> request = RequestFacts("POST", [("st-auth-mode", "cookie")])
        >>> session = sessions.using(response=response).create_session_in_request(request, "ada")
        >>> [line.partition("=")[0] for name, line in response.headers if name == "Set-Cookie"]
        ['sAccessToken', 'sRefreshToken']
        """
        held = copy(self)
        held.interpreter = held._interpret(response, context)
        return held

    def _interpret(self, response: Interpreter | None, context: Any) -> ByFamily:
        return ByFamily(
            (
                (StoreEffect, self._backend()),
                (AnnouncementEffect, Listeners(self._listener, context)),
                (ClaimEffect, ClaimFetchers(self._fetchers, context)),
                *(((ResponseEffect, response),) if response is not None else ()),
            )
        )

    def _backend(self) -> Interpreter:
        return Backend(self.store, self.memo)


def _keys_in(store: Store, policy: Policy, clock: Callable[[], int]) -> Signer:
    if not isinstance(store, SecretStore):
        raise InvalidInput(
            f"{type(store).__name__} can't keep keys; give signer=LocalKeys.in_file(path)."
        )
    return LocalKeys.in_store(
        store,
        algorithm=policy.algorithm,
        longest_token=policy.longest_access_lifetime,
        clock=clock,
    )
