"""Signals: how a run is told to stop, and notices it gracefully.

A signal handler may be called between any two instructions of a model, so it
only takes a note, in :py:data:`SIGNAL_INFO`. The run loop looks at that note
after each iteration, when data and model state are consistent.
"""

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Self, TypedDict

SIG_STOPCOND: signal.Signals = (
    signal.SIGFPE if platform.system() == "Windows" else signal.SIGUSR1
)
"""The signal that says that a stop condition was fulfilled. It matches
``utopya.stop_conditions.SIG_STOPCOND``; on Windows, which has no user-defined
signals, that is the floating-point error signal."""

INTERRUPTS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
)
"""The signals that ask a program to end; on Windows, there is no SIGHUP."""

_SIGPIPE = 13


class SignalInfo(TypedDict):
    """What is known of the last signal."""

    got_signal: bool
    """Whether a signal has arrived"""
    signum: int | None
    """Its number"""
    frame: FrameType | None
    """What was being executed when it arrived"""
    at_time: float | None
    """When it arrived [seconds since the Epoch]"""


SIGNAL_INFO: SignalInfo = {
    "got_signal": False,
    "signum": None,
    "frame": None,
    "at_time": None,
}
"""Whether any kind of signal was received, which one, and when. Filled by the
signal handlers, looked at by models, and empty again when the run has ended."""

_Handler = Callable[[int, FrameType | None], Any] | int


class Handlers:
    """A handler in place of those that signals have, until they are given back.

    Some have one that was not set from Python, but for instance by the program that
    Python is embedded in. That one could not be given back, so it stays. A handler
    that somebody else has set in the meantime stays as well.

    A forked child has the handlers that were there before: what a model or a sweep
    does upon a signal is not for what it has started.

    It is a context manager, which gives the handlers back.
    """

    def __init__(self, handler: _Handler, signums: Iterable[int] = ()) -> None:
        """Sets the handler, which Python allows on the main thread only.

        Args:
            handler: What to set
            signums: For which signals
        """
        self._handler = handler
        self._previous: dict[int, Any] = {}
        self.take(signums)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self, signums: Iterable[int]) -> None:
        """Sets the handler for further signals.

        Args:
            signums: Which ones
        """
        for signum in signums:
            previous = signal.getsignal(signum)
            if previous is not None and previous is not self._handler:
                _in_use.setdefault(self)
                self._previous[signum] = previous
                signal.signal(signum, self._handler)

    def give_back(self) -> None:
        """Sets the handlers that were there before."""
        for signum, previous in self._previous.items():
            if signal.getsignal(signum) is self._handler:
                signal.signal(signum, previous)
        self._previous.clear()
        _in_use.pop(self, None)

    @property
    def signums(self) -> set[int]:
        """The signals that have the handler."""
        return set(self._previous)


_in_use: dict[Handlers, None] = {}  # in the order in which they were set


def are_heeded(signums: Iterable[int]) -> list[int]:
    """Those of some signals that are not ignored, as SIGHUP is by ``nohup``.

    Args:
        signums: The signals
    """
    return [s for s in signums if signal.getsignal(s) is not signal.SIG_IGN]


def _handle_signal(signum: int, frame: FrameType | None) -> None:
    """Writes information on the signal into :py:data:`SIGNAL_INFO`.

    Repeated signals count as one: under a frontend a Ctrl-C arrives twice,
    from the terminal and from the frontend. Only somebody who sits at a
    terminal and presses Ctrl-C again does not want to wait any longer.

    Args:
        signum: The number of the signal
        frame: What was being executed

    Raises:
        KeyboardInterrupt: On a second Ctrl-C on a terminal
    """
    again = SIGNAL_INFO["got_signal"] and SIGNAL_INFO["signum"] == signum
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if again and signum == signal.SIGINT and terminal and not _is_in_storage(frame):
        raise KeyboardInterrupt
    SIGNAL_INFO.update(
        {"got_signal": True, "signum": signum, "frame": frame, "at_time": time.time()}
    )


def _is_in_storage(frame: FrameType | None) -> bool:
    """Whether HDF5 is writing: it could not go on after an exception."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "utopya_backend.io.storage":
            return True
        frame = frame.f_back
    return False


_of_models = Handlers(_handle_signal)
_num_attached = 0
_num_observers = 0


def attach_signal_handlers(
    *, for_stop_conds: bool = True, for_interrupts: bool = True
) -> bool:
    """Attaches the signal handlers that let a run end gracefully.

    Python allows that on the main thread only; on any other one this does
    nothing. :py:func:`restore_signal_handlers` is the way back.

    Args:
        for_stop_conds: Whether to handle :py:data:`SIG_STOPCOND`, which says
            that a stop condition was fulfilled.
        for_interrupts: Whether to handle the interrupts ``SIGINT`` (Ctrl-C),
            ``SIGTERM``, and ``SIGHUP`` (the terminal was closed) unless that
            is ignored, as by ``nohup``.

    Returns:
        Whether they were attached, that is, whether this is the main thread
    """
    global _num_attached

    if not on_main_thread():
        return False
    signals: list[int] = [SIG_STOPCOND] if for_stop_conds else []
    if for_interrupts:
        signals += [signal.SIGINT, signal.SIGTERM, *_hangup()]
    _of_models.take(signals)
    _num_attached += 1
    return True


def restore_signal_handlers() -> None:
    """Gives back the handlers that were in place before.

    Models that live at the same time share the handlers: they are given back
    once this was called as often as handlers were attached. A handler that
    somebody else has attached in the meantime is left alone. On another thread
    than the main one, they stay until the next call on that.
    """
    global _num_attached

    _num_attached = max(0, _num_attached - 1)
    if _num_attached > 0 or not on_main_thread():
        return
    _of_models.give_back()
    if _num_observers == 0:
        reset_signal_info()


def expect_stop_condition() -> None:
    """Has a stop condition noted from now on, whether there is a model or not.

    It is meant for this process as a whole: each model in it stops after its first
    iteration, and what comes after that is not ended by it.
    """

    def note(signum: int, frame: FrameType | None) -> None:
        _handle_signal(signum, frame)

    Handlers(note, [SIG_STOPCOND])
    begin_observing()


def _hangup() -> list[int]:
    if not hasattr(signal, "SIGHUP"):  # on Windows
        return []
    return are_heeded([signal.SIGHUP])


def num_attached() -> int:
    """How often handlers were attached and not yet given back."""
    return _num_attached


def forget_stop_condition() -> None:
    """Forgets that a stop condition was fulfilled, unless a run observes it.

    It was meant for a run that is over. An interrupt is meant for the whole
    program, and is not forgotten.
    """
    if _num_observers == 0 and SIGNAL_INFO["signum"] == SIG_STOPCOND:
        reset_signal_info()


def on_main_thread() -> bool:
    """Whether this is the thread on which Python allows to set handlers."""
    return threading.current_thread() is threading.main_thread()


def describe_signal(signum: int) -> str:
    """Says what a signal means for a run.

    Args:
        signum: The number of the signal
    """
    if signum == SIG_STOPCOND:
        return "A stop condition was fulfilled."
    if signum in INTERRUPTS:
        return "Was told to stop."
    if signum == _SIGPIPE:
        return "Nobody reads the output of this model any more."
    return f"Got an unexpected signal: {signum}. Stopping ..."


def stop_without_reader(info: SignalInfo) -> None:
    """Has a run end, as by SIGPIPE, because nobody reads its output any more.

    That is so if the frontend was killed. Python does not see that signal, but a
    BrokenPipeError. A signal that has arrived before stays the reason.

    Args:
        info: What the run looks at
    """
    if not info["got_signal"]:
        info.update({"got_signal": True, "signum": _SIGPIPE, "at_time": time.time()})
    # Or Python tries once more at exit, and exits with 120; see the note on SIGPIPE at
    # https://docs.python.org/3/library/signal.html
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reset_signal_info() -> None:
    """Forgets the last signal, and with it the frame it had interrupted."""
    SIGNAL_INFO.update(
        {"got_signal": False, "signum": None, "frame": None, "at_time": None}
    )


def begin_observing() -> None:
    """Begins the time in which a run looks at :py:data:`SIGNAL_INFO`.

    A signal that arrived before, for instance while the model was being set up, still
    counts.
    """
    global _num_observers

    _num_observers += 1


def end_observing(*, is_over: bool) -> None:
    """Ends the time in which a run looks at :py:data:`SIGNAL_INFO`.

    It is reset at the end of the outermost run, so that a signal meant for
    this run does not stop the next one, and that the interrupted frame, which
    refers to the model, does not keep it alive.

    Args:
        is_over: Whether the run is over; if not, it will look at it again.
    """
    global _num_observers

    _num_observers = max(0, _num_observers - 1)  # 0 in a forked child
    if _num_observers == 0 and is_over:
        reset_signal_info()


# .. Forked children ..........................................................


_masks = threading.local()  # several threads may fork at the same time


def _before_fork() -> None:
    """Has signals wait for the moment in which the child has its own handlers."""
    if _in_use:
        signums = set[int]().union(*(handlers.signums for handlers in _in_use))
        _masks.previous = signal.pthread_sigmask(signal.SIG_BLOCK, signums)


def _after_fork() -> None:
    previous = _masks.__dict__.pop("previous", None)
    if previous is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _after_fork_in_child() -> None:
    """Gives back all handlers, and forgets what is for the parent."""
    global _num_attached, _num_observers

    for handlers in reversed(list(_in_use)):
        handlers.give_back()
    _num_attached = _num_observers = 0
    reset_signal_info()
    _after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )
