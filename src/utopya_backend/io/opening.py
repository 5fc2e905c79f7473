"""Opening an output file to read it, whatever state it is in."""

import os
import time
from collections.abc import Callable

import h5py

from ..errors import FileInUseError, MissingFileError, NotAnOutputFileError
from .storage import Recovery, journal_path, recover

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PATIENCE = 5.0  # a commit takes a fraction of that [s]
_POLL_INTERVAL = 0.01


def open_for_reading(
    path: str | os.PathLike[str],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[h5py.File, Recovery]:
    """Opens an output file, after completing a commit that was interrupted.

    A file that a model is still writing is opened as it is at its last commit;
    if a commit is just being made, that is waited for.

    Args:
        path: The file
        clock: Tells the time [s]
        sleep: Waits for a time [s]

    Returns:
        The file, and what had to be done to it

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If it is no HDF5 file, or truncated; or if its journal does
            not belong to it. Nothing is changed then.
        BlockingIOError: If somebody has locked it for long
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise MissingFileError(f"There is no file {path}: check the path.")
    _check_signature(path)
    try:
        recovery = recover(path)
    except FileInUseError:  # its writer lives, and recovers nothing
        recovery = Recovery.NOTHING
    deadline = clock() + _PATIENCE
    while True:
        try:
            return h5py.File(path, "r"), recovery
        except BlockingIOError:
            if clock() > deadline:
                raise FileInUseError(
                    f"{path} is locked by another process: wait until that has "
                    "closed it."
                ) from None
            sleep(_POLL_INTERVAL)
        except OSError as error:
            raise NotAnOutputFileError(
                f"{path} cannot be read as HDF5: it is truncated, or torn as a file "
                f"that was not written in commits is after a kill ({error})."
            ) from None


def _check_signature(path: str) -> None:
    with open(path, "rb") as file:
        start = file.read(len(_SIGNATURE))
    if start == _SIGNATURE:
        return
    if not start:
        what = "is empty: its writer was killed before the first commit"
        if not os.path.exists(journal_path(path)):
            what = "is empty"
        raise NotAnOutputFileError(f"{path} {what}.")
    raise NotAnOutputFileError(
        f"{path} is no HDF5 file: it begins with {start!r}. Give the path of a data.h5."
    )
