"""The directory of a sweep, in the layout of the frontend.

::

    <out>/<name>/<yymmdd-HHMMSS>[_<note>]/
        config/                 the parameter space, and what the frontend needs
        data/uni<number>/       config.yml, data.h5, out.log
        eval/                   for plots
        earlier/uni<number>/    what was left of universes that were run once more
        _report.txt             how far it is, or has come
        _sweep_info.txt         the parameter space in words
        _universes.tsv          what has become of each universe, a line each
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from .. import yaml
from ..errors import (
    FileInUseError,
    MissingFileError,
    OutputDirectoryError,
    UserError,
)
from ..io.disk import DiskFile
from ..io.provenance import utc_now
from ..io.record import BEGUN_ANEW, RECORD, read_record
from ..io.recovery import describe_unknown, find_writer
from ..io.runs import PARAMETER_SPACE, latest_run
from ..io.writer import Life
from ..space import Space, load_space
from ..tools import load_cfg_file
from ..universe import make_run_dir
from .config_files import config_files
from .messages import Ended, Job
from .tally import Outcome
from .verdict import is_complete

_PATIENCE = 60.0  # for a process that is ending [s]
_POLL_INTERVAL = 0.1

_COLUMNS = (
    "universe", "outcome", "exit_code", "seconds", "cpu_seconds", "host", "ended",
)  # fmt: skip


class SweepDirectory:
    """Where the universes of a sweep are.

    Attributes:
        path: The directory, where it is now
        space: The parameter space
        settings: What else is known of the sweep: the content of
            ``config/sweep_cfg.yml``
    """

    def __init__(self, path: Path, space: Space, settings: dict[str, Any]) -> None:
        """Takes a directory that is there.

        Args:
            path: The directory
            space: The parameter space
            settings: What else is known of the sweep
        """
        self.path = path
        self.space = space
        self.settings = settings
        self._record: FileIO | None = None
        self._handle: DiskFile | None = None
        self._unwritten = b""

    @classmethod
    def make(
        cls,
        out: str | os.PathLike[str],
        name: str,
        space: Space,
        *,
        note: str | None = None,
        settings: dict[str, Any],
    ) -> SweepDirectory:
        """Makes a new directory.

        Args:
            out: Where all output goes
            name: The name of the model
            space: The parameter space
            note: What is added to the name of the directory
            settings: What else is to be known of the sweep

        Returns:
            The directory. Its parameter space is what the file with it says.

        Raises:
            OSError: If it cannot be made
        """
        texts = config_files(space, settings)
        path = make_run_dir(out, name, note=note)
        try:
            for file, text in texts.items():
                (path / file).write_text(text, encoding="utf-8")
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise OutputDirectoryError(
                f"Cannot write to {path} ({error.strerror}): make space, or give "
                "another directory for the output."
            ) from None
        return cls(path, load_space(path / PARAMETER_SPACE), settings)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SweepDirectory:
        """Opens the directory of a sweep, to continue it.

        Args:
            path: The directory, or one with several runs, for the latest

        Raises:
            FileNotFoundError: If there is no sweep
            ValueError: If its files are not what they have to be
        """
        path = latest_run(path).absolute()
        space_file = path / PARAMETER_SPACE
        if not space_file.exists():
            raise MissingFileError(
                f"There is no sweep in {path}, as there is no {space_file.name} in its "
                "config/: give the directory of a run, such as out/<name>/<time>."
            )
        settings_file = path / "config" / "sweep_cfg.yml"
        settings = load_cfg_file(str(settings_file)) if settings_file.exists() else {}
        return cls(path, load_space(space_file), settings)

    def universe(self, number: int) -> Path:
        """The directory of a universe.

        Args:
            number: Its number
        """
        return self.path / "data" / self.space.name(number)

    @contextmanager
    def in_use(self) -> Iterator[int]:
        """Keeps others from running universes here, and opens the record.

        Yields:
            The descriptor of the lock. A process that inherits it holds the lock, too.

        Raises:
            BlockingIOError: If somebody else does
            OSError: If the record cannot be written
        """
        with (
            self._open_record() as record,
            closing(DiskFile.open(str(self.path), read_only=True)) as self._handle,
        ):
            try:
                fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileInUseError(
                    f"The universes of {self.path} are just being run by another "
                    "process: wait until that has ended."
                ) from None
            except OSError:
                pass  # a file system without locks
            self._record = record
            if record.tell() == 0:
                self._write_row(*_COLUMNS)
            else:
                self._end_last_row()
            try:
                yield record.fileno()
            finally:
                self._record = self._handle = None

    def _open_record(self) -> FileIO:
        try:
            return open(self.path / RECORD, "a+b", buffering=0)
        except OSError as error:
            raise OutputDirectoryError(
                f"Cannot write to {self.path / RECORD} ({error.strerror}): universes "
                "can only be run where that is possible."
            ) from None

    def find(self) -> bool:
        """Looks where the directory is now: it may have been moved while it is in use.

        Returns:
            Whether it is there, and has a place for universes
        """
        assert self._handle is not None  # it is in use
        where = self._handle.find()
        self.path = self.path if where is None else Path(where)
        return where is not None and (self.path / "data").is_dir()

    def begin(self, numbers: Iterable[int]) -> None:
        """Notes that universes are run, of which the record says how they have ended.

        Args:
            numbers: Their numbers
        """
        noted = read_record(self.path)
        for name in map(self.space.name, numbers):
            if name in noted:
                self._write_row(name, BEGUN_ANEW, *[""] * (len(_COLUMNS) - 2))

    def note(self, ended: Ended, outcome: Outcome) -> None:
        """Notes in the record what has become of a universe, if there is space.

        Args:
            ended: The universe
            outcome: What has become of it
        """
        host = " ".join(ended.host.split())  # which may be an error message
        self._write_row(
            self.space.name(ended.number), outcome.value, str(ended.exit_code),
            f"{ended.seconds:.3f}", f"{ended.cpu_seconds:.3f}", host, utc_now(),
        )  # fmt: skip

    def _write_row(self, *cells: str) -> None:
        """Writes a row, and those before that there was no space for."""
        assert self._record is not None  # it is in use
        self._unwritten += "\t".join(cells).encode() + b"\n"
        with suppress(OSError):
            num_bytes = self._record.write(self._unwritten)
            done = self._unwritten.rfind(b"\n", 0, num_bytes) + 1
            torn = b"" if done == num_bytes else b"\n"  # which ends a part of a row
            self._unwritten = torn + self._unwritten[done:]

    def _end_last_row(self) -> None:
        """Ends a row that could not be written as a whole."""
        assert self._record is not None
        with suppress(OSError):
            self._record.seek(-1, os.SEEK_END)
            if self._record.read(1) != b"\n":
                self._record.write(b"\n")

    def completed(self) -> set[int]:
        """The numbers of the universes that need not be run any more."""
        noted = self._noted()
        of_frontend = not self.settings  # which it knows nothing of
        return {
            number for number in self.space
            if (directory := self.universe(number)).is_dir()
            and is_complete(
                directory, noted.get(directory.name), of_frontend=of_frontend
            )
        }  # fmt: skip

    def is_as_configured(self, number: int) -> bool:
        """Whether a universe was run with the parameters that it has to have.

        Args:
            number: Its number
        """
        directory = self.universe(number)
        job = Job.of(number, str(directory), self.space.cfg(number))
        try:
            found = load_cfg_file(str(directory / "config.yml"))
        except (UserError, OSError):
            return False
        paths = {"output_dir": "", "output_path": ""}  # it may have been moved
        expected, found = ({**cfg, **paths} for cfg in (yaml.load(job.text), found))
        return bool(expected == found)

    def _noted(self) -> dict[str, Outcome]:
        """The last outcome of each universe that the record has."""
        outcomes = {}
        for name, entry in read_record(self.path).items():
            with suppress(ValueError):  # of a line that was not completed
                outcomes[name] = Outcome(entry.outcome)
        return outcomes


def set_aside(directory: str | os.PathLike[str], *, force: bool = False) -> None:
    """Makes place for a universe that is to be run once more.

    What is left of it is moved to ``earlier/``, and nothing is lost. If its process may
    still be ending, as after a kill of what has supervised it, that is waited for.

    Args:
        directory: The directory of the universe
        force: Whether to do so even if it cannot be known whether somebody writes to it

    Raises:
        BlockingIOError: If somebody still writes to it after a minute, or if that
            cannot be known
        OSError: If it cannot be moved
    """
    directory = Path(directory)
    if directory.is_dir():
        _wait_for_writer(directory, force=force)
    if not os.path.lexists(directory):
        return
    earlier = directory.parents[1] / "earlier"
    names = (f"{directory.name}_{count}" for count in itertools.count(1))
    free = next(name for name in names if not os.path.lexists(earlier / name))
    try:
        earlier.mkdir(exist_ok=True)
        directory.rename(earlier / free)
    except OSError as error:
        raise OutputDirectoryError(
            f"Cannot move {directory} to {earlier} ({error.strerror}): the universe "
            "cannot be run once more in its place."
        ) from None


def _wait_for_writer(directory: Path, *, force: bool) -> None:
    path = str(directory / "data.h5")
    deadline = time.monotonic() + _PATIENCE
    while (found := find_writer(path))[0] is Life.LIVES:
        if time.monotonic() > deadline:
            raise FileInUseError(
                f"Another process still writes to {directory}: wait until that has "
                "ended, or end it."
            )
        time.sleep(_POLL_INTERVAL)
    if found[0] is Life.UNKNOWN and not force:
        raise FileInUseError(
            f"{describe_unknown(path, found[1])} If it has ended, say "
            "`utopya-backend sweep --continue … --force`."
        )
