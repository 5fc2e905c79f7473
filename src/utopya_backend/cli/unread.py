"""What a command prints while nobody reads it any more, as in ``… | head -1``."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

_NOBODY_READS = (errno.EPIPE, errno.EIO)  # the latter of a terminal that was closed


class _Outlet(io.FileIO):
    """A descriptor for which it is no error that nobody reads at its other end."""

    def write(self, data: Any, /) -> int:
        """Writes bytes, or drops them."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                raise
            return len(data)


def drop_output() -> None:
    """Has Python not try once more at exit to print what nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())


@contextmanager
def going_on_unread() -> Iterator[None]:
    """Has a command go on, and end as it does else, though nobody reads what it prints.

    It has something else to do.
    """
    with ExitStack() as stack:
        stdout, stderr = sys.__stdout__, sys.__stderr__
        if stdout is not None and sys.stdout is stdout:
            reopened = _reopened(stdout)
            stack.enter_context(redirect_stdout(reopened))
            stack.callback(reopened.flush)
        if stderr is not None and sys.stderr is stderr:
            stack.enter_context(redirect_stderr(_reopened(stderr)))
        yield


def _reopened(stream: TextIO) -> TextIO:
    stream.flush()
    outlet = _Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(outlet), stream.encoding, stream.errors, line_buffering=True
    )
