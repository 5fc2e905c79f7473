"""``utopya-backend watch``: a look at a run while it goes on."""

import os
import shutil
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from ..display import Report, Speed, show_entries
from ..errors import NotAnOutputFileError
from ..io.glance import LastRow
from ..io.runs import latest_run
from ..io.summary import format_size
from ..timer import format_elapsed
from ..tools import format_time
from ..watching import Snapshot, State, expected_number, look

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_BAR_WIDTH = 24
_MIN_SECONDS = 0.005  # shorter ones are shown as 0.00s


@click.command()
@click.argument("run", type=click.Path())
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once only.")
def watch(run: str, interval: float, once: bool) -> None:
    """Look at a run while it goes on, from another terminal.

    RUN is the directory of a run or of a universe, a data.h5, or a directory with
    several runs, such as out/SIR, for the latest one. What is shown comes from its file
    and its log, and does not disturb it. On a terminal, it is renewed until the run
    has ended, or Ctrl-C is pressed, which the run does not notice. Elsewhere, as in a
    pipe, it is shown once.
    """
    is_terminal = sys.stdout.isatty()
    screen = Screen(is_terminal=is_terminal)
    try:
        # The same one all the time, even if a later one begins
        follow(latest_run(run), screen, None if once or not is_terminal else interval)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def follow(
    run: str | os.PathLike[str],
    screen: "Screen",
    interval: float | None,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Shows a run until it has ended.

    Args:
        run: The path of the run
        screen: Where to show it
        interval: The time between two looks [s]; None to look once only.
        clock: Tells the time [s since 1970]
        sleep: Waits for a time [s]

    Raises:
        FileNotFoundError: If there is no such run
        ValueError: If nothing in it can be read
    """
    view = View()
    seen: list[Snapshot] = []
    while True:
        seen = look(run, seen, clock=clock)
        expected = max(expected_number(run), len(seen))
        if seen and all(s.state is State.UNREADABLE for s in seen):
            raise NotAnOutputFileError("\n".join(s.detail for s in seen))
        screen.show(view.lines(str(run), seen, expected))
        has_ended = len(seen) == expected and all(s.state.is_final for s in seen)
        if interval is None or has_ended:
            return
        sleep(interval)


class Screen:
    """A part of the terminal that is written anew each time."""

    def __init__(self, *, is_terminal: bool) -> None:
        """Begins below what is there.

        Args:
            is_terminal: Whether it is a terminal; else, lines follow each other.
        """
        self._is_terminal = is_terminal
        self._num_lines = 0

    def show(self, lines: Sequence[str]) -> None:
        """Replaces what was shown before.

        Args:
            lines: The lines. Those for which there is no space are left out.
        """
        start = ""
        if self._is_terminal:
            width, height = shutil.get_terminal_size()
            room = max(2, height - 1)  # the cursor is below them
            if len(lines) > room:
                lines = [*lines[: room - 1], f"… and {len(lines) - room + 1} more"]
            lines = [_cut(line, width) for line in lines]
            if self._num_lines:
                start = f"\x1b[{self._num_lines}A\r\x1b[J"  # up, and clear from there
        self._num_lines = len(lines)
        # All at once, so that it does not flicker
        click.echo(start + "\n".join(lines))


def _cut(line: str, width: int) -> str:
    used = 0
    for index, char in enumerate(line):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > width:
            return line[:index]
    return line


# .. What is shown ............................................................


class View:
    """Describes what was seen; it knows how fast the runs are."""

    def __init__(self) -> None:
        """Begins without having seen anything."""
        self._speeds: dict[Path, Speed] = {}
        self._progress_of: dict[Path, tuple[int, float]] = {}

    def lines(self, run: str, seen: Sequence[Snapshot], expected: int) -> list[str]:
        """Describes a run.

        Args:
            run: Its path
            seen: What was seen of its universes
            expected: How many of them there will be
        """
        for snapshot in seen:
            self._update_speed(snapshot)
        if not seen and expected == 1:
            lines = [f"{run}: starting, there is no universe yet"]
        elif expected == 1:
            lines = list(self._describe(seen[0]))
        else:
            lines = list(self._describe_sweep(run, seen, expected))
        return [_printable(line) for line in lines]

    def _update_speed(self, seen: Snapshot) -> None:
        speed = self._speeds.get(seen.path)
        if speed is None:
            speed = self._speeds[seen.path] = Speed()
            if seen.started is not None:
                speed.update(Report(0, 0, {}), seen.started)
        report = seen.report
        if report is None:
            return
        progress = (report.n_iter, report.progress)
        if progress == self._progress_of.get(seen.path):
            return
        self._progress_of[seen.path] = progress
        time = seen.last_line or seen.time
        if seen.ended is not None:  # what it was on the whole
            speed = self._speeds[seen.path] = Speed()
            speed.update(Report(0, 0, {}), seen.started or seen.ended)
            time = seen.ended
        speed.update(report, time)

    # .. One universe .....................................................

    def _describe(self, seen: Snapshot) -> Iterator[str]:
        yield f"{seen.model or 'The model'} {_state(seen)}"
        if seen.report is not None:
            yield self._progress(seen, seen.report)
            if entries := show_entries(seen.report):
                yield f"  {entries}"
        if seen.glance.rows:
            yield "Last values:"
            yield from _table([_describe_row(row) for row in seen.glance.rows])
        timers = {k: v for k, v in seen.glance.timers.items() if v >= _MIN_SECONDS}
        if timers:
            yield "Elapsed times:"
            fstr = "  {name:<{w}s}  {time_str:>10s}  {percent_of_max:5.1f} %"
            yield from format_elapsed(timers, fstr, sort=True).splitlines()
        if seen.last_commit is not None:
            size = format_size(seen.num_bytes)
            age = _age(seen, seen.last_commit)
            yield f"Data:  {seen.path} ({size}, last commit {age})"
        if seen.last_line is not None:
            yield f"Log:   {seen.log} (last line {_age(seen, seen.last_line)})"

    def _progress(self, seen: Snapshot, report: Report) -> str:
        iterations = seen.glance.attrs.get("iterations", report.n_iter)
        bar = f"{report.progress:4.0%} [{_bar(report.progress)}]"
        return ", ".join(
            filter(None, [f"{bar} {iterations} iterations", self._speed(seen)])
        )

    def _speed(self, seen: Snapshot) -> str:
        speed = self._speeds[seen.path]
        if seen.state.is_final:
            speed.remaining = None
        return str(speed)

    # .. A sweep ..........................................................

    def _describe_sweep(
        self, run: str, seen: Sequence[Snapshot], expected: int
    ) -> Iterator[str]:
        counts = Counter(s.state for s in seen)
        parts = [f"{counts[state]} {state.value}" for state in State if counts[state]]
        if expected > len(seen):
            parts.append(f"{expected - len(seen)} to come")
        yield f"{run}: {expected} universes, {', '.join(parts)}"
        running = [s for s in seen if not s.state.is_final]
        bad = [s for s in seen if s.state.is_final and s.state is not State.FINISHED]
        rows = [(s.path.parent.name, *self._describe_shortly(s)) for s in running]
        rows += [(s.path.parent.name, s.state.value, s.detail) for s in bad]
        yield from _table(rows)

    def _describe_shortly(self, seen: Snapshot) -> tuple[str, str]:
        if seen.report is None:
            return seen.state.value, seen.detail
        parts = [self._speed(seen), show_entries(seen.report), seen.detail]
        return f"{seen.report.progress:4.0%}", ", ".join(filter(None, parts))


def _state(seen: Snapshot) -> str:
    start, end = seen.started, seen.ended
    sentence = {
        State.STARTING: "is starting",
        State.RUNNING: "is running",
        State.STOPPED: "was stopped",
        State.KILLED: "was killed",
        State.ENDED: "has ended; its file does not say how",
        State.UNREADABLE: "cannot be looked at",
    }.get(seen.state, seen.state.value)
    if start is not None and seen.state is State.RUNNING:
        sentence += f", for {_duration(seen.time - start)}"
    elif start is not None and end is not None:
        sentence += f" after {_duration(end - start)}"
    return f"{sentence}: {seen.detail}" if seen.detail else sentence


def _describe_row(row: LastRow) -> tuple[str, str, str]:
    values = row.values.astype(float) if row.values.dtype.kind == "b" else row.values
    num_rows = f"{row.num_rows} rows"
    if values.ndim == 0:
        return row.name, num_rows, f"{values[()]:.6g}"
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return row.name, num_rows, "no finite values"
    low, mean, high = finite.min(), finite.mean(dtype=float), finite.max()
    return row.name, num_rows, f"min {low:.4g}, mean {mean:.4g}, max {high:.4g}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(map(str.ljust, row, widths)).rstrip()


def _bar(progress: float) -> str:
    return ("#" * int(progress * _BAR_WIDTH)).ljust(_BAR_WIDTH, "-")


def _duration(seconds: float) -> str:
    return format_time(max(0.0, seconds), max_num_parts=2)


def _age(seen: Snapshot, time: float) -> str:
    return f"{_duration(seen.time - time)} ago"


def _printable(line: str) -> str:
    """The line without what would move the cursor, say from a log."""
    return "".join(char if char.isprintable() else "?" for char in line)
