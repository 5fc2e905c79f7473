"""The process that universes are forked from: it has imported their model already.

``python -m utopya_backend.sweeps.server CONTROL REPORTS GRACE`` is started by an
engine, which holds the other ends of the two sockets. On the first one it gets a
:py:class:`.Program`, and then universes to run and signals to send; it tells when it
has imported the model, and how each universe has ended. The second one is what the
universes report to.

It has no threads and no terminal, and ends together with the engine: if that is gone,
it has its universes stop, and kills those that do not.
"""

from __future__ import annotations

import atexit
import gc
import logging
import multiprocessing.util
import os
import platform
import signal
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, NoReturn

from ..closing import close_all
from ..display import Nothing, showing_by
from ..errors import ModelImportError, UserError
from ..io.provenance import read_source
from ..io.source import name_of
from ..model import StepwiseModel
from ..signal import INTERRUPTS, Handlers
from .child import (
    SIGNALS,
    exit_code_or_error,
    make_universe,
    run_fresh,
    run_warm,
)
from .leftovers import (
    adopt_orphans,
    children,
    die_with_parent,
    kill,
    mark_of_server,
    mark_universe,
    start_watchdog,
    universe_of,
)
from .messages import Ended, Job
from .program import Program, is_sent
from .verdict import add_line

_PATIENCE = 5.0  # with processes that were killed [s]


class _Running(NamedTuple):
    """A universe that is running."""

    job: Job
    start: float
    returned: int
    """The end of a pipe, to which it says that its program has returned"""

    def has_returned(self) -> bool:
        """Whether it has ended as programs do, and not by ``os._exit``."""
        with os.fdopen(self.returned, "rb") as pipe:
            os.set_blocking(self.returned, False)  # its children may hold it open
            return bool(pipe.read(1))


class Server:
    """Forks universes, and waits for them."""

    def __init__(
        self, control: Connection, reports: socket.socket, grace: float
    ) -> None:
        """Begins without a model.

        Args:
            control: The engine
            reports: Where the universes report to
            grace: How long these have to end in order if the engine is gone [s]
        """
        self._grace = grace
        self._control = control
        self._reports = reports
        self._running: dict[int, _Running] = {}  # by the process id
        # What is meant for all processes of a job is not meant for this one. It is for
        # a universe, also where a shell has started all of this in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Handlers(signal.SIG_IGN, INTERRUPTS)
        self._wake_up, self._awake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._run_universe: Callable[[Job], int] = lambda job: 1
        self.source_hash = ""
        self._mark = mark_of_server()
        self._pid = os.getpid()
        self._watchdog = start_watchdog(self._close_connections)
        self._own: set[int] = set()  # children that are for all universes

    def load(self, program: Program) -> None:
        """Imports the model.

        Args:
            program: The model's program

        Raises:
            UserError: If it cannot be imported
        """
        if program.fresh:
            self._run_universe = lambda job: run_fresh(job, program, self._reports)
            return
        run, model = program.load()
        _rehearse()
        origin = program.origin if is_sent(model) else None
        source = origin or read_source(model, program.script)
        self.source_hash = source.hash
        sources = {name_of(model): source}
        self._run_universe = lambda job: run_warm(
            job, run, program.name, sources, self._reports
        )
        # What is there now is not looked at by the garbage collector of each
        # universe, which would copy all of it.
        gc.collect()
        gc.freeze()

    def serve(self) -> None:
        """Runs universes until the engine is gone."""
        Handlers(lambda *_: None, [signal.SIGCHLD])
        signal.set_wakeup_fd(self._awake, warn_on_full_buffer=False)
        self._own = children()  # what the import of the model has started
        adopt_orphans()
        sources: list[Any] = [self._control, self._wake_up]
        while True:
            ready = wait(sources)
            if self._wake_up in ready:
                os.read(self._wake_up, 4096)
                self._reap()
            if self._control in ready:
                try:
                    message = self._control.recv()
                except (EOFError, OSError):
                    break
                if isinstance(message, Job):
                    self._fork(message)
                else:
                    self._send_signal(*message)
        self._end()

    def _fork(self, job: Job) -> None:
        start = time.monotonic()
        returned, tell_returned = os.pipe()
        # Until the universe has handlers, a signal for it waits.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:  # there is no memory for another process
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(returned)
            os.close(tell_returned)
            print(f"Cannot start a universe: {error}", file=sys.stderr, flush=True)
            self._control.send(Ended(job.number, 1, 0.0, 0.0, platform.node()))
            return
        if pid == 0:
            os.close(returned)
            self._become_universe(job, tell_returned)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(tell_returned)
        self._running[pid] = _Running(job, start, returned)

    def _become_universe(self, job: Job, tell_returned: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            os.setpgid(0, 0)  # so that it can be killed with all that it starts
            die_with_parent(self._pid)
            mark_universe()
            _forget_exit_functions()
            self._control.close()
            for descriptor in (self._wake_up, self._awake):
                os.close(descriptor)
            code = exit_code_or_error(lambda: self._run_universe(job))
            with suppress(OSError):  # the model may have closed it
                os.write(tell_returned, b".")
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Tells of the universes that have ended, of which nothing is left then."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self._kill_orphans()
                return
            if pid in self._running:
                self._note_end(pid, status, usage.ru_utime + usage.ru_stime)

    def _note_end(self, pid: int, status: int, cpu_seconds: float) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # what it has started, and left
        universe = self._running.pop(pid)
        self._kill_orphans()
        code = os.waitstatus_to_exitcode(status)
        if not universe.has_returned() and code == 0:
            log = os.path.join(universe.job.directory, "out.log")
            add_line(log, "Error: The process has ended by os._exit(0).")
            code = 1
        ended = Ended(
            universe.job.number,
            code if code >= 0 else 128 - code,
            time.monotonic() - universe.start,
            cpu_seconds,
            platform.node(),
        )
        with suppress(OSError):  # nobody is there to listen
            self._control.send(ended)

    def _orphans(self) -> set[int]:
        return children() - self._running.keys() - self._own

    def _kill_orphans(self) -> None:
        """Kills what is left of universes that have ended; so are its children then."""
        for pid in self._orphans():
            universe = universe_of(pid, self._mark)
            if not self._running or universe not in (None, *self._running):
                kill(pid)

    def _send_signal(self, number: int, signum: int) -> None:
        for pid, universe in self._running.items():
            if universe.job.number == number:
                with suppress(ProcessLookupError):
                    _send(pid, signum)

    def _end(self) -> None:
        """Stops the universes, as there is nobody who supervises them."""
        for pid in self._running if self._grace else ():
            _send(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while self._running and (left := deadline - time.monotonic()) > 0:
            wait([self._wake_up], timeout=left)
            with suppress(BlockingIOError):
                os.read(self._wake_up, 4096)
            self._reap()
        self._kill_all()

    def _kill_all(self) -> None:
        """Kills the universes, and all that they have left."""
        deadline = time.monotonic() + _PATIENCE
        while (self._running or self._orphans()) and time.monotonic() < deadline:
            for pid in self._running:
                _send(pid, signal.SIGKILL)
            self._kill_orphans()
            wait([self._wake_up], timeout=0.1)
            with suppress(BlockingIOError):
                os.read(self._wake_up, 4096)
            self._reap()

    def close(self) -> None:
        """Ends the process that watches over this one."""
        if self._watchdog is not None:
            kill(self._watchdog)
            os.waitpid(self._watchdog, 0)

    def _close_connections(self) -> None:
        self._control.close()
        self._reports.close()


def _send(pid: int, signum: int) -> None:
    """Sends a signal to a universe; SIGKILL also to all that it has started."""
    if signum != signal.SIGKILL:
        os.kill(pid, signum)
        return
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):  # it has not come that far
        os.kill(pid, signum)


def _forget_exit_functions() -> None:
    """Forgets what the import of the model has registered for the server's exit.

    A temporary directory that a module has made is there for all universes, and not to
    be removed by the first one that ends.
    """
    atexit._clear()
    registry: Any = weakref.finalize
    registry._registry.clear()
    registry._registered_with_atexit = False
    exit_of_multiprocessing: Any = multiprocessing.util
    atexit.register(exit_of_multiprocessing._exit_function)
    atexit.register(close_all)


class _Rehearsal(StepwiseModel):
    """A model that uses what all models use."""

    def setup(self) -> None:
        self.dset = self.create_ts_dset("row", extra_dims=["x"], sizes={"x": 2})

    def perform_step(self) -> None:
        pass

    def write_data(self) -> None:
        self.dset.append([self.rng.random(), 0.0])


def _rehearse() -> None:
    """Runs a small model, so that all that is made on first use is there.

    That is imports, regular expressions, the types of HDF5.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        cfg = {
            "root_model_name": "Rehearsal",
            "Rehearsal": {},
            "num_steps": 1,
            "log_levels": {"model": "critical", "backend": "critical"},
        }
        cfg_file = make_universe(Job.of(0, os.path.join(directory, "uni0"), cfg))
        log = logging.Logger("rehearsal", logging.CRITICAL)
        with showing_by(Nothing()), _Rehearsal(cfg_file_path=cfg_file, _log=log) as it:
            it.run()


def main() -> None:
    """Serves the engine at the other ends of two sockets."""
    control = Connection(int(sys.argv[1]))
    reports = socket.socket(fileno=int(sys.argv[2]))
    server = Server(control, reports, grace=float(sys.argv[3]))
    try:
        _load_and_serve(server, control)
    finally:
        server.close()


def _load_and_serve(server: Server, control: Connection) -> None:
    try:
        program = control.recv()
    except EOFError:
        return
    try:
        server.load(program)
    except Exception as error:
        is_users = isinstance(error, UserError)
        what = f"{type(error).__name__}: {error}"
        answer: Any = error if is_users else ModelImportError(what)
    else:
        answer = server.source_hash
    try:
        control.send(answer)
    except OSError:  # the engine is gone
        return
    if isinstance(answer, str):
        server.serve()


if __name__ == "__main__":
    main()
