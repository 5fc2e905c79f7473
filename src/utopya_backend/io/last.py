"""The last value of each universe, whenever that has ended.

Over many universes, the time goes on until the last of them has ended, and the others
have no values there. So the last time is that of the survivors only. What is the last
one of a universe is known by its own rows, and not by its values: a NaN that a model
has written is a value like others.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import NoLastValueError
from .missing import Array, all_missing, put, with_missing

if TYPE_CHECKING:
    import xarray

_TIMES = ("time", "n_iterations")


def is_time(dim: str) -> bool:
    """Whether a dimension is one of the time.

    Args:
        dim: Its name
    """
    # Dimensions of the same name but other coordinates get a prefix; see io.tree.
    return dim.rstrip("_").endswith(_TIMES)


def name_of_last(dim: str, variable: str = "") -> str:
    """The name of the coordinate that says when each universe's last value was.

    Args:
        dim: The dimension of the time
        variable: The dataset, if it differs between those of a group
    """
    return f"{variable}_last_{dim}" if variable else f"last_{dim}"


def last_values(variable: "xarray.DataArray") -> "xarray.DataArray":
    """Takes the last value of each universe: that of the last row it has written.

    Args:
        variable: A variable of a run with many universes, or a part of it, from
            :py:func:`.open_output`. Take means after this, and not before.

    Returns:
        The variable without its dimension of the time, which is a coordinate now: when
        that was. Where a universe has no values at all, it is missing.

    Raises:
        ValueError: If it does not say which ones are the last ones, or these were
            left out

    Example:
        ::

            tree = open_output("out/Influenza/261122-162331")
            last_values(tree["Influenza/I"]).mean("seed")
    """
    dims = [str(dim) for dim in variable.dims if is_time(str(dim))]
    if not dims:
        raise NoLastValueError(
            f"{variable.name} has no dimension of the time, but "
            f"{', '.join(map(str, variable.dims)) or 'none at all'}."
        )
    for dim in dims:
        variable = last_along(variable, dim)
    return variable


def find_last(variable: "xarray.DataArray", dim: str) -> "xarray.DataArray | None":
    """Finds the coordinate that says when each universe's last value was.

    Args:
        variable: A variable
        dim: The dimension of the time

    Returns:
        The coordinate; None if the variable has none
    """
    # With an underscore behind it, if something else has that name.
    found = {str(name).rstrip("_"): coord for name, coord in variable.coords.items()}
    own = found.get(name_of_last(dim, str(variable.name)).rstrip("_"))
    return found.get(name_of_last(dim).rstrip("_")) if own is None else own


def last_along(variable: "xarray.DataArray", dim: str) -> "xarray.DataArray":
    """Takes the last value of each universe along one dimension.

    Args:
        variable: As for :py:func:`last_values`
        dim: The dimension of the time

    Raises:
        ValueError: As of :py:func:`last_values`
    """
    last = find_last(variable, dim)
    if last is None:
        raise NoLastValueError(
            f"{variable.name} has no coordinate {name_of_last(dim)}, which says when "
            "the last value of each universe was: take it from open_output, and the "
            "last values before means and the like. Of a single universe, it is "
            f"{variable.name}.isel({dim}=-1)."
        )
    labels = np.asarray(last.values)
    numbers = variable.get_index(dim).get_indexer(labels.ravel()).reshape(labels.shape)
    has_none = np.asarray(last.isnull())
    if ((numbers < 0) & ~has_none).any():
        raise NoLastValueError(
            f"Not all of the last values of {variable.name} are in this part of it: "
            f"select along {dim} after that, or take the last one by isel({dim}=-1)."
        )
    result = variable.isel({dim: 0}, drop=True).drop_vars(str(last.name))
    rest = [str(d) for d in result.dims if d not in last.dims]
    values = _read(variable, dim, [*map(str, last.dims)], numbers)
    coords = {**result.coords, dim: (last.dims, labels, variable[dim].attrs)}
    return type(variable)(
        values, coords, (*last.dims, *rest), variable.name, variable.attrs
    )


def _read(
    variable: "xarray.DataArray", dim: str, outer: list[str], numbers: Array
) -> Array:
    """Reads one row of each universe; none where its number is negative."""
    rest = [size for d, size in variable.sizes.items() if d not in (dim, *outer)]
    dtype = with_missing(variable.dtype) if (numbers < 0).any() else variable.dtype
    values = all_missing([*numbers.shape, *rest], dtype)
    for place in np.ndindex(numbers.shape):
        if numbers[place] >= 0:
            where = dict(zip(outer, place, strict=True))
            row = variable.variable.isel({**where, dim: int(numbers[place])})
            put(values, place, np.asarray(row.values))
    return values
