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
from ..io.labels import grid_shape_of
from ..io.last import is_time
from ..io.missing import MAX_EXACT
from ..io.walking import text_of
from .kinds import SEEDS, check_drawable, check_finite, is_text
from .lines import choose_lines
from .naming import axis_label, is_of_timers, position, sized, value_label
from .pictures import Bars, Image, Picture
from .reduce import Array, finite, origin_of, read_frame, read_mean

MAX_STATES = 8
"""Numbers that are shown as the states of cells, each with a colour"""

MAX_FRAMES = 200
"""Images of an animation"""

_MAX_BARS = 40
_MAX_CELLS = 2000  # along each axis of an image
_MAX_CELLS_ANIMATED = 400


def choose(variable: xarray.DataArray, max_frames: int = 1) -> Picture:
    """Chooses what a picture of a variable shows, and reads that.

    Args:
        variable: The variable
        max_frames: How many times of a grid to show at most; 1 is the last one.

    Raises:
        ValueError: If there is no picture of it
    """
    check_drawable(variable)
    if grid := grid_dims(variable):
        return _image(variable, grid, max_frames)
    if max_frames > 1:
        raise NotDrawableError(
            f"{variable.name} is no grid: only grids can be animated."
        )
    dim = _line_dim(variable)
    if is_text(variable, dim) and not is_time(dim):
        return _bars(variable, dim)
    return choose_lines(variable, dim)


def grid_dims(variable: xarray.DataArray) -> list[str]:
    """The dimensions of the cells, if a variable is a grid.

    Args:
        variable: The variable
    """
    dims = list(map(str, variable.dims))
    shape = grid_shape_of(variable.attrs)
    is_grid = text_of(variable.attrs.get("content")) == "grid"
    if is_grid and 2 <= len(shape) <= len(dims):
        # A grid whose attributes do not fit has been read as a row of cells.
        return dims[-len(shape) :] if variable.shape[-len(shape) :] == shape else []
    return ["x", "y"] if dims[-2:] == ["x", "y"] else []


def _line_dim(variable: xarray.DataArray) -> str:
    """The dimension along which lines or bars go."""
    dims = list(map(str, variable.dims))
    if variable.name == "total" and is_of_timers(variable):
        return dims[-1]
    if times := [dim for dim in dims if is_time(dim)]:
        return times[0]
    texts = [dim for dim in dims if is_text(variable, dim)]
    numbers = [dim for dim in dims if dim not in (*texts, *SEEDS)]
    return (numbers or texts or dims)[-1]  # swept parameters stand in front


def _bars(variable: xarray.DataArray, dim: str) -> Bars:
    values, number, read_notes = read_mean(variable, dim)
    check_finite(variable, values)
    others = [sized(variable, str(other)) for other in variable.dims if other != dim]
    notes = [f"mean of {' × '.join(others)}"] if others else []
    if number and others:
        notes.append(f"{number} of {variable.size} values are missing")
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
        value_label(variable, origin_of(variable)),
        is_timer,
        tuple(notes),
    )


def _image(variable: xarray.DataArray, grid: list[str], max_frames: int) -> Image:
    notes = []
    if len(grid) == 3:
        middle = variable.sizes[grid[2]] // 2
        notes.append(position(variable, grid[2], middle))
        variable, grid = variable.isel({grid[2]: middle}), grid[:2]
    times = [str(dim) for dim in variable.dims if is_time(str(dim))][:1]
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
    states = _states(frames)
    origin = 0 if states else origin_of(variable)
    if origin or frames[0].dtype.kind == "f":
        read = [finite(frame, origin) for frame in frames]
        frames = [frame for frame, _ in read]
        notes += sorted({note for _, note in read} - {""})
    return Image(tuple(frames), tuple(labels), extent, axis_labels,
                 value_label(variable, origin), states, tuple(notes))  # fmt: skip


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
    states: set[int] = set()
    for frame in frames:
        values = frame[np.isfinite(frame)]
        # Only an integer grid with gaps is one of floats and has but integers.
        if frame.dtype.kind == "f":
            values = values.astype(float)
            if (values != np.round(values)).any() or (abs(values) > MAX_EXACT).any():
                return ()
        states.update(map(int, np.unique(values)))
        if len(states) > MAX_STATES:
            return ()
    return tuple(sorted(states))


def _limits(variable: xarray.DataArray, dim: str) -> tuple[float, float]:
    """The limits of the cells, of which the coordinates are the centres."""
    first, last = map(float, variable[dim].values[[0, -1]])
    size = variable.sizes[dim]
    half = (last - first) / (size - 1) / 2 if size > 1 and first < last else 0.5
    return first - half, last + half
