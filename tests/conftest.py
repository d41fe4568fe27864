"""Guards for the whole suite: only the package, never the root's folders, is imported."""

import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import attrs
import pytest
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


def _check_value(value: object) -> None:
    again = pickle.loads(pickle.dumps(value))  # noqa: S301  # what we pickled just now
    assert again == value
    assert not again != value  # noqa: SIM202  # both of them are asked
    assert hash(again) == hash(value)
    shown = repr(value)
    assert repr(again) == shown
    for text in _secret_texts(value):
        assert text not in shown


def _secret_texts(value: Any) -> Iterator[str]:
    """Every way in which a token or key material of a value could be shown."""
    kind: type[Any] = value.__class__
    if kind.__name__ == "Secret":
        yield from ([str(value)] if value else [])
    elif isinstance(value, bytes):
        yield from (repr(value)[2:-1], value.hex())
    elif isinstance(value, tuple):
        for member in cast("tuple[object, ...]", value):
            yield from _secret_texts(member)
    elif isinstance(value, dict):
        yield from _secret_texts(tuple(cast("dict[str, object]", value).items()))
    elif attrs.has(kind):
        for field in attrs.fields(kind):
            yield from _secret_texts(getattr(value, field.name))


@pytest.fixture(scope="session")
def check_value() -> Callable[[object], None]:
    """Refuses what can't be compared, hashed and pickled, or shows a secret."""
    return _check_value
