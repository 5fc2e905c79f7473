"""Opening an output file to read it, whatever state it is in."""

import contextlib
import errno
import functools
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from ..errors import (
    FileInUseError,
    MissingFileError,
    NotAnOutputFileError,
    OutputPermissionError,
    UnreadableFileError,
    UserError,
)
from .disk import NO_LOCKS
from .heaps import ends_never
from .journal import is_in_commit, journal_path
from .recovery import Recovery, describe_unknown, find_writer, recover_if
from .runs import has_output, latest_run, universes_in
from .storage import READER_PATIENCE
from .writer import Life, Writer

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PATIENCE = 5.0  # a commit takes a fraction of that [s]
_POLL_INTERVAL = 0.01


def find_outputs(path: str | os.PathLike[str]) -> list[Path]:
    """Finds the output files of a run.

    Args:
        path: A file, or the directory of a universe or of a run; of a directory with
            several runs, as ``out/<name>``, that one is taken which was begun last,
            of those that have any output; see :py:mod:`.runs`.

    Returns:
        The files, by the numbers of their universes

    Raises:
        FileNotFoundError: If there are none
    """
    path = Path(path).expanduser()
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise MissingFileError(f"There is no file {path}: check the path.")
        return [path]
    if (path / "data.h5").exists():
        return [path / "data.h5"]
    found = [
        Path(file) for _, file in sorted(universes_in(path)) if os.path.exists(file)
    ]
    if not found:
        if (run := latest_run(path, has_output)) != path:
            return find_outputs(run)
        raise MissingFileError(
            f"There is no data.h5 in {path}, nor in its data/uni*/: give the path of a "
            "data.h5, or of the directory of a run."
        )
    return found


def universe_number(path: Path) -> int:
    """The number of the universe to which an output file belongs.

    Args:
        path: The file, in the directory ``uni<number>``
    """
    return int(path.parent.name[3:])


def open_for_reading(
    path: str | os.PathLike[str],
    *,
    is_known: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[h5py.File, Recovery]:
    """Opens an output file, after completing a commit that was interrupted.

    That is done if the lock of its writer says that it is gone. Where there are no
    locks, nothing is changed. A file that a model is still writing is opened as it is
    at its last commit; if a commit is just being made, that is waited for.

    Args:
        path: The file
        is_known: Whether all its texts were read before
        clock: Tells the time [s]
        sleep: Waits for a time [s]

    Returns:
        The file, and what had to be done to it

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If it is no HDF5 file, or truncated; or if its journal does
            not belong to it. Nothing is changed then.
        BlockingIOError: If somebody has locked it for long, or if there is a commit
            to complete, and it cannot be known whether its writer lives
        PermissionError: If there is a commit to complete, but no permission
    """
    path = os.fspath(path)
    recovery = Recovery.NOTHING
    deadline = clock() + _PATIENCE
    while True:
        if os.path.exists(journal_path(path)):
            check_signature(path)
            recovery = _recover(path, clock, sleep)
        try:
            file = open_hdf5(path, is_known=is_known, clock=clock, sleep=sleep)
        except (MissingFileError, NotAnOutputFileError):
            if is_in_commit(path) and clock() < deadline:
                continue
            check_signature(path)  # may know better why
            raise
        if not is_in_commit(path) or clock() > deadline:
            return file, recovery
        file.close()  # its writer was killed meanwhile, in the middle of a commit


def open_hdf5(
    path: str,
    *,
    is_known: bool = False,
    patience: float = _PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> h5py.File:
    """Opens an HDF5 file to read it. If a commit is being made, that is waited for.

    Args:
        path: The file
        is_known: Whether all its texts were read before: else it is made sure that
            HDF5 comes to an end with them
        patience: For how long [s]
        clock: Tells the time [s]
        sleep: Waits for a time [s]

    Raises:
        ValueError: If it is no HDF5 file, or truncated
        BlockingIOError: If somebody has locked it for long
    """
    deadline = clock() + patience
    while True:
        try:
            file = h5py.File(_open(path))
            if not is_known and ends_never(path):
                file.close()
                raise NotAnOutputFileError(
                    f"{path} is damaged: a part of it was overwritten by zeros, so "
                    "that HDF5 would read it for ever."
                )
            return file
        except UserError:
            raise
        except BlockingIOError:
            if clock() > deadline:
                raise FileInUseError(
                    f"{path} is locked by another process: wait until that has "
                    "closed it."
                ) from None
            sleep(_POLL_INTERVAL)
        except FileNotFoundError:
            raise MissingFileError(f"There is no file {path} any more.") from None
        except OSError as error:
            raise _explain(error, path) or NotAnOutputFileError(
                f"{path} cannot be read as HDF5: it is truncated, or torn as a file "
                f"that was not written in commits is after a kill ({error})."
            ) from None


def _open(path: str) -> h5py.h5f.FileID:
    """Opens a file, as it is open in this process already, if it is.

    HDF5 demands the same settings then. Where there are no locks, it does without.
    """
    for access in _accesses():
        try:
            # As h5py.File(path, "r"), in half the time
            return h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, access())
        except OSError as error:
            if "match" not in str(error) and error.errno not in NO_LOCKS:
                raise
            difference = error
    raise FileInUseError(
        f"{path} is open in this process with settings of its own, so that HDF5 does "
        f"not open it once more ({difference}): close it before."
    )


@functools.cache
def _accesses() -> list[Callable[[], h5py.h5p.PropFAID]]:
    """The settings with which files may be opened, those of h5py.File first."""

    def make(degree: int, locking: tuple[bool, bool] | None) -> h5py.h5p.PropFAID:
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fclose_degree(degree)
        if locking is not None:
            access.set_file_locking(*locking)
        return access

    return [
        functools.cache(functools.partial(make, degree, locking))
        for locking in (None, (False, False), (True, False), (True, True))
        for degree in (
            h5py.h5f.CLOSE_WEAK, h5py.h5f.CLOSE_STRONG, h5py.h5f.CLOSE_SEMI
        )
    ]  # fmt: skip


def _explain(error: OSError, path: str | os.PathLike[str]) -> UserError | None:
    """What the system says about a file that need not be damaged, or None."""
    code = error.errno
    if code is None and (found := re.search(r"errno = (\d+)", str(error))):
        code = int(found[1])
    if not code:
        return None
    if code in (errno.EACCES, errno.EPERM):
        return OutputPermissionError(
            f"There is no permission to read {path}: ask its owner for it."
        )
    return UnreadableFileError(f"{path} cannot be read: {os.strerror(code)}.")


@contextlib.contextmanager
def reporting_damage(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says that a file is damaged, if that turns out while it is being read.

    Args:
        path: The file

    Raises:
        ValueError: If HDF5 fails
        BlockingIOError: If that is because it was written meanwhile
    """
    start = time.monotonic()
    try:
        yield
    except UserError:
        raise
    except (RuntimeError, KeyError, OSError, UnicodeDecodeError) as error:
        is_late = time.monotonic() - start > READER_PATIENCE / 2
        if is_late and os.path.exists(journal_path(os.fspath(path))):
            raise FileInUseError(
                f"{path} is being written, and to read it takes longer than its writer "
                f"waits, {READER_PATIENCE:g} s: try again after the run."
            ) from None
        if isinstance(error, OSError) and (reason := _explain(error, path)):
            raise reason from None
        raise NotAnOutputFileError(
            f"{path} is damaged, as a file that was not written in commits may be "
            f"after a kill. HDF5 says: {error}"
        ) from None


def _recover(
    path: str, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Recovery:
    """Completes the last commit of a writer that is gone, if its lock says so."""
    deadline = clock() + _PATIENCE
    while True:
        try:
            life, writer, recovery = recover_if(path, {Life.GONE})
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            if not is_in_commit(path):
                return Recovery.NOTHING  # there is nothing to write
            if find_writer(path)[0] is not Life.LIVES or clock() > deadline:
                raise OutputPermissionError(
                    f"The last commit of {path} has to be completed, but there is no "
                    "permission to write to it: ask its owner to do so, by "
                    f"`utopya-backend recover {path}`."
                ) from None
            sleep(_POLL_INTERVAL)
            continue
        if recovery is not None:
            return recovery
        # A commit takes a moment, a recovery by another reader, too.
        if not is_in_commit(path) or (life is Life.LIVES and clock() > deadline):
            return Recovery.NOTHING
        if life is Life.SEEMS_GONE or clock() > deadline:
            raise _unfinished(path, life, writer)
        sleep(_POLL_INTERVAL)


def _unfinished(path: str, life: Life, writer: Writer | None) -> UserError:
    """Why the last commit of a file is not completed by looking at it."""
    if life is Life.GONE:
        return FileInUseError(
            f"The last commit of {path} has to be completed, but it is open in another "
            "process: wait until that has closed it."
        )
    if life is Life.SEEMS_GONE:
        return NotAnOutputFileError(
            f"{path} was being committed when its writer, {writer}, was killed. As "
            "this file system has no locks, a look changes nothing: complete it by "
            f"`utopya-backend recover {path}`."
        )
    return FileInUseError(
        f"{describe_unknown(path, writer)} It is in the middle of a commit: wait; or, "
        f"if its writer is gone, say `utopya-backend recover --force {path}`."
    )


def check_signature(path: str) -> None:
    """Checks that a file begins as HDF5 does.

    Args:
        path: The file

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If it is something else
    """
    if not os.path.isfile(path):
        raise MissingFileError(f"There is no file {path}: check the path.")
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
