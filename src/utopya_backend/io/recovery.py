"""Recovery of an output file whose writer was killed while it committed."""

import enum
import os

from ..errors import FileInUseError, JournalError, MissingFileError
from .disk import DiskFile
from .journal import MAGIC, PAGE_SIZE, Journal, journal_path


class Recovery(enum.Enum):
    """What had to be done to a file to make it its last commit."""

    NOTHING = "it is clean"
    DROPPED = "an incomplete commit was dropped"
    REPLAYED = "a commit was completed"


def recover(path: str) -> Recovery:
    """Makes a file its last commit, after its writer was killed.

    Args:
        path: The path of the file; its journal is beside it.

    Returns:
        What had to be done. Nothing is changed if the file is clean.

    Raises:
        FileNotFoundError: If there is no such file
        BlockingIOError: If another process has the file open
        ValueError: If the journal does not belong to this file. Neither is
            changed then.
    """
    if not os.path.exists(path):
        raise MissingFileError(f"There is no file {path}: check the path.")
    if not os.path.exists(journal_path(path)):
        return Recovery.NOTHING
    file = DiskFile.open(path)
    try:
        if not file.try_lock(exclusive=True):
            raise FileInUseError(
                f"{path} is open in another process: wait until that has closed it."
            )
        with open(journal_path(path), "rb") as journal_file:
            content = journal_file.read()
        journal = Journal.decode(content)
        if journal is None:
            _check_may_be_incomplete(content, path)
        if journal is not None:
            _check_belongs(journal, file)
            apply(journal, file)
            file.sync()
        os.unlink(journal_path(path))
    finally:
        file.close()
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
