"""The output file of a model: an HDF5 file that always is its last commit."""

import contextlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil

from ..closing import close_at_exit
from ..errors import OutputExistsError
from .chunks import BLOCK_BYTES, chunk_shape
from .journal import journal_path
from .storage import Storage
from .timeseries import TimeSeries

COMMIT_INTERVAL = 1.0
"""How much time lies at least between two commits [s], by default"""

MAX_BYTES_IN_MEMORY = 64 * 1024**2
"""How much may wait for a commit: with more, one is due"""

MAX_BYTES_OF_SERIES = 64 * 1024**2
"""How much memory the rows of all time series take, at most"""

_CHUNK_CACHE_BYTES = 2 * BLOCK_BYTES  # the chunks of a row have to fit into it

_MAX_SHARE_OF_COMMITS = 1 / 20


class _Node:
    """A group, or the file itself: whoever gets here gets at the time series."""

    _root: "_SeriesFile"

    @property
    def file(self) -> "_SeriesFile":
        """The file in which this is."""
        return self._root

    def __getitem__(self, name: Any) -> Any:
        item = super().__getitem__(name)  # type: ignore[misc]  # it is h5py.Group's
        return self._wrap(item)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Gets an object or a default; see :py:meth:`h5py.Group.get`.

        Args:
            *args: Passed on to it
            **kwargs: Passed on to it
        """
        return self._wrap(super().get(*args, **kwargs))  # type: ignore[misc]  # likewise

    def _wrap(self, item: Any) -> Any:
        if isinstance(item, h5py.Group):
            return OutputGroup(self._root, item.id)
        if isinstance(item, h5py.Dataset):
            return self._root._series.get(h5py.h5o.get_info(item.id).addr, item)
        return item

    def create_group(self, *args: Any, **kwargs: Any) -> "OutputGroup":
        """Creates a group; see :py:meth:`h5py.Group.create_group`.

        Args:
            *args: Passed on to it
            **kwargs: Passed on to it
        """
        group = super().create_group(*args, **kwargs)  # type: ignore[misc]  # likewise
        return OutputGroup(self._root, group.id)

    def require_dataset(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Gets or creates a dataset; see :py:meth:`h5py.Group.require_dataset`.

        Args:
            name: Its name
            *args: Passed on to it
            **kwargs: Passed on to it
        """
        self._root.bring_up_to_date()
        super().require_dataset(name, *args, **kwargs)  # type: ignore[misc]  # likewise
        return self[name]

    def copy(self, *args: Any, **kwargs: Any) -> None:
        """Copies an object; see :py:meth:`h5py.Group.copy`.

        Args:
            *args: Passed on to it
            **kwargs: Passed on to it
        """
        self._root.bring_up_to_date()
        super().copy(*args, **kwargs)  # type: ignore[misc]  # likewise


class OutputGroup(_Node, h5py.Group):  # type: ignore[misc]  # h5py has no type information
    """A group of an output file."""

    def __init__(self, root: "_SeriesFile", group_id: Any) -> None:
        """Wraps a group.

        Args:
            root: The file in which it is
            group_id: Its h5py identifier
        """
        super().__init__(group_id)
        self._root = root


class _SeriesFile(_Node, h5py.File):  # type: ignore[misc]  # likewise
    """A file that knows its time series.

    Attributes:
        has_buffers: Whether it can keep rows in memory
    """

    has_buffers: bool
    _series: dict[int, TimeSeries]

    @property
    def _root(self) -> "_SeriesFile":  # type: ignore[override]  # no cycle
        return self

    def add_series(
        self, dset: h5py.Dataset, cls: type[TimeSeries] = TimeSeries
    ) -> TimeSeries:
        """Has a new dataset found as a time series by all who get at it.

        If this file can do that, its rows are kept in memory until there are many.

        Args:
            dset: A dataset of this file, without rows
            cls: What to make of it

        Returns:
            The same dataset. What is done to that changes the file on disk
            with the next commit at the latest.
        """
        block_bytes = dset.chunks[0] * math.prod(dset.shape[1:]) * dset.dtype.itemsize
        fits = self.has_buffers and block_bytes <= 4 * self.memory_for_series
        series = cls(dset, self, buffered=fits)
        self._series[h5py.h5o.get_info(dset.id).addr] = series
        return series

    def find_series_again(self) -> None:
        """Has them found by their names, also one that has moved within the file."""
        self._series = {
            h5py.h5o.get_info(series._id).addr: series
            for series in self._series.values()
        }

    def bring_up_to_date(self) -> None:
        """Writes the rows of time series that are in memory only."""
        for address, series in list(self._series.items()):
            if series.is_deleted:
                series.let_go()
                del self._series[address]
            else:
                series.bring_up_to_date()

    @property
    def memory_for_series(self) -> int:
        """How much memory another time series should take [bytes]."""
        used = sum(series.num_bytes_in_memory for series in self._series.values())
        return max(0, MAX_BYTES_OF_SERIES - used) // 4


class NativeFile(_SeriesFile):
    """A plain file of h5py, without any promise."""

    has_buffers = False

    def __init__(self, path: str) -> None:
        """Creates the file.

        Args:
            path: Its path

        Raises:
            FileExistsError: If it exists
        """
        self._series = {}
        super().__init__(path, "x")


class OutputFile(_SeriesFile):
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

    has_buffers = True

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
        except OSError as error:
            reason = f"Could not make the output file ({error.strerror})"
            raise type(error)(error.errno, reason, self._path) from error
        self._series = {}
        self.last_words: Mapping[str, Any] = {}
        super().__init__(self._storage, "w", rdcc_nbytes=_CHUNK_CACHE_BYTES)
        self._next_commit = -float("inf")
        close_at_exit(self)
        try:
            self.commit()
        except BaseException:
            with contextlib.suppress(OSError):
                self.close()
            raise

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
        try:
            with phil:  # no other thread may change anything meanwhile
                if self._id:
                    self.bring_up_to_date()
                    self.flush()
                done = self._storage.commit(wait=wait)
        except OSError as error:
            raise self._explain(error) from error
        end = self._clock()
        if done:
            pause = max(self._commit_interval, (end - start) / _MAX_SHARE_OF_COMMITS)
            self._next_commit = end + pause
        return done

    def close(self) -> None:
        """Commits and closes the file. Calling it again does nothing.

        Raises:
            OSError: If it cannot be written; it is closed all the same, and the space
                that its uncommitted data took is free again.
        """
        if not self._storage.is_open:
            return
        try:
            with phil:
                self._close_hdf5()
                self._storage.commit(wait=True)
            if (where := self._storage.has_moved) is not None:
                logging.getLogger().warning(
                    "%s was moved while it was written. It is complete, and is now %s.",
                    self._path, where,
                )  # fmt: skip
        except OSError as error:
            self._give_up()
            raise self._explain(error) from error
        finally:
            self._storage.close()

    def _give_up(self) -> None:
        """Leaves the last commit, and what is to be noted in it if that can be."""
        with contextlib.suppress(OSError):
            if self._storage.roll_back() and self.last_words:
                with h5py.File(self._storage, "r+") as last_commit:
                    last_commit.attrs.update(self.last_words)
                self._storage.commit(wait=True)

    def _explain(self, error: OSError) -> OSError:
        """Says which file could not be written, and how much space there is."""
        if isinstance(error, FileNotFoundError):
            message = (
                "The output file was deleted, or its directory was, while the model "
                "ran: there is no data. Leave them alone until a run has ended"
            )
            return FileNotFoundError(error.errno, message, self._path)
        try:
            status = os.statvfs(os.path.dirname(self._path) or ".")
            space = f"{status.f_bavail * status.f_frsize} bytes are free there"
        except OSError:
            space = "its file system does not answer"
        state = "It holds everything up to the last commit"
        if self._storage.is_half_committed:
            state = (
                "What is missing of its last commit is in its journal: complete it by "
                "`utopya-backend recover`, if it cannot be closed"
            )
        reason = f"{error.strerror}; {space}"
        message = f"Could not write the output file ({reason}). {state}"
        return type(error)(error.errno, message, self._path)

    def __del__(self) -> None:
        # While the interpreter shuts down, close_at_exit() has done the work.
        if not sys.is_finalizing() and hasattr(self, "_next_commit"):
            self.close()

    def _close_hdf5(self) -> None:
        if not self._id:
            return
        with contextlib.ExitStack() as stack:  # all of it, even if one of them fails
            stack.callback(self._storage.commit, wait=True)
            stack.callback(super().close)
            for series in self._series.values():
                stack.callback(series.let_go)


def create_series(
    group: h5py.Group,
    name: str,
    *,
    num_rows: int | None,
    row_shape: tuple[int | None, ...],
    dtype: Any,
    compression: Any,
    **dset_kwargs: Any,
) -> h5py.Dataset:
    """Creates a dataset for a time series, without rows.

    Args:
        group: Where to create it
        name: Its name
        num_rows: How many rows there will be, None if that is not known
        row_shape: The shape of a row; None for sizes that are not limited
        dtype: The data type
        compression: As of :py:meth:`h5py.Group.create_dataset`; with gzip, the
            values are shuffled.
        **dset_kwargs: Passed on to it
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "U":  # HDF5 has no strings of that kind
        dtype = h5py.string_dtype()
    chunks: Any = True
    has_buffers = isinstance(group, _Node) and group.file.has_buffers
    if None not in row_shape and num_rows != 0 and has_buffers:
        sizes = [size or 0 for size in row_shape]
        memory = min(BLOCK_BYTES, group.file.memory_for_series)
        item_size = np.dtype(dtype).itemsize
        chunks = chunk_shape(num_rows, sizes, item_size, block_bytes=memory)
    is_gzip = compression == "gzip" or (
        isinstance(compression, int) and compression is not False
    )
    return group.create_dataset(
        name,
        shape=(0, *(size or 0 for size in row_shape)),
        dtype=dtype,
        compression=compression,
        **{
            "maxshape": (num_rows, *row_shape),
            "chunks": chunks,
            "shuffle": is_gzip,
            **dset_kwargs,
        },
    )


def make_series(
    dset: h5py.Dataset, group: h5py.Group, cls: type[TimeSeries] = TimeSeries
) -> TimeSeries:
    """Makes a time series of a dataset, in memory if its file can do that.

    Args:
        dset: The dataset, without rows
        group: A group of the same file
        cls: What to make of it
    """
    if isinstance(group, _Node):
        return group.file.add_series(dset, cls)
    return cls(dset)


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
        return NativeFile(path)
    return OutputFile(path, commit_interval=commit_interval, fsync=fsync, clock=clock)
