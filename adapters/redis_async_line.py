"""The calls of `redis_line.py`, awaited on one asyncio loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar

from .redis_driver import exceptions
from .redis_errors import ERRORS, Closed, unsent
from .redis_rounds import Act, Address, Call, Primaries, Round
from .redis_routes import (
    SLOTS,
    RedisDurability,
    SlotMap,
    first_map,
    hung,
    is_outdated,
    replies_in,
    to_ask,
    unread,
    words_of,
)
from .redis_server import RedisServer, with_sentinels

T = TypeVar("T")

CONNECTIONS = 64  # at most as many exchanges at once, to each server


class AsyncLine:
    """The connections of one event loop to Redis."""

    def __init__(self, server: RedisServer, durability: RedisDurability | None) -> None:
        self._server = server
        self._durability = durability
        self._clients: dict[Address, Any] = {}
        self._map = first_map(server)
        self._doubted: frozenset[Address] = frozenset()
        room = min(CONNECTIONS, server.options["max_connections"])
        self._rooms = defaultdict[Address, asyncio.Semaphore](lambda: asyncio.Semaphore(room))
        self._life: AsyncGenerator[None] | None = None
        self._closed = False

    async def carry_out(self, act: Act[T]) -> T:
        """As `Line.carry_out`."""
        if self._life is None:
            self._life = self._until_the_loop_ends()
            await anext(self._life)
        try:
            asked = next(act)
            while True:
                asked = act.send(await self._answer(asked))
        except StopIteration as end:
            answer: T = end.value
            return answer

    def close(self) -> None:
        """Later acts raise `StoreUnavailable`; connections end by `aclose`, or with the loop."""
        self._closed = True

    async def aclose(self) -> None:
        """Close every connection; later acts raise `StoreUnavailable`."""
        self._closed = True
        clients, self._clients = self._clients, {}
        for client in clients.values():
            for part in with_sentinels(client):
                await part.aclose()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        # A loop ends the generators that it has begun (`shutdown_asyncgens`): so nobody need close
        # the connections of a loop that was run by `asyncio.run` or by a server.
        try:
            yield
        finally:
            await self.aclose()

    async def _answer(self, asked: Round | Primaries) -> Sequence[Any]:
        if isinstance(asked, Round):
            return await self._send(asked)
        try:
            return (await self._slots(look_again=True)).primaries()
        except ERRORS as error:
            return [unsent(error)]

    async def _send(self, asked: Round) -> Sequence[Any]:
        if asked.pause:
            await asyncio.sleep(asked.pause)
        try:
            parts = (await self._slots(look_again=asked.look_again)).split(asked.calls)
        except ERRORS as error:
            return [unsent(error)] * len(asked.calls)
        if len(parts) == 1:
            return await self._exchange(next(iter(parts)), asked.calls)
        replies: list[Any] = [None] * len(asked.calls)
        for address, numbers in parts.items():
            answers = await self._exchange(address, [asked.calls[number] for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                replies[number] = answer
        return replies

    async def _exchange(self, address: Address, calls: Sequence[Call]) -> Sequence[Any]:
        async with self._rooms[address]:
            try:
                pool = self._client(address).connection_pool
                connection = await pool.get_connection()
            except ERRORS as error:
                self._doubted |= {address}
                return [unsent(hung(error, self._server))] * len(calls)
            words = words_of(calls, self._durability)
            answers: list[Any] = []
            try:
                await connection.send_packed_command(connection.pack_commands(words))
                for _ in words:
                    answers.append(await _answer(connection))  # noqa: PERF401  # kept if the next one fails
            except BaseException as error:  # cancelled, for one
                await connection.disconnect(nowait=True)  # which doesn't suspend
                if not isinstance(error, ERRORS):
                    raise
                self._doubted |= {address}
                answers += unread(hung(error, self._server), len(words) - len(answers))
            finally:
                await asyncio.shield(pool.release(connection))
            return replies_in(answers, calls, self._durability)

    async def _slots(self, *, look_again: bool) -> SlotMap:
        if is_outdated(self._map, self._server, self._doubted, look_again=look_again):
            self._map = await self._look()
            self._doubted = frozenset()
        return self._map

    async def _look(self) -> SlotMap:
        failed: Exception = Closed("there is no server to ask")
        for address in to_ask(self._map, self._server, self._doubted):
            (reply,) = await self._exchange(address, (SLOTS,))
            if not isinstance(reply, Exception):
                return SlotMap.of(reply, address)
            failed = reply
        raise failed

    def _client(self, address: Address) -> Any:
        if self._closed:
            raise Closed("the store is closed; open a new one.")
        if address not in self._clients:
            self._clients[address] = self._server.async_client_at(address)
        return self._clients[address]


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error
