"""counterfoil: a session engine of pure decisions and interchangeable effects."""

from pathlib import Path as _Path

# Installed, core/, effects/ and adapters/ lie beside this file. In the
# repository they lie in its root: look there first, so that the links beside
# this file (which type checkers need) are never what runs.
_here = _Path(__file__).resolve().parent
_real = (_here / "core").is_dir() and not (_here / "core").is_symlink()
if _here.parent.name == ".src" and not _real:
    __path__.insert(0, str(_here.parents[1]))

from . import adapters, core, effects  # noqa: E402  # only now are they to be found
from .adapters import *  # noqa: E402, F403  # the face is what the packages show
from .core import *  # noqa: E402, F403  # the same
from .effects import *  # noqa: E402, F403  # the same

__version__ = "0.1.0"

__all__ = ["__version__"]
__all__ += adapters.__all__
__all__ += core.__all__
__all__ += effects.__all__
