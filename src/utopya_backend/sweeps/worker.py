"""What runs on a worker of Dask: one warm process each, from which it forks universes.

All of this is called by the scheduler, on threads of the worker.
"""

from __future__ import annotations

import os
import platform
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from distributed import get_worker

from .. import __version__
from ..errors import ExecutableError, UserError
from .directory import set_aside
from .local import LocalEngine
from .messages import Ended, Event, Job, Reported
from .program import Program

_MANY = 1_000_000  # universes at the same time: Dask says how many
_POLL_INTERVAL = 0.2
_GRACE = 1.0  # [s]

VERSIONS = {
    "utopya_backend": __version__,
    "python": platform.python_version(),
    "numpy": np.__version__,
    "h5py": h5py.__version__,
    "hdf5": h5py.version.hdf5_version,
}
"""What has to be the same on all workers, so that the data is"""


class _Hub:
    """The warm process of this worker, which all of its threads use."""

    def __init__(self, program: Program, tell: Callable[[Reported], Any]) -> None:
        self._tell = tell
        self._ended: dict[int, queue.SimpleQueue[Ended]] = {}
        # If the worker is gone, its universes run elsewhere: there must not be two.
        self._engine = LocalEngine(program, _MANY, grace=0.0)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def run(self, job: Job, is_wanted: Callable[[], bool]) -> Ended:
        """Runs a universe until it has ended; stops it if nobody wants it any more."""
        ended = self._ended[job.number] = queue.SimpleQueue()
        try:
            if self._is_closed.is_set():
                raise ExecutableError("The warm process of this worker has ended.")
            self._engine.start(job)
            while True:
                try:
                    return ended.get(timeout=_GRACE)
                except queue.Empty:
                    if not is_wanted():
                        self._engine.send_signal(job.number, signal.SIGTERM)
        finally:
            del self._ended[job.number]

    def send_signal(self, number: int, signum: int) -> None:
        """Sends a signal to a universe, if it is run here."""
        if number in self._ended:
            self._engine.send_signal(number, signum)

    def close(self) -> None:
        """Ends the process."""
        self._is_closed.set()
        self._thread.join()
        self._engine.close()

    def _pass_on(self) -> None:
        try:
            while not self._is_closed.is_set():
                for event in self._engine.events(_POLL_INTERVAL):
                    self._handle(event)
        finally:  # nobody waits in vain: that would be a thread less for Dask
            self._is_closed.set()
            for number, ended in list(self._ended.items()):
                ended.put(Ended(number, 137, 0.0, 0.0, platform.node()))

    def _handle(self, event: Event) -> None:
        if isinstance(event, Reported):
            self._tell(event)
        elif event.number in self._ended:
            self._ended[event.number].put(event)


_hubs: dict[str, _Hub] = {}
_lock = threading.Lock()


def probe(program: Program, topic: str, token: str) -> dict[str, Any]:
    """Looks whether this worker can run universes, and imports the model.

    Args:
        program: The model's program
        topic: Where to report, and what this sweep is called
        token: A file that has to be there

    Returns:
        The versions of what is installed here; and under ``error`` what is wrong
    """
    found: dict[str, Any] = dict(VERSIONS)
    if not os.path.exists(token):
        found["error"] = f"there is no directory {os.path.dirname(token)}"
        return found
    try:
        _hub(program, topic)
    except (UserError, OSError) as error:
        found["error"] = str(error)
    return found


def run_universe(program: Program, topic: str, job: Job) -> Ended:
    """Runs a universe, and waits until it has ended.

    If it was begun by a worker that has died, it is begun anew; what is left of the
    first attempt is moved away.

    Args:
        program: The model's program
        topic: Where to report
        job: The universe
    """
    if os.path.exists(job.directory):
        # Its process may still be ending: that is killed together with its worker.
        time.sleep(_GRACE)
    set_aside(job.directory)
    tasks, key = get_worker().state.tasks, f"{topic}-{job.number}"

    def is_wanted() -> bool:
        return key in tasks and tasks[key].state == "executing"

    return _hub(program, topic).run(job, is_wanted)


async def send_signal(topic: str, number: int, signum: int) -> None:
    """Sends a signal to a universe, if this worker runs it.

    It is a coroutine, as Dask does not call anything else without waiting for it.

    Args:
        topic: The sweep
        number: The number of the universe
        signum: The signal
    """
    hub = _hubs.get(topic)
    if hub is not None:
        hub.send_signal(number, signum)


def forget(topic: str) -> None:
    """Ends the warm process of a sweep that has ended.

    Args:
        topic: The sweep
    """
    with _lock:
        hub = _hubs.pop(topic, None)
    if hub is not None:
        hub.close()


def _hub(program: Program, topic: str) -> _Hub:
    with _lock:
        if topic not in _hubs:
            worker = get_worker()

            def tell(event: Reported) -> None:
                worker.log_event(topic, [event.number, event.line])

            _hubs[topic] = _Hub(program, tell)
        return _hubs[topic]
