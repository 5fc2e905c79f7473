"""How the progress of a sweep is shown: by a bar, or by a line once a minute."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..display import LINE_INTERVAL, in_notebook, make_bar
from ..tools import format_time
from .tally import Outcome, Tally

_WINDOW = 30.0  # the rate is that of the last seconds [s]
_BAR_INTERVAL = 0.1
_SHOWN = (Outcome.FAILED, Outcome.KILLED, Outcome.STOPPED, Outcome.INTERRUPTED)


class SweepDisplay(Protocol):
    """Something that shows the progress of a sweep."""

    def show(self, tally: Tally) -> None:
        """Shows how far it is."""

    def close(self) -> None:
        """Ends the display."""


class NoDisplay:
    """Shows nothing."""

    def show(self, tally: Tally) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Rate:
    """How fast universes end, judged by the last half a minute."""

    def __init__(self) -> None:
        """Begins without having seen anything."""
        self._seen: deque[tuple[float, float, int]] = deque()

    def update(self, tally: Tally, now: float) -> None:
        """Takes the state of a sweep into account.

        Args:
            tally: How far it is
            now: The time [s]
        """
        done = tally.num_ended + sum(tally.running.values())
        self._seen.append((now, done, tally.num_ended))
        while len(self._seen) > 2 and self._seen[1][0] < now - _WINDOW:
            self._seen.popleft()

    def describe(self, tally: Tally) -> str:
        """Describes the rate and the remaining time, as far as they are known.

        Args:
            tally: How far the sweep is
        """
        (start, done, ended), (now, done_now, ended_now) = self._seen[0], self._seen[-1]
        parts = []
        if now > start and ended_now > ended:
            parts.append(f"{(ended_now - ended) / (now - start):.3g}/s")
        if now > start and done_now > done and done_now < tally.total:
            left = (tally.total - done_now) * (now - start) / (done_now - done)
            parts.append(f"{format_time(max(1, round(left)), max_num_parts=2)} left")
        return ", ".join(parts)


def describe(tally: Tally, rate: Rate) -> str:
    """Describes how far a sweep is, behind the number of its universes.

    Args:
        tally: How far it is
        rate: How fast it is
    """
    parts = [
        f"{tally.counts[outcome]} {outcome.value}"
        for outcome in _SHOWN
        if tally.counts[outcome]
    ]
    parts.append(rate.describe(tally))
    if tally.running:
        mean = sum(tally.running.values()) / len(tally.running)
        parts.append(f"{len(tally.running)} running (at {mean:.0%})")
    return ", ".join(filter(None, parts))


class SweepBar:
    """A progress bar, on a terminal or in a notebook."""

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepares the bar; it is there when something is shown.

        Args:
            name: The name of the model
            clock: Tells the time [s]
        """
        self._name = name
        self._clock = clock
        self._rate = Rate()
        self._bar: Any = None
        self._next = clock()

    def show(self, tally: Tally) -> None:
        """Moves the bar, if that has not just been done."""
        now = self._clock()
        if now < self._next and tally.num_ended < tally.total:
            return
        self._next = now + _BAR_INTERVAL
        self._rate.update(tally, now)
        if self._bar is None:
            self._bar = make_bar(self._name, tally.total, _BAR_FORMAT)
        self._bar.n = tally.num_ended
        self._bar.set_postfix_str(describe(tally, self._rate), refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


_BAR_FORMAT = "{desc} {n_fmt}/{total_fmt} |{bar:20}| {elapsed}{postfix}"


class SweepLines:
    """A line once a minute, for a log file."""

    def __init__(
        self,
        name: str,
        write: Callable[[str], Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins; the first line comes after a minute.

        Args:
            name: The name of the model
            write: Called with each line
            clock: Tells the time [s]
        """
        self._name = name
        self._write = write
        self._clock = clock
        self._rate = Rate()
        self._start = clock()
        self._next = self._start + LINE_INTERVAL

    def show(self, tally: Tally) -> None:
        """Writes a line, if it is time to."""
        now = self._clock()
        self._rate.update(tally, now)
        if now < self._next:
            return
        self._next = now + LINE_INTERVAL
        parts = [
            f"{self._name}: {tally.num_ended} of {tally.total} universes after "
            f"{format_time(now - self._start)}",
            describe(tally, self._rate),
        ]
        self._write(", ".join(filter(None, parts)))

    def close(self) -> None:
        """Does nothing."""


def display_of_sweep(name: str, write: Callable[[str], Any]) -> SweepDisplay:
    """The display that fits where this process runs.

    Args:
        name: The name of the model
        write: Called with each line for a log file
    """
    if in_notebook() or (sys.stderr is not None and sys.stderr.isatty()):
        return SweepBar(name)
    return SweepLines(name, write)
