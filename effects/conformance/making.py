"""What a factory may give, made into a blocking store that the kit's tests call."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeAlias, cast

import attrs

from ..backend import Store
from ..errors import InvalidInput
from .awaiting import Awaiting, EventLoop

Form: TypeAlias = Literal["blocking", "awaited"]
Again: TypeAlias = Callable[[], Any]

_WHAT = "it gives a store, or (store, a function that opens it again), or a context manager of them"


@attrs.frozen
class Judged:
    """A store that is judged, and how to open one more on its records, if there is a way."""

    store: Store
    again: Again | None


@attrs.frozen
class Survey:
    """What can be judged: the forms that a store has, and what opens it again, if there is that."""

    forms: tuple[Form, ...]
    again: Again | None

    @property
    def is_picklable(self) -> bool:
        """Whether another process can open the store."""
        try:
            pickle.dumps(self.again)
        except Exception:  # whatever a value's own `__reduce__` raises
            return False
        return self.again is not None


def named(path: str) -> Callable[[], Any]:
    """The factory that `my_module:make_store` names.

    Raises:
        InvalidInput: nothing has this name, or it can't be called.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise InvalidInput(f"--store must be as my_module:make_store, not {path!r}.")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"--store {path}: {error}.") from error
    if not callable(found):
        raise InvalidInput(f"--store {path} is a {type(found).__name__}; {_WHAT}.")
    return cast("Callable[[], Any]", found)


@contextmanager
def judged(factory: Callable[[], Any], form: Form) -> Generator[Judged]:
    """A new store in one of its forms, with whatever it needs until the block ends."""
    with ExitStack() as stack:
        loop = EventLoop(stack)
        store, again = _made(factory, stack, loop)
        yield Judged(_in_form(store, form, loop), again)


@contextmanager
def opened(again: Again, form: Form) -> Generator[Store]:
    """One more store on the records of another."""
    with judged(again, form) as made:
        yield made.store


def surveyed(factory: Callable[[], Any]) -> Survey:
    """What a factory's stores can be asked. Makes one to see.

    Raises:
        InvalidInput: what it gives is no store.
    """
    with ExitStack() as stack:
        loop = EventLoop(stack)
        store, again = _made(factory, stack, loop)
        if _is_async(store):
            return Survey(("awaited",), again)
        if _awaited(store, loop) is None:
            return Survey(("blocking",), again)
        return Survey(("blocking", "awaited"), again)


def _made(
    factory: Callable[[], Any], stack: ExitStack, loop: EventLoop
) -> tuple[Any, Again | None]:
    given = factory()
    if isinstance(given, Generator):
        generator = cast("Generator[Any]", given)
        store, again = _pair(stack.enter_context(contextmanager(lambda: generator)()))
    elif hasattr(given, "__enter__") and not hasattr(given, "load"):
        store, again = _pair(stack.enter_context(given))
    else:
        store, again = _pair(given)
        stack.callback(_close, store, loop)
    if not callable(getattr(store, "load", None)):
        kind = type(store).__name__
        raise InvalidInput(f"the factory gave a {kind}, which is no store; {_WHAT}.")
    return store, again


def _pair(given: Any) -> tuple[Any, Again | None]:
    if isinstance(given, tuple):
        store, again = cast("tuple[Any, Again]", given)
        return store, again
    return given, None


def _close(store: Any, loop: EventLoop) -> None:
    close = getattr(store, "close", None)
    if iscoroutinefunction(close):
        loop.call(close)
    elif close is not None:
        close()


def _in_form(store: Any, form: Form, loop: EventLoop) -> Store:
    if _is_async(store):
        return Awaiting(store, loop)
    if form == "awaited":
        return Awaiting(_awaited(store, loop), loop)
    return cast("Store", store)


def _is_async(store: Any) -> bool:
    return iscoroutinefunction(store.load)


def _awaited(store: Any, loop: EventLoop) -> Any:
    # Which form it has may depend on the event loop, so it is asked there.
    async def ask() -> Any:
        return getattr(store, "awaited", None)

    return loop.call(ask)
