"""The loops carry everything out, in order, and nothing that no interpreter takes is dropped."""

import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import attrs
import pytest

from counterfoil.effects import (
    AnnouncementEffect,
    AppendHeader,
    ByFamily,
    Done,
    Effect,
    InThread,
    Load,
    Rejection,
    RemoveHeader,
    ResponseEffect,
    Step,
    StoreEffect,
    UnknownEffect,
    arun,
    run,
)

TOLD = (AppendHeader("vary", "cookie"), RemoveHeader("x"))
EFFECTS = (Load("a"), Load("b"), *TOLD)


@attrs.frozen(auto_exc=False)
class Turned(Rejection):
    """A rejection of this file."""


@attrs.frozen
class AfterLoads:
    """Asks for each handle left, then ends with what was answered."""

    left: tuple[str, ...]
    answers: tuple[Any, ...] = ()
    reject: bool = False

    def __call__(self, reply: Any) -> Step[tuple[Any, ...]]:
        answers = (*self.answers, reply)
        if self.left:
            return Load(self.left[0]).then(AfterLoads(self.left[1:], answers, self.reject))
        return Done(Turned() if self.reject else answers, TOLD)


def loads(*, reject: bool = False) -> Step[tuple[Any, ...]]:
    return Load("a").then(AfterLoads(("b",), (), reject))


@attrs.frozen
class Blocking:
    """Keeps what it carries out and the thread that it did it in."""

    log: list[Effect[Any]] = attrs.field(factory=list[Effect[Any]])
    threads: set[int] = attrs.field(factory=set[int])

    def perform(self, effect: Effect[Any]) -> Any:
        self.log.append(effect)
        self.threads.add(threading.get_ident())
        return f"{effect.handle}!" if isinstance(effect, Load) else None


@attrs.frozen
class Coroutines:
    """Answers by coroutine."""

    log: list[Effect[Any]] = attrs.field(factory=list[Effect[Any]])

    async def perform(self, effect: Effect[Any]) -> Any:
        return Blocking(self.log).perform(effect)


class Later:
    """An awaitable that is no coroutine, as some drivers answer with."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.reply
        yield  # never reached: it makes this a generator


@attrs.frozen
class Awaitables:
    """Answers by an awaitable that is no coroutine."""

    log: list[Effect[Any]] = attrs.field(factory=list[Effect[Any]])

    def perform(self, effect: Effect[Any]) -> Awaitable[Any]:
        return Later(Blocking(self.log).perform(effect))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_run_gives_the_final_state_after_every_effect() -> None:
    world = Blocking()
    assert run(loads(), world) == ("a!", "b!")
    assert world.log == [*EFFECTS]
    assert run(Done("over"), world) == "over"


def test_run_raises_a_rejection_after_its_effects() -> None:
    world = Blocking()
    step = loads(reject=True)
    for _ in range(2):  # the step is a value: it can be carried out again
        with pytest.raises(Turned) as caught:
            run(step, world)
        assert caught.value == Turned()
    assert world.log == [*EFFECTS, *EFFECTS]


def test_a_rejection_held_by_the_step_is_never_the_one_raised() -> None:
    held = Turned()
    with pytest.raises(Turned) as caught:
        run(Done[Any](held), Blocking())
    assert caught.value is not held
    assert held.__traceback__ is None


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Blocking, Coroutines, Awaitables])
async def test_arun_takes_replies_and_awaitables_of_them(kind: Callable[[], Any]) -> None:
    world = kind()
    assert await arun(loads(), world) == ("a!", "b!")
    assert world.log == [*EFFECTS]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Blocking, Coroutines, Awaitables])
async def test_arun_raises_a_rejection_after_its_effects(kind: Callable[[], Any]) -> None:
    world = kind()
    with pytest.raises(Turned):
        await arun(loads(reject=True), world)
    assert world.log == [*EFFECTS]


@pytest.mark.anyio
async def test_in_thread_carries_out_in_another_thread() -> None:
    world = Blocking()
    assert await arun(loads(), InThread(world)) == ("a!", "b!")
    assert world.log == [*EFFECTS]
    assert threading.get_ident() not in world.threads


def test_each_effect_goes_to_the_first_interpreter_of_its_family() -> None:
    store, response, never = Blocking(), Blocking(), Blocking()
    world = ByFamily(((StoreEffect, store), (ResponseEffect, response), (Effect, never)))
    assert run(loads(), world) == ("a!", "b!")
    assert store.log == [*EFFECTS[:2]]
    assert response.log == [*TOLD]
    assert never.log == []


@pytest.mark.anyio
async def test_families_may_be_async_and_blocking_at_once() -> None:
    response = Blocking()
    world = ByFamily(((StoreEffect, InThread(Blocking())), (ResponseEffect, response)))
    assert await arun(loads(), world) == ("a!", "b!")
    assert response.log == [*TOLD]


def test_an_effect_that_no_family_takes_is_an_error() -> None:
    world = ByFamily(((AnnouncementEffect, Blocking()), (ResponseEffect, Blocking())))
    with pytest.raises(UnknownEffect, match="no interpreter for Load; give one for its family"):
        run(loads(), world)
