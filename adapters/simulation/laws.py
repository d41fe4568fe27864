"""The laws of sessions, by name: each a predicate of `checks.py`, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ...effects.simulation import Law, Transition
from . import checks, endings
from .state import Delivered, Finished, Performed, Sent, State, Waited

if TYPE_CHECKING:
    from .model import Sessions

Check: TypeAlias = "Callable[[Sessions, State, Transition[State]], str | None]"

LAWS: dict[str, tuple[tuple[type[Any], ...], Check]] = {
    "0 No operation raises": (
        (Performed, Finished, Delivered, Waited),
        checks.nothing_raises,
    ),
    "1 Every honest client can refresh": (
        (Performed, Finished, Delivered, Waited),
        checks.clients_stay_logged_in,
    ),
    "2 One token has one successor within the leeway": (
        (Finished,),
        checks.same_token_same_answer,
    ),
    "2 After the leeway it has another": ((Finished,), checks.late_answers_differ),
    "2 A rotation makes a token that was not there before": (
        (Finished,),
        checks.rotations_make_new_tokens,
    ),
    "3 A token whose successor was used, or that was displaced, ends the session": (
        (Finished,),
        checks.copies_betray,
    ),
    "3 The tokens that are used form one line": ((Performed,), checks.one_line_of_tokens),
    "4 A token that was not issued changes no record": (
        (Performed,),
        checks.forgeries_change_nothing,
    ),
    "5 Every merge is kept": ((Performed, Finished), checks.merges_are_kept),
    "6 Only what is asked to end a session ends it": ((Performed,), endings.only_who_may_ends),
    "6 A session ends when its policy says": ((Performed,), endings.expiry_is_as_promised),
    "6 A session that is over stays over": ((Performed, Finished), endings.over_is_over),
    "7 Only what ends a session clears its tokens, and then all of them": (
        (Finished, Delivered),
        endings.only_the_end_clears,
    ),
    "8 and 9 Equal inputs give equal steps, and none shows a secret": (
        (Sent, Performed),
        checks.values_are_values,
    ),
}
"""DESIGN section 7, each law with the happenings that it must look at.

That a replayed journal gives the same steps follows from the last, and is a property of its own
among the tests of journals.
"""


def laws_of(model: Sessions) -> tuple[Law[State], ...]:
    """All laws, for a model."""
    return tuple(Law(name, _Of(model, check), on) for name, (on, check) in LAWS.items())


@attrs.frozen
class _Of:
    model: Sessions
    check: Check

    def __call__(self, before: State, transition: Transition[State]) -> str | None:
        return self.check(self.model, before, transition)
