"""Running the executable of a model, as the frontend does."""

import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from .errors import ExecutableError
from .monitor import LINE_START

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,  # a stop condition
)

Report = Mapping[str, Any]
"""What a model reports: ``progress``, ``n_iter`` and, by its name, its entries"""


_TRACEBACK = "Traceback (most recent call last)"


def run_process(
    args: Sequence[str], log_file: Path, on_report: Callable[[Report], None]
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
        line: The line

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
    return report if isinstance(report, Mapping) else None


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
