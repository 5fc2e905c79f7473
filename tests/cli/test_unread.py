"""Commands of which nobody reads what they print, as in ``… | head -1``."""

import os
import subprocess
import sys

import pytest

MODEL = """
import sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self, *, code: int = 0):
        self.dset, self.code = self.create_ts_dset("x"), code

    def perform_step(self):
        pass

    def write_data(self):
        self.dset.append(1.0)

    def epilog(self, *, finished_run):
        if self.code:
            sys.exit(self.code)
"""


def run(*args, stderr=subprocess.PIPE):
    """Runs a command of which nobody reads the output."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "utopya_backend", *args],
        stdout=writer,
        stderr=writer if stderr is None else stderr,
        text=True,
    )
    os.close(writer)
    return process.returncode, process.stderr


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)


@pytest.mark.parametrize("stderr", [subprocess.PIPE, None], ids=["stdout", "both"])
def test_the_exit_code_of_run_is_that_of_the_model(model, stderr):
    assert run("run", "m.py", stderr=stderr)[0] == 0
    assert run("run", "m.py", "--set", "M.code=3", stderr=stderr)[0] == 1


def test_a_sweep_goes_on(model):
    args = ("sweep", "m.py", "--num-seeds", "2")
    assert run(*args, stderr=None)[0] == 0
    assert run(*args, "--set", "M.code=3")[0] == 1


def test_commands_that_read_end(model):
    run("run", "m.py")
    for args in ("show", "out/M"), ("watch", "out/M"), ("schema", "m.py"):
        assert run(*args) == (141, "")


def test_mistakes(model):
    assert run("run", "nowhere.py", stderr=None)[0] == 2
    assert run("info")[1] == ""
