"""The universes of a run as one: their parameters are further dimensions."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotAnOutputFileError, UserError
from ..tools import load_cfg_file
from .lazy import Array, InMemory, Labelled, LazyArray, PlacedArray, StackedArray
from .opening import universe_number
from .reading import Node, read_file


class MissingUniversesWarning(UserWarning):
    """Not all universes of a run can be read."""


@dataclass
class Space:
    """How the universes of a run are arranged.

    Attributes:
        coords: The values of the swept parameters, by their names
        positions: The position of each universe along these dimensions, by its
            number
    """

    coords: dict[str, list[Any]]
    positions: dict[int, tuple[int, ...]]


def read_run(directory: Path, files: Sequence[Path]) -> Node:
    """Reads what is in the files of many universes, but not the values.

    Args:
        directory: The directory of the run
        files: The files of its universes

    Returns:
        The same groups and datasets as in each file. The datasets have the swept
        parameters as further dimensions, in front; there is one for the numbers of the
        universes, ``universe``, and one for how they ended, ``status``.
    """
    space = read_space(directory) or _numbered(files)
    nodes: dict[int, Node] = {}
    problems = []
    for path in files:
        try:
            nodes[universe_number(path)] = read_file(path)
        except (UserError, OSError) as error:
            problems.append(str(error))
    missing = sorted(space.positions.keys() - nodes.keys())
    unreadable = {universe_number(path) for path in files} - nodes.keys()
    if strangers := sorted(nodes.keys() - space.positions.keys()):
        problems.append(f"Not in the parameter space: {_shortened(strangers)}")
    if missing:
        count = f"{len(missing)} of {len(space.positions)}"
        problems.insert(0, f"{count} universes have no data: {_shortened(missing)}")
    if problems:
        warnings.warn("\n".join(problems), MissingUniversesWarning, stacklevel=3)
    if not nodes:
        raise NotAnOutputFileError(
            f"No universe in {directory} can be read: {problems[-1]}"
        )
    shape = tuple(map(len, space.coords.values()))
    placed = {
        space.positions[number]: node
        for number, node in nodes.items()
        if number in space.positions
    }
    run = _stack(placed, space, shape)
    run.attrs = {**_common(node.attrs for node in nodes.values()),
                 "missing_universes": missing}  # fmt: skip
    states = dict.fromkeys(unreadable, "unreadable")
    for number, node in nodes.items():
        states[number] = str(node.attrs.get("status", "unknown"))
    _describe_universes(run, states, space, shape)
    return run


def read_space(directory: Path) -> Space | None:
    """Reads which parameters the universes of a run differ in.

    Args:
        directory: The directory of the run

    Returns:
        How they are arranged; None if the run does not say so
    """
    path = directory / "config" / "parameter_space.yml"
    if not path.exists():
        return None
    space = load_cfg_file(str(path))
    if not getattr(space, "num_dims", 0):
        return None
    from paramspace.paramdim import Masked

    # State 0 of each dimension is the default value; see paramspace.ParamSpace.
    states = {
        name: [i for i, value in enumerate(values) if not isinstance(value, Masked)]
        for name, values in space.coords.items()
    }
    coords = {name: [space.coords[name][i] for i in states[name]] for name in states}
    positions = {}
    for position in np.ndindex(*map(len, states.values())):
        state = [
            indices[i] for indices, i in zip(states.values(), position, strict=True)
        ]
        number = int(np.ravel_multi_index(state, space.states_shape))
        positions[number] = position
    return Space(coords, positions)


def _numbered(files: Sequence[Path]) -> Space:
    numbers = sorted(map(universe_number, files))
    return Space(
        {"universe": list(numbers)}, {number: (i,) for i, number in enumerate(numbers)}
    )


def _stack(
    nodes: Mapping[tuple[int, ...], Node], space: Space, shape: tuple[int, ...]
) -> Node:
    stacked = Node(attrs=_common(node.attrs for node in nodes.values()))
    for name in _union(node.variables for node in nodes.values()):
        parts = {
            position: node.variables[name]
            for position, node in nodes.items()
            if name in node.variables
        }
        variable = _stack_variable(name, parts, space, shape)
        if variable is not None:
            stacked.variables[name] = variable
    for name in _union(node.children for node in nodes.values()):
        children = {
            position: node.children[name]
            for position, node in nodes.items()
            if name in node.children
        }
        stacked.children[name] = _stack(children, space, shape)
    return stacked


def _stack_variable(
    name: str,
    parts: Mapping[tuple[int, ...], Labelled],
    space: Space,
    shape: tuple[int, ...],
) -> Labelled | None:
    dims = next(iter(parts.values())).dims
    if any(part.dims != dims for part in parts.values()) or not _have_common_type(
        part.array.dtype for part in parts.values()
    ):
        warnings.warn(
            f"'{name}' has other dimensions or types in other universes, and is left "
            "out.",
            stacklevel=2,
        )
        return None
    coords: dict[str, Array] = {}
    placements: list[dict[bytes, Array | None]] = []
    for dim in dims:
        all_coords = [part.coords.get(dim) for part in parts.values()]
        joined, placement = _join(f"'{dim}' of '{name}'", all_coords)
        if joined is not None:
            coords[dim] = joined
        placements.append(placement)
    arrays: dict[tuple[int, ...], LazyArray] = {}
    for position, part in parts.items():
        places = [
            placement.get(_key(part.coords.get(dim)))
            for dim, placement in zip(dims, placements, strict=True)
        ]
        is_placed = any(place is not None for place in places)
        arrays[position] = PlacedArray(part.array, places) if is_placed else part.array
    # A parameter keeps its name, and a dimension of that name does not.
    inner = {dim: f"{name}_{dim}" if dim in space.coords else dim for dim in dims}
    return Labelled(
        (*space.coords, *inner.values()),
        StackedArray(arrays, shape),
        {
            **{key: as_coords(values) for key, values in space.coords.items()},
            **{inner[dim]: values for dim, values in coords.items()},
        },
        _common(part.attrs for part in parts.values()),
    )


def _have_common_type(dtypes: Iterable[np.dtype[Any]]) -> bool:
    try:
        np.result_type(*dtypes)
    except TypeError:
        return False
    return True


def _join(
    what: str,
    all_coords: Sequence[Array | None],
) -> tuple[Array | None, dict[bytes, Array | None]]:
    """Joins the coordinates of a dimension.

    Returns:
        All coordinates there are; and for each of the given ones where they are
        among these, None if that is at the beginning.
    """
    distinct = {_key(coords): coords for coords in all_coords if coords is not None}
    if not distinct:
        return None, {}
    longest = max(distinct.values(), key=len)
    if all(coords is not None for coords in all_coords) and all(
        np.array_equal(coords, longest[: len(coords)]) for coords in distinct.values()
    ):
        return longest, {}
    if any(coords is None for coords in all_coords) or any(
        len(np.unique(coords)) < len(coords) for coords in distinct.values()
    ):
        warnings.warn(
            f"The coordinates of {what} differ between universes, and some are missing "
            "or repeated: they are left out.",
            stacklevel=2,
        )
        return None, {}
    joined = np.unique(np.concatenate(list(distinct.values())))
    return joined, {
        key: np.searchsorted(joined, coords) for key, coords in distinct.items()
    }


def _key(coords: Array | None) -> bytes:
    return b"" if coords is None else coords.dtype.kind.encode() + coords.tobytes()


def _describe_universes(
    run: Node, states: Mapping[int, str], space: Space, shape: tuple[int, ...]
) -> None:
    numbers = np.zeros(shape, int)
    status = np.full(shape, "missing", object)
    for number, position in space.positions.items():
        numbers[position] = number
        status[position] = states.get(number, "missing")
    coords = {name: as_coords(values) for name, values in space.coords.items()}
    for name, values in {"universe": numbers, "status": status}.items():
        if name not in coords:
            run.variables[name] = Labelled(tuple(coords), InMemory(values), coords)


def as_coords(values: Sequence[Any]) -> Array:
    """Makes coordinates of the values of a parameter.

    Args:
        values: The values. If they are not all numbers, or all strings, their
            texts are the coordinates.
    """
    if all(isinstance(value, (bool, int, float)) for value in values):
        return np.array(values)
    return np.array([str(value) for value in values])


def _common(all_attrs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Those attributes that are the same everywhere."""
    first, *others = all_attrs
    return {
        key: value
        for key, value in first.items()
        if all(key in attrs and np.array_equal(attrs[key], value) for attrs in others)
    }


def _union(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _shortened(numbers: Sequence[int], most: int = 20) -> str:
    text = ", ".join(map(str, numbers[:most]))
    return f"{text}, …" if len(numbers) > most else text
