"""What a picture of a variable shows.

=========================================  ============================================
the dimensions of the variable             the picture
=========================================  ============================================
a grid, by its attributes or ``x``, ``y``  an image of the last time, or of many
text only, such as the names of timers     bars, of the means over the others
a line's, e.g. ``time``, and no others     a line
likewise, and others that are short        a line for each of their coordinates
likewise, and others that are long         mean and quantiles over these
=========================================  ============================================
"""

from collections.abc import Sequence

import numpy as np
import xarray

from ..errors import NotDrawableError
from .naming import (
    axis_label,
    format_coordinate,
    is_of_timers,
    name_of,
    position,
    sized,
    value_label,
)
from .pictures import Bars, Curve, Image, Lines, Picture
from .reduce import Array, read_extremes, read_frame, read_mean, read_spread

MAX_LINES = 10
"""Lines that can be told apart"""

MAX_BANDS = 6
"""Lines with a band around them that can be told apart"""

MAX_STATES = 8
"""Numbers that are shown as the states of cells, each with a colour"""

MAX_FRAMES = 200
"""Images of an animation"""

_MAX_BARS = 40
_MAX_CELLS = 2000  # along each axis of an image
_MAX_CELLS_ANIMATED = 400
_MAX_TICKS = 12
_SEEDS = ("seed", "universe")  # they tell universes apart, but mean nothing


def choose(variable: xarray.DataArray, max_frames: int = 1) -> Picture:
    """Chooses what a picture of a variable shows, and reads that.

    Args:
        variable: The variable
        max_frames: How many times of a grid to show at most; 1 is the last one.

    Raises:
        ValueError: If there is no picture of it
    """
    name = variable.name
    if variable.size == 0:
        raise NotDrawableError(f"{name} is empty.")
    if variable.dtype.kind not in "biuf":
        kind = {"O": "text", "S": "text", "U": "text", "c": "complex numbers"}
        what = kind.get(variable.dtype.kind, f"of the type {variable.dtype}")
        raise NotDrawableError(f"{name} is {what}: only real numbers are drawn.")
    if not variable.dims:
        raise NotDrawableError(f"{name} is a single value, {variable.item():.6g}.")
    if grid := grid_dims(variable):
        return _image(variable, grid, max_frames)
    if max_frames > 1:
        raise NotDrawableError(f"{name} is no grid: only grids can be animated.")
    dim = _line_dim(variable)
    if _is_text(variable, dim) and not _is_time(dim):
        return _bars(variable, dim)
    return _lines(variable, dim)


def grid_dims(variable: xarray.DataArray) -> list[str]:
    """The dimensions of the cells, if a variable is a grid.

    Args:
        variable: The variable
    """
    dims = list(map(str, variable.dims))
    shape = tuple(map(int, np.ravel(variable.attrs.get("grid_shape", []))))
    content = variable.attrs.get("content")
    if content in ("grid", b"grid") and 2 <= len(shape) <= len(dims):
        # A grid whose attributes do not fit has been read as a row of cells.
        return dims[-len(shape) :] if variable.shape[-len(shape) :] == shape else []
    return ["x", "y"] if dims[-2:] == ["x", "y"] else []


def _line_dim(variable: xarray.DataArray) -> str:
    """The dimension along which lines or bars go."""
    dims = list(map(str, variable.dims))
    if variable.name == "total" and is_of_timers(variable):
        return dims[-1]
    if times := [dim for dim in dims if _is_time(dim)]:
        return times[0]
    texts = [dim for dim in dims if _is_text(variable, dim)]
    numbers = [dim for dim in dims if dim not in (*texts, *_SEEDS)]
    return (numbers or texts or dims)[-1]  # swept parameters stand in front


def _is_time(dim: str) -> bool:
    # Dimensions of the same name but other coordinates get a prefix; see io.tree.
    return dim.rstrip("_").endswith(("time", "n_iterations"))


def _is_text(variable: xarray.DataArray, dim: str) -> bool:
    return dim in variable.coords and variable[dim].dtype.kind not in "biuf"


def _lines(variable: xarray.DataArray, dim: str) -> Lines:
    groups, members = _group(variable, dim)
    if members:
        numbers, means, quantiles, read_notes = read_spread(variable, dim, groups)
        across = " × ".join(sized(variable, other) for other in members)
        shown = "mean, 50 %" if groups else "mean, 50 % and 90 %"
        notes = [f"{shown} of {across}"]
    else:
        numbers, means, read_notes = read_extremes(variable, dim)
        quantiles, notes = np.empty((0, *means.shape)), []
    _check_finite(variable, means)
    x, ticks = _coordinates(variable, dim, numbers)
    order = np.argsort(x, kind="stable")
    order = order[np.isfinite(x[order])]
    curves = tuple(
        Curve(
            label,
            means[order, number],
            tuple(
                (quantiles[low][order, number], quantiles[-1 - low][order, number])
                for low in range(len(quantiles) // 2)
                if low == 1 or not groups
            ),
        )
        for number, label in enumerate(_labels(variable, groups))
    )
    notes += [read_notes] if read_notes else []
    return Lines(
        x[order],
        axis_label(variable, dim),
        value_label(variable),
        curves,
        name_of(variable, groups[0]) if len(groups) == 1 else "",
        ticks,
        tuple(notes),
    )


def _group(variable: xarray.DataArray, dim: str) -> tuple[list[str], list[str]]:
    """Which of the other dimensions get a line for each coordinate.

    Returns:
        These; and those over which means and quantiles are taken
    """
    others = [str(other) for other in variable.dims if other != dim]
    sizes = {other: variable.sizes[other] for other in others}
    if np.prod(list(sizes.values()), dtype=int) <= MAX_LINES:
        return others, []
    groups: list[str] = []
    number = 1
    for other in sorted(others, key=lambda other: sizes[other]):
        if other not in _SEEDS and number * sizes[other] <= MAX_BANDS:
            groups.append(other)
            number *= sizes[other]
    return (
        [other for other in others if other in groups],
        [other for other in others if other not in groups],
    )


def _labels(variable: xarray.DataArray, groups: Sequence[str]) -> list[str]:
    """What the coordinates of each line are, in the order of their numbers."""
    shape = [variable.sizes[group] for group in groups]
    return [
        ", ".join(
            position(variable, group, index)
            if len(groups) > 1
            else format_coordinate(variable[group].values[index])
            for group, index in zip(groups, indices, strict=True)
        )
        for indices in np.ndindex(*shape)
    ]


def _coordinates(
    variable: xarray.DataArray, dim: str, numbers: Array
) -> tuple[Array, dict[int, str]]:
    """Coordinates of some points; if they are text, their numbers, and names."""
    if dim not in variable.coords:
        return numbers, {}
    values = variable[dim].values
    if not _is_text(variable, dim):
        return values[numbers], {}
    stride = -(-len(values) // _MAX_TICKS)
    ticks = {number: str(values[number]) for number in range(0, len(values), stride)}
    return numbers, ticks


def _bars(variable: xarray.DataArray, dim: str) -> Bars:
    values, read_notes = read_mean(variable, dim)
    _check_finite(variable, values)
    others = [sized(variable, str(other)) for other in variable.dims if other != dim]
    notes = [f"mean of {' × '.join(others)}"] if others else []
    notes += [read_notes] if read_notes else []
    names = [str(name) for name in variable[dim].values]
    is_timer = is_of_timers(variable)
    order = np.arange(len(values))
    if is_timer or len(order) > _MAX_BARS:
        order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    if len(order) > _MAX_BARS:
        notes.append(f"the {_MAX_BARS} largest of {len(order)}")
        order = order[:_MAX_BARS]
    return Bars(
        tuple(names[number] for number in order),
        values[order],
        "" if is_timer else axis_label(variable, dim),
        value_label(variable),
        is_timer,
        tuple(notes),
    )


def _image(variable: xarray.DataArray, grid: list[str], max_frames: int) -> Image:
    notes = []
    if len(grid) == 3:
        middle = variable.sizes[grid[2]] // 2
        notes.append(position(variable, grid[2], middle))
        variable, grid = variable.isel({grid[2]: middle}), grid[:2]
    times = [str(dim) for dim in variable.dims if _is_time(str(dim))][:1]
    outer = [str(dim) for dim in variable.dims if dim not in (*grid, *times)]
    variable, chosen = _first_with_data(variable, outer, times)
    notes += [f"only {chosen}"] if chosen else []
    most = _MAX_CELLS if max_frames == 1 else _MAX_CELLS_ANIMATED
    last = variable.sizes[times[0]] - 1 if times else 0
    frames, labels = [], []
    for number in _spaced(last, max_frames):
        frame = variable.isel(dict.fromkeys(times, number)).transpose(*grid)
        frames.append(read_frame(frame, most))
        labels.append(position(variable, times[0], number) if times else "")
    if 1 < max_frames <= last:
        notes.append(f"{len(frames)} of {last + 1} times")
    if max(variable.sizes[dim] for dim in grid) > most:
        notes.append(f"at most {most} cells along each axis")
    extent = (*_limits(variable, grid[0]), *_limits(variable, grid[1]))
    axis_labels = (axis_label(variable, grid[0]), axis_label(variable, grid[1]))
    return Image(tuple(frames), tuple(labels), extent, axis_labels,
                 value_label(variable), _states(frames), tuple(notes))  # fmt: skip


def _first_with_data(
    variable: xarray.DataArray, outer: Sequence[str], times: Sequence[str]
) -> tuple[xarray.DataArray, str]:
    """The first universe that has data, up to its last time, and which one it is."""
    for indices in np.ndindex(*(variable.sizes[dim] for dim in outer)):
        where = dict(zip(outer, indices, strict=True))
        universe = variable.isel(where)
        text = ", ".join(position(variable, dim, index) for dim, index in where.items())
        if variable.dtype.kind != "f":
            return universe, text  # nothing is missing
        for dim in times:
            # One that has ended early has no data at the last times.
            for stop in range(universe.sizes[dim], 0, -1):
                if np.isfinite(universe.isel({dim: stop - 1}).values).any():
                    return universe.isel({dim: slice(stop)}), text
        if not times and np.isfinite(universe.values).any():
            return universe, text
    raise NotDrawableError(f"{variable.name} has no finite values.")


def _spaced(last: int, most: int) -> list[int]:
    if most == 1:
        return [last]
    numbers = np.linspace(0, last, min(most, last + 1))
    return [round(float(number)) for number in numbers]


def _states(frames: Sequence[Array]) -> tuple[int, ...]:
    """The values, if they are few integers, as the states of an automaton are."""
    states: set[float] = set()
    for frame in frames:
        values = frame[np.isfinite(frame)]
        # Only an integer grid with gaps is one of floats and has but integers.
        if frame.dtype.kind == "f" and (values != np.round(values)).any():
            return ()
        states.update(map(float, np.unique(values)))
        if len(states) > MAX_STATES:
            return ()
    return tuple(sorted(map(int, states)))


def _limits(variable: xarray.DataArray, dim: str) -> tuple[float, float]:
    """The limits of the cells, of which the coordinates are the centres."""
    first, last = map(float, variable[dim].values[[0, -1]])
    size = variable.sizes[dim]
    half = (last - first) / (size - 1) / 2 if size > 1 and first < last else 0.5
    return first - half, last + half


def _check_finite(variable: xarray.DataArray, values: Array) -> None:
    if not np.isfinite(values).any():
        raise NotDrawableError(f"{variable.name} has no finite values.")
