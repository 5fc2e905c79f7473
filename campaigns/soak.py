"""Writes very many rows in one run, and watches the memory.

The rows have three values. Printed are the time per step, the share of it that commits
take, and the memory of the process after each tenth of the run; afterwards, all values
are checked.

Usage: python campaigns/soak.py [NUMBER_OF_ROWS]
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from utopya_backend import StepwiseModel, yaml
from utopya_backend.io import OutputFile

NUM_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000


class Writer(StepwiseModel):
    """Writes rows that tell by themselves whether they are right."""

    def setup(self) -> None:
        """Makes the dataset."""
        self.dset = self.create_ts_dset("rows", extra_dims=["x"], sizes={"x": 3})
        self.row = np.zeros(3)
        self.memory: list[int] = []

    def perform_step(self) -> None:
        """Computes something, a little."""
        self.row += (1.0, 2.0, 3.0)

    def write_data(self) -> None:
        """Writes a row; notes the memory, now and then."""
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1, :] = self.row
        if self.time % (NUM_ROWS // 10) == 0:
            self.memory.append(resident_bytes())


def resident_bytes() -> int:
    """The memory of this process that is in use."""
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Writes, checks, prints."""
    durations = []
    commit = OutputFile._commit

    def timed_commit(self: OutputFile, *, wait: bool) -> bool:
        start = time.perf_counter()
        done = commit(self, wait=wait)
        durations.append(time.perf_counter() - start)
        return done

    OutputFile._commit = timed_commit  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as name:
        cfg_file = os.path.join(name, "config.yml")
        with open(cfg_file, "w", encoding="utf-8") as file:
            yaml.dump(
                {
                    "root_model_name": "Writer", "Writer": {}, "num_steps": NUM_ROWS,
                    "output_dir": name, "output_path": f"{name}/data.h5",
                    "log_levels": {"model": "error", "backend": "error"},
                },
                file,
            )  # fmt: skip
        with Writer(cfg_file_path=cfg_file) as model:
            durations.clear()
            start = time.perf_counter()
            model.run()
            seconds = time.perf_counter() - start
            memory = model.memory
        check(f"{name}/data.h5")
        size = os.path.getsize(f"{name}/data.h5")
    print(f"{NUM_ROWS} rows in {seconds:.1f} s, {1e6 * seconds / NUM_ROWS:.2f} us each")
    print(
        f"{len(durations)} commits, {max(durations) * 1e3:.1f} ms at most; they took "
        f"{sum(durations) / seconds:.1%} of the time"
    )
    print("Memory [MB]:", *(round(value / 1e6, 1) for value in memory))
    print(f"The file has {size / NUM_ROWS:.1f} bytes per row; all values are right.")


def check(path: str) -> None:
    """Checks all values."""
    with h5py.File(path) as file:
        rows = file["Writer/rows"]
        assert rows.shape == (NUM_ROWS + 1, 3)
        for start in range(0, NUM_ROWS + 1, 1_000_000):
            part = rows[start : start + 1_000_000]
            steps = np.arange(start, start + len(part))
            assert (part == steps[:, None] * np.array([1.0, 2.0, 3.0])).all()


if __name__ == "__main__":
    main()
