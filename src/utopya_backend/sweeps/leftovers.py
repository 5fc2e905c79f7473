"""Nothing is left of a universe: what it has started ends with it, whoever is killed.

On Linux, all that comes from a sweep is found, also what has made itself a group or a
session of its own:

- A process whose parent has ended becomes a child of the server. A mark in its
  environment says from which universe it is, and the server kills it with that.
- If the server is killed, a process that watches over it kills all that have its mark.
- So does the engine, if the server has not ended in order.

What has cleared its environment ends with the last universe, but not if the server is
killed. On other systems, the server kills the group of a universe, and that is all.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

_VARIABLE = "UTOPYA_BACKEND_SWEEP"
_PATIENCE = 5.0  # with processes that do not die, as where a disk hangs [s]

_PR_SET_PDEATHSIG = 1  # of Linux' prctl(2), as the next one
_PR_SET_CHILD_SUBREAPER = 36


def make_mark() -> str:
    """Makes a mark that nothing else has."""
    return secrets.token_hex(16)


def marked(environ: Mapping[str, str], mark: str) -> dict[str, str]:
    """Adds a mark to an environment; a sweep within a universe has more than one.

    Args:
        environ: The environment
        mark: The mark
    """
    marks = f"{environ.get(_VARIABLE, '')} {mark}"
    return {**environ, _VARIABLE: marks.strip()}


def mark_of_server() -> str:
    """The mark that this process was started with."""
    return os.environ.get(_VARIABLE, "").rpartition(" ")[2]


def mark_universe() -> None:
    """Has all programs that this process starts say that they are from it."""
    os.environ.update(marked(os.environ, f"{mark_of_server()}:{os.getpid()}"))


def universe_of(pid: int, mark: str) -> int | None:
    """The process of the universe that a program is from; None if it does not tell.

    Args:
        pid: The process that runs the program
        mark: The mark of the server
    """
    found = re.search(rf"{mark}:(\d+)".encode(), _environment_of(pid))
    return int(found[1]) if found else None


def _environment_of(pid: int | str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:  # it has ended, or is somebody else's
        return b""


def children() -> set[int]:
    """The children of this process, which has one thread; none if none are told."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return set(map(int, file.read().split()))
    except OSError:
        return set()


def kill(pid: int) -> None:
    """Kills a process, if it is there.

    Args:
        pid: The process
    """
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_marked(mark: str) -> None:
    """Kills all processes that have a mark, except this one.

    Args:
        mark: The mark
    """
    deadline = time.monotonic() + _PATIENCE
    num_empty = 0  # while a process becomes another program, its mark cannot be seen
    while mark and num_empty < 2 and time.monotonic() < deadline:
        pids = [pid for pid in _processes() if mark.encode() in _environment_of(pid)]
        for pid in pids:
            kill(pid)
        num_empty = 0 if pids else num_empty + 1
        time.sleep(0.005)


def _processes() -> list[int]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    pids = [int(name) for name in names if name.isdecimal()]
    return [pid for pid in pids if pid != os.getpid()]


def adopt_orphans() -> None:
    """Has descendants of this process become its children when their parents end."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Has this process be killed when its parent is.

    Args:
        parent: The process that it was forked from
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed just now
        kill(os.getpid())


def start_watchdog(in_child: Callable[[], Any]) -> int | None:
    """Starts a process that kills all that have the mark of this one when that ends.

    Args:
        in_child: Called in that process: closes what is not to be held open

    Returns:
        Its id; None where there is no way to do so
    """
    if _libc is None:
        return None
    server = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _watch(server, in_child)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _watch(server: int, in_child: Callable[[], Any]) -> NoReturn:
    try:
        in_child()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        while os.getppid() == server:  # which others may send, too
            signal.sigwait([signal.SIGTERM])
        kill_marked(mark_of_server())
    finally:
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


def _find_libc() -> Any:
    try:
        libc = ctypes.CDLL(None)
        libc.prctl  # noqa: B018  # or it is not Linux
    except (OSError, AttributeError):
        return None
    return libc


_libc = _find_libc()
