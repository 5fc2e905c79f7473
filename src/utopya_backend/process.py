"""Running the executable of a model, as the frontend does."""

import re
import shlex
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from .display import Report
from .errors import ExecutableError
from .monitor import LINE_START

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,  # a stop condition
)

_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(
    r'^ +File "(?P<file>.*)", line (?P<line>\d+), in (?P<function>.*)'
    r"(?:\n(?P<code>    .*))?",
    re.MULTILINE,
)


def run_process(
    args: Sequence[str], log_file: Path, on_report: Callable[[Report], Any]
) -> int:
    """Runs a model's executable until it ends.

    Signals that would end this process are passed on to it, so that it ends
    gracefully; on a second SIGINT, it is killed.

    Args:
        args: The executable and its arguments
        log_file: Where all that it prints is written to
        on_report: Called with each report of the model's monitor

    Returns:
        Its exit code; 128 + signum if a signal ended it.

    Raises:
        OSError: If it cannot be started
    """
    try:
        process = subprocess.Popen(
            args,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=1,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ExecutableError(
            f"Cannot start the model by `{shlex.join(args)}` ({error}): make sure that "
            "it is executable and begins with a line such as #!/usr/bin/env python3."
        ) from None
    assert process.stdout is not None  # as it is a pipe
    with (
        open(log_file, "x", encoding="utf-8") as log,
        _signals_passed_on_to(process),
        process,
    ):
        for line in process.stdout:
            log.write(line)
            log.flush()  # who looks into the log wants to see what happens now
            if (report := parse_report(line)) is not None:
                on_report(report)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


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
    for start in (_TRACEBACK, "Error: "):
        for number, line in enumerate(lines):
            if line.lstrip(" +").removeprefix("Exception Group ").startswith(start):
                return "\n".join(lines[number:][-max_lines:])
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
        The last one that belongs neither to this package nor to Python or an installed
        one, or else the last one; with the message of the error in front. None if
        there is no traceback.
    """
    _, start, traceback = error.rpartition(_TRACEBACK)
    frames = list(_FRAME.finditer(traceback))
    if not start or not frames:
        return None
    paths = sysconfig.get_paths()
    not_users = ("<", str(Path(__file__).parent), paths["stdlib"], paths["purelib"])
    own = [frame for frame in frames if not frame["file"].startswith(not_users)]
    frame = own[-1] if own else frames[-1]
    message = re.search(r"^\S.*", traceback[frames[-1].end() :], re.MULTILINE)
    where = f"{frame['file']}:{frame['line']}, in {frame['function']}"
    return "\n".join(
        filter(None, [message and message[0], f"  {where}", frame["code"]])
    )


@contextmanager
def _signals_passed_on_to(process: subprocess.Popen[str]) -> Iterator[None]:
    interrupted = False

    def pass_on(signum: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if signum == signal.SIGINT and interrupted:
            process.kill()
        interrupted = interrupted or signum == signal.SIGINT
        process.send_signal(signum)

    previous = {
        signum: signal.signal(signum, pass_on)
        for signum in _PASSED_ON
        if signal.getsignal(signum) is not signal.SIG_IGN  # e.g. by nohup
    }
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
