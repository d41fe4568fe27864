"""Guards for the whole suite: only the package, never the root's folders, is imported."""

import sys

# `python -m pytest` puts the repository root on sys.path, where core/, effects/
# and adapters/ would import as top-level packages beside counterfoil.core, ...:
# None here makes any such import raise ModuleNotFoundError.
for _name in ("core", "effects", "adapters"):
    sys.modules[_name] = None  # type: ignore[assignment]  # the documented way to forbid an import
