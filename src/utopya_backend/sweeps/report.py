"""``_report.txt``: how far a sweep is, for people who look into its directory."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from ..tools import format_time
from .directory import SweepDirectory
from .messages import EXIT_CODE_STOPPED
from .tally import Outcome, Tally

REPORT_INTERVAL = 10.0
"""How often the report is written while the sweep runs [s]"""

MAX_LISTED = 2048
"""Of a larger sweep, single universes are not listed."""

_TIME_FORMAT = "%d.%m.%Y, %H:%M:%S"


class ReportFile:
    """Writes the report now and then, and at the end."""

    def __init__(
        self,
        directory: SweepDirectory,
        where: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begins; the first report is written at once.

        Args:
            directory: The sweep
            where: By what the universes are run, e.g. ``2 workers``
            clock: Tells the time [s since 1970]
        """
        self._directory = directory
        self._where = where
        self._clock = clock
        self._start = clock()
        self._next = self._start

    def update(self, tally: Tally) -> None:
        """Writes the report, if it is time to.

        Args:
            tally: How far the sweep is
        """
        if self._clock() >= self._next:
            self.write(tally)

    def write(self, tally: Tally, *, is_over: bool = False) -> None:
        """Writes the report.

        Args:
            tally: How far the sweep is
            is_over: Whether it has ended
        """
        now = self._clock()
        self._next = now + REPORT_INTERVAL
        path = self._directory.path / "_report.txt"
        new = path.with_name("._report.txt.new")
        text = "\n".join(self._describe(tally, now, is_over)) + "\n"
        with suppress(OSError):  # a full disk: what matters is somewhere else
            new.write_text(text, encoding="utf-8")
            new.replace(path)

    def _describe(self, tally: Tally, now: float, is_over: bool) -> Iterator[str]:
        yield from _headline("Sweep report", "=")
        yield f"Run:     {self._directory.path}"
        yield f"Start:   {_format_date(self._start)}"
        word = "End:  " if is_over else "Now:  "
        yield f"{word}   {_format_date(now)}  ({format_time(now - self._start)})"
        yield from self._describe_host(tally)
        yield from _describe_progress(tally)
        yield from _describe_times(tally, now - self._start)
        yield from self._describe_exit_codes(tally)
        yield from self._describe_stop_conditions(tally)
        yield from self._list_times(tally)

    def _describe_host(self, tally: Tally) -> Iterator[str]:
        yield from _headline("Host information")
        user = os.environ.get("USER", "")
        with suppress(KeyError, OSError):  # a container may know no names
            user = getpass.getuser()
        yield f"  User          {user}"
        yield f"  Host          {platform.node()}"
        yield f"  Cores         {os.cpu_count()}"
        yield f"  Run by        {self._where}"
        if len(tally.hosts) > 1:
            hosts = ", ".join(
                f"{host} ({n})" for host, n in sorted(tally.hosts.items())
            )
            yield f"  Run on        {hosts}"

    def _describe_exit_codes(self, tally: Tally) -> Iterator[str]:
        yield from _headline("Exit codes")
        yield f"  success       {tally.counts[Outcome.FINISHED]}"
        for code, numbers in sorted(tally.exit_codes.items()):
            yield f"  code {code:<8} {len(numbers)} {_word_for(tally, numbers, code)}"
            yield f"      {self._names(numbers)}"

    def _describe_stop_conditions(self, tally: Tally) -> Iterator[str]:
        if tally.stopped_by:
            yield from _headline("Stop conditions")
        for name, numbers in tally.stopped_by.items():
            yield f"  {name}: {len(numbers)}"
            yield f"      {self._names(numbers)}"

    def _list_times(self, tally: Tally) -> Iterator[str]:
        if not tally.seconds or len(tally.seconds) > MAX_LISTED:
            return
        codes = {n: code for code, ns in tally.exit_codes.items() for n in ns}
        yield from _headline("Universe runtimes")
        for number in sorted(tally.seconds):
            seconds = format_time(tally.seconds[number], ms_precision=2)
            code = codes.get(number)
            note = f"  (exit code {code})" if code else ""
            yield f"  {self._directory.space.name(number):<12}  {seconds}{note}"

    def _names(self, numbers: Sequence[int]) -> str:
        shown = [self._directory.space.name(n) for n in sorted(numbers)[:MAX_LISTED]]
        more = len(numbers) - len(shown)
        return ", ".join(shown) + (f", … and {more} more" if more else "")


def _word_for(tally: Tally, numbers: Sequence[int], code: int) -> str:
    """What has become of the universes with an exit code."""
    if not tally.failed.isdisjoint(numbers):
        return "failed"
    if not tally.killed.isdisjoint(numbers):
        return "killed"
    return "stopped" if code == EXIT_CODE_STOPPED else "interrupted"


def _describe_progress(tally: Tally) -> Iterator[str]:
    yield from _headline("Current progress")
    rows = {
        "Finished": tally.num_ended,
        "Success": tally.counts[Outcome.FINISHED],
        "Stopped": tally.counts[Outcome.STOPPED],
        "Failed": tally.counts[Outcome.FAILED],
        "Killed": tally.counts[Outcome.KILLED],
        "Interrupted": tally.counts[Outcome.INTERRUPTED],
        "Running": len(tally.running),
    }
    if tally.before:
        rows["Earlier"] = tally.before
    width = len(str(tally.total))
    for name, number in rows.items():
        of_all = f" / {tally.total}" if name == "Finished" else " " * (3 + width)
        share = number / tally.total
        yield f"  {name:<12}  {number:>{width}}{of_all}  ({share:.1%})"


def _describe_times(tally: Tally, elapsed: float) -> Iterator[str]:
    yield from _headline("Runtime statistics")
    rows = {"total (wall)": elapsed, "total (CPU)": tally.cpu_seconds}
    if tally.seconds:
        seconds = np.fromiter(tally.seconds.values(), float)
        last = seconds[-max(1, len(seconds) // 5) :]
        rows |= {
            "mean": seconds.mean(), " (last 20 %)": last.mean(), "std": seconds.std(),
            "min": seconds.min(), "at 25 %": np.percentile(seconds, 25),
            "median": np.median(seconds), "at 75 %": np.percentile(seconds, 75),
            "max": seconds.max(),
        }  # fmt: skip
    for name, value in rows.items():
        yield f"  {name:<12}  {format_time(float(value), ms_precision=2)}"


def _headline(text: str, line: str = "-") -> Iterator[str]:
    yield from ("", text, line * len(text), "")


def _format_date(when: float) -> str:
    return time.strftime(_TIME_FORMAT, time.localtime(when))
