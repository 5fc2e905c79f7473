"""Pictures of a variable over dimensions that somebody has chosen.

Over one dimension, such as a swept parameter, there are lines along it; over two, a
map with a field for each pair of their values. Both show the mean over the other
dimensions. Of the time, the last value of each universe is taken.
"""

import contextlib
import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from ..errors import NoLastValueError, NotDrawableError
from ..io.last import find_last, is_time, last_along
from .axes import check_over
from .choose import choose
from .kinds import check_drawable, check_finite
from .lines import choose_lines, coordinates
from .naming import (
    axis_label,
    coordinates_as_texts,
    missing_of,
    name_of,
    position,
    sized,
    value_label,
)
from .parts import resolve_dim, select_at
from .pictures import Lines, Map, Picture
from .reduce import Array, finite, origin_of, thin

MAX_VALUES = 20_000_000
"""Values that are read for a picture; of more, a share is as good"""


def choose_part(
    variable: xarray.DataArray,
    over: Sequence[str] = (),
    at: Mapping[str, Any] | None = None,
    swept: Sequence[str] = (),
    max_frames: int = 1,
) -> Picture:
    """Chooses what a picture of a part of a variable shows, and reads that.

    Args:
        variable: The variable
        over: As for :py:func:`choose_over`; if it is empty, the labels decide
        at: Coordinates of some of its dimensions, by their names
        swept: Those of its dimensions that are parameters of a sweep
        max_frames: How many times of a grid to show at most

    Raises:
        LookupError: If there are no such dimensions or coordinates
        ValueError: If there is no picture of it
    """
    if over:
        return choose_over(variable, over, at, swept)
    variable, notes = select_at(variable, at or {}, swept)
    picture = choose(variable, max_frames)
    return dataclasses.replace(picture, notes=(*notes, *picture.notes))


def choose_over(
    variable: xarray.DataArray,
    over: Sequence[str],
    at: Mapping[str, Any] | None = None,
    swept: Sequence[str] = (),
) -> Lines | Map:
    """Chooses what a picture of a variable over some dimensions shows, and reads that.

    Args:
        variable: The variable
        over: One dimension, or those along x and along y
        at: Coordinates of others of its dimensions, by their names
        swept: Those of its dimensions that are parameters of a sweep

    Raises:
        LookupError: If there are no such dimensions or coordinates
        ValueError: If there is no picture of it
    """
    check_over(over)
    check_drawable(variable)
    dims = []
    for name in over:
        variable, dim = resolve_dim(variable, name, swept)
        dims.append(dim)
        if variable[dim].dtype.kind == "b":
            variable = variable.assign_coords({dim: variable[dim].values.astype(str)})
    check_over(dims)
    variable, notes = select_at(variable, at or {}, swept)
    for name, dim in zip(over, dims, strict=True):
        if dim not in variable.dims:
            raise NotDrawableError(
                f"{name} is no axis of its own: it is coupled to the other one, or one "
                "of its values was selected. Leave that out."
            )
    variable, of_part = _thin(variable, dims)
    variable, of_times = _last_times(variable, dims)
    variable = variable.compute()  # once, as each universe has a file of its own
    notes += of_times
    picture = (
        choose_lines(variable, dims[0], seeds_together=True)
        if len(dims) == 1
        else _map(variable, dims[0], dims[1])
    )
    notes += [*picture.notes, *of_part]
    if isinstance(picture, Map) and variable.ndim > len(dims):
        notes += missing_of(variable.values)  # otherwise, each is a field that is blank
    return dataclasses.replace(picture, notes=tuple(notes))


def _last_times(
    variable: xarray.DataArray, dims: Sequence[str]
) -> tuple[xarray.DataArray, list[str]]:
    """Takes the last value of each universe, as far as it is known; see io.last."""
    notes = []
    for dim in _times(variable, dims):
        last = find_last(variable, dim)
        ends = np.ravel([] if last is None else last.values[last.notnull().values])
        labels: Array = np.unique(ends)
        if len(labels) > 1:
            # Of a part of the time, the last one in it is meant.
            with contextlib.suppress(NoLastValueError):
                variable = last_along(variable, dim)
                first, final = coordinates_as_texts(labels[[0, -1]])
                what = f"each at its last {name_of(variable, dim)}"
                notes.append(f"{what}, {first} to {final}")
        if dim in variable.dims:
            notes.append(position(variable, dim, variable.sizes[dim] - 1))
            variable = variable.isel({dim: -1})
    return variable, notes


def _times(variable: xarray.DataArray, dims: Sequence[str]) -> list[str]:
    return [str(d) for d in variable.dims if is_time(str(d)) and d not in dims]


def _thin(
    variable: xarray.DataArray, dims: Sequence[str]
) -> tuple[xarray.DataArray, list[str]]:
    """Leaves out a share of the values, if they are too many."""
    not_members = [*dims, *_times(variable, dims)]
    members = [str(dim) for dim in variable.dims if dim not in not_members]
    num_points = int(np.prod([variable.sizes[dim] for dim in dims], dtype=int))
    return thin(variable, members, max(MAX_VALUES // num_points, 1))


def _map(variable: xarray.DataArray, x_dim: str, y_dim: str) -> Map:
    members = [str(dim) for dim in variable.dims if dim not in (x_dim, y_dim)]
    values, infinite = finite(
        variable.transpose(x_dim, y_dim, *members).values, origin_of(variable)
    )
    with warnings.catch_warnings():  # of fields of which all values are NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        means = np.nanmean(values.reshape(*values.shape[:2], -1), axis=-1)
    check_finite(variable, means)
    across = " × ".join(sized(variable, dim) for dim in members)
    notes = [f"mean of {across}"] if members else []
    notes += [infinite] if infinite else []
    if blank := int(np.isnan(means).sum()):
        notes.append(f"{blank} of {means.size} fields are blank: no data")
    x, x_order, x_ticks = _axis(variable, x_dim)
    y, y_order, y_ticks = _axis(variable, y_dim)
    return Map(
        means[np.ix_(x_order, y_order)],
        x,
        y,
        (axis_label(variable, x_dim), axis_label(variable, y_dim)),
        (x_ticks, y_ticks),
        value_label(variable, origin_of(variable)),
        tuple(notes),
    )


def _axis(variable: xarray.DataArray, dim: str) -> tuple[Array, Array, dict[int, str]]:
    """The coordinates in their order, that order, and the names of texts."""
    values, ticks = coordinates(variable, dim, np.arange(variable.sizes[dim]))
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    return values[order], order, ticks
