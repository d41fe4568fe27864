"""The rules that the lab compares, by name, and who uses each."""

from __future__ import annotations

from ...core import (
    ForkAndPromote,
    NewestWins,
    OneBehind,
    RotationRule,
    SameSuccessor,
    SingleUse,
    SingleUseRevoking,
    WindowOnly,
)

RULES: dict[str, RotationRule] = {
    "single use": SingleUse(),
    "single use, reuse revokes": SingleUseRevoking(),
    "fork, promote on first use": ForkAndPromote(),
    "window, newest child wins": NewestWins(),
    "counter, one behind accepted": OneBehind(),
    "same successor in the window only": WindowOnly(),
    "counterfoil": SameSuccessor(),
}
