"""Fixtures: configurations of universes, models, a clock; and checks for leaks."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from utopya_backend import StepwiseModel, yaml
from utopya_backend.finding import find_model
from utopya_backend.signal import SIGNAL_INFO

# The machines that check a change are slow at times, and try the same examples each
# time; whoever works on the project tries new ones.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell has its background jobs ignore some signals, and they their children.
for signum, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, handler)

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    signal_handlers = [signal.getsignal(signum) for signum in HANDLED_SIGNALS]
    sys_path, excepthook = list(sys.path), sys.excepthook
    threads = set(threading.enumerate())
    yield
    root.setLevel(level)  # the configuration of a model sets it, by contract
    sys.excepthook = excepthook  # likewise, by an error in it
    assert [h for h in root.handlers if "pytest" not in type(h).__module__] == [
        h for h in handlers if "pytest" not in type(h).__module__
    ]
    assert [signal.getsignal(signum) for signum in HANDLED_SIGNALS] == signal_handlers
    assert SIGNAL_INFO["got_signal"] is False
    assert SIGNAL_INFO["frame"] is None
    assert sys.path == sys_path
    assert set(threading.enumerate()) == threads


@pytest.fixture
def write_cfg(tmp_path: Path) -> Callable[..., str]:
    """Writes the configuration of a universe; returns its path.

    An entry ``...`` is left out.
    """

    def write(**root: Any) -> str:
        cfg: dict[str, Any] = {
            "root_model_name": "M",
            "M": {},
            "num_steps": 3,
            "output_path": str(tmp_path / "data.h5"),
        }
        cfg = {key: value for key, value in (cfg | root).items() if value is not ...}
        path = tmp_path / "config.yml"
        with open(path, "w", encoding="utf-8") as file:
            yaml.dump(cfg, file)
        return str(path)

    return write


@pytest.fixture
def make(write_cfg: Callable[..., str]) -> Iterator[Callable[..., Any]]:
    """Makes a model from its class; entries of the root level may follow."""
    models = []

    def make_model(cls: type[Any], **root: Any) -> Any:
        models.append(cls(cfg_file_path=write_cfg(**root)))
        return models[-1]

    yield make_model
    for model in models:
        model.close()


@pytest.fixture
def files(tmp_path):
    """Writes files; returns the directory."""

    def write(**contents):
        for name, content in contents.items():
            path = tmp_path / name.replace("__", "/").replace("_yml", ".yml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


MANIFEST = "model_name: M\npaths: {executable: run_model.py}\n"


@pytest.fixture
def model(files):
    """A model with default parameters."""
    directory = files(
        M__M_info_yml=MANIFEST.replace("}", ", mv_model_cfg: mv.yml}"),
        M__M_cfg_yml="a: 1\nnested: {b: 2, c: 3}",
        M__mv_yml="parameter_space: {num_steps: 7, M: {a: 0, d: 4}}\nother: 1",
    )
    (directory / "M/run_model.py").touch()
    return find_model(directory / "M")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Walk(StepwiseModel):
    """A random walk, written as the published backend wants it."""

    def setup(self, *, size: int = 3):
        self.state = self.rng.random(size)
        self.dset = self.create_ts_dset("state", extra_dims=("x",), sizes={"x": size})

    def perform_step(self):
        self.state += self.rng.normal(size=self.state.size)

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1, :] = self.state


@pytest.fixture
def walk() -> type[Walk]:
    return Walk
