"""How the progress of a run is shown, depending on who looks at it.

- a frontend, which reads the output of the model: by its line (:py:mod:`.monitor`)
- somebody at a terminal, or in a notebook: by a bar
- somebody who reads a log file later on: by a plain line, once a minute

All of them get the same reports.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol, TextIO

import numpy as np

from .monitor import format_line
from .tools import format_time

LINE_INTERVAL = 60.0
"""How much time lies between two lines in a log file [s]"""

_NUM_REPORTS = 10  # the rate is that of the last ones


class Report(NamedTuple):
    """What a model reports about its run."""

    progress: float
    """In [0, 1]"""

    n_iter: int
    """The number of iterations done"""

    entries: Mapping[Any, Any]
    """What the model itself tells: its monitoring information"""


class Display(Protocol):
    """Something that shows the progress of a run."""

    def show(self, report: Report) -> None:
        """Shows a report."""

    def close(self) -> None:
        """Ends the display. It may be shown something again, and closed again."""


_in_use: ContextVar[Display | None] = ContextVar("_in_use", default=None)


@contextmanager
def showing_by(display: Display) -> Iterator[None]:
    """Has the models that are made meanwhile use a certain display.

    Args:
        display: The display
    """
    token = _in_use.set(display)
    try:
        yield
    finally:
        _in_use.reset(token)


def display_of(name: str) -> Display:
    """The display for a model that runs in this process.

    Args:
        name: The name of the model
    """
    if (display := _in_use.get()) is not None:
        return display
    # The standard output of the process, and nothing that has replaced it
    stdout = sys.__stdout__
    if stdout is not None and stdout is sys.stdout:
        if stdout.isatty():
            return bar_or_lines(name, _print_at_once)
        if stat.S_ISREG(os.fstat(stdout.fileno()).st_mode):
            return LogLines(name, _print_at_once)
    if in_notebook():
        return bar_or_lines(name, _print_at_once)
    return FrontendLines(name)


def bar_or_lines(name: str, write: Callable[[str], Any]) -> Display:
    """A bar; lines without tqdm, as in an environment that is the frontend's.

    Args:
        name: The name of the model
        write: Called with each line
    """
    return Bar(name) if find_spec("tqdm") else LogLines(name, write)


def _print_at_once(line: str) -> None:
    print(line, flush=True)


def in_notebook() -> bool:
    """Whether this process computes the cells of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class FrontendLines:
    """The lines that a frontend reads from the standard output."""

    def __init__(self, name: str, *, file: TextIO | None = None) -> None:
        """Remembers the model.

        Args:
            name: Its name
            file: Where to print, by default to the standard output
        """
        self._name = name
        self._file = file

    def show(self, report: Report) -> None:
        """Prints the line."""
        line = format_line(
            report.entries,
            progress=report.progress,
            n_iter=report.n_iter,
            name=self._name,
        )
        print(line, flush=True, file=self._file)

    def close(self) -> None:
        """Does nothing."""


class Several:
    """Several displays in one."""

    def __init__(self, displays: Sequence[Display]) -> None:
        """Remembers the displays.

        Args:
            displays: The displays
        """
        self._displays = displays

    def show(self, report: Report) -> None:
        """Shows a report by all of them."""
        for display in self._displays:
            display.show(report)

    def close(self) -> None:
        """Ends all of them."""
        for display in self._displays:
            display.close()


class Nothing:
    """Shows nothing."""

    def show(self, report: Report) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Bar:
    """A progress bar, on a terminal or in a notebook."""

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepares the bar; it is there with the first report.

        Args:
            name: The name of the model
            clock: Tells the time [s]
        """
        self._name = name
        self._clock = clock
        self._speed = Speed()
        self._bar: Any = None
        self._opened = ExitStack()

    def show(self, report: Report) -> None:
        """Moves the bar, and shows the model's own entries beside it."""
        self._speed.update(report, self._clock())
        if self._bar is None:
            self._bar = self._opened.enter_context(make_bar(self._name, 1, _BAR_FORMAT))
            self._opened.enter_context(_log_lines_kept_apart(type(self._bar)))
        self._bar.n = report.progress
        shown = ", ".join(filter(None, [str(self._speed), show_entries(report)]))
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar = None
        self._opened.close()


_BAR_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| {elapsed}{postfix}"


def make_bar(name: str, total: float, bar_format: str) -> Any:
    """Makes a bar of tqdm, which is imported only where somebody looks at it.

    Args:
        name: What stands in front of it
        total: Where it ends
        bar_format: What it shows, in the words of tqdm
    """
    if in_notebook():
        import warnings

        with warnings.catch_warnings():  # without ipywidgets, it is a bar of text
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    # No thread that watches over it: each report refreshes it
    bar: Any = type("_Bar", (tqdm,), {"monitor_interval": 0})
    return bar(
        total=total,
        desc=name,
        bar_format=bar_format,
        nrows=100,  # or it is hidden on terminals that do not know their height
    )


def _log_lines_kept_apart(bar: type[Any]) -> AbstractContextManager[None]:
    """Has what is logged while there is a bar begin on a line of its own."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    redirection: AbstractContextManager[None] = logging_redirect_tqdm(tqdm_class=bar)
    return redirection


class LogLines:
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
        self._speed = Speed()
        self._start = clock()
        self._next_line = self._start + LINE_INTERVAL

    def show(self, report: Report) -> None:
        """Writes a line, if it is time to."""
        now = self._clock()
        self._speed.update(report, now)
        if now >= self._next_line:
            self._next_line = now + LINE_INTERVAL
            self._write(f"{self._name}: {self._describe(report, now)}")

    def _describe(self, report: Report, now: float) -> str:
        parts = [
            f"{report.progress:.0%} after {format_time(now - self._start)}",
            f"{report.n_iter} iterations",
            str(self._speed),
            show_entries(report),
        ]
        return ", ".join(filter(None, parts))

    def close(self) -> None:
        """Does nothing."""


# .. What is told .............................................................


class Speed:
    """How fast a run goes on, judged by its last reports.

    Example:
        >>> speed = Speed()
        >>> speed.update(Report(0.1, 100, {}), time=5.0)
        >>> speed.update(Report(0.2, 200, {}), time=7.0)
        >>> speed.rate, speed.remaining
        (50.0, 16.0)
        >>> print(speed)
        50 it/s, 16s left
    """

    rate: float | None = None
    """Iterations per second, if that is known"""

    remaining: float | None = None
    """How long the run will take from now on [s], if that is known"""

    def __init__(self) -> None:
        """Begins without any report."""
        self._reports: deque[tuple[float, Report]] = deque(maxlen=_NUM_REPORTS)

    def update(self, report: Report, time: float) -> None:
        """Takes a report into account.

        Args:
            report: The report
            time: When it was made [s]
        """
        self._reports.append((time, report))
        start, first = self._reports[0]
        if time <= start:
            return
        self.rate = max(0, report.n_iter - first.n_iter) / (time - start)
        done = (report.progress - first.progress) / (time - start)
        self.remaining = (1 - report.progress) / done if done > 0 else None

    def __str__(self) -> str:
        parts = []
        if self.rate is not None:
            digits = ",.0f" if self.rate >= 100 else ".3g"
            parts.append(f"{self.rate:{digits}} it/s")
        if self.remaining:
            seconds = max(1, round(self.remaining))
            parts.append(f"{format_time(seconds, max_num_parts=2)} left")
        return ", ".join(parts)


def show_entries(report: Report) -> str:
    """Formats the entries of a model, as far as they are single values.

    Args:
        report: What it has reported

    Example:
        >>> show_entries(Report(0.5, 10, {"density": 1 / 3, "fires": 7, "ages": [1]}))
        'density=0.3333, fires=7'
    """
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value!s}"
        for key, value in report.entries.items()
        if np.isscalar(value)
    )
