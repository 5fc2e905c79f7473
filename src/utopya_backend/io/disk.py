"""A file on disk: the few system calls by which data gets there."""

import contextlib
import errno
import fcntl
import os
from typing import Self

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that cannot lock files: then it has to do without"""


class DiskFile:
    """A file that is read and written at given positions.

    Attributes:
        path: Its path
    """

    def __init__(self, path: str, descriptor: int) -> None:
        """Takes over an open file.

        Args:
            path: Its path
            descriptor: Its descriptor
        """
        self.path = path
        self._descriptor = descriptor
        self._may_be_unsynced = True  # whoever has written to it before

    @classmethod
    def create(cls, path: str) -> Self:
        """Creates a file that must not exist.

        Args:
            path: Its path

        Raises:
            FileExistsError: If it exists
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return cls(path, os.open(path, flags, 0o666))

    @classmethod
    def open(cls, path: str) -> Self:
        """Opens a file that exists.

        Args:
            path: Its path

        Raises:
            OSError: If it cannot be opened for reading and writing
        """
        return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def size(self) -> int:
        """The size of the file [bytes]."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Reads a part of the file.

        Args:
            offset: Where it begins
            size: Its size

        Returns:
            The part; beyond the end of the file, zeros
        """
        data = os.pread(self._descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data.ljust(size, b"\0")

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Writes a part of the file.

        Args:
            offset: Where it begins
            data: Its content

        Raises:
            OSError: If it could not be written as a whole
        """
        self._may_be_unsynced = True
        view = memoryview(data)
        while view:
            num_bytes = os.pwrite(self._descriptor, view, offset)
            view, offset = view[num_bytes:], offset + num_bytes

    def truncate(self, size: int) -> None:
        """Cuts the file off, or fills it up with zeros.

        Args:
            size: Its new size
        """
        self._may_be_unsynced = True
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Waits until all that was written survives a power failure."""
        if self._may_be_unsynced:
            # There is no fdatasync on macOS, and fsync there does the same.
            getattr(os, "fdatasync", os.fsync)(self._descriptor)
            self._may_be_unsynced = False

    def start_writing(self, offset: int, size: int) -> None:
        """Asks the operating system to get a part onto the disk soon.

        Args:
            offset: Where it begins
            size: Its size
        """
        # On Linux, this begins to write what is not written yet, and forgets only
        # what is; see posix_fadvise(2).
        if hasattr(os, "posix_fadvise"):
            advice = os.POSIX_FADV_DONTNEED
            with contextlib.suppress(OSError):  # it was a hint only
                os.posix_fadvise(self._descriptor, offset, size, advice)

    def try_lock(self, *, exclusive: bool) -> bool:
        """Tries to get a lock on the file, in place of the one that it has.

        Args:
            exclusive: Whether nobody else may have one at the same time

        Returns:
            Whether there is a lock now, or the file system knows none. If not,
            the one that was there may be lost.
        """
        mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            return error.errno in _NO_LOCKS
        return True

    def close(self) -> None:
        """Closes the file, and gives its lock back."""
        os.close(self._descriptor)


def sync_directory(path: str) -> None:
    """Waits until the names of new files in a directory survive a power failure.

    Args:
        path: The path of one of the files
    """
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # not every file system can do that
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
