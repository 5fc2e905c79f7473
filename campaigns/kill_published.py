"""Kills models of the published backend with SIGKILL, and tries to open their files.

The counterpart of ``kill.py``, for the comparison in the README: here, it is only
counted which files a plain HDF5 opens, and which of them have any row.

Usage: python campaigns/kill_published.py PYTHON [NUMBER_OF_KILLS] [SEED]

Args:
    PYTHON: The Python of an environment in which only ``utopya`` is installed
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

MODEL = """
import sys
from utopya_backend import StepwiseModel

class Victim(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x", extra_dims=("i",), sizes={"i": 100})
        print("set up", flush=True)

    def perform_step(self):
        pass

    def monitor(self, monitor_info):
        return monitor_info

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1, :] = self.time

Victim(cfg_file_path=sys.argv[1]).run()
"""

CONFIGURATION = """
root_model_name: Victim
Victim: {{}}
log_levels: {{backend: warning, model: warning}}
monitor_emit_interval: 2.0
seed: 42
num_steps: 100000000
output_path: {path}
"""


def kill_one(python: str, directory: Path, delay: float) -> str:
    """Runs a model for a while, kills it, and says what its file is like."""
    path = directory / "data.h5"
    (directory / "model.py").write_text(MODEL)
    (directory / "config.yml").write_text(CONFIGURATION.format(path=path))
    process = subprocess.Popen(
        [python, directory / "model.py", directory / "config.yml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None  # as it is a pipe
    while process.stdout.readline() != b"set up\n":
        assert process.poll() is None, "the model has ended by itself"
    time.sleep(delay)
    process.kill()
    process.communicate()
    try:
        with h5py.File(path) as file:
            rows = len(file["Victim/x"])
            return "opens, with rows" if rows else "opens, without rows"
    except (OSError, KeyError):
        return "does not open"


def main() -> None:
    """Kills as many models as told, and prints what came of it."""
    python = sys.argv[1]
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    ends: dict[str, int] = {}
    for _ in range(number):
        with tempfile.TemporaryDirectory() as directory:
            end = kill_one(python, Path(directory), rng.uniform(0.05, 1.5))
        ends[end] = ends.get(end, 0) + 1
    print(f"{number} models of the published backend killed: {ends}")


if __name__ == "__main__":
    main()
