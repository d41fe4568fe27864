"""What an application holds, whichever way it calls: policy, store, signer, clock, entropy."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any, Self, TypedDict, TypeVar, cast

from ..core import KeySet, Policy, Session, Validator
from ..core.access_token import signature_size
from ..core.keeping import kept_by_client, told_to_keeper, untold
from ..core.session import is_told_of
from ..effects import (
    AnnouncementEffect,
    Backend,
    ByFamily,
    ClaimEffect,
    Interpreter,
    InvalidInput,
    ResponseEffect,
    Signer,
    Step,
    Store,
    StoreEffect,
)
from .application import ClaimFetchers, Fetcher, Listener, Listeners, log_event
from .key_pair import public_jwk
from .key_storage import SecretStore
from .keys import LocalKeys
from .memo import DEFAULT_SIZE, Memo
from .operations import Operations
from .recognised import Recognised
from .response import ResponseHeaders

T = TypeVar("T")


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
        if not isinstance(cast("object", policy), Policy):
            raise InvalidInput(f"policy must be a Policy, not {type(policy).__name__}.")
        self.policy = policy
        self.store = store
        self.signer = signer or _keys_in(store, policy, clock)
        self.memo = Memo(self.signer, clock, remembered_tokens)
        _check_signer(self.signer, self.memo.keys, policy)
        self.recognised = Recognised(policy, self.memo, remembered_tokens)
        self.operations = Operations(policy, self.memo, clock, entropy)
        self._stored = self._backend()
        self._response: Interpreter | None = None
        self._kept_here: str | None = None
        self._fetchers = fetchers
        self._listener = listener
        self.interpreter: Interpreter = self._interpret(None, None)
        self._check_functions((*fetchers.values(), listener))
        for concern in policy.concerns:
            warnings.warn(concern, PolicyConcern, stacklevel=2)

    def _check_functions(self, functions: Iterable[Callable[..., Any]]) -> None:
        """Refuse functions that this facade can't call; one that awaits takes all."""

    @property
    def keys(self) -> KeySet:
        """The public keys that access tokens are verified with now."""
        return self.memo.keys

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK Set (RFC 7517), for other services that verify.

        As they were known last: each operation renews them when it is time, and `renew` does.

        >>> sessions = BlockingSessions(Policy("http://localhost:8000"), MemoryStore())
        >>> [key["alg"] for key in sessions.jwks()["keys"]]
        ['EdDSA']
        """
        return {"keys": [public_jwk(key) for key in self.keys.keys]}

    def check_response(self, *_: object, **__: object) -> None:
        """Refuse to answer a request without a response, before anything is done.

        Raises:
            InvalidInput: there is none; says how to give one.
        """
        if self._response is None:
            raise InvalidInput(
                "what this operation tells the client of the session travels with the response to "
                "its request, and there is none here: in a route, call it on exchange.sessions "
                "(FastAPI: exchange: ExchangeDep; any ASGI application: exchange_of(scope)); "
                "elsewhere on sessions.using(response=...), with a ResponseHeaders or an "
                "interpreter of your own."
            )

    def check_open(self) -> None:
        """Refuse to give a client tokens by a response that has begun, before anything is done.

        Raises:
            InvalidInput: it has.
        """
        if isinstance(self._response, ResponseHeaders) and self._response.has_begun:
            raise InvalidInput(
                "the response has begun, and what the client must be told of tokens travels in "
                "its headers: log in, refresh, re-key and sign out before the first part is sent."
            )

    def check_answer(self, *_: object, **__: object) -> None:
        """Refuse to answer a request where nothing would reach the client.

        Raises:
            InvalidInput: there is no response, or it has begun.
        """
        self.check_response()
        self.check_open()

    def check_response_of(self, session: Session, *_: object, **__: object) -> str:
        """As `check_response`, for a session that came with a request; gives its handle.

        Raises:
            InvalidInput: there is no response.
        """
        if is_told_of(session):
            self.check_response()
        return session.handle

    def check_answer_of(self, session: Session, *_: object, **__: object) -> None:
        """As `check_answer`, for a session that came with a request.

        Raises:
            InvalidInput: there is no response, or it has begun.
        """
        if is_told_of(session):
            self.check_answer()

    def told_of(self, handle: str, step: Step[T]) -> Step[T]:
        """A step of the session of this handle, as the client is told of it.

        Once a response has given tokens, it tells of their session alone.
        """
        return step if self._kept in (None, handle) else untold(step)

    def told(self, step: Step[T]) -> Step[T]:
        """As `told_of`, for a step of whatever session it ends in."""
        return step if self._kept is None else told_to_keeper(step, self._kept)

    def keep(self, outcome: T) -> T:
        """An operation's outcome; a session whose tokens the client was given is what it keeps."""
        kept = kept_by_client(outcome)
        if isinstance(self._response, ResponseHeaders):
            self._response.kept = kept or self._response.kept
        else:
            self._kept_here = kept or self._kept_here
        return outcome

    @property
    def _kept(self) -> str | None:
        # The headers know it for all facades that tell them; another's interpreter can't.
        if isinstance(self._response, ResponseHeaders):
            return self._response.kept
        return self._kept_here

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
        held = object.__new__(type(self))
        held.__dict__.update(self.__dict__)
        held._response = response
        held._kept_here = None
        held.interpreter = held._interpret(response, context)
        return held

    def _interpret(self, response: Interpreter | None, context: Any) -> ByFamily:
        return ByFamily(
            (
                *(((ResponseEffect, response),) if response is not None else ()),
                (StoreEffect, self._stored),
                (AnnouncementEffect, Listeners(self._listener, context)),
                (ClaimEffect, ClaimFetchers(self._fetchers, context)),
            )
        )

    def _backend(self) -> Interpreter:
        return Backend(self.store, self.memo)


RESPONSE_CHECKS: Mapping[Callable[..., Any], Callable[..., str | None]] = MappingProxyType(
    {
        Operations.merge_into_access_token_payload: Held.check_response_of,
        Operations.set_claim_value: Held.check_response_of,
        Operations.fetch_and_set_claim: Held.check_response_of,
        Operations.remove_claim: Held.check_response_of,
        Operations.assert_claims: Held.check_response_of,
        Operations.revoke_session: Held.check_response_of,
        Operations.get_session_data_from_database: Held.check_response_of,
        Operations.update_session_data_in_database: Held.check_response_of,
        Operations.get_time_created: Held.check_response_of,
        Operations.get_expiry: Held.check_response_of,
        Operations.rekey_session: Held.check_answer_of,
        Operations.attach_to_request_response: Held.check_answer,
        Operations.create_session_in_request: Held.check_answer,
        Operations.refresh_session_in_request: Held.check_answer,
        Operations.sign_out: Held.check_answer,
    }
)
"""What is checked of the response before an operation begins that may tell the client something.

Each check is called as the operation is. One whose tokens would be lost wants a response that is
open; what the others tell can wait for the client's next request, and their checks give the handle
of the one session that they are of.
"""


def _check_signer(signer: Signer, keys: KeySet, policy: Policy) -> None:
    if any(signature_size(key.algorithm) > signature_size(policy.algorithm) for key in keys.keys):
        raise InvalidInput(
            f"the signer's keys make longer signatures than the policy's {policy.algorithm}, for "
            "which payloads are measured: name their algorithm in the policy."
        )
    if isinstance(signer, LocalKeys) and signer.longest_token < policy.longest_access_lifetime:
        raise InvalidInput(
            f"the signer drops keys {signer.longest_token} after their last token, but the "
            f"policy's live up to {policy.longest_access_lifetime}: give LocalKeys that "
            "longest_token."
        )


def _keys_in(store: Store, policy: Policy, clock: Callable[[], int]) -> Signer:
    if isinstance(store, str | PathLike):
        raise InvalidInput("store must be a store, not a path: write SqliteStore(path).")
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
