"""Parts of a variable that a user names: dimensions, and coordinates along them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from ..errors import UnknownDimensionError, suggest
from .kinds import is_text
from .naming import name_of, position


def has_dims(variable: xarray.DataArray, names: Iterable[str]) -> bool:
    """Whether a variable has all of some dimensions.

    Args:
        variable: The variable
        names: What a user calls the dimensions
    """
    return all(_find_dim(variable, name) is not None for name in names)


def resolve_dim(
    variable: xarray.DataArray, name: str, swept: Sequence[str] = ()
) -> tuple[xarray.DataArray, str]:
    """Finds a dimension.

    Args:
        variable: A variable
        name: What a user calls the dimension; or a parameter that is coupled to one
        swept: Those of its dimensions that are parameters of a sweep

    Returns:
        The variable, with the coordinates of that name; and the name of the dimension

    Raises:
        LookupError: If there is none
    """
    dim = _find_dim(variable, name)
    if dim is None:
        raise UnknownDimensionError(unknown_dim(name, [variable], swept))
    if dim in variable.coords and dim not in variable.dims:
        return variable.swap_dims({variable[dim].dims[0]: dim}), dim
    return variable, dim


def unknown_dim(
    name: str, variables: Iterable[xarray.DataArray], swept: Sequence[str] = ()
) -> str:
    """Says that there is no such dimension, but which ones there are.

    Args:
        name: What a user calls the dimension
        variables: The variables that might have had it
        swept: Those of their dimensions that are parameters of a sweep
    """
    variables = list(variables)
    names = {name_of(v, str(dim)): v for v in variables for dim in v.dims}
    is_one = len(variables) == 1
    begin = (
        f"{variables[0].name} has no dimension" if is_one else "There is no dimension"
    )
    known = " and ".join(
        filter(
            None,
            [
                f"the swept parameters {', '.join(swept)}" if swept else "",
                ", ".join(other for other in names if other not in swept),
            ],
        )
    )
    hint = suggest(name, names) or suggest(name.rsplit(".", 1)[-1], names)
    return f"{begin} {name}, " + (f"but {known}.{hint}" if known else "nor any other.")


def select_at(
    variable: xarray.DataArray, at: Mapping[str, Any], swept: Sequence[str] = ()
) -> tuple[xarray.DataArray, list[str]]:
    """Selects coordinates of some dimensions, of numbers the nearest ones.

    Args:
        variable: A variable
        at: The coordinates, by what a user calls the dimensions; maybe as texts
        swept: Those of its dimensions that are parameters of a sweep

    Returns:
        The part of it; and what it is, e.g. ``time = 7``

    Raises:
        LookupError: If there is no such dimension, or no such name along it, or if
            a coordinate has to be a number, and is none
    """
    notes = []
    for name, value in at.items():
        variable, dim = resolve_dim(variable, name, swept)
        index = _index_of(variable, dim, value)
        notes.append(position(variable, dim, index))
        variable = variable.isel({dim: index})
    return variable, notes


def _find_dim(variable: xarray.DataArray, name: str) -> str | None:
    dims = list(map(str, variable.dims))
    if name in dims:
        return name
    for dim in dims:
        if name_of(variable, dim) == name:
            return dim
    if name in variable.coords and variable[name].ndim == 1:
        return name
    return None


def _index_of(variable: xarray.DataArray, dim: str, value: Any) -> int:
    values = variable[dim].values
    if is_text(variable, dim) or values.dtype.kind == "b":
        names = list(map(str, values))
        if str(value) not in names:
            shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise UnknownDimensionError(
                f"There is no {name_of(variable, dim)} = {value}, but {shown}."
                f"{suggest(value, names)}"
            )
        return names.index(str(value))
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise UnknownDimensionError(
            f"{name_of(variable, dim)} has to be a number, but is {value!r}: its "
            f"values go from {np.nanmin(values):.6g} to {np.nanmax(values):.6g}."
        )
    return int(np.nanargmin(np.abs(values - number)))
