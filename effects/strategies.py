"""Hypothesis strategies for every value of the language: for property tests of your own code.

They need Hypothesis: `pip install 'counterfoil[testing]'`. Values are as the engine makes them: a
record's times fit together, one that was never rotated has no predecessor, a reply answers its
effect. A keyword takes a strategy to draw from: with few handles, effects meet.

>>> from hypothesis import given
>>> @given(payloads(), payload_patches())
... def nothing_is_null_after_a_patch(payload, patch):
...     assert None not in apply_patch(payload, patch).values()
>>> nothing_is_null_after_a_patch()
"""

from __future__ import annotations

from typing import Any, get_args

import attrs

from .codec import masked
from .descriptions import Announce, FetchClaim, ResponseEffect, StoreEffect
from .effect_strategies import Anything, effects, replies, replies_to, store_effects
from .journal import Entry, Journal
from .optional import st
from .rehearsal import DryRun
from .rejection import Rejection
from .step import Done, Effect, Step
from .value_strategies import (
    events,
    handles,
    identifiers,
    json_objects,
    json_values,
    payload_patches,
    payloads,
    public_keys,
    reasons,
    secrets,
    session_records,
    thefts,
    times,
)

__all__ = [
    "AfterAny",
    "dry_runs",
    "effects",
    "entries",
    "events",
    "handles",
    "identifiers",
    "journals",
    "json_objects",
    "json_values",
    "payload_patches",
    "payloads",
    "public_keys",
    "reasons",
    "rejections",
    "replies",
    "replies_to",
    "secrets",
    "session_records",
    "steps",
    "store_effects",
    "thefts",
    "times",
]


def entries() -> st.SearchStrategy[Entry]:
    """Effects, each with a reply to it."""
    return effects().flatmap(lambda effect: st.builds(Entry, st.just(effect), replies_to(effect)))


def journals(*, max_size: int = 4) -> st.SearchStrategy[Journal]:
    """What runs may have asked and been answered, half of it masked."""
    kept = st.builds(Journal, st.lists(entries(), max_size=max_size).map(tuple))
    return kept | kept.map(lambda journal: Journal(masked(journal.entries), masked=True))


def rejections() -> st.SearchStrategy[Rejection]:
    """Bare rejections, of no kind; `counterfoil.core.strategies` has the engine's own."""
    return st.builds(Rejection, clear_tokens=st.booleans())


def steps(
    states: Anything | None = None, *, asked: Anything | None = None, max_size: int = 3
) -> st.SearchStrategy[Step[Any]]:
    """Steps that ask for effects, whatever the replies, and end in a state, telling effects."""
    asks = effects(*get_args(StoreEffect), FetchClaim) if asked is None else asked
    ends = (json_values() if states is None else states) | rejections()
    done = st.builds(Done, ends, _tuples(effects(*get_args(ResponseEffect), Announce), max_size))
    return st.builds(_asking, _tuples(asks, max_size), done)


def dry_runs(states: Anything | None = None) -> st.SearchStrategy[DryRun[Any]]:
    """Where steps would end, and all that they would carry out."""
    ends = (json_values() if states is None else states) | rejections()
    return st.builds(DryRun, ends, _tuples(effects(), 4))


@attrs.frozen
class AfterAny:
    """A continuation of `steps`: takes any reply, and asks for the effects that are left."""

    left: tuple[Effect[Any], ...]
    end: Done[Any]

    def __call__(self, reply: Any) -> Step[Any]:
        return _asking(self.left, self.end)


def _asking(asked: tuple[Effect[Any], ...], end: Done[Any]) -> Step[Any]:
    return asked[0].then(AfterAny(asked[1:], end)) if asked else end


def _tuples(members: Anything, max_size: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(members, max_size=max_size).map(tuple)
