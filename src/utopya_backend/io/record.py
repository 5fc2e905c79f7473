"""The record of a sweep: what has become of each universe, by its exit code.

``_universes.tsv`` has a line for each time a universe has ended, and one for each time
that it is run once more; the last one counts.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .status import has_come_to_end

RECORD = "_universes.tsv"

BEGUN_ANEW = "begun"
"""In place of an outcome: what the lines above say of a universe is no longer so"""

COMPLETE = ("finished", "stopped")
"""The outcomes of universes that need not be run any more"""


class Entry(NamedTuple):
    """What the record says of a universe."""

    outcome: str
    """A word: ``finished``, ``stopped``, ``failed``, ``killed`` or ``interrupted``"""

    exit_code: str
    """The exit code of its program"""

    def __str__(self) -> str:
        return f"{self.outcome}: exit code {self.exit_code}"


def read_record(run: str | os.PathLike[str]) -> dict[str, Entry]:
    """Reads the record of a sweep.

    Args:
        run: The directory of the run

    Returns:
        What it says of each universe, by their names. It is empty if there is none, as
        of a run by the frontend.
    """
    found: dict[str, Entry] = {}
    with contextlib.suppress(OSError):
        text = Path(run, RECORD).read_text("utf-8", "replace")
        for line in text.splitlines()[1:]:
            name, outcome, exit_code, *_ = [*line.split("\t"), "", ""]
            if outcome == BEGUN_ANEW:
                found.pop(name, None)
            elif exit_code:  # else, the line was not completed
                found[name] = Entry(outcome, exit_code)
    return found


def record_around(path: str | os.PathLike[str]) -> dict[str, Entry]:
    """Reads the record of the sweep that an output file is part of.

    Args:
        path: The output file of a universe

    Returns:
        See :py:func:`read_record`; empty if it is not part of a sweep
    """
    _, data, *above = Path(path).absolute().parents
    return read_record(above[0]) if above and data.name == "data" else {}


def status_by(record: Mapping[str, Entry], name: str, status: str) -> str:
    """How a universe has ended, by its file and by the record.

    A file says how its run has ended. What its program does then, or that it was
    killed, only the record can say.

    Args:
        record: The record
        name: The name of the universe
        status: What its file says
    """
    entry = record.get(name)
    if entry is None or not has_come_to_end(status) or entry.outcome in COMPLETE:
        return status
    return str(entry)
