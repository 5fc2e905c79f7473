"""The storage of an output file: on disk, it always is its last commit.

HDF5 changes a file in place: between two of its flushes, or in the middle of one, a
file is torn. So HDF5 does not get a file, but this object, which looks like one.
What it writes beyond the end of the last commit goes to disk at once, since nothing
refers to it yet. What it changes below that stays in memory, page by page, until a
commit writes it by way of a journal; see :py:mod:`~utopya_backend.io.journal`.
"""

import contextlib
import errno
import io
import os
import time
from collections.abc import Callable

from .disk import DiskFile, sync_directory
from .journal import PAGE_SIZE, Journal, Page, apply, create_journal
from .writer import RECORD_SIZE, Writer

READER_PATIENCE = 5.0
"""For how long a reader that keeps the file open puts a commit off [s]; of the
time between two attempts, at most one second counts"""

_POLL_INTERVAL = 0.01

_WRITE_BEHIND_BYTES = 1024**2


class Storage:
    """A file object for :py:class:`h5py.File` whose changes wait for a commit.

    Writing never fails: HDF5 could not go on after that, nor even be closed.
    What cannot be written, because the disk is full, stays in memory, and the
    next commit says so.

    A forked child shares the file with its parent and leaves it alone: there,
    nothing that is written has any effect.
    """

    def __init__(
        self,
        path: str,
        *,
        fsync: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Creates the file, which must not exist, and its journal.

        Args:
            path: The path of the file
            fsync: Whether commits are to survive a power failure, too, rather
                than only the end of the process.
            clock: Tells the time [s]
            sleep: Waits for a time [s]

        Raises:
            FileExistsError: If the file, or the journal of an earlier one of
                that name, exists.
            OSError: If it cannot be created
        """
        self._path = path = os.path.abspath(path)
        self._pid = os.getpid()
        self._fsync = fsync
        self._clock = clock
        self._sleep = sleep
        self._position = 0
        self._size = 0
        self._committed_size = 0
        self._size_on_disk = 0  # at least
        self._pages: dict[int, bytearray] = {}
        self._appended = False
        self._written_behind = 0
        self._applying: Journal | None = None
        self._put_off = 0.0
        self._last_refusal: float | None = None
        self._is_writing = False
        self._is_broken = False
        self._has_commit_in_journal = False  # perhaps
        self._failed_sync: OSError | None = None
        self._interrupt: KeyboardInterrupt | None = None
        self._is_open = True
        self._file = DiskFile.create(path)  # of several writers, one only can do that
        try:
            self._file.try_lock(exclusive=False)
            self._journal = create_journal(path, type(self._file))
            try:
                if fsync:
                    sync_directory(path)
            except BaseException:
                self._remove_journal()
                raise
        except BaseException:
            self._file.close()
            os.unlink(path)
            raise

    def __repr__(self) -> str:
        # h5py takes this as the name of the file.
        return self._path

    # .. What HDF5 calls ......................................................

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the position.

        Args:
            offset: The position, relative to the beginning, or to the end
            whence: To which of them
        """
        self._position = offset + (self._size if whence == io.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int) -> bytes:
        """Reads from the position on.

        Args:
            size: How much
        """
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        """Reads from the position on.

        Args:
            buffer: Where to put it
        """
        start, size = self._position, len(buffer)
        buffer[:] = self._file.read(start, size)
        if self._pages:
            for offset in _page_offsets(start, start + size):
                if (page := self._pages.get(offset)) is not None:
                    begin, end = (
                        max(start, offset),
                        min(start + size, offset + PAGE_SIZE),
                    )
                    buffer[begin - start : end - start] = page[
                        begin - offset : end - offset
                    ]
        self._position += size
        return size

    def write(self, data: memoryview) -> int:
        """Writes from the position on, to disk or to memory. Never fails.

        Args:
            data: What to write
        """
        # If the last time was left by an interrupt, HDF5 believes that it failed.
        self._is_broken = self._is_broken or self._is_writing
        self._is_writing = True
        if os.getpid() == self._pid:
            self._until_done(lambda: self._write(self._position, memoryview(data)))
        self._position += len(data)
        self._size = max(self._size, self._position)
        self._is_writing = False
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Sets the size. The file on disk follows with the next commit.

        Args:
            size: The size
        """
        self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Does nothing: only a commit changes the file."""

    def _until_done(self, action: Callable[[], None]) -> None:
        """Does something, even if Ctrl-C is pressed; the next commit says so."""
        while True:
            try:
                action()
            except KeyboardInterrupt as interrupt:
                self._interrupt = interrupt
            else:
                return

    def _write(self, start: int, data: memoryview) -> None:
        boundary = -(-self._committed_size // PAGE_SIZE) * PAGE_SIZE
        num_below = min(max(boundary - start, 0), len(data))
        if num_below:
            self._write_to_memory(start, data[:num_below])
        start, data = start + num_below, data[num_below:]
        if not data:
            return
        # A commit that failed half-way first sets the size, when it is tried again.
        in_memory = self._applying is not None or any(
            offset in self._pages
            for offset in (
                _page_offsets(start, start + len(data)) if self._pages else ()
            )
        )
        if not in_memory:
            try:
                self._check_not_cut_off()
                self._file.write(start, data)
                self._size_on_disk = max(self._size_on_disk, start + len(data))
            except OSError:
                in_memory = True
            self._appended = True
            self._write_behind(start + len(data))
        if in_memory:
            self._write_to_memory(start, data)

    def _write_behind(self, end: int) -> None:
        """Keeps the disk busy, so that a commit has little left to wait for."""
        if self._fsync and end - self._written_behind >= _WRITE_BEHIND_BYTES:
            self._file.start_writing(self._written_behind, end - self._written_behind)
            self._written_behind = end

    def _write_to_memory(self, start: int, data: memoryview) -> None:
        end = start + len(data)
        for offset in _page_offsets(start, end):
            page = self._pages.get(offset)
            if page is None:
                page = self._pages[offset] = bytearray(
                    self._file.read(offset, PAGE_SIZE)
                )
            begin, stop = max(start, offset), min(end, offset + PAGE_SIZE)
            page[begin - offset : stop - offset] = data[begin - start : stop - start]

    # .. Commits ..............................................................

    @property
    def num_bytes_in_memory(self) -> int:
        """How much memory the changes take that wait for a commit [bytes]."""
        return len(self._pages) * PAGE_SIZE

    @property
    def is_half_committed(self) -> bool:
        """Whether a commit is in the journal that could not be made in the file."""
        return self._applying is not None

    @property
    def has_moved(self) -> str | None:
        """Where the file is now, if somebody has moved it meanwhile."""
        where = self._file.find()
        return None if where == self._path else where

    def commit(self, *, wait: bool) -> bool:
        """Makes the file on disk equal to what HDF5 has written.

        Args:
            wait: Whether to wait for readers that have the file open, for
                :py:data:`READER_PATIENCE` at most. If not, they put the commit
                off, until they have done so for that long.

        Returns:
            Whether the file is up to date

        Raises:
            FileNotFoundError: If the file was deleted
            OSError: If it could not be written, for instance because the disk
                is full. The file on disk is the last commit; it can be tried
                again, unless it could not be synced: then the disk may have lost
                what was written, and that was the last attempt.
            KeyboardInterrupt: If that was to be raised while HDF5 was writing
        """
        if os.getpid() != self._pid or not self._is_open:
            return True
        if self._is_writing or self._is_broken:
            raise OSError(
                errno.EINTR, "HDF5 was interrupted while it was writing", self._path
            )
        if self._failed_sync is not None:
            raise self._failed_sync
        self._check_place()
        if self._has_changes():
            if self._last_refusal is None:
                self._sync(self._file)  # the longest part; readers may still come in
            if not self._lock(wait=wait):
                return False
            try:
                self._until_done(self._commit)
            finally:
                self._file.try_lock(exclusive=False)
            self._put_off, self._last_refusal = 0.0, None
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        return True

    def _has_changes(self) -> bool:
        resized = self._size != self._committed_size
        return bool(self._applying or self._pages or self._appended or resized)

    def _check_not_cut_off(self) -> None:
        """Checks that nobody has opened the file in mode ``w``.

        HDF5 empties the file then, and only after that looks for locks.
        """
        if self._file.size() < self._size_on_disk:
            raise OSError(
                errno.EIO,
                "another program has cut it off, and data is lost",
                self._path,
            )

    def _check_place(self) -> None:
        """Checks that the file has not been deleted, and has its journal beside it."""
        if self._file.is_deleted:
            raise FileNotFoundError(
                errno.ENOENT, "the output file was deleted while it was written",
                self._path,
            )  # fmt: skip
        if not self._journal.is_at(self._journal.path) and self._file.is_at(self._path):
            removed = self._journal  # by somebody
            self._journal = create_journal(self._path, type(self._file))
            removed.close()
            if self._fsync:
                sync_directory(self._path)

    def _commit(self) -> None:
        self._check_not_cut_off()
        self._apply_journal()  # of a commit that failed half-way
        self._write_what_could_not_be_written()
        if self._file.size() < self._size:  # now it can still be refused
            self._file.truncate(self._size)
        self._sync(self._file)  # the data, before anything refers to it
        self._write_journal()
        self._apply_journal()

    def _lock(self, *, wait: bool) -> bool:
        while not self._file.try_lock(exclusive=True):
            now = self._clock()
            if self._last_refusal is not None:
                # After a long gap, this may well be another reader.
                self._put_off += min(now - self._last_refusal, 1.0)
            self._last_refusal = now
            if self._put_off >= READER_PATIENCE:
                return True
            self._file.try_lock(exclusive=False)
            if not wait:
                return False
            self._sleep(_POLL_INTERVAL)
        return True

    def _write_what_could_not_be_written(self) -> None:
        for offset in [o for o in self._pages if o >= self._committed_size]:
            end = min(offset + PAGE_SIZE, self._size)
            if end > offset:
                self._file.write(offset, self._pages[offset][: end - offset])
            del self._pages[offset]

    def _write_journal(self) -> None:
        pages = {}
        for offset, page in sorted(self._pages.items()):
            new = bytes(page[: max(self._size - offset, 0)]).ljust(PAGE_SIZE, b"\0")
            old = self._file.read(offset, PAGE_SIZE)
            if new != old and offset < self._size:
                pages[offset] = Page.changing(old, new)
        journal = Journal(self._committed_size, self._size, pages)
        if pages:
            content = journal.encode()
            self._has_commit_in_journal = True
            try:
                self._journal.write(RECORD_SIZE, content)
                self._journal.truncate(RECORD_SIZE + len(content))
                self._sync(self._journal)
            except OSError:
                self._empty_journal()  # else it might count after all
                raise
        # From now on, this is the last commit, whatever happens.
        self._applying = journal
        self._committed_size = self._size
        self._appended = False
        self._pages = {offset: bytearray(page.new) for offset, page in pages.items()}

    def _apply_journal(self) -> None:
        if self._applying is None:
            return
        journal = self._applying
        self._size_on_disk = min(self._size_on_disk, journal.new_size)
        apply(journal, self._file)
        self._size_on_disk = journal.new_size
        self._sync(self._file)
        if journal.pages:
            self._empty_journal()
        for offset, page in journal.pages.items():
            if bytes(self._pages.get(offset, b"")) == page.new:  # not changed since
                del self._pages[offset]
        self._applying = None

    def _empty_journal(self) -> None:
        self._journal.truncate(RECORD_SIZE)
        # If the disk fails, the journal may be on it as it was before.
        self._has_commit_in_journal = self._failed_sync is not None

    def _sync(self, file: DiskFile) -> None:
        """Waits until a file is on the disk.

        If that fails, the system may take what it could not write for written, and
        drop it. So no later sync can be believed.
        """
        if not self._fsync:
            return
        try:
            file.sync()
        except OSError as error:
            reason = "the disk has not taken all that was written, and is not trusted"
            self._failed_sync = OSError(
                error.errno, f"{error.strerror}: {reason} any more", self._path
            )
            raise self._failed_sync from error

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._is_open

    def roll_back(self) -> bool:
        """Makes the file its last commit, and gives the space back that is behind it.

        HDF5 must have closed the file.

        Returns:
            Whether HDF5 can open it once more, to change it
        """
        is_ours = os.getpid() == self._pid and self._is_open
        if not is_ours or self._applying or self._has_commit_in_journal:
            return False
        try:
            self._file.truncate(self._committed_size)
        except OSError:
            return False
        self._pages.clear()
        self._size = self._size_on_disk = self._committed_size
        self._position = self._written_behind = 0
        self._appended = self._is_broken = self._is_writing = False
        return self._committed_size > 0 and self._failed_sync is None

    def close(self) -> None:
        """Closes the file and, if there is nothing to recover, removes the journal."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            if os.getpid() == self._pid:
                if self._applying is None:
                    self._remove_journal()
                else:  # this process may go on, but writes no more
                    with contextlib.suppress(OSError):
                        self._journal.write(0, Writer.ended().encode())
        finally:
            self._file.close()
            self._journal.close()

    def _remove_journal(self) -> None:
        # At its path, there may be that of somebody else by now, or none.
        if (path := self._journal.find()) is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _page_offsets(start: int, end: int) -> range:
    return range(start // PAGE_SIZE * PAGE_SIZE, end, PAGE_SIZE)
