"""Sessions for async callers, on asyncio or trio."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

import attrs
from anyio import to_thread

from .. import core
from ..core import RequestFacts, Session
from ..effects import (
    AsyncBackend,
    HasAsyncForm,
    Interpreter,
    InThread,
    Signer,
    Step,
    StoreEffect,
    arun,
)
from .held import RESPONSE_CHECKS, Checks, Held
from .operations import Operations

P = ParamSpec("P")
T = TypeVar("T")


def _awaiting(
    operation: Callable[Concatenate[Operations, P], Step[T]],
) -> Callable[Concatenate[Sessions, P], Coroutine[Any, Any, T]]:
    check = RESPONSE_CHECKS.get(operation)

    @wraps(operation)
    async def call(self: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        handle = None if check is None else check(self, *args, **kwargs)
        await self.renew()
        step = operation(self.operations, *args, **kwargs)
        if handle is None:
            return await self.run(step)
        return await arun(self.told_of(handle, step), self.interpreter)

    return call


class Sessions(Held):
    """Sessions for async callers, on asyncio or trio.

    As `BlockingSessions`, awaited. A store's async form is awaited where it
    has one (`HasAsyncForm`); the acts of another run in a worker thread. Verifying needs neither.
    Fetchers and the listener may be coroutine functions.
    """

    async def run(self, step: Step[T]) -> T:
        """Carry any step out.

        Raises as `BlockingSessions.run` does.
        """
        if self._response is None:
            return await arun(step, self.interpreter)
        return self.keep(await arun(self.told(step), self.interpreter))

    async def renew(self) -> None:
        """As `BlockingSessions.renew`."""
        if self.memo.is_outdated:
            await to_thread.run_sync(self.memo.learn)

    async def purge(self, limit: int = 1000) -> int:
        """As `BlockingSessions.purge`."""
        return await to_thread.run_sync(self.store.purge, self.operations.clock(), limit)

    @overload
    async def get_session(
        self,
        access_token: str | None,
        *,
        required: Literal[True] = True,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session: ...
    @overload
    async def get_session(
        self,
        access_token: str | None,
        *,
        required: bool,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session | None: ...
    async def get_session(
        self,
        access_token: str | None,
        *,
        required: bool = True,
        anti_csrf_token: str | None = None,
        **checks: Unpack[Checks],
    ) -> Session | None:
        """As `core.get_session`. A token seen before costs a look-up and no I/O."""
        await self.renew()
        step = core.get_session(
            access_token,
            policy=self.policy,
            verify=self.memo,
            now=self.operations.clock(),
            required=required,
            anti_csrf_token=anti_csrf_token,
            **checks,
        )
        return await self.run(step)

    @overload
    async def get_session_from_request(
        self, request: RequestFacts, *, required: Literal[True] = True, **checks: Unpack[Checks]
    ) -> Session: ...
    @overload
    async def get_session_from_request(
        self, request: RequestFacts, *, required: bool, **checks: Unpack[Checks]
    ) -> Session | None: ...
    async def get_session_from_request(
        self, request: RequestFacts, *, required: bool = True, **checks: Unpack[Checks]
    ) -> Session | None:
        """As `core.get_session_from_request`."""
        self.check_response()
        await self.renew()
        step = core.get_session_from_request(
            request,
            policy=self.policy,
            verify=self.memo,
            now=self.operations.clock(),
            required=required,
            **checks,
        )
        return await self.run(step)

    create_session = _awaiting(Operations.create_session)
    refresh_session = _awaiting(Operations.refresh_session)
    rekey_session = _awaiting(Operations.rekey_session)
    revoke_session = _awaiting(Operations.revoke_session)
    revoke_other_sessions = _awaiting(Operations.revoke_other_sessions)
    revoke_all_sessions_for_user = _awaiting(Operations.revoke_all_sessions_for_user)
    revoke_multiple_sessions = _awaiting(Operations.revoke_multiple_sessions)
    merge_into_access_token_payload = _awaiting(Operations.merge_into_access_token_payload)
    set_claim_value = _awaiting(Operations.set_claim_value)
    fetch_and_set_claim = _awaiting(Operations.fetch_and_set_claim)
    remove_claim = _awaiting(Operations.remove_claim)
    assert_claims = _awaiting(Operations.assert_claims)
    validate_claims = _awaiting(Operations.validate_claims)
    get_session_data_from_database = _awaiting(Operations.get_session_data_from_database)
    update_session_data_in_database = _awaiting(Operations.update_session_data_in_database)
    get_time_created = _awaiting(Operations.get_time_created)
    get_expiry = _awaiting(Operations.get_expiry)
    get_session_information = _awaiting(Operations.get_session_information)
    get_all_session_handles_for_user = _awaiting(Operations.get_all_session_handles_for_user)
    merge_into_access_token_payload_by_handle = _awaiting(
        Operations.merge_into_access_token_payload_by_handle
    )
    set_claim_value_by_handle = _awaiting(Operations.set_claim_value_by_handle)
    fetch_and_set_claim_by_handle = _awaiting(Operations.fetch_and_set_claim_by_handle)
    remove_claim_by_handle = _awaiting(Operations.remove_claim_by_handle)
    get_claim_value_by_handle = _awaiting(Operations.get_claim_value_by_handle)
    update_session_data_in_database_by_handle = _awaiting(
        Operations.update_session_data_in_database_by_handle
    )
    attach_to_request_response = _awaiting(Operations.attach_to_request_response)
    create_session_in_request = _awaiting(Operations.create_session_in_request)
    refresh_session_in_request = _awaiting(Operations.refresh_session_in_request)
    sign_out = _awaiting(Operations.sign_out)

    def _backend(self) -> Interpreter:
        in_thread = InThread(super()._backend())
        if isinstance(self.store, HasAsyncForm):
            return _ThisLoops(self.store, self.memo, in_thread)
        return in_thread


@attrs.frozen
class _ThisLoops:
    """A store's async form where it has one for the loop that runs; else its acts, in threads."""

    store: HasAsyncForm
    signer: Signer
    in_thread: Interpreter

    def perform(self, effect: StoreEffect) -> Any:
        awaited = self.store.awaited
        if awaited is None:
            return self.in_thread.perform(effect)
        return AsyncBackend(awaited, self.signer).perform(effect)
