"""For those who test their models: fixtures of pytest, and ready-made checks.

In a test module of a model, or in the ``conftest.py`` at the top of a project, ::

    pytest_plugins = ["utopya_backend.testing"]

gives the fixtures :py:func:`run_model` and :py:func:`make_model`. The checks are plain
functions, each a test in one line::

    from utopya_backend.testing import check_same_seed_same_data

    def test_same_seed_same_data():
        check_same_seed_same_data("models/Walk", {"num_walkers": 10}, num_steps=20)

(PYTEST_DONT_REWRITE: nothing here is an ``assert``.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError

try:
    import pytest
except ModuleNotFoundError:
    raise MissingPackageError(
        "utopya_backend.testing needs pytest: install it by pip install pytest"
    ) from None

from ..interactive import Model, Result, simulate, simulation
from ..io.comparing import compare as compare
from .checks import check_same_seed_same_data as check_same_seed_same_data
from .checks import check_survives_stop_signal as check_survives_stop_signal
from .checks import check_write_schedule as check_write_schedule
from .frontend import check_same_under_frontend as check_same_under_frontend

__all__ = [
    "check_same_seed_same_data",
    "check_same_under_frontend",
    "check_survives_stop_signal",
    "check_write_schedule",
    "compare",
    "make_model",
    "run_model",
]


@pytest.fixture
def run_model(tmp_path: Path) -> Callable[..., Result]:
    """Runs a model; its output is in the test's temporary directory.

    It takes the arguments of :py:func:`.simulate`, and returns its result::

        def test_spread(run_model):
            result = run_model("models/Walk", {"step_length": 2}, num_steps=100)
            assert result.data["Walk/position"].std() > 1
    """
    return functools.partial(simulate, out=tmp_path, progress=False)


@pytest.fixture
def make_model(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes a model, which is closed at the end of the test.

    It takes the arguments of :py:func:`.simulation`, and returns the model, set up::

        def test_a_step(make_model):
            walk = make_model("models/Walk", num_steps=1)
            walk.step()
            assert walk.time == 1
    """
    with ExitStack() as stack:

        def make(
            model: Model, params: Mapping[str, Any] | None = None, **settings: Any
        ) -> Any:
            made = simulation(model, params, out=tmp_path, **settings)
            return stack.enter_context(made)

        yield make
