"""What each package shows: `__all__` is sorted, complete, and every name in it is there."""

import importlib
from types import ModuleType
from typing import Any

import pytest

import counterfoil

PACKAGES = ["core", "effects", "adapters"]


def exported(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", ()))


def order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions; each by the alphabet (ruff's RUF022)."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"counterfoil.{request.param}")


def test_all_is_sorted_without_repetition(package: ModuleType) -> None:
    names = exported(package)
    assert names == sorted(set(names), key=order)


def test_all_is_complete(package: ModuleType) -> None:
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - {"annotations"} <= set(exported(package))


def test_every_name_can_be_imported(package: ModuleType) -> None:
    for name in exported(package):
        assert not name.startswith("_")
        assert not isinstance(getattr(package, name), ModuleType)
    namespace: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", namespace)  # noqa: S102  # a star import, as users do
    assert set(exported(package)) == namespace.keys() - {"__builtins__"}


def test_one_name_means_one_thing() -> None:
    seen: dict[str, Any] = {}
    for part in PACKAGES:
        module = importlib.import_module(f"counterfoil.{part}")
        for name in exported(module):
            value = getattr(module, name)
            assert seen.setdefault(name, value) is value, f"{name} means two things"


def test_the_face_shows_all_that_the_packages_export() -> None:
    parts = [importlib.import_module(f"counterfoil.{part}") for part in PACKAGES]
    union = {name for part in parts for name in exported(part)}
    assert set(exported(counterfoil)) == union | {"__version__"}
    for part in parts:
        for name in exported(part):
            assert getattr(counterfoil, name) is getattr(part, name)


def test_the_version_is_there() -> None:
    assert counterfoil.__version__.count(".") >= 2
