"""Looking at runs while they go on: from their files and their logs, from outside.

What was seen is a :py:class:`Snapshot`, plain data; how it is shown is up to others.
"""

import datetime
import enum
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .display import Report
from .errors import FileInUseError, MissingFileError, UserError
from .io.glance import Glance, glance_at, has_writer
from .io.journal import commit_in_journal, is_in_commit, journal_path
from .io.record import COMPLETE, Entry, record_around
from .io.recovery import describe_unknown, find_writer
from .io.runs import universes_in
from .io.status import has_come_to_end
from .io.writer import Life
from .monitor import LINE_START
from .process import error_in, parse_report
from .tools import load_cfg_file

_TAIL_BYTES = 256 * 1024  # of a log, which may be large


class State(enum.Enum):
    """How far a universe is."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    KILLED = "killed"
    ENDED = "ended"
    """It does not say how: another program has written the file."""
    UNREADABLE = "unreadable"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (State.STARTING, State.RUNNING)


@dataclass(frozen=True)
class Snapshot:
    """What was seen of a universe at some time. Times are in seconds since 1970."""

    path: Path
    """Its output file, which need not be there yet"""

    time: float
    """When it was looked at"""

    state: State = State.STARTING

    detail: str = ""
    """More about the state: a signal, an error, what is the matter with the file"""

    glance: Glance = field(default_factory=Glance)
    """What is in its file"""

    report: Report | None = None
    """The last report of its monitor"""

    num_bytes: int = 0
    """The size of the file"""

    last_commit: float | None = None
    """When the file was written last"""

    last_line: float | None = None
    """When the log was written last"""

    @property
    def model(self) -> str:
        """The name of the model's class; empty if it is not known."""
        return str(self.glance.attrs.get("model", "")).rpartition(".")[2]

    @property
    def started(self) -> float | None:
        """When the model was made, if that is known."""
        return _timestamp(self.glance.attrs.get("started"))

    @property
    def ended(self) -> float | None:
        """When its run ended, if it has and that is known."""
        return _timestamp(self.glance.attrs.get("ended"))

    @property
    def log(self) -> Path:
        """Its log, which need not be there."""
        return log_of(self.path)


def look(
    path: str | os.PathLike[str],
    before: Iterable[Snapshot] = (),
    *,
    clock: Callable[[], float] = time.time,
) -> list[Snapshot]:
    """Looks at the universes of a run, without disturbing them.

    Args:
        path: The directory of a run or of a universe, or its ``data.h5``
        before: What was seen last time: universes that had ended by then are not
            looked at again.
        clock: Tells the time [s since 1970]

    Returns:
        What was seen, by the numbers of the universes. It is empty if none has begun.

    Raises:
        FileNotFoundError: If there is no such run
    """
    done = {seen.path: seen for seen in before if seen.state.is_final}
    files = find_universes(path)
    found = [done[file] if file in done else _look_at(file, clock) for file in files]
    record = record_around(files[0]) if files else {}
    return [_by_record(seen, record) for seen in found]


def find_universes(path: str | os.PathLike[str]) -> list[Path]:
    """Finds the universes of a run, whether they have any output yet or not.

    Args:
        path: The directory of a run or of a universe, or its ``data.h5``

    Returns:
        Their output files, by the numbers of the universes

    Raises:
        FileNotFoundError: If there is no such run
    """
    path = Path(path).expanduser()
    if path.is_file() or (path.name == "data.h5" and _is_universe(path.parent)):
        return [path]
    if (path / "data").is_dir() and not (path / "data.h5").exists():
        files = [Path(file) for _, file in sorted(universes_in(path))]
        return [file for file in files if file.parent.is_dir()]
    if _is_universe(path):
        return [path / "data.h5"]
    if not path.exists():
        raise MissingFileError(f"There is no run {path}: check the path.")
    raise MissingFileError(
        f"There is no run in {path}, as there is no directory data/ in it: give the "
        "directory of a run or of a universe, or a data.h5."
    )


def expected_number(path: str | os.PathLike[str]) -> int:
    """How many universes a run has, those included that have not begun.

    Args:
        path: As of :py:func:`look`
    """
    info = Path(path).expanduser() / "config" / "parameter_space_info.yml"
    try:
        content = load_cfg_file(str(info))
        return int(content["volume"]) if content["perform_sweep"] else 1
    except (UserError, LookupError, TypeError, ValueError):
        return 1  # it is no sweep; or the frontend is just writing that file


def log_of(path: Path) -> Path:
    """The log of a universe.

    Args:
        path: Its output file
    """
    return path.with_name("out.log")


def _is_universe(directory: Path) -> bool:
    names = ("data.h5", "config.yml", "out.log")
    return any((directory / name).is_file() for name in names)


def _look_at(path: Path, clock: Callable[[], float]) -> Snapshot:
    log = _tail(log_of(path))
    seen = Snapshot(
        path=path,
        time=clock(),
        report=_last_report(log),
        num_bytes=path.stat().st_size if path.exists() else 0,
        last_commit=_last_commit(path),
        last_line=_modified(log_of(path)),
    )
    seen = _look_into_file(seen)
    if seen.state is State.RUNNING and not seen.detail:
        life, writer = find_writer(str(path))
        if life is Life.UNKNOWN:
            return replace(seen, detail=describe_unknown(str(path), writer))
        if life is not Life.LIVES:
            # It may just have ended: what is in the file now is the last word.
            seen = _look_into_file(seen)
            if seen.state is State.RUNNING:
                return replace(seen, state=State.KILLED, detail=_after_kill(path))
    if seen.state is State.STARTING and (error := _failure_in(log)):
        return replace(seen, state=State.FAILED, detail=error)
    return seen


def _look_into_file(seen: Snapshot) -> Snapshot:
    path = seen.path
    if not path.exists():
        return seen
    if is_in_commit(str(path)) and not has_writer(path):  # there may be anything in it
        return replace(seen, state=State.KILLED, detail=_after_kill(path))
    try:
        glance = glance_at(path)
    except MissingFileError:
        return seen
    except FileInUseError:  # by a writer that makes no commits
        text = "its file is locked while it is written, so that only its log is shown"
        return replace(seen, state=State.RUNNING, detail=text)
    except PermissionError:
        text = f"There is no permission to read {path}: ask its owner for it."
        return replace(seen, state=State.UNREADABLE, detail=text)
    except (UserError, OSError) as error:
        has_journal = os.path.exists(journal_path(str(path)))
        is_new = path.name == "data.h5" and seen.num_bytes == 0 and not has_journal
        if is_new or has_writer(path):
            return seen  # as before its first commit
        return replace(seen, state=State.UNREADABLE, detail=str(error))
    state, detail = _parse_status(glance.status or "ended")
    return replace(seen, glance=glance, state=state, detail=detail)


def _by_record(seen: Snapshot, record: Mapping[str, Entry]) -> Snapshot:
    """What the record of a sweep knows better than the files of a universe.

    These do not tell that its program has ended before there was a file, or how it has
    ended after its run.
    """
    entry = record.get(seen.path.parent.name)
    ended_well = has_come_to_end(seen.glance.status)
    is_open = seen.state in (State.STARTING, State.KILLED)
    if entry is None or entry.outcome in COMPLETE or not (ended_well or is_open):
        return seen
    state = _BY_OUTCOME.get(entry.outcome, State.STOPPED)
    more = f", {seen.detail}" if seen.state is State.KILLED else ""
    return replace(seen, state=state, detail=f"exit code {entry.exit_code}{more}")


_BY_OUTCOME = {"failed": State.FAILED, "killed": State.KILLED}


def _parse_status(status: str) -> tuple[State, str]:
    word, _, detail = status.partition(": ")
    try:
        return State(word), detail
    except ValueError:
        return State.ENDED, status


def _after_kill(path: Path) -> str:
    if not commit_in_journal(str(path)):
        return "its file is its last commit"
    return "while it committed; `utopya-backend recover` completes its file"


# .. Logs and times ...........................................................


def _tail(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
            file.seek(start)
            return file.read(_TAIL_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _last_report(log: str) -> Report | None:
    end = len(log)
    while (begin := log.rfind(LINE_START, 0, end)) >= 0:
        line = log[begin:].partition("\n")[0]
        if log[begin - 1 : begin] in ("", "\n") and (report := parse_report(line)):
            return report
        end = begin
    return None


def _failure_in(log: str) -> str:
    """The message of the error that has ended a model, if there is one."""
    lines = error_in(log).splitlines()
    if lines and lines[0].startswith("Error: "):
        return lines[0].removeprefix("Error: ")
    return lines[-1] if lines and "Traceback" in lines[0] else ""


def _last_commit(path: Path) -> float | None:
    """When the last commit was made; rows may be written in between, too."""
    journal = _modified(Path(journal_path(str(path))))
    return _modified(path) if journal is None else journal


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _timestamp(text: Any) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
