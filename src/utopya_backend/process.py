"""Running the executable of a model, as the frontend does."""

import codecs
import contextlib
import io
import os
import re
import select
import shlex
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .display import Report
from .errors import ExecutableError
from .monitor import LINE_START
from .signal import Handlers, are_heeded

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,  # a stop condition
)

_POLL_INTERVAL = 0.2  # [s]
_MAX_PIPE = 1 << 20  # what is in a pipe at most
_MAX_REPORT = 1 << 20  # characters

_TRACEBACK = "Traceback (most recent call last)"
_DIRECT_CAUSE = "The above exception was the direct cause of the following exception"
_FRAME = re.compile(
    r'^ +File "(?P<file>.*)", line (?P<line>\d+), in (?P<function>.*)'
    r"(?:\n(?P<code>    .*))?",
    re.MULTILINE,
)


def run_process(
    args: Sequence[str],
    log_file: Path,
    on_report: Callable[[Report], Any],
    on_interrupt: Callable[[], Any] = lambda: None,
) -> int:
    """Runs a model's executable until it ends.

    Signals that would end this process are passed on to it, so that it ends
    gracefully; on a second SIGINT, it is killed. What it has started itself, and left
    behind, is not waited for.

    Args:
        args: The executable and its arguments
        log_file: Where all that it prints is written to
        on_report: Called with each report of the model's monitor
        on_interrupt: Called when a SIGINT was passed on, if it does not kill it

    Returns:
        Its exit code; 128 + signum if a signal ended it. A log that cannot be written,
        because the disk is full, does not end it.

    Raises:
        OSError: If it cannot be started
    """
    try:
        process = subprocess.Popen(
            args,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # What it prints is there at once and in order, also if it crashes then.
            env={"PYTHONUNBUFFERED": "1", **os.environ},
        )
    except OSError as error:
        raise ExecutableError(
            f"Cannot start the model by `{shlex.join(args)}` ({error}): make sure that "
            "it is executable and begins with a line such as #!/usr/bin/env python3."
        ) from None
    with (
        contextlib.closing(LogFile(log_file)) as log,
        _signals_passed_on_to(process, on_interrupt),
        process,
    ):
        line = ""
        for text in _output_of(process):
            log.write(text)
            *lines, line = (line + text).split("\n")
            line = line[
                :_MAX_REPORT
            ]  # or a text without lines is copied with each part
            for report in filter(None, map(parse_report, lines)):
                on_report(report)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _output_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What a process prints, until it has ended.

    That is not the end of the pipe: what the process has started may hold it open.
    """
    assert process.stdout is not None  # as it is a pipe
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    decode = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder("utf-8")("replace"), translate=True
    ).decode
    has_ended = False
    while not has_ended:
        has_ended = process.poll() is not None  # and all that it has printed is there
        if has_ended or select.select([pipe], [], [], _POLL_INTERVAL)[0]:
            try:
                data = os.read(pipe, _MAX_PIPE)
            except BlockingIOError:  # there is nothing
                continue
            yield decode(data)
            if not data:
                break
    yield decode(b"", final=True)


class LogFile:
    """A file of which each line is there at once, as far as there is space for it.

    What reads a model's output has to go on whatever happens: the model would wait.
    And of a full disk, the model itself tells, by an error about its data.
    """

    def __init__(self, path: Path) -> None:
        """Creates the file.

        Args:
            path: Its path; it must not exist.

        Raises:
            OSError: If it cannot be created
        """
        self._file = open(path, "x", encoding="utf-8")  # noqa: SIM115  # see close()

    def write(self, text: str) -> None:
        """Writes a text."""
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()

    def flush(self) -> None:
        """Does nothing: all that can be written has been."""

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def parse_report(line: str) -> Report | None:
    """Reads a line of a model's output.

    Args:
        line: The line, e.g.
            ``!!map {progress: 0.5, n_iter: 3, SIR: {mean: 0.25}}``

    Returns:
        The report; None if the line is something else
    """
    if not line.startswith(LINE_START):
        return None
    from . import yaml  # on first use

    try:
        report = yaml.load(line)
    except yaml.YAMLError:
        return None
    if not isinstance(report, Mapping):
        return None
    progress, n_iter = report.get("progress"), report.get("n_iter")
    if not isinstance(progress, (int, float)) or not 0 <= progress <= 1:
        return None
    entries = next((e for e in report.values() if isinstance(e, Mapping)), {})
    return Report(progress, n_iter if isinstance(n_iter, int) else 0, entries)


def error_in(log: str, max_lines: int = 100) -> str:
    """What the log of a failed model says about the reason.

    Args:
        log: The whole log
        max_lines: How much to show at most

    Returns:
        The error message or the whole traceback; or else the last 20 lines
    """
    lines = [line for line in log.splitlines() if not line.startswith(LINE_START)]
    for number, line in enumerate(lines):
        if _TRACEBACK in line or line.startswith("Error: "):
            found = lines[number:]
            if _TRACEBACK in line:  # behind what the model has printed without an end
                before, start, _ = line.partition(_TRACEBACK)
                indent = " +Exception Group "
                found[0] = line if not before.strip(indent) else f"{start}:"
            if len(found) > max_lines:
                half = max(1, max_lines // 2)
                found[half:-half] = [f"... {len(found) - 2 * half} lines, see the log"]
            return "\n".join(found)
    return "\n".join(lines[-20:])


def warnings_in(log: str, max_lines: int = 10) -> list[str]:
    """What a model has warned of, in the lines of its log.

    Args:
        log: The whole log
        max_lines: How much to show at most
    """
    lines = []
    is_warning = False
    for line in log.splitlines():
        if re.match(r"[A-Z]+ |!!map ", line):  # else, the message goes on
            is_warning = line.startswith(("WARNING", "ERROR", "CRITICAL"))
        if is_warning and line:
            lines.append(line)
    if len(lines) > max_lines:
        lines[max_lines:] = [f"... and {len(lines) - max_lines} more lines in the log"]
    return lines


def users_line(error: str) -> str | None:
    """The line of the user's own code at which an error has occurred.

    Args:
        error: The error, with its traceback

    Returns:
        The message of the error, or of its cause, and the last line that belongs
        neither to this package nor to Python or an installed one, if there is any.
        None if there is no traceback.
    """
    found = None
    for text in error.split(_DIRECT_CAUSE):
        traceback = text.rpartition(_TRACEBACK)[2]
        if frames := list(_FRAME.finditer(traceback)):
            message = re.search(r"^\S.*", traceback[frames[-1].end() :], re.MULTILINE)
            found = message[0] if message else ""
            if own := [frame for frame in frames if _is_users(frame["file"])]:
                file, line, function, code = own[-1].groups()
                where = f"  {file}:{line}, in {function}"
                return "\n".join(filter(None, [found, where, code]))
    return found


def _is_users(file: str) -> bool:
    """Whether a file is not of this package, Python's library or an installed one."""
    paths = sysconfig.get_paths()
    others = (str(Path(__file__).parent), paths["stdlib"], paths["purelib"])
    return os.path.isabs(file) and not file.startswith(others)


@contextlib.contextmanager
def _signals_passed_on_to(
    process: subprocess.Popen[bytes], on_interrupt: Callable[[], Any]
) -> Iterator[None]:
    interrupted = False

    def pass_on(signum: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if signum == signal.SIGINT and interrupted:
            process.kill()
        elif signum == signal.SIGINT:
            on_interrupt()
        interrupted = interrupted or signum == signal.SIGINT
        process.send_signal(signum)

    with Handlers(pass_on, are_heeded(_PASSED_ON)):
        yield
