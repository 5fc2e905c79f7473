"""What universes share, and what they do not."""

from pathlib import Path

import h5py
import pytest

from utopya_backend.io import open_output

from .conftest import record, run_dir
from .test_command import sweep, wait_until

MODEL = """
import os, subprocess, sys, tempfile
from utopya_backend import StepwiseModel

HERE = tempfile.TemporaryDirectory()

class M(StepwiseModel):
    def setup(self, *, x: int = 0):
        self.x = x
        with open(os.path.join(HERE.name, str(x)), "x"):
            pass
        self.own = tempfile.TemporaryDirectory()
        self.log.info("made %s", self.own.name)
        self.dset = self.create_ts_dset("x")
        if x == 2:
            self.child = subprocess.Popen(["sleep", "300"])
            self.log.info("started %d", self.child.pid)

    def perform_step(self):
        if self.x == 3:
            os._exit(0)

    def write_data(self):
        self.dset.append(self.x)

if __name__ == "__main__":
    with M(cfg_file_path=sys.argv[1]) as model:
        model.run()
"""


@pytest.fixture
def run(model, write):
    (model / "run_model.py").write_text(MODEL)
    cfg = write("{num_steps: 2, M: {x: !sweep {default: 0, values: [1, 2, 3, 4]}}}")
    result = sweep("M", cfg, "-W", "1")
    assert "3 finished, 1 failed" in result.output
    return run_dir()


def word_after(word, log):
    return log.partition(f"{word} ")[2].split()[0]


def test_what_a_module_makes_is_there_for_all(run):
    for number in (1, 2, 4):
        log = (run / f"data/uni{number}/out.log").read_text()
        assert "Error" not in log
        assert not Path(word_after("made", log)).exists()  # its own, at its end


def test_nothing_survives_its_universe(run):
    pid = word_after("started", (run / "data/uni2/out.log").read_text())
    # Where nobody waits for it, it stays there as a zombie.
    wait_until(lambda: state_of(pid) in ("", "Z"))


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return ""


def test_an_exit_that_nobody_notices(run):
    assert record(run)["uni3"]["exit_code"] == "1"
    log = (run / "data/uni3/out.log").read_text()
    assert log.endswith("Error: The process has ended by os._exit(0).\n")
    with h5py.File(run / "data/uni3/data.h5") as file:
        assert file.attrs["status"] == "running"  # it cannot know
    status = open_output(run)["status"]
    assert status.sel(x=3) == "failed: exit code 1"
    assert status.sel(x=4) == "finished"
