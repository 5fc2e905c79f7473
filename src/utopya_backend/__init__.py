"""Tools to implement simulation models in Python.

A model subclasses :py:class:`BaseModel` or :py:class:`StepwiseModel`. It can be
run by itself, with the ``utopya-backend`` command, or by the ``utopya``
simulation-management frontend.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from .benchmark import ModelBenchmarkMixin as ModelBenchmarkMixin
from .logging import DEFAULT_LOG_FORMAT as DEFAULT_LOG_FORMAT
from .logging import LOG_LEVELS as LOG_LEVELS
from .logging import backend_logger as backend_logger
from .logging import get_level as get_level
from .model import BaseModel as BaseModel
from .model import StepwiseModel as StepwiseModel
from .tools import import_package_from_dir as import_package_from_dir
from .tools import load_cfg_file as load_cfg_file

if _TYPE_CHECKING:
    from .interactive import simulate as simulate
    from .interactive import simulation as simulation
    from .sweeps import continue_sweep as continue_sweep
    from .sweeps import sweep as sweep

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_LOG_FORMAT",
    "LOG_LEVELS",
    "BaseModel",
    "ModelBenchmarkMixin",
    "StepwiseModel",
    "backend_logger",
    "continue_sweep",
    "get_level",
    "import_package_from_dir",
    "load_cfg_file",
    "simulate",
    "simulation",
    "sweep",
]


def __getattr__(name: str) -> _Any:
    # A model that is run as a program needs none of these.
    if name in ("simulate", "simulation"):
        from . import interactive

        return getattr(interactive, name)
    if name in ("continue_sweep", "sweep"):
        from . import sweeps

        return getattr(sweeps, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
