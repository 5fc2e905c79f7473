"""A model that does what its parameters say, and the sweeps of it."""

import csv
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import psutil
import pytest

from utopya_backend.finding import ModelInfo, find_model
from utopya_backend.sweeps.local import LocalEngine
from utopya_backend.sweeps.messages import Ended, Job
from utopya_backend.sweeps.program import Program

MODEL = """
import os, signal, sys, time
import numpy as np
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self, *, x: float = 1.0, what: str = "", size: int = 1):
        self.what, self.x = what, x
        self.dset = self.create_ts_dset("x", extra_dims=["k"], sizes={"k": size})
        print("set up with", x)
        if what == "refuse":
            raise ValueError("not with me")

    def perform_step(self):
        self.x += self.rng.normal()
        if self.what == "raise":
            1 / 0
        if self.what == "segfault":
            import ctypes
            ctypes.string_at(0)
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "_exit":
            os._exit(3)
        if self.what == "exit":
            sys.exit(0)
        if self.what == "go on":  # until it is stopped
            time.sleep(0.01)
            if self.n_iterations == 1:
                with open(os.path.join(self.root_cfg["output_dir"], "began"), "x"):
                    pass

    def write_data(self):
        self.dset.append(np.full(self.dset.shape[1], self.x))

    def monitor(self, monitor_info):
        return {"x": self.x}

if __name__ == "__main__":
    with M(cfg_file_path=sys.argv[1]) as model:
        model.run()
"""


@pytest.fixture(autouse=True)
def _buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed is buffered, as for most users."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the model; the current directory is the one above."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "M"
    directory.mkdir()
    (directory / "run_model.py").write_text(MODEL)
    (directory / "M_info.yml").write_text(
        "model_name: M\npaths: {executable: run_model.py}\n"
    )
    return directory


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Writes a configuration; returns its path."""

    def write_cfg(text: str) -> str:
        path = tmp_path / "cfg.yml"
        path.write_text(text)
        return str(path)

    return write_cfg


def run_dir(number: int = 0) -> Path:
    """The directory of a run, by the order of their times."""
    return sorted(Path("out/M").iterdir())[number]


def record(run: Path) -> dict[str, dict[str, Any]]:
    """The last line about each universe in the record of a run."""
    with open(run / "_universes.tsv", encoding="utf-8") as file:
        return {row["universe"]: row for row in csv.DictReader(file, delimiter="\t")}


def outcomes(run: Path) -> dict[str, str]:
    """What has become of each universe."""
    return {name: row["outcome"] for name, row in record(run).items()}


HEAD = """
import atexit, logging, os, random, subprocess, sys, threading, time
import numpy as np
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")
        begin(self)

    def perform_step(self):
        step(self)

    def write_data(self):
        self.dset.append(1.0)

def begin(model):
    pass

def step(model):
    pass
"""
MAIN = """
if __name__ == "__main__":
    with M(cfg_file_path=sys.argv[1]) as model:
        model.run()
"""


def wait_until(is_so: Callable[[], Any], seconds: float = 60) -> None:
    """Waits for another process."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether there is a process that has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Runs:
    """Runs programs as universes; what has become of them, and what they print."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)

    def script(self, text: str, *, main: str = MAIN) -> ModelInfo:
        """Writes a model; its functions begin() and step() may be replaced."""
        path = self.directory / "M"
        path.mkdir(exist_ok=True)
        (path / "run_model.py").write_text(HEAD + text + main)
        (path / "M_info.yml").write_text(
            "model_name: M\npaths: {executable: run_model.py}\n"
        )
        return find_model(path)

    def job(self, number: int | None = None, **cfg: Any) -> Job:
        """A universe."""
        number = next(self._numbers) if number is None else number
        base = {
            "root_model_name": "M", "M": {}, "num_steps": 2, "write_start": 0,
            "write_every": 1, "seed": 42,
        }  # fmt: skip
        return Job.of(number, str(self.directory / f"uni{number}"), {**base, **cfg})

    def log(self, number: int = 1) -> str:
        """What a universe has printed."""
        return (self.directory / f"uni{number}" / "out.log").read_text()

    def pid(self, name: str) -> int:
        """Waits until a process has written its id into a file, and reads it."""
        path = self.directory / name
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())

    def status(self, number: int = 1) -> str:
        """The status in the output of a universe."""
        with h5py.File(self.directory / f"uni{number}" / "data.h5") as file:
            return str(file.attrs["status"])

    def __call__(
        self, model: ModelInfo, *jobs: Job, fresh: bool = False, num_workers: int = 1
    ) -> dict[int, Ended]:
        """Runs universes, of which as many as need be at the same time."""
        program = Program.of(model, fresh=fresh)
        with LocalEngine(program, num_workers) as engine:
            return self.run_with(engine, *jobs or [self.job()])

    @staticmethod
    def run_with(engine: LocalEngine, *jobs: Job) -> dict[int, Ended]:
        """Runs universes by an engine that is there."""
        for job in jobs:
            engine.start(job)
        return collect(engine, len(jobs))


def collect(engine: LocalEngine, number: int) -> dict[int, Ended]:
    """Waits until some universes have ended."""
    found: dict[int, Ended] = {}
    deadline = time.monotonic() + 60
    while len(found) < number:
        assert time.monotonic() < deadline, "waited in vain"
        ended = [event for event in engine.events(1.0) if isinstance(event, Ended)]
        found |= {event.number: event for event in ended}
    return found


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs programs as universes, in a temporary directory."""
    monkeypatch.chdir(tmp_path)
    return Runs(tmp_path)
