"""Timers: how long something takes."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from .tools import format_time


class Timer:
    """A timer that can be paused and continued.

    Example:
        >>> timer = Timer("breakfast", start=True)
        >>> timer.running, timer.pause() > 0, timer.running
        (True, True, False)
    """

    _name: str
    _one_shot: bool
    _time_func: Callable[[], float] = time.time
    _running: bool
    _latest: float
    _elapsed: float
    _finished: bool

    def __init__(
        self,
        name: str,
        *,
        time_func: Callable[[], float] | None = None,
        one_shot: bool = False,
        start: bool = False,
    ) -> None:
        """Sets up the timer.

        Args:
            name: Name of the timer
            time_func: The clock [s]; by default, :py:func:`time.time`.
            one_shot: Whether the timer can be started only once, and is
                finished when it is paused.
            start: Whether to start it right away
        """
        self._name = name
        self._one_shot = one_shot
        if time_func is not None:
            self._time_func = time_func
        self.reset()
        if start:
            self.start()

    def __str__(self) -> str:
        segments = [f"Timer '{self.name}'", f"{self.elapsed:.3g}s elapsed"]
        segments += ["running"] * self.running + ["finished"] * self.finished
        return f"<{', '.join(segments)}>"

    def _get_time(self) -> float:
        return self._time_func()

    def _assert_not_finished(self) -> None:
        if self._finished:
            raise RuntimeError(
                f"Tried to update timer {self}, which was already marked as finished. "
                "Call its reset() to use it again."
            )

    def start(self) -> None:
        """Starts the timer. One that is running goes on.

        Raises:
            RuntimeError: If the timer is finished
        """
        self._assert_not_finished()
        if not self._running:
            self._unpause()

    def pause(self) -> float:
        """Pauses the timer; a one-shot timer is finished by that.

        Returns:
            The elapsed time [s]

        Raises:
            RuntimeError: If the timer is finished or not running
        """
        if self._finished:
            self._assert_not_finished()
        if not self._running:
            raise RuntimeError(f"Cannot pause already paused timer {self}: start it.")
        self._elapsed += self._get_time() - self._latest
        self._latest = math.nan
        self._running = False
        self._finished = self._one_shot
        return self._elapsed

    def unpause(self) -> None:
        """Continues the timer, or starts it. One that is running goes on.

        Raises:
            RuntimeError: If it is a one-shot timer, or finished
        """
        if self._one_shot:
            raise RuntimeError(
                f"{self} is a one-shot timer and cannot be unpaused: use start()."
            )
        if self._finished:
            self._assert_not_finished()
        if not self._running:
            self._latest = self._get_time()
            self._running = True

    def _unpause(self) -> None:
        self._latest = self._get_time()
        self._running = True

    def stop(self) -> float:
        """Stops the timer for good, whether it is running or not.

        Returns:
            The elapsed time [s]

        Raises:
            RuntimeError: If it is finished already
        """
        self._assert_not_finished()
        if self._running:
            self.pause()
        self._finished = True
        return self._elapsed

    def reset(self) -> None:
        """Sets the timer back to the state it had when it was made."""
        self._latest = math.nan
        self._running = False
        self._finished = False
        self._elapsed = 0.0

    def _reopen(self) -> None:
        """Lets a finished timer go on from the time it has."""
        self._finished = False

    @property
    def name(self) -> str:
        """The name of the timer."""
        return self._name

    @property
    def running(self) -> bool:
        """Whether the timer is running."""
        return self._running

    @property
    def finished(self) -> bool:
        """Whether the timer is finished and cannot be started again."""
        return self._finished

    @property
    def elapsed(self) -> float:
        """The elapsed time [s], up to now if the timer is running."""
        if self._running:
            return self._elapsed + self._get_time() - self._latest
        return self._elapsed

    @property
    def one_shot(self) -> bool:
        """Whether the timer can be started only once."""
        return self._one_shot


def format_elapsed(
    elapsed: Mapping[str, float],
    info_fstr: str,
    *,
    sort: bool = False,
    width: int | None = None,
    ms_precision: int = 2,
    **fstr_kwargs: Any,
) -> str:
    """Formats elapsed times, one line for each.

    Args:
        elapsed: The elapsed times [s], by name
        info_fstr: The format of a line, with the keys that
            :py:meth:`.ModelBenchmarkMixin.format_elapsed_info` lists.
        sort: Whether to begin with the longest time
        width: A fixed value for the key ``w``
        ms_precision: Decimal places of times below one minute
        **fstr_kwargs: Further keys for the format

    Example:
        >>> print(format_elapsed({"run": 90.0, "setup": 0.5}, "{name:>5s} {time_str}"))
          run 1m 30s
        setup 0.50s
    """
    names = sorted(elapsed, key=lambda n: -elapsed[n]) if sort else list(elapsed)
    max_seconds = max(elapsed.values(), default=0.0)
    return "\n".join(
        info_fstr.format(
            name=name,
            seconds=elapsed[name],
            time_str=format_time(elapsed[name], ms_precision=ms_precision),
            max_seconds=max_seconds,
            percent_of_max=100 * elapsed[name] / (max_seconds or 1.0),
            w=width or max(map(len, names), default=1),
            **fstr_kwargs,
        )
        for name in names
    )
