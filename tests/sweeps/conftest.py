"""A model that does what its parameters say, and the sweeps of it."""

import csv
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


SIGNALS = (signal.SIGINT, signal.SIGTERM)
