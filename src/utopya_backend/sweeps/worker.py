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

from distributed import get_worker

from ..errors import ExecutableError, UserError
from ..io.provenance import versions
from .child import make_universe
from .directory import set_aside
from .local import GRACE, LocalEngine
from .messages import EXIT_CODE_KILLED, Ended, Event, Job, Reported
from .program import Program

_MANY = 1_000_000  # universes at the same time: Dask says how many
_POLL_INTERVAL = 0.2
_GRACE = 1.0  # [s]

VERSIONS = versions()
"""What has to be the same on all workers, so that the data is"""


class _Hub:
    """The warm process of this worker, which all of its threads use."""

    def __init__(self, program: Program, tell: Callable[[Reported], Any]) -> None:
        self._tell = tell
        self._ended: dict[int, queue.SimpleQueue[Ended]] = {}
        # If the worker is gone, its universes run elsewhere: there must not be two.
        self._engine = LocalEngine(program, _MANY, grace=0.0)
        self.source_hash = self._engine.source_hash
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def run(self, job: Job, key: str, is_wanted: Callable[[], bool]) -> Ended:
        """Runs a universe until it has ended.

        If nobody wants it any more, it is stopped, and killed if it does not end.
        """
        ended = self._ended[job.number] = queue.SimpleQueue()
        try:
            if self._is_closed.is_set():
                raise ExecutableError("The warm process of this worker has ended.")
            self._engine.start(job)
            for signum in _early.pop(key, ()):
                self._engine.send_signal(job.number, signum)
            told: float | None = None
            while True:
                try:
                    return ended.get(timeout=_GRACE)
                except queue.Empty:
                    if is_wanted():
                        continue
                now = time.monotonic()
                if told is None:
                    told = now
                    self._engine.send_signal(job.number, signal.SIGTERM)
                elif now - told >= GRACE:
                    self._engine.send_signal(job.number, signal.SIGKILL)
        finally:
            del self._ended[job.number]

    @property
    def is_idle(self) -> bool:
        """Whether no universe is run."""
        return not self._ended

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
                ended.put(Ended(number, EXIT_CODE_KILLED, 0.0, 0.0, platform.node()))

    def _handle(self, event: Event) -> None:
        if isinstance(event, Reported):
            self._tell(event)
        elif event.number in self._ended:
            self._ended[event.number].put(event)


_hubs: dict[str, _Hub] = {}
_early: dict[str, list[int]] = {}  # signals for universes that are about to begin
_lock = threading.Lock()


def probe(program: Program, topic: str, token: str) -> dict[str, Any]:
    """Looks whether this worker can run universes, and imports the model.

    Args:
        program: The model's program
        topic: Where to report, and what this sweep is called
        token: A file that has to be there

    Returns:
        The versions of what is installed here, and the hash of the source; and under
        ``error`` what is wrong
    """
    found: dict[str, Any] = dict(VERSIONS)
    if not os.path.exists(token):
        found["error"] = f"there is no directory {os.path.dirname(token)}"
        return found
    try:
        found["source_hash"] = _hub(program, topic).source_hash
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
    tasks, key = get_worker().state.tasks, f"{topic}-{job.number}"
    _early[key] = []

    def is_wanted() -> bool:
        return key in tasks and tasks[key].state == "executing"

    try:
        if os.path.exists(job.directory):
            # Its process may still be ending: that is killed together with its worker.
            time.sleep(_GRACE)
        set_aside(job.directory)
        try:
            hub = _hub(program, topic)
        except (UserError, OSError) as error:  # a worker that has come later
            return _fail(job, error)
        ended = hub.run(job, key, is_wanted)
        if not is_wanted() and hub.is_idle:
            forget(topic)  # whoever supervised it may have been killed
        return ended
    finally:
        _early.pop(key, None)


def _fail(job: Job, error: Exception) -> Ended:
    """Has a universe say why it cannot be run here."""
    make_universe(job)
    log = os.path.join(job.directory, "out.log")
    with open(log, "x", encoding="utf-8") as file:
        print(f"Error: {platform.node()}: {error}", file=file)
    return Ended(job.number, 1, 0.0, 0.0, platform.node())


async def send_signal(topic: str, number: int, signum: int) -> None:
    """Sends a signal to a universe, if this worker runs it, or is about to.

    It is a coroutine, as Dask does not call anything else without waiting for it.

    Args:
        topic: The sweep
        number: The number of the universe
        signum: The signal
    """
    hub, key = _hubs.get(topic), f"{topic}-{number}"
    if key in _early:
        _early[key].append(signum)
    elif hub is not None:
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
