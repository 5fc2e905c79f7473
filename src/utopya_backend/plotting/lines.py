"""Lines: which ones there are of a variable, and what they go through."""

from collections.abc import Sequence

import numpy as np
import xarray

from ..io.missing import MAX_EXACT
from .axes import MAX_TICKS
from .kinds import SEEDS, check_finite, is_text
from .naming import (
    axis_label,
    coordinates_as_texts,
    name_of,
    position,
    sized,
    value_label,
)
from .pictures import Curve, Lines
from .reduce import Array, origin_of, read_extremes, read_spread

MAX_LINES = 10
"""Lines that can be told apart"""

MAX_BANDS = 6
"""Lines with a band around them that can be told apart"""


def choose_lines(
    variable: xarray.DataArray, dim: str, *, seeds_together: bool = False
) -> Lines:
    """Chooses which lines there are of a variable, and reads them.

    Args:
        variable: The variable
        dim: The dimension along which the lines go
        seeds_together: Whether to take the mean over a few seeds, too, instead of
            a line for each

    Raises:
        ValueError: If none of the values is finite
    """
    groups, members = _group(variable, dim, seeds_together)
    if members:
        numbers, means, quantiles, read_notes = read_spread(variable, dim, groups)
        across = " × ".join(sized(variable, other) for other in members)
        shown = "mean, 50 %" if groups else "mean, 50 % and 90 %"
        notes = [f"{shown} of {across}"]
    else:
        numbers, means, read_notes = read_extremes(variable, dim)
        quantiles, notes = np.empty((0, *means.shape)), []
    check_finite(variable, means)
    x, ticks = coordinates(variable, dim, numbers)
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
        value_label(variable, origin_of(variable)),
        curves,
        name_of(variable, groups[0]) if len(groups) == 1 else "",
        ticks,
        tuple(notes),
    )


def _group(
    variable: xarray.DataArray, dim: str, seeds_together: bool
) -> tuple[list[str], list[str]]:
    """Which of the other dimensions get a line for each coordinate.

    Returns:
        These; and those over which means and quantiles are taken
    """
    others = [str(other) for other in variable.dims if other != dim]
    sizes = {other: variable.sizes[other] for other in others}
    has_seeds = any(other in SEEDS for other in others)
    if np.prod(list(sizes.values()), dtype=int) <= MAX_LINES and not (
        seeds_together and has_seeds
    ):
        return others, []
    groups: list[str] = []
    number = 1
    for other in sorted(others, key=lambda other: sizes[other]):
        if other not in SEEDS and number * sizes[other] <= MAX_BANDS:
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
            else coordinates_as_texts(variable[group].values)[index]
            for group, index in zip(groups, indices, strict=True)
        )
        for indices in np.ndindex(*shape)
    ]


def coordinates(
    variable: xarray.DataArray, dim: str, numbers: Array
) -> tuple[Array, dict[int, str]]:
    """The coordinates of some points; if they are text, their numbers, and names.

    Args:
        variable: A variable with the dimension
        dim: The dimension
        numbers: The numbers of the points along it

    Returns:
        Numbers; and the names of some of them, if the coordinates are text, or
        integers that a picture cannot tell apart
    """
    if dim not in variable.coords:
        return numbers, {}
    values = variable[dim].values
    is_exact = values.dtype.kind not in "iu" or all(
        -MAX_EXACT <= limit <= MAX_EXACT for limit in (values.min(), values.max())
    )
    if not is_text(variable, dim) and is_exact:
        return values[numbers], {}
    stride = -(-len(values) // MAX_TICKS)
    ticks = {number: str(values[number]) for number in range(0, len(values), stride)}
    return numbers, ticks
