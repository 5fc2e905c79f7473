"""A file on disk: the few system calls by which data gets there."""

import contextlib
import enum
import errno
import fcntl
import os
import weakref
from typing import Self

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that cannot lock files: then it has to do without"""

_NOT_FOR_DIRECTORIES = (
    errno.EINVAL, errno.EBADF, errno.EISDIR, errno.EROFS, errno.EACCES, *NO_LOCKS,
)  # fmt: skip
"""What a file system says that cannot sync directories"""


class Lock(enum.Enum):
    """What has come of asking for a lock. It is true if one may go on."""

    HELD = enum.auto()
    REFUSED = enum.auto()
    """Somebody else has one."""
    UNKNOWN = enum.auto()
    """The file system knows no locks."""

    def __bool__(self) -> bool:
        return self is not Lock.REFUSED


class DiskFile:
    """A file that is read and written at given positions.

    A forked child can read it, and has no part in its lock.

    Attributes:
        path: The path at which it was opened
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
        status = os.fstat(descriptor)
        self._identity = status.st_dev, status.st_ino
        _open_files.add(self)

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
    def open(cls, path: str, *, read_only: bool = False) -> Self:
        """Opens a file that exists.

        Args:
            path: Its path
            read_only: Whether it is to be read only

        Raises:
            OSError: If it cannot be opened for that
        """
        mode = os.O_RDONLY if read_only else os.O_RDWR
        return cls(path, os.open(path, mode | os.O_CLOEXEC))

    def rename(self, path: str) -> None:
        """Gives the file another name, in place of a file that has that name.

        Args:
            path: Its new path
        """
        os.rename(self.path, path)
        self.path = path

    def size(self) -> int:
        """The size of the file [bytes]."""
        return os.fstat(self._descriptor).st_size

    @property
    def is_deleted(self) -> bool:
        """Whether the file has no name any more, so that it ends with its last user."""
        try:
            return os.fstat(self._descriptor).st_nlink == 0
        except OSError as error:
            if error.errno == errno.ESTALE:  # deleted by another client of NFS
                return True
            raise

    def is_at(self, path: str) -> bool:
        """Whether this is the file that has a name now.

        Args:
            path: The name
        """
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def find(self) -> str | None:
        """The path that the file has now, also if it was moved.

        Returns:
            The path; None if it is deleted, or if the system does not tell
        """
        if self.is_at(self.path):
            return self.path
        try:
            path = os.readlink(f"/proc/self/fd/{self._descriptor}")
        except OSError:
            return None
        # A client of NFS gives a deleted file such a name while it is in use.
        is_deleted = os.path.basename(path).startswith(".nfs")
        return path if self.is_at(path) and not is_deleted else None

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

    def try_lock(self, *, exclusive: bool) -> Lock:
        """Tries to get a lock on the file, in place of the one that it has.

        Args:
            exclusive: Whether nobody else may have one at the same time

        Returns:
            What has come of it. If it is refused, the one that was there may be lost.
        """
        mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return Lock.REFUSED
        except OSError as error:
            return Lock.UNKNOWN if error.errno in NO_LOCKS else Lock.REFUSED
        return Lock.HELD

    def close(self) -> None:
        """Closes the file, and gives its lock back."""
        _open_files.discard(self)
        os.close(self._descriptor)

    def leave_to_parent(self) -> None:
        """In a forked child: keeps the file readable only, and lets go of its lock.

        A lock is shared with the parent, and would outlive that.
        """
        for path in (f"/proc/self/fd/{self._descriptor}", self.path, os.devnull):
            with contextlib.suppress(OSError):
                other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                os.dup2(other, self._descriptor, inheritable=False)
                os.close(other)
                return


_open_files: weakref.WeakSet[DiskFile] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for file in list(_open_files):
        file.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)


def sync_directory(path: str) -> None:
    """Waits until the names of new files in a directory survive a power failure.

    Args:
        path: The path of one of the files

    Raises:
        OSError: If that failed; not if the file system cannot do it
    """
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_DIRECTORIES:
            raise
    finally:
        os.close(descriptor)
