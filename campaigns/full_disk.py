"""Runs models until no more can be written, and looks at what they leave.

There are two kinds of full disks: a limit to the size of files, and a small file system
in memory (tmpfs), where the system lets this program make one. Each model has to end
with exit code 1 and an error that names the file and the space, and to leave its last
commit. Another one goes on after space was freed, and nothing may be missing then.

Usage: python campaigns/full_disk.py [NUMBER_OF_RUNS] [SEED]
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from utopya_backend import StepwiseModel, yaml
from utopya_backend.io import recover

WIDTHS = (1, 100, 10_000)
NUM_STEPS = 2000


class Writer(StepwiseModel):
    """Writes values that tell by themselves whether they are right."""

    def setup(self, *, limit: int, ballast: str | None = None) -> None:
        """Makes the datasets; from now on, files have a limit."""
        self.dsets = [
            self.create_ts_dset(str(width), extra_dims=["x"], sizes={"x": width})
            for width in WIDTHS
        ]
        self.ballast = ballast
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def perform_step(self) -> None:
        """Makes a group, now and then; commits, and frees space if it has to."""
        if self.time % 10 == 0:
            self.h5group.create_group(f"group {self.time}").attrs["time"] = self.time
        if self.time % 7 == 0:
            self.commit()

    def commit(self) -> None:
        """Commits, more often than it would be done otherwise."""
        try:
            self._h5file.commit()
        except OSError as error:
            if self.ballast is None:
                raise
            print("FULL:", error)
            if os.path.exists(self.ballast):
                os.unlink(self.ballast)
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            self._h5file.commit()

    def write_data(self) -> None:
        """Writes a row to each dataset."""
        for dset, width in zip(self.dsets, WIDTHS, strict=True):
            dset.append(expected_row(self.time, width))


def expected_row(step: int, width: int) -> np.ndarray:
    """The row that is written at a step."""
    return np.random.default_rng(step).random(width)


def run(directory: Path, *, limit: int, ballast: str | None) -> tuple[int, str]:
    """Runs a model; returns its exit code and what it has printed."""
    path = directory / "data.h5"
    cfg = {
        "root_model_name": "Writer", "Writer": {"limit": limit, "ballast": ballast},
        "num_steps": NUM_STEPS if ballast is None else 150,
        "output_dir": str(directory), "output_path": str(path),
        "log_levels": {"model": "error", "backend": "error"},
        "output": {"commit_interval": 1000},
    }  # fmt: skip
    cfg_file = Path(tempfile.mkdtemp()) / "config.yml"  # not on the full disk
    with cfg_file.open("w", encoding="utf-8") as file:
        yaml.dump(cfg, file)
    process = subprocess.run(
        [sys.executable, __file__, "--writer", str(cfg_file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return process.returncode, process.stdout + process.stderr


def last_step(path: Path) -> int:
    """Checks all values in a file; returns the last step."""
    with h5py.File(path) as file:
        model = file["Writer"]
        sizes = {model[str(width)].shape[0] for width in WIDTHS}
        assert len(sizes) == 1, f"the datasets end at different steps: {sizes}"
        num_rows = sizes.pop()
        for width in WIDTHS:
            rows = model[str(width)][:]
            for step in range(num_rows):
                assert (rows[step] == expected_row(step, width)).all()
    return num_rows - 1


def fill(directory: Path, *, limit: int) -> str:
    """Runs a model into a full disk; returns how that ended."""
    code, output = run(directory, limit=limit, ballast=None)
    path = directory / "data.h5"
    assert code == 1, (code, output)
    assert str(path) in output, output
    assert "bytes are free there" in output, output
    recovery = recover(str(path))
    step = last_step(path)
    assert step % 7 == 0, step  # as the model commits
    return f"exit code 1, the last commit, {recovery.value}"


def free_space(directory: Path, *, limit: int) -> str:
    """Runs a model into a full disk that has space again later."""
    ballast = directory / "ballast"
    if not limit:
        status = os.statvfs(directory)
        ballast.write_bytes(bytes(status.f_bavail * status.f_frsize - 3_000_000))
    code, output = run(directory, limit=limit, ballast=str(ballast))
    assert code == 0, (code, output)
    assert "FULL:" in output, output
    assert last_step(directory / "data.h5") == 150
    return "space was freed: nothing is missing"


def main() -> None:
    """Fills disks, and prints what has come of it."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    outcomes: Counter[str] = Counter()
    for _ in range(number):
        for what in (fill, free_space):
            with tempfile.TemporaryDirectory() as directory:
                limit = rng.randrange(300_000, 6_000_000)
                outcome = what(Path(directory), limit=limit)
            outcomes[f"file size limit: {outcome}"] += 1
    for _ in range(number):
        for what in (fill, free_space):
            with tempfile.TemporaryDirectory() as directory:
                size = rng.randrange(4_000_000, 20_000_000)
                if not mount(directory, size if what is fill else 60_000_000):
                    outcomes["small file system: could not be made here"] += 1
                    continue
                try:
                    outcome = what(Path(directory), limit=0)
                finally:
                    subprocess.run(["umount", directory], check=True)
            outcomes[f"small file system: {outcome}"] += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5d}  {outcome}")


def mount(directory: str, size: int) -> bool:
    """Makes a small file system in memory, if that is possible."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--writer"]:
        with Writer(cfg_file_path=sys.argv[2]) as model:
            model.run()
    else:
        main()
