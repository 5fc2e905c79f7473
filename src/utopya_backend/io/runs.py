"""The runs in a directory such as ``out/<name>``, and which of them was begun last.

When a run was begun is what it says itself, whatever its directory is called, and
wherever it was copied to. In this order:

- ``started`` in ``config/provenance.yml``, which each run of this package writes before
  anything else. If the clock was set back since another run was begun, ``after`` has
  the time which that has noted.
- ``started`` in the output files of its universes, as in a run of the frontend. The
  earliest of three counts, as some may have been run once more.
- The time that the name of its directory begins with, where another backend has
  written the files.

Times are in UTC, so that time zones and summer time do not matter.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import LatestRunWarning

TIME_FORMAT = "%y%m%d-%H%M%S"
"""How the start of a run is written in the name of its directory, in local time"""

PROVENANCE = "config/provenance.yml"
"""Where a run notes when it was begun, and from what"""

PARAMETER_SPACE = "config/parameter_space.yml"
"""Where the parameter space of a run is, also of one that has a single universe"""

_MAX_BYTES = 4096  # of a record that are read
_PATIENCE = 0.5  # for a commit that is being made [s]

Beginning = tuple[datetime, ...]
"""When a run was begun. In front of it is, if the clock was set back, the beginning of
the run that was the latest until then; so the order of these tuples is that of runs."""


def latest_run(
    path: str | os.PathLike[str], counts: Callable[[Path], bool] = lambda run: True
) -> Path:
    """The run in a directory of several, such as ``out/<name>``, that was begun last.

    Args:
        path: The directory
        counts: Which runs count; by default, all of them, also those without data

    Returns:
        Its directory; the path itself if that is a run, or has none. Where it is not
        certain which one it is, or a later one does not count, a
        :py:class:`LatestRunWarning` says so.
    """
    path = Path(path).expanduser()
    if os.path.exists(path / "data"):
        return path
    begun = {run: beginning_of(run) for run in _runs_in(path)}
    in_order = sorted(begun, key=lambda run: _rank(run, begun[run]), reverse=True)
    candidates = filter(counts, in_order)  # which may look at each of its universes
    latest = next(candidates, None)
    if latest is None:
        return path
    if later := in_order[: in_order.index(latest)]:
        _warn_of_empty(path, latest, later)
    rivals = [run for run in in_order if begun[run] in (None, begun[latest])]
    if rivals != [latest] and (rivals := [*filter(counts, rivals)]) != [latest]:
        _warn_of_rivals(path, latest, rivals)
    return latest


def _warn_of_empty(path: Path, latest: Path, later: list[Path]) -> None:
    names = ", ".join(run.name for run in later)
    warnings.warn(
        f"{latest.name} is the latest run in {path} that has data. Begun later, but "
        f"without data: {names}.",
        LatestRunWarning,
        stacklevel=4,
    )


def _warn_of_rivals(path: Path, latest: Path, rivals: list[Path]) -> None:
    names = ", ".join(run.name for run in rivals if run != latest)
    warnings.warn(
        f"{latest.name} is taken for the latest run in {path}. That is not certain: "
        f"{names} may have been begun at the same time or later, by what they say "
        "themselves. Give the directory of the run that is meant.",
        LatestRunWarning,
        stacklevel=4,
    )


def beginning_of(run: Path) -> Beginning | None:
    """When a run was begun, by what it says itself.

    Args:
        run: Its directory

    Returns:
        None if it does not say so
    """
    if (recorded := _recorded(run)) is not None:
        return recorded
    found = _started_in_data(run) or _time_in_name(run.name)
    return None if found is None else (found,)


def note_beginning(run: Path, now: float) -> None:
    """Has a run note when it was begun, so that it is later than all that are there.

    Args:
        run: Its directory, which has been made just now
        now: The time [s since 1970]

    Raises:
        OSError: If it cannot be written
    """
    started = datetime.fromtimestamp(now, UTC)
    text = f"started: {_format(started)}\n"
    # Others have been named later only if the clock was set back, or one was renamed.
    # To look at all of them would take too long.
    others = filter(None, map(beginning_of, _named_since(run)))
    latest = max(others, default=())
    if latest >= (started,):
        text += f"after: [{', '.join(map(_format, latest))}]\n"
    with open(run / PROVENANCE, "x", encoding="utf-8") as file:
        file.write(text)


def universes_in(run: Path) -> Iterator[tuple[int, str]]:
    """Finds the universes of a run, in no order.

    Args:
        run: Its directory

    Yields:
        The number of each, and the path of its output file, which need not be there
    """
    with suppress(OSError), os.scandir(run / "data") as entries:
        for entry in entries:
            number = entry.name.removeprefix("uni")
            if number != entry.name and number.isdecimal():
                yield int(number), os.path.join(entry.path, "data.h5")


def has_output(run: Path) -> bool:
    """Whether a run has the output file of any universe.

    Args:
        run: Its directory
    """
    return any(os.path.exists(file) for _, file in universes_in(run))


# .. What runs there are ......................................................


def _runs_in(path: Path) -> list[Path]:
    """The runs in a directory. One to which a link leads, too, is there once."""
    try:
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError:
        return []
    runs: dict[str, Path] = {}
    parent = os.path.realpath(path)
    for entry in found:
        if os.path.isdir(os.path.join(entry.path, "data")):
            is_link = entry.is_symlink()
            place = os.path.realpath(entry) if is_link else f"{parent}/{entry.name}"
            runs.setdefault(place, Path(entry.path))
    return list(runs.values())


def _named_since(run: Path) -> list[Path]:
    """The other runs whose names are of the same second, or sort behind it."""
    second = run.name.partition("_")[0]
    try:
        names = os.listdir(run.parent)
    except OSError:
        return []
    since = (name for name in names if name >= second and name != run.name)
    return [run.with_name(name) for name in since]


def _rank(run: Path, begun: Beginning | None) -> Any:
    numbered = [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", run.name)]
    return begun is not None, begun, numbered


# .. When they were begun .....................................................


def _recorded(run: Path) -> Beginning | None:
    try:
        with open(run / PROVENANCE, "rb") as file:
            text = file.read(_MAX_BYTES).decode(errors="replace")
    except OSError:
        return None
    lines = (line.partition(": ") for line in text.splitlines())
    entries = {key: value.strip("[]").split(",") for key, _, value in lines}
    texts = [*entries.get("after", ()), *entries.get("started", ("",))]
    times = [_parse(text.strip(" '\"")) for text in texts]
    return None if None in times else tuple(times)  # type: ignore[arg-type]  # none is


def _started_in_data(run: Path) -> datetime | None:
    files = [file for _, file in sorted(universes_in(run))]
    places = {0, len(files) // 2, len(files) - 1} if files else ()
    few = [*filter(os.path.exists, (files[place] for place in places))]
    if not few:  # they have nothing yet, or have been lost
        few = [*islice(filter(os.path.exists, files), 1)]
    return min(filter(None, map(_started_in, few)), default=None)


def _started_in(file: str) -> datetime | None:
    from .opening import open_hdf5  # which needs this module, too

    try:
        with open_hdf5(file, patience=_PATIENCE) as opened:
            return _parse(str(opened.attrs.get("started")))
    except (OSError, ValueError, RuntimeError):  # damaged, or not ours
        return None


def _time_in_name(name: str) -> datetime | None:
    time, _, _ = name.partition("_")
    try:
        return datetime.strptime(time, TIME_FORMAT).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _format(time: datetime) -> str:
    return f"'{time.isoformat(timespec='microseconds')}'"  # for YAML
