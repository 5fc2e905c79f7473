"""The output file of a model: an HDF5 file that always is its last commit."""

import os
import time
from collections.abc import Callable

import h5py

from ..closing import close_at_exit
from ..errors import OutputExistsError
from .storage import Storage, journal_path

COMMIT_INTERVAL = 1.0
"""How much time lies at least between two commits [s], by default"""

MAX_BYTES_IN_MEMORY = 64 * 1024**2
"""How much may wait for a commit: with more, one is due"""

_MAX_SHARE_OF_COMMITS = 1 / 20


class OutputFile(h5py.File):  # type: ignore[misc]  # h5py has no type information
    """An HDF5 file that can be read at any time, whatever happens.

    Between two commits, the file on disk is what it was at the last one, in
    the plain format that every HDF5 library reads: while its writer goes on,
    after that was killed, after a power failure. Only a commit that is
    interrupted leaves something to do; :py:func:`.recover` does it.

    It is an :py:class:`h5py.File`, and everything in it plain h5py. It is never
    made over an existing file.

    Example:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "data.h5")
        >>> with OutputFile(path) as file:
        ...     file["x"] = [1, 2, 3]
        ...     done = file.commit()
        ...     with h5py.File(path) as same_file:
        ...         print(same_file["x"][:])
        [1 2 3]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        commit_interval: float = COMMIT_INTERVAL,
        fsync: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates the file.

        Args:
            path: Its path
            commit_interval: How much time lies at least between two commits of
                :py:meth:`commit_if_due` [s]
            fsync: Whether commits are to survive a power failure, too
            clock: Tells the time [s]

        Raises:
            FileExistsError: If the file, or the journal of an earlier one of
                that name, exists
        """
        self._path = os.fspath(path)
        self._clock = clock
        self._commit_interval = commit_interval
        try:
            self._storage = Storage(self._path, fsync=fsync)
        except FileExistsError as error:
            what = "journal" if error.filename == journal_path(self._path) else "file"
            raise OutputExistsError(
                f"The output {what} {error.filename} exists already and is never "
                "overwritten: move it away, or give another output_path."
            ) from None
        super().__init__(self._storage, "w")
        self._next_commit = -float("inf")
        close_at_exit(self)
        self.commit()

    @property
    def filename(self) -> str:
        """The path of the file."""
        return self._path

    def commit(self) -> bool:
        """Brings everything that was written into the file on disk.

        Readers that have the file open are waited for, but not for longer than
        :py:data:`~utopya_backend.io.storage.READER_PATIENCE`.

        Returns:
            Whether the file on disk is up to date

        Raises:
            OSError: If it cannot be written, for instance because the disk is
                full. The file on disk stays at the last commit, nothing is
                lost, and it can be tried again.
        """
        return self._commit(wait=True)

    def commit_if_due(self) -> bool:
        """Commits, unless the last commit was a short while ago.

        That is the commit interval, or longer if commits take so long that
        they would make up more than a twentieth of the time. Readers that have
        the file open put it off for a while.

        Returns:
            Whether it has committed

        Raises:
            OSError: As :py:meth:`commit`
        """
        due = self._clock() >= self._next_commit
        if due or self._storage.num_bytes_in_memory > MAX_BYTES_IN_MEMORY:
            return self._commit(wait=False)
        return False

    def _commit(self, *, wait: bool) -> bool:
        start = self._clock()
        if self:
            self.flush()
        try:
            done = self._storage.commit(wait=wait)
        except OSError as error:
            raise _explain(error, self._path) from error
        end = self._clock()
        if done:
            pause = max(self._commit_interval, (end - start) / _MAX_SHARE_OF_COMMITS)
            self._next_commit = end + pause
        return done

    def close(self) -> None:
        """Commits and closes the file. Calling it again does nothing.

        Raises:
            OSError: If it cannot be written; it is closed all the same.
        """
        if self:
            super().close()
        if not self._storage.is_open:
            return
        try:
            self._storage.commit(wait=True)
        except OSError as error:
            raise _explain(error, self._path) from error
        finally:
            self._storage.close()


def create_output_file(
    path: str,
    *,
    driver: str = "transactional",
    commit_interval: float = COMMIT_INTERVAL,
    fsync: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> h5py.File:
    """Creates an output file as the ``output`` entry of a configuration says.

    Args:
        path: Its path; it must not exist.
        driver: ``transactional`` for an :py:class:`OutputFile`, or ``native``
            for a plain file of h5py, without any promise.
        commit_interval: See :py:class:`OutputFile`
        fsync: See :py:class:`OutputFile`
        clock: See :py:class:`OutputFile`

    Raises:
        FileExistsError: If it exists
    """
    if driver == "native":
        return h5py.File(path, "x")
    return OutputFile(path, commit_interval=commit_interval, fsync=fsync, clock=clock)


def _explain(error: OSError, path: str) -> OSError:
    """Says which file could not be written, and how much space there is."""
    try:
        status = os.statvfs(os.path.dirname(path) or ".")
        space = f"{status.f_bavail * status.f_frsize} bytes are free there"
    except OSError:
        space = "its file system does not answer"
    return type(error)(
        error.errno,
        f"Could not write the output file ({error.strerror}; {space}). It holds "
        "everything up to the last commit",
        path,
    )
