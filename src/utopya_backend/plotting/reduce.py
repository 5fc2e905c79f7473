"""Reading of no more of an array than a picture can show.

Arrays may be larger than the memory, and have more values than a picture has dots: they
are read block by block, and reduced on the way.
"""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import xarray

from ..io.last import is_time
from ..io.missing import MAX_EXACT
from ..io.missing import Array as Array
from .naming import how_many, name_of

MAX_POINTS = 4_000
"""Points of a line: about four times as many as a picture has dots from side to side"""

MAX_ROWS = 2_000
"""Points of a line for each of which the quantiles of many values are computed"""

MAX_MEMBERS = 100_000
"""Values of which the quantiles are computed; of more, a share is as good"""

MAX_DRAWN = 1e300
"""The largest number that is drawn; the difference of two is still a number"""

BLOCK = 2_000_000
"""Values that are in memory at once, if a single row has no more"""

QUANTILES = (0.05, 0.25, 0.75, 0.95)
"""The limits of the bands that hold 90 % and 50 % of the values"""


def read_extremes(variable: xarray.DataArray, dim: str) -> tuple[Array, Array, str]:
    """Reads lines: all of their points, or the least and largest of every few.

    Args:
        variable: The variable. There is one line for each index along the others
            of its dimensions.
        dim: The dimension along which the lines go

    Returns:
        The numbers of the points, the points ``array[point, line]``, and a sentence on
        what was done to the data, if anything was
    """
    size, origin = variable.sizes[dim], origin_of(variable)
    if size <= MAX_POINTS:
        _, values = next(_blocks(variable, dim, 1, size))
        counts = _counts(values)
        values, notes = finite(values.reshape(size, -1), origin)
        there = how_many(variable, dim, np.arange(size), counts, values.shape[1])
        return np.arange(size), values, "; ".join([*filter(None, [notes]), *there])
    width = -(-size // (MAX_POINTS // 2))
    numbers, parts, all_counts, all_notes = [], [], [], ""
    for start, block in _blocks(variable, dim, width):
        values, notes = finite(block.reshape(len(block), -1), origin)
        firsts = np.arange(0, len(values), width)
        lasts = np.minimum(firsts + width, len(values)) - 1
        least = np.fmin.reduceat(values, firsts)
        largest = np.fmax.reduceat(values, firsts)
        numbers.append(start + np.stack([firsts, lasts], axis=1).ravel())
        parts.append(np.stack([least, largest], axis=1).reshape(-1, values.shape[1]))
        all_counts.append(np.maximum.reduceat(_counts(block), firsts).repeat(2))
        all_notes = notes or all_notes
    shown = f"the least and the largest of every {width} values"
    points, lines = np.concatenate(numbers), np.concatenate(parts)
    there = how_many(variable, dim, points, np.concatenate(all_counts), lines.shape[1])
    return points, lines, "; ".join(filter(None, [shown, all_notes, *there]))


def read_spread(
    variable: xarray.DataArray, dim: str, groups: Sequence[str]
) -> tuple[Array, Array, Array, str]:
    """Reads means and quantiles.

    Args:
        variable: The variable
        dim: The dimension along which the lines go
        groups: The dimensions for each index of which there is a line. They are taken
            over all other dimensions.

    Returns:
        The numbers of the points, the means ``array[point, line]``, the quantiles
        ``array[quantile, point, line]``, and a sentence on what was done to the data,
        and on how many of them there are
    """
    size, origin = variable.sizes[dim], origin_of(variable)
    stride = -(-size // MAX_ROWS)
    shown = [f"one {name_of(variable, dim)} in {stride}"] if stride > 1 else []
    members = [other for other in variable.dims if other not in (dim, *groups)]
    variable, thinned = thin(variable, list(map(str, members)), MAX_MEMBERS)
    shown += thinned
    variable = variable.transpose(dim, *groups, *members)
    numbers = np.arange(size)[::stride]
    num_lines = int(np.prod([variable.sizes[group] for group in groups], dtype=int))
    means, quantiles, counts, infinite = [], [], [], ""
    for _, block in _blocks(variable, dim, stride, part=slice(None, None, stride)):
        values, notes = finite(block.reshape(len(block), num_lines, -1), origin)
        with warnings.catch_warnings():  # of values of which all are NaN
            warnings.simplefilter("ignore", RuntimeWarning)
            means.append(np.nanmean(values, axis=-1))
            # Without NaN, the plain function is many times faster.
            has_nan = np.isnan(values).any()
            quantile = np.nanquantile if has_nan else np.quantile
            quantiles.append(quantile(values, QUANTILES, axis=-1))
        counts.append(_counts(block))
        infinite = notes or infinite
    total = variable.size // size
    there = how_many(variable, dim, numbers, np.concatenate(counts), total)
    end = ": the mean is of these" if is_time(dim) else ""
    shown += [f"{note}{end}" for note in there]
    return (
        numbers,
        np.concatenate(means),
        np.concatenate(quantiles, axis=1),
        "; ".join(filter(None, [*shown, infinite])),
    )


def read_mean(variable: xarray.DataArray, dim: str) -> tuple[Array, int, str]:
    """Reads the means over all dimensions but one.

    Args:
        variable: The variable
        dim: The dimension that remains

    Returns:
        The means, how many values are missing, and a sentence on what was done to the
        data
    """
    means, number, all_notes = [], 0, ""
    origin = origin_of(variable)
    for _, block in _blocks(variable, dim, 1):
        values, notes = finite(block.reshape(len(block), -1), origin)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            means.append(np.nanmean(values, axis=1))
        number += int(np.isnan(block).sum()) if block.dtype.kind == "f" else 0
        all_notes = notes or all_notes
    return np.concatenate(means), number, all_notes


def read_frame(frame: xarray.DataArray, most: int) -> Array:
    """Reads a grid, or every few cells of a large one.

    Args:
        frame: The grid, ``array[x, y]``
        most: How many cells to read along each axis at most
    """
    strides = {dim: slice(None, None, -(-n // most)) for dim, n in frame.sizes.items()}
    return np.asarray(frame.isel(strides).values)


def _blocks(
    variable: xarray.DataArray,
    dim: str,
    multiple: int,
    most: int | None = None,
    part: slice = slice(None),
) -> Iterator[tuple[int, Array]]:
    """Reads a variable in blocks along one of its dimensions, which comes first.

    Args:
        variable: The variable
        dim: The dimension
        multiple: The length of a block is a multiple of this.
        most: The length of a block; by default, one that fits into memory
        part: What is read of each block
    """
    size = variable.sizes[dim]
    others = [other for other in variable.dims if other != dim]
    if most is None:
        most = BLOCK * size // max(variable.size, 1)
    length = max(most // multiple, 1) * multiple
    for start in range(0, size, length):
        stop = min(start + length, size)
        block = variable.isel({dim: slice(start, stop, part.step)})
        yield start, np.asarray(block.transpose(dim, *others).values)


def _counts(block: Array) -> Array:
    """How many values there are in each row, that is, are not missing."""
    block = block.reshape(len(block), -1)
    if block.dtype.kind != "f":
        return np.full(len(block), block.shape[1])
    counts: Array = (~np.isnan(block)).sum(axis=1)
    return counts


def thin(
    variable: xarray.DataArray, dims: Sequence[str], most: int
) -> tuple[xarray.DataArray, list[str]]:
    """Leaves out members, if there are very many of them.

    Args:
        variable: The variable
        dims: The dimensions of the members
        most: How many members there may be, about

    Returns:
        What is left, and what that is
    """
    notes = []
    for dim in sorted(dims, key=lambda dim: -variable.sizes[dim]):
        number = np.prod([variable.sizes[other] for other in dims], dtype=int)
        stride = min(-(-int(number) // most), variable.sizes[dim])
        if stride > 1:
            variable = variable.isel({dim: slice(None, None, stride)})
            notes.append(f"one {name_of(variable, dim)} in {stride}")
    return variable, notes


def finite(values: Array, origin: int = 0) -> tuple[Array, str]:
    """The values as floats, with NaN instead of what is too large to be drawn.

    Args:
        values: The values
        origin: What is taken from integers, see :py:func:`origin_of`

    Returns:
        These, and a remark if some are left out
    """
    if origin:
        rough = values.astype(float) - origin
        exact = (values - values.dtype.type(origin)).view(np.int64)  # may wrap around
        return np.where(abs(rough) < 2.0**62, exact.astype(float), rough), ""
    with np.errstate(over="ignore"):  # of long doubles
        values = values.astype(float)
    if not (beyond := abs(values) > MAX_DRAWN).any():
        return values, ""
    is_infinite = np.isinf(values[beyond]).all()
    what = "infinite values" if is_infinite else f"values beyond {MAX_DRAWN:g}"
    return np.where(beyond, np.nan, values), f"without {what}"


def origin_of(variable: xarray.DataArray) -> int:
    """What a picture takes from integers which, as floats, it could not tell apart.

    Args:
        variable: The variable

    Returns:
        The first value if that is so large, otherwise 0
    """
    if variable.dtype.kind not in "iu" or variable.dtype.itemsize < 8:
        return 0
    first = int(variable[(0,) * variable.ndim].values)
    return first if abs(first) > MAX_EXACT // 2 else 0
