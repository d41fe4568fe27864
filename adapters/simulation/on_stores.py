"""A schedule on a real store: one thread for each request, in turn at the boundaries of effects.

The simulator's world is a value; a store has threads, connections and locks. Here the requests of a
schedule run in threads of their own, each held at a barrier until it is its turn, so that a store
is asked exactly what the memory world was asked, and must answer the same, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from inspect import iscoroutinefunction
from threading import Condition, Thread
from typing import Any

import attrs

from ...effects import Backend, InvalidInput, Mismatch, Missing, Store
from ...effects.simulation import walk
from ..memory import UnsignedTokens, World
from .model import Sessions
from .state import Performed

_PATIENCE = 60.0  # s


@attrs.frozen
class Turn:
    """An effect that a request asks for, and the reply that it must get."""

    request: str
    effect: Any
    reply: Any


@attrs.frozen
class Script:
    """A schedule as a store sees it: what it holds, what it is asked, what it holds then."""

    before: World
    turns: tuple[Turn, ...]
    after: World


def script(model: Sessions, moves: Iterable[str]) -> Script:
    """What a schedule asks of a store.

    Raises:
        Mismatch: a move isn't possible where the schedule has it.
    """
    turns: list[Turn] = []
    last = model.start()
    for _, transition in walk(model, moves):
        performed = (one for one in transition.happened if isinstance(one, Performed))
        turns += [Turn(one.flight.name, one.effect, one.reply) for one in performed]
        last = transition.state
    return Script(model.start().world.value, tuple(turns), last.world.value)


def run_on(open_store: Callable[[], Store], played: Script, *, patience: float = _PATIENCE) -> None:
    """Run a schedule on a store, each request in a thread of its own.

    `open_store` is called once for each thread: give the same store again, or one more of the same
    database. The database must be empty. A store that doesn't answer for `patience` seconds hangs.

    Raises:
        InvalidInput: an async store.
        Mismatch: the store answered otherwise, holds something else in the end, or hangs.
    """
    store = open_store()
    if iscoroutinefunction(store.load):
        kind = type(store).__name__
        raise InvalidInput(f"run_on needs a blocking store, not {kind}, which is async.")
    for record in played.before.records.values():
        store.create(record)
    baton = _Baton(played.turns, patience)
    requests = dict.fromkeys(turn.request for turn in played.turns)
    threads = [Thread(target=baton.run, args=(name, open_store), daemon=True) for name in requests]
    for thread in threads:
        thread.start()
    baton.follow()
    if baton.failure is not None:
        raise baton.failure
    _compare(store, played)


class _Baton:
    # Whose turn it is. Who has it carries out one effect, and passes it on.

    def __init__(self, turns: tuple[Turn, ...], patience: float) -> None:
        self.turns = turns
        self.patience = patience
        self.failure: Exception | None = None
        self._next = 0
        self._passed = Condition()

    def follow(self) -> None:
        """Wait until every turn is taken, or one fails; each has the same time."""
        for number, turn in enumerate(self.turns):
            if not self._wait(partial(self._is_past, number), self.patience):
                told = f"turn {number + 1}, of {turn.request}: {turn.effect!r}"
                waited = f"was not answered within {self.patience} s: the store hangs"
                self._pass_on(Mismatch(f"{told}\n  {waited}"))

    def run(self, request: str, open_store: Callable[[], Store]) -> None:
        """Take every turn of one request."""
        try:
            backend = Backend(open_store(), UnsignedTokens())
            for number, turn in enumerate(self.turns):
                if turn.request == request and not self._take(number, turn, backend):
                    return
        except Exception as error:  # told to whoever runs the schedule
            self._pass_on(error)

    def _is_past(self, number: int) -> bool:
        return self._next > number

    def _wait(self, for_what: Callable[[], bool], patience: float | None = None) -> bool:
        with self._passed:
            return self._passed.wait_for(lambda: for_what() or self.failure is not None, patience)

    def _take(self, number: int, turn: Turn, backend: Backend) -> bool:
        self._wait(lambda: self._next == number)
        if self.failure is not None:
            return False
        reply = backend.perform(turn.effect)
        if reply != turn.reply:
            raise Mismatch(
                f"turn {number + 1}, of {turn.request}: {turn.effect!r}\n"
                f"  must be answered  {turn.reply!r}\n  and was answered  {reply!r}"
            )
        self._pass_on(None)
        return True

    def _pass_on(self, failure: Exception | None) -> None:
        with self._passed:
            self._next += 1
            self.failure = self.failure or failure
            self._passed.notify_all()


def _compare(store: Store, played: Script) -> None:
    for handle in {*played.before.records, *played.after.records}:
        expected = played.after.load(handle)
        held = store.load(handle)
        if held != expected:
            there = "is gone" if isinstance(held, Missing) else f"is {held!r}"
            raise Mismatch(f"in the end the record must be {expected!r}\n  and it {there}")
    for record in played.before.records.values():
        held_of_user = store.list_for_user(record.user_id, record.tenant_id)
        if any(one.handle not in played.after.records for one in held_of_user):
            whose = f"sessions of {record.user_id!r}"
            raise Mismatch(f"in the end the store holds {whose} that it was never given")
