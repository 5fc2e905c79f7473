"""Runs universes on this machine, each in a process forked from a warm one."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from ..errors import ExecutableError, UserError
from .leftovers import kill_marked, make_mark, marked
from .messages import EXIT_CODE_KILLED, Ended, Event, Job, Reported
from .program import Program

_MAX_LINE = 1 << 20
_MAX_REPORTS = 1000  # that are read at once
_MAX_RESTARTS = 3
GRACE = 5.0
"""How long universes have to end in order if nobody supervises them any more [s]"""

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
"""How many threads libraries use, as far as they ask the environment"""


class LocalEngine:
    """Universes as processes of this machine.

    It is a context manager; at its end, no process is left.

    Attributes:
        source_hash: The hash of the source that was imported; empty if that is done by
            each universe
    """

    def __init__(
        self,
        program: Program,
        num_workers: int,
        *,
        held: Sequence[int] = (),
        grace: float = GRACE,
    ) -> None:
        """Starts the process that imports the model.

        Args:
            program: The model's program
            num_workers: How many universes may run at the same time
            held: Descriptors that all processes keep open, such as of a lock
            grace: How long universes have to end in order if this process dies [s]

        Raises:
            UserError: If the model cannot be imported
        """
        self.num_workers = num_workers
        self._program = program
        self._held = tuple(held)
        self._grace = grace
        self._lock = threading.Lock()  # so that nothing is started on a dead server
        self._running: dict[int, float] = {}
        self._num_restarts = 0
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_free(self) -> int:
        """How many universes can be started now."""
        return self.num_workers - len(self._running)

    def start(self, job: Job) -> None:
        """Starts a universe.

        Args:
            job: The universe
        """
        with self._lock:
            self._running[job.number] = time.monotonic()
            with contextlib.suppress(OSError):  # events() tells that it is gone
                self._control.send(job)

    def send_signal(self, number: int, signum: int) -> None:
        """Sends a signal to a universe; SIGKILL, also to what it has started.

        Args:
            number: Its number
            signum: The signal
        """
        with self._lock, contextlib.suppress(OSError):
            self._control.send((number, int(signum)))

    def events(self, timeout: float) -> Iterator[Event]:
        """Tells what has happened, as soon as something has.

        Args:
            timeout: For how long to wait at most [s]
        """
        ready = wait([self._control, self._reports], timeout=timeout)
        if self._reports in ready:
            yield from self._read_reports()
        while self._control in ready:
            try:
                yield self._note_end(self._control.recv())
            except (EOFError, OSError):
                yield from self._restart()
                return
            ready = wait([self._control], timeout=0)

    def __str__(self) -> str:
        return f"this machine, {self.num_workers} at the same time"

    def close(self) -> None:
        """Ends what is still running, if need be by a kill."""
        self._control.close()  # the server has it end
        if self._process.wait() != 0:  # or it has seen to it by itself
            kill_marked(self._mark)
        self._reports.close()

    def _start(self) -> None:
        cwd = self._program.cwd
        if cwd is not None and not os.path.isdir(cwd):
            raise ExecutableError(
                f"there is no directory {cwd}, which the universes are to run in"
            )
        control, theirs = socket.socketpair()
        self._reports, sink = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        descriptors = (theirs.fileno(), sink.fileno())
        args = (*descriptors, self._grace)
        environ = {**os.environ, **({"PWD": cwd} if cwd else {}), **self._program.env}
        self._mark = make_mark()
        self._process = subprocess.Popen(
            # Not with the modules that happen to be in the current directory
            [sys.executable, "-P", "-m", f"{__package__}.server", *map(str, args)],
            pass_fds=(*descriptors, *self._held),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # that of an import
            cwd=cwd,
            env=marked(_environment(environ, self.num_workers), self._mark),
            start_new_session=True,  # a Ctrl-C is for the supervisor
        )
        theirs.close()
        sink.close()
        self._control = Connection(control.detach())
        try:
            self._control.send(self._program)
            answer = self._control.recv()
        except (EOFError, OSError):
            self.close()
            raise ExecutableError(
                f"The process that imports {self._program.name} has ended with exit "
                f"code {self._process.returncode}: does the import end the program?"
            ) from None
        except BaseException:  # a Ctrl-C: it may be busy with the import for long
            self._process.kill()
            self.close()
            raise
        if isinstance(answer, UserError):
            self.close()
            raise answer
        self.source_hash = answer

    def _read_reports(self) -> Iterator[Reported]:
        """The last report of each universe, of those that are waiting."""
        latest: dict[int, str] = {}
        for _ in range(_MAX_REPORTS):  # there may be more all the time
            try:
                datagram = self._reports.recv(_MAX_LINE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            number, _, line = datagram.decode(errors="replace").partition(" ")
            if number.isdecimal() and int(number) in self._running:
                latest[int(number)] = line
        yield from (Reported(number, line) for number, line in latest.items())

    def _note_end(self, ended: Ended) -> Ended:
        del self._running[ended.number]
        self._num_restarts = 0  # it works
        return ended

    def _restart(self) -> Iterator[Ended]:
        """Goes on with a new server, as the one that there was has ended."""
        now = time.monotonic()
        with self._lock:
            self.close()
            lost, self._running = self._running, {}
            self._num_restarts += 1
            if self._num_restarts <= _MAX_RESTARTS:
                self._start()
        for number, start in lost.items():
            yield Ended(number, EXIT_CODE_KILLED, now - start, 0.0, platform.node())
        if self._num_restarts > _MAX_RESTARTS:
            raise ExecutableError(
                f"The process that universes are forked from was killed "
                f"{self._num_restarts} times, the last time with exit code "
                f"{self._process.returncode}: is there enough memory for "
                f"{self.num_workers} universes at the same time?"
            )


def _environment(environ: Mapping[str, str], num_workers: int) -> dict[str, Any]:
    """The environment of the universes.

    Where several run side by side, each is to use one core only, unless the user says
    something else.

    Args:
        environ: That of this process
        num_workers: How many universes may run at the same time
    """
    threads = dict.fromkeys(_THREADS, "1") if num_workers > 1 else {}
    if any(name in environ for name in _THREADS):
        threads = {}
    # What is printed is there at once and in order, also if the process crashes then.
    return {"PYTHONUNBUFFERED": "1", **threads, **environ}


def num_cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
