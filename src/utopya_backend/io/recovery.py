"""Recovery of an output file whose writer was killed while it committed.

Whether the writer is gone is asked by the lock that it has on its journal for life; see
:py:mod:`~utopya_backend.io.writer`. Who only wants to read a file changes it if that
lock was free, and never else. Where there are no locks, a person has to say so.
"""

import contextlib
import enum
import os
import time
from collections.abc import Collection

from ..errors import FileInUseError, JournalError, MissingFileError
from .disk import DiskFile
from .journal import MAGIC, PAGE_SIZE, Journal, apply, journal_path, split
from .writer import Life, Writer, life_of_writer

_ATTEMPTS = 100
_POLL_INTERVAL = 0.01


class Recovery(enum.Enum):
    """What had to be done to a file to make it its last commit."""

    NOTHING = "it is clean"
    DROPPED = "an incomplete commit was dropped"
    REPLAYED = "a commit was completed"


def recover(path: str, *, force: bool = False) -> Recovery:
    """Makes a file its last commit, after its writer was killed.

    Args:
        path: The path of the file; its journal is beside it.
        force: Whether to do so even if it cannot be known whether the writer lives,
            since there are no locks and it was on another machine

    Returns:
        What had to be done. Nothing is changed if the file is clean.

    Raises:
        FileNotFoundError: If there is no such file
        BlockingIOError: If another process has the file open, or that cannot be known
        ValueError: If the journal does not belong to this file. Neither is
            changed then.
    """
    allowed = {Life.GONE, Life.SEEMS_GONE} | ({Life.UNKNOWN} if force else set())
    attempt = 0
    while True:
        life, writer, recovery = recover_if(path, allowed)
        if recovery is not None:
            return recovery
        if life is Life.UNKNOWN:
            raise FileInUseError(
                f"{describe_unknown(path, writer)} If it is gone, complete the file by "
                f"`utopya-backend recover --force {path}`."
            )
        # If its writer is not there any more, then somebody else just looks at it.
        is_short = writer is not None and writer.life() is Life.SEEMS_GONE
        if not is_short or attempt == _ATTEMPTS:
            raise FileInUseError(
                f"{path} is open in another process: wait until that has closed it."
            )
        attempt += 1
        time.sleep(_POLL_INTERVAL)


def recover_if(
    path: str, allowed: Collection[Life]
) -> tuple[Life, Writer | None, Recovery | None]:
    """Makes a file its last commit, if what is known of its writer allows that.

    Args:
        path: The path of the file
        allowed: What may have become of the writer

    Returns:
        What has become of it, who it was, if that is known, and what had to be done;
        None if that was not allowed, or somebody else has the file open.

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If the journal does not belong to this file
    """
    while True:
        if not os.path.exists(path):
            raise MissingFileError(f"There is no file {path}: check the path.")
        try:
            journal = DiskFile.open(journal_path(path))
        except FileNotFoundError:  # it is clean, or just closed
            return Life.GONE, None, Recovery.NOTHING
        with contextlib.closing(journal):
            writer, _ = split(journal.read(0, journal.size()))
            life = life_of_writer(journal, writer, exclusive=True)
            if not journal.is_at(journal.path):
                continue  # closed, or recovered by somebody else meanwhile
            recovery = _recover(path, journal) if life in allowed else None
            return life, writer, recovery


def find_writer(path: str) -> tuple[Life, Writer | None]:
    """Looks for the writer of a file, and changes nothing.

    Args:
        path: The path of the file

    Returns:
        Whether it lives, and who it is, if that is known
    """
    while True:
        try:
            journal = DiskFile.open(journal_path(path), read_only=True)
        except FileNotFoundError:  # whoever closes the file removes the journal
            return Life.GONE, None
        except PermissionError:
            return Life.UNKNOWN, None
        with contextlib.closing(journal):
            writer, _ = split(journal.read(0, journal.size()))
            life = life_of_writer(journal, writer, exclusive=False)
            if not journal.is_at(journal.path):
                continue
            if life is Life.LIVES and writer is not None:
                # Somebody else may just recover the file of a writer that is gone.
                life = writer.life() if writer.life() is Life.SEEMS_GONE else life
            return life, writer


def describe_unknown(path: str, writer: Writer | None) -> str:
    """Says that it cannot be known whether a file is being written.

    Args:
        path: The file
        writer: Who its writer is, if that is known
    """
    who = "its writer does not say who it is" if writer is None else (
        f"its writer was {writer}"
    )  # fmt: skip
    return (
        f"Whether {path} is still being written cannot be known from here: {who}, and "
        "the locks of this file system do not tell."
    )


def _recover(path: str, journal_file: DiskFile) -> Recovery | None:
    """Replays or drops what is in a journal, which is locked."""
    _, content = split(journal_file.read(0, journal_file.size()))
    journal = Journal.decode(content)
    if journal is None:
        _check_may_be_incomplete(content, path)
    else:
        with contextlib.closing(DiskFile.open(path)) as file:
            if not file.try_lock(exclusive=True):
                return None
            _check_belongs(journal, file)
            apply(journal, file)
            file.sync()
    with contextlib.suppress(FileNotFoundError):  # where there are no locks
        os.unlink(journal_file.path)
    if journal is not None:
        return Recovery.REPLAYED
    return Recovery.DROPPED if content else Recovery.NOTHING


def _check_may_be_incomplete(content: bytes, path: str) -> None:
    # What has not got to the disk is missing, or zeros.
    begin = content[: len(MAGIC)].rstrip(b"\0")
    if not MAGIC.startswith(begin):
        raise JournalError(
            f"{journal_path(path)} is no journal: it begins with {begin!r}. Move it "
            "away to use the file beside it as it is."
        )


def _check_belongs(journal: Journal, file: DiskFile) -> None:
    size = file.size()
    if size >= min(journal.old_size, journal.new_size) and all(
        page.is_part_of(file.read(offset, PAGE_SIZE))
        for offset, page in journal.pages.items()
    ):
        return
    raise JournalError(
        f"The journal {journal_path(file.path)} does not belong to the file beside it, "
        "or that was changed since: move the journal away to use the file as it is."
    )
