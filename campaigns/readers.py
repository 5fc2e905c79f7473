"""Reads a file all the time while a model writes it.

A model runs at full speed with the default commit interval. Readers open its file
plainly (h5py), read all and close; others use `open_output` and `show`; a second writer
tries to get in. What a reader sees has to be a commit: all datasets end at the same
step, all values are right.

Usage: python campaigns/readers.py [NUMBER_OF_PLAIN_OPENS]
"""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
from click.testing import CliRunner

from utopya_backend import StepwiseModel, yaml
from utopya_backend.cli import main as command
from utopya_backend.io import OutputFile, open_output

WIDTHS = (1, 100, 1000)
WINDOW = 500  # so many rows, at the end, are checked


class Writer(StepwiseModel):
    """Writes values that tell by themselves whether they are right."""

    def setup(self) -> None:
        """Makes the datasets."""
        self.dsets = [
            self.create_ts_dset(str(width), extra_dims=["x"], sizes={"x": width})
            for width in WIDTHS
        ]

    def perform_step(self) -> None:
        """Makes a group, now and then."""
        if self.time % 2000 == 0:
            self.h5group.create_group(f"group {self.time}").attrs["time"] = self.time

    def write_data(self) -> None:
        """Writes a row to each dataset."""
        for dset, width in zip(self.dsets, WIDTHS, strict=True):
            dset.append(np.arange(width) + self.time * 0.5)
        time.sleep(5e-4)  # else the file gets large, and reading it slow


def check(model: h5py.Group) -> int:
    """Checks what a reader sees; returns the last step."""
    sizes = {model[str(width)].shape[0] for width in WIDTHS}
    assert len(sizes) == 1, f"the datasets end at different steps: {sizes}"
    num_rows = sizes.pop()
    start = max(0, num_rows - WINDOW)
    for width in WIDTHS:
        rows = model[str(width)][start:]
        steps = np.arange(start, num_rows)
        assert (rows == np.arange(width) + steps[:, None] * 0.5).all()
    return num_rows - 1


def has_begun(path: Path) -> bool:
    """Whether there is a commit with the first rows."""
    try:
        with h5py.File(path, "r") as file:
            return "Writer" in file and len(file["Writer/1"]) > 0
    except OSError:
        return False


def read_plainly(path: Path) -> int | None:
    """Opens the file as any program does; returns the last step, None if it failed."""
    try:
        file = h5py.File(path, "r")
    except BlockingIOError:
        return None
    with file:
        return check(file["Writer"])


def read_with_this_package(path: Path) -> None:
    """Opens the file in the ways of this package, which never fail."""
    tree = open_output(path)
    sizes = {tree["Writer"][str(width)].shape[0] for width in WIDTHS}
    assert len(sizes) == 1
    values = tree["Writer/1"].isel(time=slice(-WINDOW, None))
    assert (values.values[:, 0] == values.time.values * 0.5).all()
    result = CliRunner().invoke(command, ["show", str(path)])
    assert result.exit_code == 0, result.output
    assert "status          running" in result.output


def try_to_write(path: Path) -> None:
    """Tries to write to the file, in all the ways that do not empty it first."""
    for mode in ("r+", "a"):
        try:
            h5py.File(path, mode).close()
        except OSError:
            continue
        raise AssertionError(f"a second writer got in, with mode {mode}")
    try:
        OutputFile(path)
    except FileExistsError:
        return
    raise AssertionError("a second OutputFile was made")


def main() -> None:
    """Reads, and prints what has come of it."""
    warnings.simplefilter("error")  # nothing has to be recovered
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "data.h5"
        cfg_file = Path(name) / "config.yml"
        with cfg_file.open("w", encoding="utf-8") as file:
            yaml.dump(
                {
                    "root_model_name": "Writer", "Writer": {}, "num_steps": 10**9,
                    "output_dir": name, "output_path": str(path),
                    "log_levels": {"model": "error", "backend": "error"},
                },
                file,
            )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, __file__, "--writer", str(cfg_file)],
            stdout=subprocess.DEVNULL,
        )
        try:
            start = time.monotonic()
            steps, failures = watch(path, number)
            seconds = time.monotonic() - start
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()
    print(
        f"{number} plain opens in {seconds:.0f} s: {failures} met a commit "
        f"({failures / number:.2%}, BlockingIOError). All others saw one of "
        f"{len(steps)} commits as a whole."
    )
    print(
        f"{number // 10} times open_output and show: none failed. "
        f"{number // 10} times three ways of writing: all were refused."
    )


def watch(path: Path, number: int) -> tuple[set[int], int]:
    """Reads the file; returns the steps at which it ended, and the failures."""
    while not has_begun(path):
        time.sleep(0.01)
    steps, failures = set(), 0
    for attempt in range(number):
        step = read_plainly(path)
        if step is None:
            failures += 1
        else:
            steps.add(step)
        if attempt % 10 == 0:
            read_with_this_package(path)
            try_to_write(path)
        time.sleep(0.01)
    return steps, failures


if __name__ == "__main__":
    if sys.argv[1:2] == ["--writer"]:
        Writer(cfg_file_path=sys.argv[2]).run()
    else:
        main()
