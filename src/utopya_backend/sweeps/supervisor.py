"""The loop of a sweep: starts universes, watches over them, and ends them in order.

It knows nothing of how they are run: that is the work of an engine, of which
:py:class:`.LocalEngine` and :py:class:`.DaskEngine` are two.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

from .. import yaml
from ..monitor import LINE_START
from ..signal import INTERRUPTS, SIG_STOPCOND, Handlers, are_heeded, on_main_thread
from .directory import SweepDirectory
from .messages import EXIT_CODE_KILLED, Ended, Event, Job, Reported
from .stopping import StopCondition
from .tally import Outcome, Tally
from .verdict import outcome_of

POLL_INTERVAL = 0.2
"""How long nothing is looked at if nothing happens [s]"""

GRACE = 30.0
"""How long a universe has to end in order once it was told to [s]"""

_PATIENCE = 5.0  # with one that was killed, however short the grace [s]


class Engine(Protocol):
    """Something that runs universes."""

    @property
    def num_free(self) -> int:
        """How many universes can be started now."""

    def start(self, job: Job) -> None:
        """Starts a universe."""

    def send_signal(self, number: int, signum: int) -> None:
        """Sends a signal to a universe."""

    def events(self, timeout: float) -> Iterable[Event]:
        """Tells what has happened, or waits for something to happen."""


@dataclass(frozen=True)
class Rules:
    """When universes are ended, or the whole sweep is.

    Attributes:
        stop_conditions: Each universe is stopped that fulfils one of them.
        time_limit: After this time the sweep ends [s]; None for no limit
        fail_fast: Whether the sweep ends as soon as a universe has failed
        grace: A universe that has not ended so long after it was told to is killed [s]
    """

    stop_conditions: Sequence[StopCondition] = ()
    time_limit: float | None = None
    fail_fast: bool = False
    grace: float = GRACE


@dataclass
class _Running:
    """A universe that is being run."""

    start: float
    told: float | None = None
    """When it was told to end"""
    killed: float | None = None
    """When it was killed, as it did not"""
    stopped_by: str = ""
    monitor: Mapping[str, Any] = field(default_factory=dict)


class Supervisor:
    """Runs the universes of a sweep.

    Attributes:
        tally: How far it is
        ended_by: Why it has ended early, if it has: ``SIGINT`` or another signal, ``the
            time limit`` or ``a failure``; else the empty string
        signum: The signal that has ended it, if one has
    """

    def __init__(
        self,
        engine: Engine,
        directory: SweepDirectory,
        numbers: Iterable[int],
        rules: Rules,
        tally: Tally,
        on_change: Callable[[Tally], Any],
        on_ending: Callable[[str, int], Any] = lambda reason, number: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the loop.

        Args:
            engine: What runs the universes
            directory: Where they are
            numbers: Which ones
            rules: When they are ended
            tally: Where to count them
            on_change: Called with the tally after each look at what has happened
            on_ending: Called with the reason and the number of the running universes
                when the sweep is ended early
            clock: Tells the time [s]
        """
        self._engine = engine
        self._directory = directory
        self._numbers = iter(numbers)
        self._are_left = True
        self._rules = rules
        self.tally = tally
        self._on_change = on_change
        self._on_ending = on_ending
        self._clock = clock
        self._start = clock()
        self._running: dict[int, _Running] = {}
        self._signals: list[int] = []
        self._num_signals_seen = 0
        self._needs_monitor = any(c.needs_monitor for c in rules.stop_conditions)
        self.ended_by = ""
        self.signum: int | None = None

    def run(self) -> None:
        """Runs all universes.

        Whatever ends this, no universe is left that would not be ended by its engine.
        """
        with _noting_signals(self._signals):
            while self._start_universes():
                for event in self._engine.events(POLL_INTERVAL):
                    self._handle(event)
                self._stop_universes()
                self._look_at_limits()
                self._look_at_signals()
                self._kill_universes()
                self._on_change(self.tally)

    def _start_universes(self) -> bool:
        """Starts as many universes as there is place for.

        Returns:
            Whether any are running, or will be: a cluster may be without workers for a
            while.
        """
        self._look_at_directory()
        while not self.ended_by and self._are_left and self._engine.num_free > 0:
            number = next(self._numbers, None)
            if number is None:
                self._are_left = False
                break
            directory = self._directory.universe(number)
            cfg = self._directory.space.cfg(number)
            self._running[number] = _Running(self._clock())
            self.tally.running[number] = 0.0
            self._engine.start(Job.of(number, str(directory), cfg))
        return bool(self._running) or (self._are_left and not self.ended_by)

    def _handle(self, event: Event) -> None:
        if event.number not in self._running:
            return  # such as a report that comes after the end
        if isinstance(event, Ended):
            universe = self._running.pop(event.number)
            outcome = outcome_of(
                event.exit_code, self._directory.universe(event.number),
                is_ending=bool(self.ended_by), was_killed=universe.killed is not None,
            )  # fmt: skip
            self.tally.add(event, outcome)
            if outcome is Outcome.STOPPED and universe.stopped_by:
                names = self.tally.stopped_by.setdefault(universe.stopped_by, [])
                names.append(event.number)
            self._directory.note(event, outcome)
            if outcome is Outcome.FAILED and self._rules.fail_fast:
                self._end("a failure", signal.SIGTERM)
        else:
            self._note_report(event, self._running[event.number])

    def _note_report(self, event: Reported, universe: _Running) -> None:
        if self._needs_monitor:
            universe.monitor = _monitor_in(event.line)
        self.tally.running[event.number] = _progress_in(event.line)

    def _stop_universes(self) -> None:
        """Stops those universes that fulfil a stop condition."""
        if not self._rules.stop_conditions:
            return
        now = self._clock()
        for number, universe in self._running.items():
            if universe.stopped_by:
                continue
            for condition in self._rules.stop_conditions:
                if condition.is_fulfilled(now - universe.start, universe.monitor):
                    universe.stopped_by = condition.name
                    self._tell(number, SIG_STOPCOND)
                    break

    def _kill_universes(self) -> None:
        """Kills those universes that were told to end, and have not in time.

        This is repeated: a worker may only just have begun one of them. If the sweep
        is to end, it does not wait for ever for one that cannot be killed, say by a
        worker that is gone.
        """
        now, grace = self._clock(), self._rules.grace
        for number, universe in list(self._running.items()):
            waited = -1.0 if universe.told is None else now - universe.told
            is_due = universe.killed is None or now - universe.killed >= _PATIENCE
            if waited >= grace and is_due:
                universe.killed = now
                self._engine.send_signal(number, signal.SIGKILL)
            if self.ended_by and waited >= 2 * grace + _PATIENCE:
                seconds = now - universe.start
                self._handle(
                    Ended(number, EXIT_CODE_KILLED, seconds, 0.0, "? (no answer)")
                )

    def _look_at_directory(self) -> None:
        """Follows the directory if that was moved; without it, the sweep ends."""
        if not self._directory.find():
            self._end("the loss of its directory", signal.SIGTERM)

    def _look_at_limits(self) -> None:
        limit = self._rules.time_limit
        if limit is not None and self._clock() - self._start >= limit:
            self._end("the time limit", signal.SIGINT)

    def _look_at_signals(self) -> None:
        signals = self._signals[self._num_signals_seen :]
        self._num_signals_seen += len(signals)
        for signum in signals:
            if self.signum is None:
                self.signum = signum
                name = signal.Signals(signum).name
                self._end(name, signum, is_again=bool(self.ended_by))
            elif signum == signal.SIGINT:  # others come twice without being meant to
                self._send_all(signal.SIGKILL)

    def _end(self, reason: str, signum: int, *, is_again: bool = False) -> None:
        """Ends the sweep as soon as the running universes have ended."""
        if self.ended_by and not is_again:
            return
        self.ended_by = reason
        self._on_ending(reason, len(self._running))
        self._send_all(signum)

    def _send_all(self, signum: int) -> None:
        for number in self._running:
            self._tell(number, signum)

    def _tell(self, number: int, signum: int) -> None:
        universe = self._running[number]
        if universe.told is None:
            universe.told = self._clock()
        self._engine.send_signal(number, signum)


@contextmanager
def _noting_signals(signals: list[int]) -> Iterator[None]:
    """Notes signals that would end this process, on the main thread only."""

    def note(signum: int, _: FrameType | None) -> None:
        signals.append(signum)

    if not on_main_thread():
        yield
        return
    with Handlers(note, are_heeded(INTERRUPTS)):
        yield


def _progress_in(line: str) -> float:
    """The progress that the line of a monitor begins with."""
    text = line.removeprefix(f"{LINE_START}{{progress: ").partition(",")[0]
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _monitor_in(line: str) -> Mapping[str, Any]:
    """What the line of a monitor tells."""
    try:
        content = yaml.load(line)
    except yaml.YAMLError:
        return {}
    return content if isinstance(content, Mapping) else {}
