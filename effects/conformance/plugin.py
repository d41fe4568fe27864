"""What pytest needs to run the kit: its options, its fixtures, and its modules by their names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from ..backend import Store
from ..errors import InvalidInput
from . import making
from .crowds import CROWDS, Crowd
from .making import Form, Judged, Survey
from .processes import Team
from .secret_keeping import KeepsSecrets

_LAYERS = Path(__file__).parents[2]  # the folder of counterfoil, or the checkout
_FACTORY = pytest.StashKey[Callable[[], Any]]()
_SURVEY = pytest.StashKey[Survey]()
_NO_AGAIN = (
    "needs a function that opens the store again: let make_store give (store, function)",
    "needs a function that can be pickled to open the store again, such as partial(Store, path)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The store to judge."""
    group = parser.getgroup("counterfoil", "counterfoil's conformance kit")
    group.addoption(
        "--store",
        metavar="MODULE:FACTORY",
        help="judge the stores that this gives, such as my_module:make_store",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the factory, as from a prompt: in a module of the folder that pytest was started in."""
    path = config.getoption("--store")
    if path is None:
        raise pytest.UsageError("which store? Add --store my_module:make_store")
    here = str(config.invocation_params.dir)
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        import_module("hypothesis")
    except ImportError as error:
        raise pytest.UsageError(
            "the kit needs Hypothesis: pip install 'counterfoil[testing]'"
        ) from error
    try:
        config.stash[_FACTORY] = factory = making.named(path)
        config.stash[_SURVEY] = making.surveyed(factory)
    except InvalidInput as error:
        raise pytest.UsageError(str(error)) from error
    except Exception as error:  # whatever keeps a store of somebody's from being made
        raise pytest.UsageError(f"--store {path}: {type(error).__name__}: {error}") from error


def pytest_report_header(config: pytest.Config) -> str:
    """What is judged."""
    survey = config.stash[_SURVEY]
    way = "no way" if survey.again is None else "a way"
    forms = " and ".join(survey.forms)
    return f"counterfoil: judges {config.getoption('--store')} ({forms}; {way} to open it again)"


# --- collection --------------------------------------------------------------------------------


class KitModule(pytest.Module):
    """A module of the kit under the name that it has in counterfoil, wherever its file lies."""

    def _getobj(self) -> ModuleType:
        inside = self.path.relative_to(_LAYERS).with_suffix("")
        return import_module(".".join(("counterfoil", *inside.parts)))


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Import the kit's modules by their names."""
    if not module_path.is_relative_to(_LAYERS):
        return None
    name = f"counterfoil/{module_path.relative_to(_LAYERS).as_posix()}"
    made = cast("Any", KitModule).from_parent(parent, path=module_path, nodeid=name)
    return cast("pytest.Module", made)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Dir | None:
    """Import none of counterfoil's packages a second time, by another name."""
    if not path.is_relative_to(_LAYERS) and path != _LAYERS:
        return None
    folder: pytest.Dir = pytest.Dir.from_parent(parent, path=path)
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask each form of the store; a crowd asks it in every way that there is."""
    if not metafunc.function.__module__.startswith("counterfoil."):
        return
    survey = metafunc.config.stash[_SURVEY]
    if "crowd" in metafunc.fixturenames:
        kinds = [kind for kind in CROWDS if _form(kind, survey) in survey.forms]
        asked = [_asked(kind, survey) for kind in kinds]
        metafunc.parametrize(("form", "crowd"), asked, indirect=True)
    elif "form" in metafunc.fixturenames:
        metafunc.parametrize("form", survey.forms, indirect=True)


def _form(kind: str, survey: Survey) -> Form:
    # A store that can only be awaited is awaited by every crowd.
    return CROWDS[kind].form if "blocking" in survey.forms else "awaited"


def _asked(kind: str, survey: Survey) -> Any:
    reason = None
    if CROWDS[kind].opens and survey.again is None:
        reason = _NO_AGAIN[0]
    elif CROWDS[kind].is_elsewhere and not survey.is_picklable:
        reason = _NO_AGAIN[1]
    marks = [pytest.mark.skip(reason=reason)] if reason else []
    return pytest.param(_form(kind, survey), kind, marks=marks, id=kind)


# --- fixtures ----------------------------------------------------------------------------------


@pytest.fixture
def form(request: pytest.FixtureRequest) -> Form:
    """Whether the store is called, or awaited."""
    asked: Form = request.param
    return asked


@pytest.fixture
def judged(pytestconfig: pytest.Config, form: Form) -> Generator[Judged]:
    """A new, empty store and a way to open it again."""
    with making.judged(pytestconfig.stash[_FACTORY], form) as made:
        yield made


@pytest.fixture
def fresh(pytestconfig: pytest.Config, form: Form) -> Callable[[], AbstractContextManager[Judged]]:
    """Gives a new, empty store each time it is entered."""
    return partial(making.judged, pytestconfig.stash[_FACTORY], form)


@pytest.fixture
def store(judged: Judged) -> Store:
    """A new, empty store."""
    return judged.store


@pytest.fixture
def keeper(store: Store) -> KeepsSecrets:
    """The store, where it keeps secrets."""
    if not isinstance(store, KeepsSecrets):
        pytest.skip("keeps no secrets: keys need a place of their own")
    return store


@pytest.fixture
def reopen(judged: Judged, form: Form) -> Callable[[], AbstractContextManager[Store]]:
    """Opens one more store on the same records."""
    if judged.again is None:
        pytest.skip(_NO_AGAIN[0])
    return partial(making.opened, judged.again, form)


@pytest.fixture(scope="session")
def team() -> Generator[Team]:
    """Processes that work for many tests."""
    team = Team()
    yield team
    team.disband()


@pytest.fixture
def crowd(request: pytest.FixtureRequest, judged: Judged, team: Team) -> Crowd:
    """Many who ask the store at once."""
    return CROWDS[request.param].of(judged, team)
