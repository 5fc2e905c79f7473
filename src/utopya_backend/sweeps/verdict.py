"""What has become of a universe.

What ends a universe is the end of its program, and its exit code says how. The status
in its output file is that of the run alone: a program may fail after that, or be
killed. So the record of the sweep counts. Where that lacks a universe, as whoever
supervised it was killed, its program's last word in the log does.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from ..errors import FileInUseError, NotAnOutputFileError
from ..io.opening import open_hdf5
from ..io.status import complaint_about_end, has_come_to_end, signal_in
from ..io.summary import end_in, has_output
from ..io.walking import all_datasets
from ..signal import INTERRUPTS, SIG_STOPCOND
from .messages import EXIT_CODE_KILLED, EXIT_CODE_STOPPED
from .tally import Outcome

_INTERRUPTS = {128 + signum for signum in INTERRUPTS}

_LAST_WORD = re.compile(r"^end of log\. exit code: (-?\d+)$", re.MULTILINE)
_HEAD_OF_FRONTEND = re.compile(r"Log of '.*' stream of ")
_MAX_BYTES = 16 * 1024


def outcome_of(
    exit_code: int,
    directory: str | os.PathLike[str],
    *,
    is_ending: bool,
    was_killed: bool = False,
) -> Outcome:
    """What has become of a universe that has just ended.

    Args:
        exit_code: Its exit code
        directory: Its directory
        is_ending: Whether the sweep was ended while it ran
        was_killed: Whether the sweep has killed it, as it did not end in time
    """
    if exit_code == 0:
        return Outcome.FINISHED
    if exit_code == EXIT_CODE_STOPPED:
        # The signal kills a program that has no handler for it yet, or any more.
        in_order = _was_stopped(Path(directory, "data.h5"))
        return Outcome.STOPPED if in_order else Outcome.KILLED
    if exit_code == EXIT_CODE_KILLED and was_killed:
        return Outcome.KILLED
    interrupts = _INTERRUPTS | {EXIT_CODE_KILLED} if is_ending else set()
    return Outcome.INTERRUPTED if exit_code in interrupts else Outcome.FAILED


def is_complete(
    directory: Path, noted: Outcome | None, *, of_frontend: bool = False
) -> bool:
    """Whether a universe need not be run any more.

    Its output file may still say that it has to be: somebody may have deleted it, or
    run the universe once more.

    Args:
        directory: Its directory
        noted: What the record says of it, if it does
        of_frontend: Whether the sweep is one of the frontend
    """
    if noted is None:
        log = _text_of(directory / "out.log")
        if words := _LAST_WORD.findall(log):
            noted = outcome_of(int(words[-1]), directory, is_ending=True)
        elif not of_frontend and not _HEAD_OF_FRONTEND.match(log):
            return False  # nobody has seen its program end
        else:  # which often writes no such line
            return _has_run_to_its_end(directory / "data.h5")
    return noted.is_complete and _may_be_complete(directory)


def _may_be_complete(directory: Path) -> bool:
    path = directory / "data.h5"
    if not path.exists():
        return has_output(directory)
    try:
        with open_hdf5(str(path)) as file:
            status, number = end_in(file)
    except FileInUseError:  # by one that knows nothing of commits
        return True
    except (NotAnOutputFileError, OSError):
        return False
    was_stopped = signal_in(status) not in (None, SIG_STOPCOND)
    return not was_stopped and not complaint_about_end(status, number)


def _has_run_to_its_end(path: Path) -> bool:
    try:
        with open_hdf5(str(path)) as file:
            status, _ = end_in(file)
    except (NotAnOutputFileError, OSError):
        return False
    return has_come_to_end(status)


def _was_stopped(path: Path) -> bool:
    """Whether a run was stopped by a stop condition, and in order.

    The file of another backend does not say so: it has to have data.
    """
    try:
        with open_hdf5(str(path)) as file:
            status, _ = end_in(file)
            if status is not None:
                return signal_in(status) == SIG_STOPCOND
            return any(dataset.size for dataset in all_datasets(file))
    except (NotAnOutputFileError, OSError):
        return False


def _text_of(log: Path) -> str:
    """The text of a log; of a long one, the first and the last part."""
    try:
        with open(log, "rb") as file:
            text = file.read(_MAX_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(text), size - _MAX_BYTES))
            text += file.read(_MAX_BYTES)
    except OSError:
        return ""
    return text.decode(errors="replace")


def leave_word(log: str | os.PathLike[str], exit_code: int) -> None:
    """Has a log say that the program has come to its end.

    Args:
        log: The log
        exit_code: The exit code of the program
    """
    add_line(log, f"end of log. exit code: {exit_code}")


def add_line(log: str | os.PathLike[str], text: str) -> None:
    """Adds a line to a log, if there is space for it.

    Args:
        log: The log
        text: The line
    """
    with suppress(OSError), open(log, "a", encoding="utf-8") as file:
        print(text, file=file)
