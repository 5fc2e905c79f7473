"""Opens a run of very many universes as labelled data.

A model is run twice, once to its end and once not; the run consists of copies of its
output, as a sweep over two parameters leaves them. A few universes are missing, and a
few have ended early. Printed are the times to open the run and to read values of it,
and the memory that takes; all of what was read is checked.

Usage: python campaigns/many_universes.py [NUMBER_OF_UNIVERSES]
"""

import math
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray  # so that its import is not timed

from utopya_backend import StepwiseModel, simulate
from utopya_backend.io import open_output

NUM_UNIVERSES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
NUM_STEPS = 100
LAST_TIME_OF_EARLY = 40

SPACE = """!pspace
num_steps: {steps}
Walk:
  speed: !sweep {{default: 0, linspace: [0, 1, {size}]}}
  drift: !sweep {{default: 0, range: [{size}]}}
"""


class Walk(StepwiseModel):
    """Writes values that tell by themselves when they were written."""

    def setup(self) -> None:
        """Makes the datasets."""
        labels = {"walker": list("abcde")}
        self.position = self.create_ts_dset("position")
        self.number = self.create_ts_dset("number", dtype=int)
        self.walkers = self.create_ts_dset(
            "walkers", extra_dims=["walker"], sizes={"walker": 5}, coords=labels
        )

    def perform_step(self) -> None:
        """Does nothing: the data matters."""

    def write_data(self) -> None:
        """Writes a row."""
        self.position.append(self.time / 2)
        self.number.append(self.time)
        self.walkers.append(np.arange(5) + self.time)


def make_run(directory: Path, size: int) -> tuple[set[int], set[int]]:
    """Makes a run with a square of universes.

    Args:
        directory: Where
        size: The number of values of each of the two parameters

    Returns:
        The numbers of the universes that are missing, and that ended early
    """
    files = {}
    for steps in (NUM_STEPS, LAST_TIME_OF_EARLY):
        out = directory / f"of_{steps}"
        simulate(Walk, num_steps=steps, seed=1, out=str(out), progress=False)
        files[steps] = next(out.rglob("data.h5"))
    (directory / "config").mkdir()
    space = SPACE.format(steps=NUM_STEPS, size=size)
    (directory / "config/parameter_space.yml").write_text(space, encoding="utf-8")
    # State 0 of each parameter is its default value; see paramspace.ParamSpace.
    states = [
        i * (size + 1) + j for i in range(1, size + 1) for j in range(1, size + 1)
    ]
    missing, early = set(states[5::997]), set(states[3::500])
    digits = len(str((size + 1) ** 2 - 1))
    for number in set(states) - missing:
        universe = directory / "data" / f"uni{number:0{digits}}"
        universe.mkdir(parents=True)
        steps = LAST_TIME_OF_EARLY if number in early else NUM_STEPS
        shutil.copyfile(files[steps], universe / "data.h5")
    return missing, early - missing


def check(tree: xarray.DataTree, missing: set[int], early: set[int]) -> None:
    """Checks what was opened.

    Args:
        tree: The output
        missing: The numbers of the universes that are missing
        early: The numbers of those that ended early
    """
    size = math.isqrt(NUM_UNIVERSES)
    position = tree["Walk/position"]
    assert position.sizes == {"drift": size, "speed": size, "time": NUM_STEPS + 1}
    assert np.allclose(position.speed, np.linspace(0, 1, size))
    assert tree.attrs["missing_universes"] == sorted(missing)
    numbers = tree["universe"].values
    is_missing = np.isin(numbers, list(missing))
    assert ((tree["status"].values == "missing") == is_missing).all()
    for time_ in (0, LAST_TIME_OF_EARLY, NUM_STEPS):
        is_gone = is_missing | (
            np.isin(numbers, list(early)) & (time_ > LAST_TIME_OF_EARLY)
        )
        values = position.sel(time=time_).values
        assert (np.isnan(values) == is_gone).all()
        assert (values[~is_gone] == time_ / 2).all()


def timed(what: str, function: Callable[[], Any]) -> Any:
    """Calls a function, and prints how long that takes, and the memory so far.

    Args:
        what: What it does
        function: The function
    """
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:.2f} s, at most {peak_megabytes():.0f} MB in use")
    return result


def peak_megabytes() -> float:
    """The most memory that this process has used so far [MB]."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e6


def main() -> None:
    """Makes the run, opens it, checks, prints."""
    size = math.isqrt(NUM_UNIVERSES)
    with tempfile.TemporaryDirectory() as name:
        missing, early = make_run(Path(name), size)
        print(f"{size} x {size} universes, {len(missing)} missing, {len(early)} early")
        print(f"Before: at most {peak_megabytes():.0f} MB in use")
        warnings.simplefilter("ignore")  # which are missing is checked below
        tree = timed("Opened", lambda: open_output(name))
        last = tree["Walk/position"].isel(time=-1)
        timed("The last values of a variable read", last.load)
        walkers = tree["Walk/walkers"]
        timed(f"All {walkers.size} values of a variable read", walkers.load)
        timed("The status of all read", tree["status"].load)
        check(tree, missing, early)
    print("All values are right.")


if __name__ == "__main__":
    main()
