"""Writes rows as models do, with whatever backend is installed, and times that.

Usage: python rows.py WIDTH NUMBER_OF_ROWS

The rows are random walks; what is timed is the writing, closing included, in the
pattern of the published package: grow by one, write the last row. Prints the seconds,
and for wide rows those of one bulk write of h5py; the data is checked afterwards.
"""

import json
import logging
import os
import sys
import tempfile
import time

import h5py
import numpy as np

from utopya_backend import StepwiseModel

WIDTH, NUM_ROWS = int(sys.argv[1]), int(sys.argv[2])


class Writer(StepwiseModel):
    """Has a dataset of rows."""

    def setup(self) -> None:
        """Makes the dataset."""
        self.dset = self.create_ts_dset(
            "rows", extra_dims=("x",), sizes={"x": WIDTH}, dtype="f8"
        )

    def perform_step(self) -> None:
        """Does nothing: the rows are written from outside."""

    def write_data(self) -> None:
        """Likewise."""


def random_walk() -> np.ndarray:
    """All rows: array[row, x]."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(NUM_ROWS, WIDTH)).cumsum(axis=0)


def main() -> None:
    """Writes, times, checks."""
    logging.disable()
    with tempfile.TemporaryDirectory() as directory:
        measure(directory)


def measure(directory: str) -> None:
    """Does so in a directory."""
    path = os.path.join(directory, "data.h5")
    with open(os.path.join(directory, "cfg.yml"), "w", encoding="utf-8") as file:
        file.write(
            f"root_model_name: Writer\nWriter: {{}}\nnum_steps: {NUM_ROWS}\n"
            "write_start: 1\nwrite_every: 1\nseed: 1\nmonitor_emit_interval: 2.0\n"
            f"log_levels: {{model: error}}\noutput_path: {path}\n"
        )
    rows = random_walk()
    model = Writer(cfg_file_path=os.path.join(directory, "cfg.yml"))
    commit = getattr(model._h5file, "commit_if_due", None)
    dset = model.dset
    os.sync()  # what others have written before must not be paid for here
    start = time.perf_counter()
    for row in rows:
        dset.resize(dset.shape[0] + 1, axis=0)
        dset[-1, :] = row
        model._time += 1  # each row has a time of its own
        if commit:
            commit()
    model._h5file.close()
    seconds = time.perf_counter() - start
    with h5py.File(path) as file:
        assert (file["Writer/rows"][:] == rows).all()
    start = time.perf_counter()
    with h5py.File(os.path.join(directory, "bulk.h5"), "w") as file:
        file.create_dataset("rows", data=rows, compression=2)
    bulk = time.perf_counter() - start
    size = os.path.getsize(path)
    bulk_size = os.path.getsize(os.path.join(directory, "bulk.h5"))
    print("RESULT", json.dumps([seconds, bulk, size, bulk_size]))


if __name__ == "__main__":
    main()
