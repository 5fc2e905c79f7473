"""The process of a single universe, from its directory to its exit code."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ..display import FrontendLines, Report, Several, showing_by
from ..handover import Handover, handing_over
from ..io.disk import DiskFile
from ..io.source import Source
from ..io.status import complaint_about_end, signal_in
from ..io.summary import complaint_about_output, read_end
from ..monitor import format_line
from ..process import run_process
from ..signal import INTERRUPTS, SIG_STOPCOND, expect_stop_condition
from .messages import EXIT_CODE_STOPPED, Job
from .program import Program, Run, exit_code_of, leave
from .verdict import add_line, leave_word

SIGNALS = (*INTERRUPTS, SIG_STOPCOND)
"""What a universe may be sent. It is blocked when the process of one begins."""


class Reports:
    """A display that tells the supervisor of a sweep, unless that has other worries.

    A report that it has no time for is lost; the next one will do.
    """

    def __init__(self, name: str, number: int, to: socket.socket) -> None:
        """Remembers the universe.

        Args:
            name: The name of the model
            number: The number of the universe
            to: Where to send the reports, a socket for datagrams
        """
        self._name = name
        self._number = number
        self._to = to

    def show(self, report: Report) -> None:
        """Sends a report."""
        line = format_line(
            report.entries,
            progress=report.progress,
            n_iter=report.n_iter,
            name=self._name,
        )
        with suppress(OSError):
            self._to.send(f"{self._number} {line}".encode(), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Does nothing."""


def make_universe(job: Job) -> str:
    """Makes the directory of a universe, with its configuration.

    Args:
        job: The universe

    Returns:
        The path of the configuration

    Raises:
        OSError: If it cannot be made, or exists
    """
    os.mkdir(job.directory)
    cfg_file = os.path.join(job.directory, "config.yml")
    with open(cfg_file, "x", encoding="utf-8") as file:
        file.write(f"---\n{job.text}")
    return cfg_file


def run_warm(
    job: Job, run: Run, name: str, sources: Mapping[str, Source], to: socket.socket
) -> int:
    """Runs a universe in this process, which has been forked for it.

    Args:
        job: The universe
        run: Runs the model
        name: The name of the model
        sources: Its source, by the name of its class
        to: Where to send its reports

    Returns:
        The exit code
    """
    expect_stop_condition()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    cfg_file = make_universe(job)
    place = DiskFile.open(job.directory, read_only=True)
    _print_to(os.path.join(job.directory, "out.log"))
    _seed_anew()
    handover = Handover(cfg_file, job.cfg, job.text, sources)
    pid = os.getpid()
    display = Several([FrontendLines(name), Reports(name, job.number, to)])
    with handing_over(handover), showing_by(display):
        code = exit_code_of(lambda: run(cfg_file))
        leave()  # which may close the output
    if os.getpid() != pid:  # a process that the model has forked
        os._exit(code)
    return _checked(code, place.find(), name, handover.end or (None, None))


def run_fresh(job: Job, program: Program, to: socket.socket) -> int:
    """Runs a universe in a new interpreter, which this process watches over.

    Args:
        job: The universe
        program: The program of the model
        to: Where to send its reports

    Returns:
        The exit code
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    cfg_file = make_universe(job)
    place = DiskFile.open(job.directory, read_only=True)
    reports = Reports(program.name, job.number, to)
    log_file = Path(job.directory, "out.log")
    code = run_process([*program.args, cfg_file], log_file, reports.show)
    where = place.find()
    end = read_end(os.path.join(where or job.directory, "data.h5"))
    return _checked(code, where, program.name, end)


def _checked(
    code: int, where: str | None, name: str, end: tuple[str | None, int | None]
) -> int:
    """The exit code; another one, if the run was not finished though it is 0.

    If all is well, the log gets the last word of the program.

    Args:
        code: The exit code of the program
        where: Where the directory is now, unless somebody has deleted it
        name: The name of the model
        end: How its run has ended
    """
    if where is None:
        return code or 1
    log = os.path.join(where, "out.log")
    if code == 0 and (signum := signal_in(end[0])):
        code = 128 + signum
    elif code == 0 and (
        complaint := complaint_about_end(*end) or complaint_about_output(where)
    ):
        add_line(log, f"Error: {name} {complaint}")
        code = 1
    if code in (0, EXIT_CODE_STOPPED):
        leave_word(log, code)
    return code


def exit_code_or_error(run: Callable[[], int]) -> int:
    """Runs a universe; tells if it could not even be made.

    Args:
        run: Runs it

    Returns:
        The exit code
    """
    try:
        return run()
    except KeyboardInterrupt:  # before the model had anything to end in order
        return 128 + signal.SIGINT
    except Exception as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 1


def _print_to(path: str) -> None:
    """Has all that this process prints go to a new file."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _seed_anew() -> None:
    """Gives the global random numbers of numpy a state that no other universe has.

    Python's own get one with each fork.
    """
    if "numpy.random" in sys.modules:
        # Without a seed, numpy asks the system in a way that takes longer.
        sys.modules["numpy.random"].seed(int.from_bytes(os.urandom(4)))
