"""Closing what is still open when the interpreter exits: models, and their files."""

import atexit
import os
import sys
import weakref
from typing import Protocol

import h5py  # noqa: F401  # its handlers for the exit have to be called after ours


class Closeable(Protocol):
    """Something that can be closed, more than once."""

    def close(self) -> None:
        """Closes it, if it is still open."""


_open: weakref.WeakValueDictionary[int, Closeable] = weakref.WeakValueDictionary()


def close_at_exit(obj: Closeable) -> None:
    """Has an object closed when the interpreter exits, if it lives that long.

    Args:
        obj: The object. This does not keep it alive.
    """
    _open[id(obj)] = obj


if hasattr(os, "register_at_fork"):  # not on Windows
    # What a forked child has inherited is for its parent to close.
    os.register_at_fork(after_in_child=_open.clear)


# Handlers are called last in, first out.
@atexit.register
def close_all() -> None:
    """Closes all of them; what goes wrong is printed."""
    for obj in list(_open.values()):
        try:
            obj.close()
        except Exception as error:
            print(f"Could not close {obj} at exit: {error!r}", file=sys.stderr)
