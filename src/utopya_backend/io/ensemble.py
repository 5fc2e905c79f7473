"""The universes of a run as one: their parameters are further dimensions."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotAnOutputFileError, UserError
from ..space import Space
from ..tools import load_cfg_file
from .glance import has_writer
from .lazy import Array, InMemory, Labelled
from .opening import universe_number
from .provenance import ORIGIN
from .reading import Node, read_file
from .record import read_record, status_by
from .rounding import warn_of_rounding
from .runs import PARAMETER_SPACE
from .stacking import Group

UNREADABLE = "unreadable"
"""The status of a universe whose file cannot be read"""

_MAX_PROBLEMS = 10


class MissingUniversesWarning(UserWarning):
    """Not all universes of a run can be read."""


class MixedSourcesWarning(UserWarning):
    """The universes of a run come from different sources of the model, or versions."""


@dataclass
class Arrangement:
    """How the universes of a run are arranged.

    Attributes:
        coords: The values of the swept parameters, by their names
        positions: The position of each universe along these dimensions, by its
            number
        coupled: Of the parameters that are coupled to one of these, by their names,
            the name of that one and the values
    """

    coords: dict[str, list[Any]]
    positions: dict[int, tuple[int, ...]]
    coupled: dict[str, tuple[str, list[Any]]] = field(default_factory=dict)


def read_run(directory: Path, files: Sequence[Path]) -> Node:
    """Reads what is in the files of many universes, but not the values.

    Args:
        directory: The directory of the run
        files: The files of its universes

    Returns:
        The same groups and datasets as in each file. The datasets have the swept
        parameters as further dimensions, in front; there is one for the numbers of the
        universes, ``universe``, and one for how they ended, ``status``. If they come
        from different sources or versions, there is one for each of these, too.
    """
    space = _read_arrangement(directory) or _numbered(files)
    record = read_record(directory)
    universes = Group()
    states: dict[int, str] = {}
    origins: dict[int, Mapping[str, Any]] = {}
    problems, strangers = [], []
    for path in files:
        number = universe_number(path)
        try:
            node = read_file(path)
        except (UserError, OSError) as error:
            problems.append(str(error))
            states[number] = UNREADABLE
            continue
        if number not in space.positions:
            strangers.append(number)
            continue
        name, status = path.parent.name, str(node.attrs.get("status", "unknown"))
        states[number] = status_by(record, name, status)
        if status == "running" and name in record and not has_writer(path):
            states[number] = str(record[name])
        universes.add(space.positions[number], node)
        origins[number] = node.attrs
    missing = [
        n for n in sorted(space.positions) if states.get(n) in (None, UNREADABLE)
    ]
    if strangers:
        problems.append(f"Not in the parameter space: {_shortened(sorted(strangers))}")
    if missing:
        count = f"{len(missing)} of {len(space.positions)}"
        problems.insert(0, f"{count} universes have no data: {_shortened(missing)}")
    if problems:
        warnings.warn(_listed(problems), MissingUniversesWarning, stacklevel=3)
    if len(missing) == len(space.positions):
        raise NotAnOutputFileError(
            f"No universe in {directory} can be read: {problems[-1]}"
        )
    outer = {name: as_coords(values) for name, values in space.coords.items()}
    for name, values in outer.items():
        warn_of_rounding(f"the parameter {name}", [values])
    run = universes.stack(outer)
    run.attrs["missing_universes"] = missing
    run.coords = {
        name: (target, as_coords(values))
        for name, (target, values) in space.coupled.items()
        if name not in outer
    }
    _describe_universes(run, states, space, outer)
    _describe_origins(run, origins, space, outer)
    return run


def _read_arrangement(directory: Path) -> Arrangement | None:
    """Reads which parameters the universes of a run differ in.

    Args:
        directory: The directory of the run

    Returns:
        How they are arranged; None if the run does not say so
    """
    path = directory / PARAMETER_SPACE
    if not path.exists():
        return None
    pspace = load_cfg_file(str(path))
    if not getattr(pspace, "num_dims", 0):
        return None
    space = Space(pspace)
    positions = np.ndindex(*map(len, space.coords.values()))
    return Arrangement(
        space.coords, dict(zip(space, positions, strict=True)), space.coupled
    )


def _numbered(files: Sequence[Path]) -> Arrangement:
    numbers = sorted(map(universe_number, files))
    return Arrangement(
        {"universe": list(numbers)}, {number: (i,) for i, number in enumerate(numbers)}
    )


def _describe_universes(
    run: Node, states: Mapping[int, str], space: Arrangement, outer: Mapping[str, Array]
) -> None:
    shape = tuple(map(len, outer.values()))
    numbers = np.zeros(shape, int)
    status = np.full(shape, "missing", object)
    for number, position in space.positions.items():
        numbers[position] = number
        status[position] = states.get(number, "missing")
    for name, values in {"universe": numbers, "status": status}.items():
        # A parameter of that name keeps it, and this gets an underscore; see io.tree.
        if name not in outer or not np.array_equal(values, outer[name]):
            run.variables[name] = Labelled(tuple(outer), InMemory(values), outer)


def _describe_origins(
    run: Node,
    origins: Mapping[int, Mapping[str, Any]],
    space: Arrangement,
    outer: Mapping[str, Array],
) -> None:
    """Says which universe is from which source and versions, if these differ."""
    shape = tuple(map(len, outer.values()))
    mixed = []
    for key in ORIGIN:
        found = {n: str(attrs.get(key, "unknown")) for n, attrs in origins.items()}
        count = len({*found.values()})
        if count < 2:
            continue
        values = np.full(shape, "missing", object)
        for number, text in found.items():
            values[space.positions[number]] = text
        run.variables[key] = Labelled(tuple(outer), InMemory(values), outer)
        mixed.append(f"{count} different values of {key}")
    if mixed:
        warnings.warn(
            f"The universes have {', '.join(mixed)}: variables of these names say "
            "which has which.",
            MixedSourcesWarning,
            stacklevel=4,
        )


def as_coords(values: Sequence[Any]) -> Array:
    """Makes coordinates of the values of a parameter.

    Args:
        values: The values. If they are not all numbers, or all strings, their
            texts are the coordinates.
    """
    types = {type(value) for value in values}
    if types <= {bool} or types <= {int, float}:
        coords = np.array(values)
        # One type may not hold all of them exactly.
        is_exact = all(
            a == b or a != a for a, b in zip(coords.tolist(), values, strict=True)
        )
        if is_exact and coords.dtype.kind in "biuf":
            return coords
    texts = [str(value) for value in values]
    if len(set(texts)) < len(texts):  # as of 1 and "1"
        texts = [repr(value) for value in values]
    return np.array(texts)


def _listed(problems: Sequence[str]) -> str:
    lines = list(problems[:_MAX_PROBLEMS])
    if (more := len(problems) - _MAX_PROBLEMS) > 0:
        lines.append(f"… and {more} more.")
    return "\n".join(lines)


def _shortened(numbers: Sequence[int], most: int = 20) -> str:
    text = ", ".join(map(str, numbers[:most]))
    return f"{text}, …" if len(numbers) > most else text
