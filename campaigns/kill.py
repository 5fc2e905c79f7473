"""Kills models with SIGKILL at random moments, and looks at what they leave.

Each model writes rows of 1, 100 and 10,000 values at full speed, and makes a new
group with attributes now and then. Afterwards its file is opened, before and after
a recovery; all values have to be right, all datasets have to end at the same step,
and no more may be missing than what a commit interval allows.

Usage: python campaigns/kill.py [NUMBER_OF_KILLS] [SEED]
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from utopya_backend import StepwiseModel, yaml
from utopya_backend.io import OutputFile, recover

WIDTHS = (1, 100, 10_000)
MAX_STEPS = 1_000_000
COMMIT_INTERVAL = 1.0


class Victim(StepwiseModel):
    """Writes values that tell by themselves whether they are right."""

    def setup(self) -> None:
        """Makes the datasets; opens the file in which each step is noted."""
        self.dsets = {
            width: self.create_ts_dset(
                f"rows of {width}", extra_dims=["x"], sizes={"x": width}
            )
            for width in WIDTHS
        }
        path = os.path.join(self.root_cfg["output_dir"], "times")
        self.times = np.memmap(path, dtype=float, mode="w+", shape=MAX_STEPS)
        self.longest_commit = np.memmap(
            path + "_of_commits", mode="w+", shape=1, dtype=float
        )

    def perform_step(self) -> None:
        """Makes a group, now and then."""
        if self.time % 50 == 0:
            group = self.h5group.create_group(f"group {self.time}")
            group.attrs["time"] = self.time
            group.attrs["text"] = "x" * (self.time % 300)

    def write_data(self) -> None:
        """Writes a row to each dataset, and notes when."""
        for width, dset in self.dsets.items():
            dset.resize(dset.shape[0] + 1, axis=0)
            dset[-1, :] = expected_row(self.time, width)
        self.times[self.time] = time.monotonic()


def expected_row(step: int, width: int) -> np.ndarray:
    """The row that is written at a step."""
    return (
        np.random.default_rng(step).random(min(width, 100)).repeat(max(width // 100, 1))
    )


def run_victim(cfg_file: str) -> None:
    """Runs the model, noting how long its longest commit takes."""
    commit = OutputFile._commit

    def timed_commit(self: OutputFile, *, wait: bool) -> bool:
        start = time.monotonic()
        done = commit(self, wait=wait)
        if model is not None:
            duration = time.monotonic() - start
            model.longest_commit[0] = max(model.longest_commit[0], duration)
        return done

    model = None
    OutputFile._commit = timed_commit  # type: ignore[method-assign]
    model = Victim(cfg_file_path=cfg_file)
    model.run()


def has_stepped(times: Path) -> bool:
    """Whether a model has noted its second write, the one after its first step."""
    if not times.exists() or times.stat().st_size < 16:
        return False
    return bool(np.fromfile(times, count=2)[1] > 0)


def kill_one(directory: Path, delay: float) -> tuple[str, float, float]:
    """Runs a model and kills it.

    Args:
        directory: Where to
        delay: When, after its first step [s]

    Returns:
        Whether its file could be opened without a recovery and what that did, how
        much was lost, and how much may have been lost [s]
    """
    path = directory / "data.h5"
    cfg = {
        "root_model_name": "Victim", "Victim": {}, "num_steps": MAX_STEPS - 1,
        "output_dir": str(directory), "output_path": str(path),
        "log_levels": {"model": "error", "backend": "error"},
    }  # fmt: skip
    with open(directory / "config.yml", "w", encoding="utf-8") as file:
        yaml.dump(cfg, file)
    process = subprocess.Popen(
        [sys.executable, __file__, "--victim", str(directory / "config.yml")],
        stdout=subprocess.DEVNULL,
    )
    while not has_stepped(directory / "times"):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()

    try:
        h5py.File(path).close()
        outcome = "opens, "
    except OSError:
        outcome = "does not open, "
    outcome += recover(str(path)).value
    last_step = check(path)
    times = np.memmap(directory / "times", dtype=float, mode="r")
    longest = float(np.memmap(directory / "times_of_commits", dtype=float, mode="r")[0])
    steps_done = int(np.count_nonzero(times))
    # From the first row that is missing to the last one that was written
    first_missing = min(last_step + 1, steps_done - 1)
    lost = float(times[steps_done - 1] - times[first_missing])
    longest_step = np.diff(times[:steps_done]).max(initial=0.0)
    return outcome, lost, max(COMMIT_INTERVAL, 20 * longest) + longest + longest_step


def check(path: Path) -> int:
    """Checks all values in a file; returns the last step."""
    with h5py.File(path) as file:
        model = file["Victim"]
        sizes = {width: model[f"rows of {width}"].shape[0] for width in WIDTHS}
        assert len(set(sizes.values())) == 1, (
            f"the datasets end at different steps: {sizes}"
        )
        num_rows = sizes[1]
        for width in WIDTHS:
            rows = model[f"rows of {width}"][:]
            for step in range(num_rows):
                assert (rows[step] == expected_row(step, width)).all()
        groups = [name for name in model if name.startswith("group")]
        assert len(groups) == -(-max(num_rows - 1, 0) // 50)
        for name in groups:
            step = int(name.removeprefix("group "))
            assert model[name].attrs["time"] == step
            assert model[name].attrs["text"] == "x" * (step % 300)
    return num_rows - 1


def main() -> None:
    """Kills models, and prints what has come of it."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    outcomes: Counter[str] = Counter()
    losses, shares = [], []
    for _ in range(number):
        with tempfile.TemporaryDirectory() as directory:
            outcome, lost, bound = kill_one(Path(directory), rng.uniform(0, 4))
        outcomes[outcome] += 1
        losses.append(lost)
        shares.append(lost / bound)
        assert lost <= bound, f"lost {lost:.3f} s, of at most {bound:.3f} s"
    print(f"{number} models were killed. All values in their files are right.")
    for outcome, count in outcomes.most_common():
        print(f"{count:5d}  without a recovery, the file {outcome}")
    print(f"Lost: {np.median(losses):.2f} s (median), {max(losses):.2f} s (maximum).")
    print(f"That is at most {max(shares):.0%} of what may be lost.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--victim"]:
        run_victim(sys.argv[2])
    else:
        main()
