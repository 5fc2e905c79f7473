"""The redo journal of an output file: what a commit is about to change.

A commit first writes all that it will change *within* the committed file to a
journal beside it, then changes the file in place. A process that is killed in
between leaves a complete journal, and :py:func:`recover` makes the changes again;
one that is killed earlier leaves an incomplete journal, and a file that is still
the commit before.

The journal of ``data.h5`` is ``data.h5.wal``. It is there for as long as its writer
lives, who has an exclusive lock on it all that time. Its first 512 bytes say who that
is; see :py:mod:`~utopya_backend.io.writer`. Nothing follows, or the journal does not
exist, when there is nothing to recover. Else, a commit follows. (Earlier versions of
this package wrote it without those 512 bytes; that is read, too.) All numbers are
little-endian:

==========================  ==========================================================
bytes                       meaning
==========================  ==========================================================
8                           ``UTBEWAL1``
8, 8                        size of the file before and after the commit
4                           number of pages, *n*
*n* × (8 + 4 + 8 × 4)       for each page: its offset; the CRC-32 of its new content;
                            the CRC-32 of each 512 bytes of its old content
*n* × 4096                  the new contents
4                           CRC-32 of all of the above
==========================  ==========================================================

A page that reaches beyond the end of the file is filled up with zeros.
"""

import contextlib
import errno
import os
import struct
import time
import zlib
from collections.abc import Mapping
from typing import NamedTuple, Self

from .disk import DiskFile
from .writer import RECORD_SIZE, Writer, lock_for_life

PAGE_SIZE = 4096
SECTOR_SIZE = 512
MAGIC = b"UTBEWAL1"

_ATTEMPTS = 20
_POLL_INTERVAL = 0.005

_HEADER = struct.Struct("<8sQQI")
_ENTRY = struct.Struct(f"<QI{PAGE_SIZE // SECTOR_SIZE}I")
_CHECKSUM = struct.Struct("<I")


def journal_path(path: str) -> str:
    """The path of the journal of a file.

    Args:
        path: The path of the file
    """
    return f"{path}.wal"


def split(data: bytes) -> tuple[Writer | None, bytes]:
    """Takes the content of a journal file apart.

    Args:
        data: The content

    Returns:
        Its writer, if it says who that is, and the commit. That is empty if there is
        none, and need not be complete.
    """
    if Writer.is_record(data):
        return Writer.decode(data), data[RECORD_SIZE:]
    if data[RECORD_SIZE:].startswith(MAGIC) and not any(data[:RECORD_SIZE]):
        data = data[RECORD_SIZE:]  # the record had not got to the disk
    return None, data


def commit_in_journal(path: str) -> bytes:
    """The commit in the journal of a file, which need not be complete.

    Args:
        path: The path of the file

    Returns:
        The commit; it is empty if there is none.
    """
    try:
        with open(journal_path(path), "rb") as file:
            return split(file.read())[1]
    except (FileNotFoundError, IsADirectoryError):
        return b""


def is_free(path: str) -> bool:
    """Whether there is no journal in the way of a new file, but one that is empty.

    Args:
        path: The path of the file
    """
    try:
        return not (commit_in_journal(path) or os.path.isdir(journal_path(path)))
    except PermissionError:
        return False


def create_journal(path: str, cls: type[DiskFile] = DiskFile) -> DiskFile:
    """Creates the journal of a file that this process has just created.

    It is locked before it has its name, so that nobody takes it for that of a dead
    writer. An empty journal at that place is nobody's: its file is gone.

    Args:
        path: The path of the file
        cls: What to make of it

    Raises:
        FileExistsError: If there is something else at its place
        OSError: If it cannot be created
    """
    name = journal_path(path)
    temporary = f"{name}.new"
    try:
        journal = cls.create(temporary)
    except FileExistsError:  # left by a process that was killed just here
        os.unlink(temporary)
        journal = cls.create(temporary)
    try:
        journal.write(0, Writer.current(lock_for_life(journal)).encode())
        _make_place(path)
        journal.rename(name)
    except BaseException:
        journal.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return journal


def _make_place(path: str) -> None:
    """Checks that a journal may be replaced, if there is one."""
    name = journal_path(path)
    try:
        old = DiskFile.open(name)
    except FileNotFoundError:
        return
    except OSError:  # a directory, for instance
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None
    try:
        if not is_free(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        # Who recovers just now removes it in a moment. A writer whose file was deleted
        # keeps its lock, and has nothing to write any more.
        for _ in range(_ATTEMPTS):
            if old.try_lock(exclusive=True):
                break
            time.sleep(_POLL_INTERVAL)
    finally:
        old.close()


class Page(NamedTuple):
    """A page that a commit changes.

    Attributes:
        new: Its new content, of :py:data:`PAGE_SIZE` bytes
        old_checksums: The CRC-32 of each sector of its old content
    """

    new: bytes
    old_checksums: tuple[int, ...]

    @classmethod
    def changing(cls, old: bytes, new: bytes) -> Self:
        """Describes the change of a page.

        Args:
            old: Its old content
            new: Its new content
        """
        return cls(new, _checksums(old))

    def is_part_of(self, content: bytes) -> bool:
        """Whether this change belongs to a page of that content.

        Args:
            content: The page as it is on disk. Each of its sectors has to have
                its old or new content. One may be torn, as the last one that
                was being written when the power failed.
        """
        sectors = zip(
            _checksums(content), self.old_checksums, _checksums(self.new), strict=True
        )
        strange = [now for now, old, new in sectors if now not in (old, new)]
        return len(strange) <= 1


class Journal(NamedTuple):
    """The changes of one commit.

    Attributes:
        old_size: The size of the file before it [bytes]
        new_size: The size of the file after it [bytes]
        pages: The pages that it changes, by their offset
    """

    old_size: int
    new_size: int
    pages: Mapping[int, Page]

    def encode(self) -> bytes:
        """Makes the content of a journal file, behind the record of its writer."""
        parts = [_HEADER.pack(MAGIC, self.old_size, self.new_size, len(self.pages))]
        for offset, page in self.pages.items():
            parts.append(_ENTRY.pack(offset, zlib.crc32(page.new), *page.old_checksums))
        parts += [page.new for page in self.pages.values()]
        content = b"".join(parts)
        return content + _CHECKSUM.pack(zlib.crc32(content))

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Reads the content of a journal file, behind the record of its writer.

        Args:
            data: The content

        Returns:
            The journal; None if it is not complete
        """
        if len(data) < _HEADER.size or not data.startswith(MAGIC):
            return None
        _, old_size, new_size, num_pages = _HEADER.unpack_from(data)
        begin = _HEADER.size + num_pages * _ENTRY.size
        end = begin + num_pages * PAGE_SIZE
        if len(data) != end + _CHECKSUM.size:
            return None
        if _CHECKSUM.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
            return None
        pages = {}
        for number in range(num_pages):
            entry = _ENTRY.unpack_from(data, _HEADER.size + number * _ENTRY.size)
            offset, checksum, *old_checksums = entry
            start = begin + number * PAGE_SIZE
            new = data[start : start + PAGE_SIZE]
            if zlib.crc32(new) != checksum:
                return None
            pages[offset] = Page(new, tuple(old_checksums))
        return cls(old_size, new_size, pages)


def apply(journal: Journal, file: DiskFile) -> None:
    """Makes the changes of a commit.

    Args:
        journal: The changes
        file: The file
    """
    for offset, page in journal.pages.items():
        end = min(offset + PAGE_SIZE, journal.new_size)
        if end > offset:
            file.write(offset, page.new[: end - offset])
    file.truncate(journal.new_size)


def is_in_commit(path: str) -> bool:
    """Whether there is a commit in the journal of a file that counts.

    Args:
        path: The path of the file
    """
    return Journal.decode(commit_in_journal(path)) is not None


def _checksums(content: bytes) -> tuple[int, ...]:
    return tuple(
        zlib.crc32(content[start : start + SECTOR_SIZE])
        for start in range(0, PAGE_SIZE, SECTOR_SIZE)
    )
