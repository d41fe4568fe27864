"""Guards for the whole suite: only the package, never the root's folders, is imported."""

import sys

from hypothesis import settings

# `python -m pytest` puts the repository root on sys.path, where core/, effects/
# and adapters/ would import as top-level packages beside counterfoil.core, ...:
# None here makes any such import raise ModuleNotFoundError.
for _name in ("core", "effects", "adapters"):
    sys.modules[_name] = None  # type: ignore[assignment]  # the documented way to forbid an import

# A busy machine is no failure: no example has a deadline.
settings.register_profile("counterfoil", deadline=None)
settings.load_profile("counterfoil")
