"""Rebuilds the file of a recorded run after each single write, and looks at it.

The file and its journal are rebuilt as they are if the process is killed then (every
other time in the middle of the write), and as they may be after a power failure, when
any part of what was not synced is lost. After a recovery, they have to be a commit.

Usage: python campaigns/replay.py [STEPS] [NUMBER_OF_SEEDS]
"""

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "io"))

from recording import Recording, crash_points, power_failures, write_images

from utopya_backend.io import OutputFile, TimeSeries, recover, storage
from utopya_backend.io.output import create_series, make_series

WIDTHS = (1, 100, 10_000)


def record(path: Path, num_steps: int) -> tuple[Recording, list[tuple[int, int]]]:
    """Records a run; returns how many events there were when a step was committed."""
    recording = Recording()
    disk_file, storage.DiskFile = storage.DiskFile, recording.disk_file()  # type: ignore[misc]
    commits = []
    with OutputFile(path) as file:
        dsets = [new_series(file, width) for width in WIDTHS]
        for step in range(num_steps):
            for dset in dsets:
                dset.append(expected_row(step, dset.shape[1]))
            if step % 10 == 0:
                group = file.create_group(f"group {step}")
                group.attrs["text"] = "x" * (step % 300)
            if step % 3 == 0:
                file.commit()
                commits.append((len(recording.events), step))
    commits.append((len(recording.events), num_steps - 1))
    storage.DiskFile = disk_file  # type: ignore[misc]
    return recording, commits


def new_series(file: OutputFile, width: int) -> TimeSeries:
    """Makes a dataset for rows of that width."""
    dset = create_series(
        file, str(width), num_rows=None, row_shape=(width,), dtype=float, compression=2
    )
    return make_series(dset, file)


def expected_row(step: int, width: int) -> np.ndarray:
    """The row that is written at a step."""
    return np.random.default_rng(step).random(width)


def last_step(path: Path) -> int:
    """Checks all values in a file; returns the last step."""
    with h5py.File(path) as file:
        sizes = {file[str(width)].shape[0] for width in WIDTHS}
        assert len(sizes) == 1, f"datasets end at different steps: {sizes}"
        num_rows = sizes.pop()
        for width in WIDTHS:
            rows = file[str(width)][:]
            for step in {0, num_rows // 2, num_rows - 2, num_rows - 1} & set(
                range(num_rows)
            ):
                assert (rows[step] == expected_row(step, width)).all()
        for step in range(0, num_rows, 10):
            assert file[f"group {step}"].attrs["text"] == "x" * (step % 300)
    return num_rows - 1


def check(
    points: Iterator[tuple[int, dict[str, bytearray]]],
    commits: list[tuple[int, int]],
    path: Path,
) -> Counter[str]:
    """Recovers the file at each point; returns what that did, and how often."""
    outcomes: Counter[str] = Counter()
    for number, images in points:
        done = [i for i, (end, _) in enumerate(commits) if end <= number + 1]
        if not done:
            continue  # before the first commit, there is nothing to lose
        write_images(path, images)
        outcomes[recover(str(path)).value] += 1
        allowed = [step for _, step in commits[done[-1] : done[-1] + 2]]
        assert last_step(path) in allowed, f"after event {number}"
    return outcomes


def main() -> None:
    """Replays, and prints what has come of it."""
    num_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    num_seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "data.h5"
        recording, commits = record(path, num_steps)
        print(f"{len(recording.events)} events, {len(commits)} commits")
        path.unlink()
        outcomes = check(crash_points(recording, random.Random(1)), commits, path)
        print(f"{outcomes.total()} kills, after each all is right: {dict(outcomes)}")
        for seed in range(num_seeds):
            points = power_failures(recording, random.Random(seed))
            outcomes = check(points, commits, path)
            print(
                f"{outcomes.total()} power failures (seed {seed}), after each all is "
                f"right: {dict(outcomes)}"
            )


if __name__ == "__main__":
    main()
