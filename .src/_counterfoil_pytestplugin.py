"""What pytest loads wherever counterfoil is installed: it brings the conformance kit, if asked.

pytest takes `--store` from a plugin that is there before it reads its command line. This one is no
module of counterfoil, so that pytest runs that don't ask for the kit neither import counterfoil
nor have an option `--store` of its.
"""

from __future__ import annotations

import sys

import pytest

KITS = ("counterfoil.effects.conformance", "counterfoil.adapters.simulation.conformance")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Bring the kit if a part of it is named."""
    if "--pyargs" in args and any(argument.startswith(KITS) for argument in args):
        # What is imported already, by a test that runs pytest in its own process, stays as it is.
        pytest.register_assert_rewrite(*(kit for kit in KITS if kit not in sys.modules))
        early_config.pluginmanager.import_plugin(f"{KITS[0]}.plugin")
