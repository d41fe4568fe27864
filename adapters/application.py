"""What an application answers and hears: claim values on request, and announcements.

Two interpreters, of the claims and of the announcements. Both hand the application's own functions
a context: whatever value the caller of this operation passed along.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import attrs

from ..effects import (
    Announce,
    ClaimFetched,
    Event,
    FetchClaim,
    TheftDetected,
    UnknownEffect,
)

Fetcher: TypeAlias = Callable[[FetchClaim, Any], Any]
"""Gives a claim's value for (the question, the context), or an awaitable of it."""

Listener: TypeAlias = Callable[[Event, Any], Any]
"""Is told (the event, the context); may be a coroutine function where callers are async."""

_log = logging.getLogger("counterfoil")


def log_event(event: Event, context: object) -> None:
    """The listener that an application has if it gives none: thefts are warnings."""
    level = logging.WARNING if isinstance(event, TheftDetected) else logging.INFO
    _log.log(level, "%s", event)


@attrs.frozen
class ClaimFetchers:
    """Answers `FetchClaim` with the application's functions, by the claim's key."""

    fetchers: Mapping[str, Fetcher]
    context: Any = attrs.field(default=None, repr=False)  # a request, perhaps, with its tokens

    def perform(self, effect: FetchClaim) -> Any:
        """The claim's value; an awaitable of it if the function is asynchronous.

        Raises:
            UnknownEffect: no function for this claim.
        """
        fetcher = self.fetchers.get(effect.key)
        if fetcher is None:
            raise UnknownEffect(
                f"nothing fetches the claim {effect.key!r}: give fetchers={{{effect.key!r}: ...}}, "
                "or make the claim with fetchable=False."
            )
        value = fetcher(effect, self.context)
        return _fetched(value) if inspect.isawaitable(value) else ClaimFetched(value)


@attrs.frozen
class Listeners:
    """Tells an application's listener what is announced."""

    listener: Listener
    context: Any = attrs.field(default=None, repr=False)  # a request, perhaps, with its tokens

    def perform(self, effect: Announce) -> Any:
        """Tell the event; gives an awaitable if the listener is asynchronous.

        A listener that fails is logged and changes nothing: what it is told of has happened, and
        the client must still be told its part.
        """
        try:
            told = self.listener(effect.event, self.context)
        except Exception:
            _log.exception("the listener failed on %s", effect.event)
            return None
        # Most listeners give nothing, and to find out that something can't be awaited takes long.
        if told is None:
            return None
        return _heard(told, effect.event) if inspect.isawaitable(told) else told


async def _heard(told: Awaitable[Any], event: Event) -> None:
    try:
        await told
    except Exception:
        _log.exception("the listener failed on %s", event)


async def _fetched(value: Awaitable[Any]) -> ClaimFetched:
    return ClaimFetched(await value)
