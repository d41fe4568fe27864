"""Sessions for blocking callers: Django, Flask, scripts. Needs no event loop anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from .. import core
from ..core import RequestFacts, Session
from ..effects import InvalidInput, Step, run
from .held import RESPONSE_CHECKS, Checks, Held
from .operations import Operations

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    operation: Callable[Concatenate[Operations, P], Step[T]],
) -> Callable[Concatenate[BlockingSessions, P], T]:
    check = RESPONSE_CHECKS.get(operation)

    @wraps(operation)
    def call(self: BlockingSessions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        handle = None if check is None else check(self, *args, **kwargs)
        self.renew()
        step = operation(self.operations, *args, **kwargs)
        if handle is None:
            return self.run(step)
        return run(self.told_of(handle, step), self.interpreter)

    return call


class BlockingSessions(Held):
    """Sessions for blocking callers. Share one object among all threads.

    Fetchers and the listener must be plain functions here.

    Each operation is as the one of the same name in `counterfoil.core`, told only what is
    particular to the call; a rejection is raised.

    >>> sessions = BlockingSessions(Policy("http://localhost:8000"), MemoryStore())
    >>> session = sessions.create_session("ada", payload={"plan": "free"})
    >>> session = sessions.merge_into_access_token_payload(session, {"plan": "pro"})
    >>> sessions.get_session(session.access_token).payload["plan"]
    'pro'
    """

    def _check_functions(self, functions: Iterable[Callable[..., Any]]) -> None:
        for function in functions:
            if iscoroutinefunction(function):
                raise InvalidInput(
                    f"{function.__qualname__} is a coroutine function, which nobody awaits here: "
                    "use Sessions, or give a plain function."
                )

    def run(self, step: Step[T]) -> T:
        """Carry any step out.

        Once the response gave a client another session, it tells nothing of the one before: for
        that, use the methods, which know whose session they are given.

        Raises:
            Rejection: the step ended in one.
            StoreUnavailable: the store failed; no token was cleared.
        """
        if self._response is None:
            return run(step, self.interpreter)
        return self.keep(run(self.told(step), self.interpreter))

    def renew(self) -> None:
        """Ask the signer for its keys, if it is time: each operation does, before it verifies."""
        if self.memo.is_outdated:
            self.memo.learn()

    def purge(self, limit: int = 1000) -> int:
        """Delete at most `limit` sessions that are over; answers how many.

        Call it now and then, until it answers less than the limit.
        """
        return self.store.purge(self.operations.clock(), limit)

    @overload
    def get_session(
        self,
        access_token: str | None,
        *,
        required: Literal[True] = True,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session: ...
    @overload
    def get_session(
        self,
        access_token: str | None,
        *,
        required: bool,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session | None: ...
    def get_session(
        self,
        access_token: str | None,
        *,
        required: bool = True,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session | None:
        """As `core.get_session`. A token seen before costs a look-up and no I/O."""
        self.renew()
        step = core.get_session(
            access_token,
            policy=self.policy,
            verify=self.memo,
            now=self.operations.clock(),
            required=required,
            anti_csrf_token=anti_csrf_token,
            **checks,
        )
        return self.run(step)

    @overload
    def get_session_from_request(
        self, request: RequestFacts, *, required: Literal[True] = True, **checks: Unpack[Checks]
    ) -> Session: ...
    @overload
    def get_session_from_request(
        self, request: RequestFacts, *, required: bool, **checks: Unpack[Checks]
    ) -> Session | None: ...
    def get_session_from_request(
        self, request: RequestFacts, *, required: bool = True, **checks: Unpack[Checks]
    ) -> Session | None:
        """As `core.get_session_from_request`."""
        self.check_response()
        self.renew()
        step = core.get_session_from_request(
            request,
            policy=self.policy,
            verify=self.memo,
            now=self.operations.clock(),
            required=required,
            **checks,
        )
        return self.run(step)

    create_session = _blocking(Operations.create_session)
    refresh_session = _blocking(Operations.refresh_session)
    rekey_session = _blocking(Operations.rekey_session)
    revoke_session = _blocking(Operations.revoke_session)
    revoke_other_sessions = _blocking(Operations.revoke_other_sessions)
    revoke_all_sessions_for_user = _blocking(Operations.revoke_all_sessions_for_user)
    revoke_multiple_sessions = _blocking(Operations.revoke_multiple_sessions)
    merge_into_access_token_payload = _blocking(Operations.merge_into_access_token_payload)
    set_claim_value = _blocking(Operations.set_claim_value)
    fetch_and_set_claim = _blocking(Operations.fetch_and_set_claim)
    remove_claim = _blocking(Operations.remove_claim)
    assert_claims = _blocking(Operations.assert_claims)
    validate_claims = _blocking(Operations.validate_claims)
    get_session_data_from_database = _blocking(Operations.get_session_data_from_database)
    update_session_data_in_database = _blocking(Operations.update_session_data_in_database)
    get_time_created = _blocking(Operations.get_time_created)
    get_expiry = _blocking(Operations.get_expiry)
    get_session_information = _blocking(Operations.get_session_information)
    get_all_session_handles_for_user = _blocking(Operations.get_all_session_handles_for_user)
    merge_into_access_token_payload_by_handle = _blocking(
        Operations.merge_into_access_token_payload_by_handle
    )
    set_claim_value_by_handle = _blocking(Operations.set_claim_value_by_handle)
    fetch_and_set_claim_by_handle = _blocking(Operations.fetch_and_set_claim_by_handle)
    remove_claim_by_handle = _blocking(Operations.remove_claim_by_handle)
    get_claim_value_by_handle = _blocking(Operations.get_claim_value_by_handle)
    update_session_data_in_database_by_handle = _blocking(
        Operations.update_session_data_in_database_by_handle
    )
    attach_to_request_response = _blocking(Operations.attach_to_request_response)
    create_session_in_request = _blocking(Operations.create_session_in_request)
    refresh_session_in_request = _blocking(Operations.refresh_session_in_request)
    sign_out = _blocking(Operations.sign_out)
