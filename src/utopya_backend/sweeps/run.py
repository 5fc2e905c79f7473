"""Runs the universes of a sweep that is prepared: by which engine, how it is shown."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ClusterError
from ..finding import ModelInfo
from ..process import error_in, users_line
from .directory import SweepDirectory, set_aside
from .local import LocalEngine, num_cores
from .messages import EXIT_CODE_STOPPED
from .options import Options
from .origin import (
    Origin,
    check_origin,
    note_origin,
    origin_of,
    parameters_have_changed,
)
from .program import Program
from .progress import SweepDisplay
from .report import ReportFile
from .supervisor import Supervisor
from .tally import Tally

if TYPE_CHECKING:
    from .cluster import DaskEngine


@dataclass(frozen=True)
class Summary:
    """How a sweep has ended.

    Attributes:
        tally: What has become of its universes
        ended_by: Why it has ended early; empty if it has not
        signum: The signal that has ended it, if one has
        is_lost: Whether its directory is gone, with all data
    """

    tally: Tally
    ended_by: str = ""
    signum: int | None = None
    is_lost: bool = False

    @property
    def exit_code(self) -> int:
        """The exit code of a command: 0 if all universes are complete."""
        if self.signum is not None:
            return 128 + self.signum
        is_complete = self.tally.num_complete == self.tally.total
        return 0 if is_complete and not self.is_lost else 1


@dataclass(frozen=True)
class Failure:
    """A universe that has failed, or was killed as it did not end in time.

    Attributes:
        number: Its number
        directory: Its directory
        parameters: The values of the swept parameters
        exit_code: Its exit code
        reason: What its log says about the reason
    """

    number: int
    directory: Path
    parameters: dict[str, Any]
    exit_code: int
    reason: str


def run_universes(
    model: ModelInfo,
    directory: SweepDirectory,
    options: Options,
    display: SweepDisplay,
    on_ending: Callable[[str, int], Any] = lambda reason, number: None,
) -> Summary:
    """Runs all universes that are not complete yet.

    Args:
        model: The model
        directory: Where they are
        options: How
        display: How the progress is shown
        on_ending: Called with the reason and the number of the running universes when
            the sweep is ended early

    Raises:
        UserError: If the model cannot be run here, or nobody can run it
    """
    with directory.in_use() as lock:
        numbers, origin = to_run(model, directory, force=options.force)
        total = directory.space.num_universes
        tally = Tally(total, total - len(numbers))
        if not numbers:
            return Summary(tally)
        with make_engine(
            model, directory, options, lock, str(origin["source_hash"])
        ) as engine:
            note_origin(directory.path, origin)
            directory.begin(numbers)
            report = ReportFile(directory, str(engine))

            def show(tally: Tally) -> None:
                display.show(tally)
                report.update(tally)

            supervisor = Supervisor(
                engine, directory, _cleared(directory, numbers, force=options.force),
                options.rules, tally, show, on_ending,
            )  # fmt: skip
            try:
                supervisor.run()
            finally:
                display.close()
                report.write(tally, is_over=True)
        is_lost = not directory.find()
    return Summary(tally, supervisor.ended_by, supervisor.signum, is_lost)


def to_run(
    model: ModelInfo, directory: SweepDirectory, *, force: bool = False
) -> tuple[list[int], Origin]:
    """The universes that are to be run, as they are not complete yet.

    Args:
        model: The model
        directory: Where they are
        force: Whether those that are complete may come from something else

    Returns:
        Their numbers, and what they will come from

    Raises:
        ValueError: If those that are complete come from something else
    """
    origin = origin_of(model, directory.path)
    done = directory.completed()
    is_other_space = parameters_have_changed(directory.path, origin)
    if done and (is_other_space or len(done) < directory.space.num_universes):
        check_origin(directory.path, origin, force=force)
    if is_other_space:  # the number of a universe may stand for something else now
        done = {number for number in done if directory.is_as_configured(number)}
    return [number for number in directory.space if number not in done], origin


def _cleared(
    directory: SweepDirectory, numbers: Sequence[int], *, force: bool
) -> Iterator[int]:
    """The numbers of universes, for which there is place when it is their turn."""
    for number in numbers:
        set_aside(directory.universe(number), force=force)
        yield number


def make_engine(
    model: ModelInfo,
    directory: SweepDirectory,
    options: Options,
    lock: int,
    source_hash: str,
) -> LocalEngine | DaskEngine:
    """Makes what runs the universes.

    Args:
        model: The model
        directory: Where they are
        options: How they are to be run
        lock: The descriptor of a lock that all processes on this machine hold
        source_hash: The hash of the source that the model has to have everywhere

    Raises:
        UserError: If it cannot run the model
    """
    program = Program.of(
        model,
        fresh=options.fresh,
        cwd=options.cwd or (_shared_cwd() if options.uses_dask else None),
        env={name: os.environ[name] for name in options.env},
    )
    if not options.uses_dask:
        return LocalEngine(program, options.workers or num_cores(), held=[lock])
    from .cluster import DaskEngine

    return DaskEngine(
        program, directory.path, scheduler=options.scheduler, cluster=options.cluster,
        num_workers=options.workers, source_hash=source_hash,
    )  # fmt: skip


def _shared_cwd() -> str:
    """The current directory, which the workers of a cluster are to run universes in."""
    try:
        return os.getcwd()
    except OSError as error:
        raise ClusterError(
            f"The current directory is gone ({error.strerror}): change to one that all "
            "workers see."
        ) from None


def describe_loss(directory: SweepDirectory) -> str:
    """What is to be said if the directory of a sweep is gone.

    Args:
        directory: The directory
    """
    return (
        f"Somebody has deleted {directory.path}, or the data in it, while its "
        "universes ran, or moved it to where it cannot be found."
    )


def remove_unused(directory: SweepDirectory) -> None:
    """Removes the directory of a sweep of which no universe was begun.

    Args:
        directory: The directory
    """
    data = directory.path / "data"
    if data.is_dir() and not any(data.iterdir()):
        shutil.rmtree(directory.path)


def failures(directory: SweepDirectory, tally: Tally, most: int) -> list[Failure]:
    """The universes that have failed, or were killed by the sweep, with the reasons.

    Args:
        directory: Where they are
        tally: What has become of them
        most: How many to look at, at most
    """
    listed = tally.failed | tally.killed
    codes = {
        number: code
        for code, numbers in tally.exit_codes.items()
        for number in numbers
        if number in listed
    }
    return [
        Failure(
            number,
            directory.universe(number),
            directory.space.position(number),
            codes[number],
            _why_killed(codes[number])
            if number in tally.killed
            else _reason(directory.universe(number) / "out.log", codes[number]),
        )
        for number in sorted(codes)[:most]
    ]


def _why_killed(exit_code: int) -> str:
    if exit_code == EXIT_CODE_STOPPED:
        return (
            "A stop condition has ended its process before its run could end in order: "
            "does it hold that early, or has the model no handler for the signal?"
        )
    return (
        "It did not end in time once it was told to, and was killed: do its steps take "
        "longer than --grace says, or never end?"
    )


def _reason(log: Path, exit_code: int, max_lines: int = 5) -> str:
    """Why a universe has failed, by its exit code and its log."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = "(There is no log.)"
    if line := users_line(text):
        return line
    found = error_in(text)
    if found.startswith("Error: "):
        return found
    last = "\n".join(found.splitlines()[-max_lines:])
    return f"{_describe_exit(exit_code)} Its log ends with\n{last}"


def _describe_exit(exit_code: int) -> str:
    try:
        name = signal.Signals(exit_code - 128).name
    except ValueError:
        return f"Its process has ended with exit code {exit_code}."
    memory = " Was there enough memory?" if name == "SIGKILL" else ""
    return f"It was killed by {name}.{memory}"
