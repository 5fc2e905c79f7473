"""Lets many look at the file of a writer at once, and kills that: who lives?

In each round, a writer commits all the time. Beside it, six processes do in tight loops
what others may do: open its file to read it (which recovers it if its writer is gone),
recover it, ask whether its writer lives. The writer is killed at a random moment, often
in the middle of a commit. While it lives, its journal must never be gone, nobody may
believe that it is dead, and no reader may see anything but a commit; afterwards, nobody
may believe that it lives, and the file has to be a commit, with all values right.

This is done on a file system with locks, and then without: a library that is made here
by `cc`, and preloaded, has each `flock` fail. There, a reader may meet a commit, and
see a mixture; all the rest has to hold.

A round takes about a second, so that 200 of each kind take about 7 minutes, and 15 at
most: the program ends with an error then.

Usage: python campaigns/races.py [NUMBER_OF_ROUNDS] [SEED]
"""

import contextlib
import errno
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utopya_backend.errors import FileInUseError, UserError
from utopya_backend.io import OutputFile, recover
from utopya_backend.io.glance import has_writer
from utopya_backend.io.journal import commit_in_journal, journal_path
from utopya_backend.io.opening import open_for_reading

WIDTH = 100
PATIENCE = 30.0  # s, for what takes a moment
LONGEST = 0.7  # s, until the writer is killed
MOST_SECONDS = 2.2  # a round, on average

NO_LOCKS = """
#include <errno.h>
#include <stdlib.h>

int flock(int descriptor, int operation)
{
    (void) descriptor;
    (void) operation;
    errno = atoi(getenv("RACES_ERRNO"));
    return -1;
}
"""

ctx = multiprocessing.get_context("fork")


class Shared:
    """What the processes of a round tell each other. A kill would keep a lock."""

    def __init__(self) -> None:
        self.commits = ctx.RawValue("l", 0)
        self.lost_journals = ctx.RawValue("l", 0)
        self.is_killed = ctx.RawValue("i", 0)
        self.is_over = ctx.RawValue("i", 0)


def write(path: str, shared: Shared) -> None:
    """Commits all the time, what tells by itself whether it is right."""
    file = OutputFile(path, commit_interval=0, fsync=False)
    journal = os.stat(journal_path(path)).st_ino
    rows = file.create_dataset("rows", (0, WIDTH), maxshape=(None, WIDTH), dtype=float)
    step = 0
    while True:
        rows.resize(step + 1, axis=0)
        rows[step] = expected_row(step)
        file.create_group(f"group {step}").attrs["text"] = "x" * (step % 300)
        if step >= 50:
            del file[f"group {step - 50}"]
        step += 1
        try:
            is_there = os.stat(journal_path(path)).st_ino == journal
        except FileNotFoundError:
            is_there = False
        shared.lost_journals.value += not is_there
        file.commit()
        shared.commits.value = step


def expected_row(step: int) -> np.ndarray:
    """The row that is written at a step."""
    return np.random.default_rng(step).random(WIDTH)


def num_rows(file: h5py.File) -> int:
    """Checks all values in a file; returns the number of rows."""
    number = len(file["rows"]) if "rows" in file else 0
    if number:
        rows = file["rows"][:]
        for step in range(number):
            assert (rows[step] == expected_row(step)).all(), f"row {step}"
    groups = {name for name in file if name.startswith("group")}
    assert groups == {f"group {n}" for n in range(max(0, number - 50), number)}, groups
    for name in groups:
        assert file[name].attrs["text"] == "x" * (int(name[6:]) % 300)
    return number


# .. What others do ...........................................................


def read(path: str, shared: Shared) -> str:
    """Opens the file, and looks whether it is a commit."""
    time.sleep(0.004)  # or the writer would wait for readers all the time
    before = shared.commits.value
    try:
        file, _ = open_for_reading(path)
        with file:
            number = num_rows(file)
        assert number >= before, f"{number} rows, after {before} commits"
    except UserError as error:
        if isinstance(error, FileInUseError) or shared.commits.value == 0:
            return "was told to wait"
        if locks_are_off():
            return "met a commit, or a recovery"
        raise
    except Exception:
        if locks_are_off():
            return "met a commit, or a recovery"
        raise
    return "saw a commit"


def complete(path: str, shared: Shared) -> str:
    """Recovers the file, which has to be refused while its writer lives."""
    lives = not shared.is_killed.value
    try:
        done = recover(path)
    except FileInUseError:
        return "was refused to recover"
    assert not (lives and not shared.is_killed.value), "recovered while it was written"
    return f"recovered: {done.value}"


def ask(path: str, shared: Shared) -> str:
    """Asks whether the writer lives."""
    found = has_writer(path)
    assert found or shared.is_killed.value, "a living writer counts as dead"
    return "was told that it lives" if found else "was told that it is dead"


def look(
    path: str, shared: Shared, action: Callable[[str, Shared], str], results: Any
) -> None:
    """Does something again and again until the round is over."""
    counts: Counter[str] = Counter()
    try:
        while not shared.is_over.value:
            counts[action(path, shared)] += 1
    except Exception as error:
        counts[f"ERROR: {action.__name__}: {type(error).__name__}: {error}"] += 1
    results.put(counts)


def locks_are_off() -> bool:
    """Whether this is the part without locks."""
    return "RACES_ERRNO" in os.environ


# .. Rounds ...................................................................


def play(path: str, delay: float) -> Counter[str]:
    """Plays a round; returns what has happened."""
    shared = Shared()
    results = ctx.SimpleQueue()
    writer = ctx.Process(target=write, args=(path, shared))
    writer.start()
    wait_until(lambda: shared.commits.value > 0)
    others = [
        ctx.Process(target=look, args=(path, shared, action, results))
        for action in (read, read, complete, complete, ask, ask)
    ]
    for process in others:
        process.start()
    time.sleep(delay)
    if delay > LONGEST / 2:
        with contextlib.suppress(AssertionError):
            wait_until(lambda: bool(commit_in_journal(path)), most=0.5, pause=0.0)
    shared.is_killed.value = 1  # from now on, it may be
    writer.kill()
    writer.join()
    counts: Counter[str] = Counter()
    if commit_in_journal(path):
        counts["ROUND: killed in the middle of a commit"] += 1
    wait_until(lambda: not has_writer(path))
    time.sleep(0.05)
    shared.is_over.value = 1
    for _ in others:
        counts += results.get()
    for process in others:
        process.join()
    recover(path)
    with h5py.File(path) as file:
        number = num_rows(file)
    assert shared.commits.value <= number <= shared.commits.value + 1
    assert os.listdir(os.path.dirname(path)) == ["data.h5"]
    assert not shared.lost_journals.value, "the journal of a living writer was gone"
    counts["commits"] += number
    return counts


def wait_until(
    condition: Callable[[], bool], *, most: float = PATIENCE, pause: float = 0.002
) -> None:
    """Waits for what takes a moment."""
    deadline = time.monotonic() + most
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(pause)


def play_all(number: int, seed: int) -> None:
    """Plays rounds, and prints what has happened."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    start = time.monotonic()
    for done in range(number):
        with tempfile.TemporaryDirectory() as directory:
            counts += play(
                os.path.join(directory, "data.h5"), rng.uniform(0.05, LONGEST)
            )
        errors = [what for what in counts if what.startswith("ERROR")]
        assert not errors, errors
        used = time.monotonic() - start
        assert used < PATIENCE + number * MOST_SECONDS, f"{done} rounds in {used} s"
    for what, count in sorted(counts.items()):
        print(f"{count:9d}  {what.removeprefix('ROUND: ')}")


def without_locks(directory: str) -> dict[str, str]:
    """Makes a library without locks; returns the environment in which it is used."""
    source, library = Path(directory, "flock.c"), Path(directory, "flock.so")
    source.write_text(NO_LOCKS)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    return {"LD_PRELOAD": str(library), "RACES_ERRNO": str(errno.ENOSYS)}


def main() -> None:
    """Plays the rounds with locks, and those without."""
    number = sys.argv[1] if len(sys.argv) > 1 else "200"
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    command = [sys.executable, __file__, "--play", number, seed]
    with tempfile.TemporaryDirectory() as directory:
        for what, settings in {
            "with locks": {},
            "without locks": without_locks(directory),
        }.items():
            subprocess.run(command, env={**os.environ, **settings}, check=True)
            print(f"{number} rounds {what}: no journal was lost, all files are right.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--play"]:
        with contextlib.suppress(KeyboardInterrupt):
            play_all(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
