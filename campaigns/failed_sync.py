"""Has each single sync of a run fail, and looks at what is left.

A system that cannot write to its disk says so once, when it is asked to sync, and may
then take what it has not written for written, and forget it. So in each run, one sync
fails, once or for good; and what was not on the disk is kept, or lost in parts. The
user has to get an error, and no later commit may succeed. What the run leaves, and what
is left of that if the power fails then, has to be a commit after a recovery: the last
one that was made, or the one that was being made.

It takes about a minute.

Usage: python campaigns/failed_sync.py [NUMBER_OF_STEPS] [SEED]
"""

import errno
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from utopya_backend.io import OutputFile, recover, storage
from utopya_backend.io.disk import DiskFile
from utopya_backend.io.journal import journal_path
from utopya_backend.io.output import create_series, make_series

WIDTHS = (1, 100, 10_000)
SECTOR = 512


class FailingDisk(DiskFile):
    """A file on a disk that refuses a sync."""

    fail_at = 0
    """Which sync fails"""
    fails_for_good = False
    share_lost = 0.0
    """How much is lost of what was not on the disk, when a sync fails"""
    rng = random.Random(1)

    count = 0
    synced: ClassVar[dict[str, bytes]] = {}
    """What is on the disk, by the names of the files"""
    last: ClassVar[dict[str, bytes]] = {}
    """What the system takes for it"""

    @property
    def name(self) -> str:
        """The name that the file will have."""
        return os.path.basename(self.path).removesuffix(".new")

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Writes, and notes the content."""
        super().write(offset, data)
        self.last[self.name] = self.read(0, self.size())

    def truncate(self, size: int) -> None:
        """Sets the size, and notes the content."""
        super().truncate(size)
        self.last[self.name] = self.read(0, self.size())

    def sync(self) -> None:
        """Syncs, or fails."""
        if not self._may_be_unsynced:
            return
        FailingDisk.count += 1
        before = self.synced.get(self.name, b"")
        fails_again = self.fails_for_good and self.count > self.fail_at
        if self.count != self.fail_at and not fails_again:
            self._may_be_unsynced = False
            self.synced[self.name] = self.last.get(self.name, b"")
            return
        if self.share_lost:
            left = mixed(before, self.read(0, self.size()), self.rng, self.share_lost)
            super().write(0, left[: self.size()])  # the size is still known
            self.last[self.name] = self.read(0, self.size())
        raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)


def mixed(old: bytes, new: bytes, rng: random.Random, share_old: float) -> bytes:
    """A content of which some sectors are as they were, and some as they are now."""
    size = len(old) if rng.random() < share_old else len(new)
    old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
    parts = [
        (old if rng.random() < share_old else new)[start : start + SECTOR]
        for start in range(0, size, SECTOR)
    ]
    return b"".join(parts)[:size]


def run(path: Path, num_steps: int) -> tuple[list[int], int, bool]:
    """Runs until the end, whatever happens.

    Returns:
        The last steps of the commits that were made, the last step of the run, and
        whether the user got an error
    """
    commits: list[int] = []
    is_told = False
    step = -1
    try:
        with OutputFile(path) as file:
            commits.append(-1)
            dsets = [
                make_series(
                    create_series(
                        file, str(width), num_rows=None, row_shape=(width,),
                        dtype=float, compression=2,
                    ),
                    file,
                )
                for width in WIDTHS
            ]  # fmt: skip
            for step in range(num_steps):
                for dset in dsets:
                    dset.append(expected_row(step, dset.shape[1]))
                if step % 5 == 0:
                    file.create_group(f"group {step}").attrs["text"] = "x" * step
                if step % 2:
                    continue
                try:
                    file.commit()
                except OSError as error:
                    check_error(error, path)
                    is_told = True
                    continue
                assert not is_told, "a commit after a sync that had failed"
                commits.append(step)
    except OSError as error:
        check_error(error, path)
        return commits, step, True
    assert not is_told, "a file was closed as if all was well"
    return [*commits, step], step, False


def check_error(error: OSError, path: Path) -> None:
    """Checks that an error says what is the matter, and with which file."""
    assert error.errno == errno.EIO, error
    assert str(path.parent) in str(error), error


def expected_row(step: int, width: int) -> np.ndarray:
    """The row that is written at a step."""
    return np.random.default_rng(step).random(width)


def last_step(path: Path) -> int:
    """Checks all values in a file; returns the last step, -1 if there is none."""
    with h5py.File(path) as file:
        if not len(file):
            return -1
        sizes = {file[str(width)].shape[0] for width in WIDTHS}
        assert len(sizes) == 1, f"datasets end at different steps: {sizes}"
        num_rows = sizes.pop()
        for width in WIDTHS:
            rows = file[str(width)][:]
            for step in range(num_rows):
                assert (rows[step] == expected_row(step, width)).all()
        for step in range(0, num_rows, 5):
            assert file[f"group {step}"].attrs["text"] == "x" * step
    return num_rows - 1


def check(path: Path, allowed: set[int]) -> str:
    """Recovers a file, and looks whether it is a commit; returns what was done."""
    if allowed == {-1} and path.stat().st_size == 0:
        return "there never was a commit, and the file is empty"
    done = recover(str(path))
    step = last_step(path)
    assert step in allowed, (step, allowed)
    return f"a commit; in a recovery, {done.value}"


def fail(number: int, num_steps: int, *, for_good: bool, share: float) -> Counter[str]:
    """Has a sync of a run fail; returns what has come of it, nothing if there is none.

    Args:
        number: Which one
        num_steps: How long the run is
        for_good: Whether all later ones fail, too
        share: How much is lost of what was not on the disk
    """
    outcomes: Counter[str] = Counter()
    FailingDisk.fail_at, FailingDisk.fails_for_good = number, for_good
    FailingDisk.share_lost, FailingDisk.count = share, 0
    FailingDisk.synced.clear()
    FailingDisk.last.clear()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data.h5"
        commits, end, is_told = run(path, num_steps)
        if FailingDisk.count < number:
            return outcomes
        assert is_told, f"nobody was told of sync {number}"
        later = [step for step in (*range(0, end + 1, 2), end) if step not in commits]
        allowed = {*commits[-1:], *later[:1]}
        journal = Path(journal_path(str(path)))
        left = {p: p.read_bytes() for p in (path, journal) if p.exists()}
        outcomes[f"is {check(path, allowed)}"] += 1
        for lost in (0.2, 0.5, 0.8, 1.0):
            for target in (path, journal):
                now = left.get(target, FailingDisk.last.get(target.name, b""))
                before = FailingDisk.synced.get(target.name, b"")
                target.write_bytes(mixed(before, now, FailingDisk.rng, lost))
            if commits:
                outcomes[f"is, if the power fails, {check(path, allowed)}"] += 1
    return outcomes


def fail_to_sync_the_directory(num_steps: int) -> None:
    """Has the sync of the names of the files fail: there is no file, and no run."""

    def failing(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    original, storage.sync_directory = storage.sync_directory, failing
    try:
        with tempfile.TemporaryDirectory() as directory:
            commits, _, is_told = run(Path(directory) / "data.h5", num_steps)
            assert is_told, "nobody was told"
            assert not commits
            assert not os.listdir(directory)
    finally:
        storage.sync_directory = original


def main() -> None:
    """Has each sync fail, and prints what has come of it."""
    num_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    FailingDisk.rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    storage.DiskFile = FailingDisk  # type: ignore[misc]
    outcomes: Counter[str] = Counter()
    num_runs = number = 0
    while True:
        number += 1
        found: Counter[str] = Counter()
        for for_good in (False, True):
            for share in (0.0, 0.5, 1.0):
                found += fail(number, num_steps, for_good=for_good, share=share)
                num_runs += 1
        if not found:
            break
        outcomes += found
    fail_to_sync_the_directory(num_steps)
    print(f"Each of {number - 1} syncs has failed, in {num_runs - 6} runs. There was")
    print("an error each time, and no commit after that. What was left:")
    for outcome, count in outcomes.most_common():
        print(f"{count:6d}  {outcome}")
    print("If the directory cannot be synced, there is an error, and no file.")


if __name__ == "__main__":
    main()
