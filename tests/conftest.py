"""Guards for the whole suite: only the package, never the root's folders, is imported."""

import sys

from hypothesis import Phase, settings

# `python -m pytest` puts the repository root on sys.path, where core/, effects/
# and adapters/ would import as top-level packages beside counterfoil.core, ...:
# None here makes any such import raise ModuleNotFoundError.
for _name in ("core", "effects", "adapters"):
    sys.modules[_name] = None  # type: ignore[assignment]  # the documented way to forbid an import


def pytest_sessionstart() -> None:
    """mutmut runs many sessions in one process: each makes its tables of examples anew."""
    for name in [name for name in sys.modules if name.startswith("tests.")]:
        if not name.endswith("conftest"):
            del sys.modules[name]


# A busy machine is no failure: no example has a deadline.
settings.register_profile("counterfoil", deadline=None)
settings.load_profile("counterfoil")

# For `python tests/mutation`: few examples, the same each time, and none made smaller.
settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=25,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
