"""What is measured, in a process of its own, with whatever backend is installed.

Usage: python measured.py CASE [ARGUMENT ...]

Prints `RESULT`, and what was measured as JSON: CPU times [s]. Each case checks the
result of what it times.
"""

import gc
import io
import itertools
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import h5py

from utopya_backend import ModelBenchmarkMixin, StepwiseModel

NEVER = 10**12
STEPS_OF_A_UNIVERSE = 100


class Empty(StepwiseModel):
    """A model that does nothing."""

    def setup(self) -> None:
        """Has nothing to set up."""

    def perform_step(self) -> None:
        """Does nothing."""

    def write_data(self) -> None:
        """Writes nothing."""


class EmptyTimed(ModelBenchmarkMixin, Empty):
    """The same, with timers."""


class Rows(StepwiseModel):
    """Writes a row of one value to each of some datasets, in the published way."""

    def setup(self, *, num_dsets: int = 1, num_timers: int = 0) -> None:
        """Makes the datasets, and timers."""
        self.dsets = [
            self.create_ts_dset(f"d{i}", dtype=float) for i in range(num_dsets)
        ]
        if num_timers:
            self.add_cumulative_timers(*(f"timer {i}" for i in range(num_timers)))

    def perform_step(self) -> None:
        """Does nothing."""

    def write_data(self) -> None:
        """Writes the time."""
        for dset in self.dsets:
            dset.resize(dset.shape[0] + 1, axis=0)
            dset[-1] = self.time


class RowsTimed(ModelBenchmarkMixin, Rows):
    """The same, with timers."""


class Bare:
    """What a step of a model costs at least, in Python."""

    def __init__(self) -> None:
        """Begins with time 0."""
        self.t = 0

    def step(self) -> None:
        """Does nothing."""


def bare_loop(num_steps: int) -> float:
    """The shortest loop that calls a method and counts."""
    model = Bare()
    start = time.process_time()
    while model.t < num_steps:
        model.step()
        model.t += 1
    return time.process_time() - start


def clocked_loop(num_steps: int) -> float:
    """The same, measuring by hand what the mixin measures."""
    model, clock = Bare(), time.perf_counter
    full = iteration = 0.0
    start = time.process_time()
    while model.t < num_steps:
        full -= clock()
        iteration -= clock()
        model.step()
        model.t += 1
        iteration += clock()
        full += clock()
    seconds = time.process_time() - start
    assert 0 < iteration < full
    return seconds


def run(
    cls: type[Any],
    num_steps: int,
    check: Callable[[h5py.Group], None] = lambda _: None,
    **cfg: Any,
) -> float:
    """Runs a model, closing included; checks what it has written."""
    with tempfile.TemporaryDirectory() as tmp:
        path = make_cfg(Path(tmp), num_steps, **cfg)
        model = cls(cfg_file_path=str(path))
        start = time.process_time()
        model.run()
        counted = model.time, model.n_iterations
        model._h5file.close()
        seconds = time.process_time() - start
        assert counted == (num_steps, num_steps)
        del model
        gc.collect()
        with h5py.File(path.with_name("data.h5")) as file:
            check(file["Model"])
    return seconds


def make_cfg(directory: Path, num_steps: int, **cfg: Any) -> Path:
    """Writes a configuration, as JSON."""
    path = directory / "config.yml"
    defaults = {
        "root_model_name": "Model",
        "Model": {},
        "num_steps": num_steps,
        "write_start": NEVER,
        "write_every": 1,
        "seed": 1,
        "monitor_emit_interval": 2.0,
        "log_levels": {"model": "error", "backend": "error"},
        "output_path": str(directory / "data.h5"),
    }
    path.write_text(json.dumps(defaults | cfg), encoding="utf-8")
    return path


def case_step(rounds: str, num_steps: str) -> dict[str, list[float]]:
    """A step of an empty model, in turn with loops written by hand."""
    off = {"Model": {"benchmark": {"enabled": False}}}
    on = {"Model": {"benchmark": {"show_on_exit": False}}}
    variants: dict[str, Callable[[int], float]] = {
        "bare": bare_loop,
        "clocked": clocked_loop,
        "plain": lambda n: run(Empty, n),
        "mixin": lambda n: run(EmptyTimed, n, **on),
        "off": lambda n: run(EmptyTimed, n, **off),
    }
    number = int(num_steps)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(int(rounds)):
        for name, variant in variants.items():
            times[name].append(variant(number) / number)
    return times


def case_rows(num_steps: str, num_dsets: str, num_timers: str) -> float:
    """A step in which a row of one value is written; with timers, if there are some."""
    number, dsets, timers = int(num_steps), int(num_dsets), int(num_timers)

    def check(group: h5py.Group) -> None:
        for i in range(dsets):
            assert group[f"d{i}"][:].tolist() == list(range(number + 1))
        if timers >= 0:
            # The published package does not count the initial write.
            rows, columns = group["benchmark/cumulative"].shape
            assert rows - number in (0, 1)
            assert columns == 4 + timers

    parameters: dict[str, Any] = {"num_dsets": dsets}
    if timers >= 0:
        parameters["num_timers"] = timers
        parameters["benchmark"] = {"show_on_exit": False}
    cls = RowsTimed if timers >= 0 else Rows
    return run(cls, number, check, Model=parameters, write_start=0) / number


def case_long(num_steps: str) -> dict[str, list[float]]:
    """Ten parts of a long run: the cost of a step, and the memory afterwards [MB]."""
    part = int(num_steps) // 10
    times, memory = [time.process_time()], []

    class Long(Empty):
        def perform_step(self) -> None:
            if (self._time + 1) % part == 0:
                times.append(time.process_time())
                memory.append(memory_in_use())

    run(Long, part * 10)
    steps = [(end - start) / part for start, end in itertools.pairwise(times)]
    return {"steps": steps, "memory": memory}


def memory_in_use() -> float:
    """The memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def case_universe() -> None:
    """One universe as a whole process, which is timed from outside."""
    run(
        Rows,
        STEPS_OF_A_UNIVERSE,
        lambda group: check_length(group["d0"], STEPS_OF_A_UNIVERSE + 1),
        write_start=0,
    )


def check_length(dset: h5py.Dataset, length: int) -> None:
    """Whether a dataset has as many rows as it should."""
    assert len(dset) == length


if __name__ == "__main__":
    logging.disable()
    with redirect_stdout(io.StringIO()):  # without the reports of the models
        result = globals()[f"case_{sys.argv[1]}"](*sys.argv[2:])
    print("RESULT", json.dumps(result))
