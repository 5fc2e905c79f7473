"""What is written beside axes and lines: the labels of a variable, for people."""

from typing import Any

import numpy as np
import xarray

from ..io.last import is_time
from ..io.walking import text_of
from .axes import texts_of

_MANY = 1000


def name_of(variable: xarray.DataArray, dim: str) -> str:
    """The name of a dimension, as the model has given it; see io.tree.

    Args:
        variable: A variable with that dimension
        dim: Its name in the tree
    """
    return dim.removeprefix(f"{variable.name}_")


def is_of_timers(variable: xarray.DataArray) -> bool:
    """Whether it is what the timers of a model have measured; see io.timers.

    Args:
        variable: The variable
    """
    dims = {"total": ["label"], "cumulative": ["n_iterations", "label"]}
    last = [str(dim) for dim in variable.dims][-2:]
    expected = dims.get(str(variable.name), [])
    return bool(expected) and all(
        dim.endswith(end)
        for dim, end in zip(last[-len(expected) :], expected, strict=False)
    )


def position(variable: xarray.DataArray, dim: str, number: int) -> str:
    """Where an index is, e.g. ``time = 10``.

    Args:
        variable: A variable with the dimension
        dim: The dimension
        number: The index
    """
    values = variable[dim].values
    # Told from the others; of very many, from those beside it.
    start = max(number - 1, 0) if len(values) > _MANY else 0
    stop = number + 2 if len(values) > _MANY else None
    text = coordinates_as_texts(values[start:stop])[number - start]
    return f"{name_of(variable, dim)} = {text}"


def sized(variable: xarray.DataArray, dim: str) -> str:
    """A dimension and its size, e.g. ``member (200)``.

    Args:
        variable: A variable with the dimension
        dim: The dimension
    """
    return f"{name_of(variable, dim)} ({variable.sizes[dim]})"


def coordinates_as_texts(values: Any) -> list[str]:
    """Coordinates as texts that tell them apart.

    Args:
        values: The coordinates, an array
    """
    is_float = values.dtype.kind == "f"
    return texts_of(values.tolist()) if is_float else list(map(str, values))


def how_many(
    variable: xarray.DataArray, dim: str, numbers: Any, counts: Any, total: int
) -> list[str]:
    """How many values there are along lines, if some are missing.

    Args:
        variable: The variable
        dim: The dimension along which the lines go
        numbers: The numbers of their points
        counts: How many values there are at each of these
        total: How many there could be
    """
    number = int((total - counts).sum())
    if not number or (total == 1 and is_time(dim)):  # a line that ends shows it
        return []
    if not is_time(dim):
        return [f"{number} of {total * len(counts)} values are missing"]
    if (np.diff(counts) > 0).any():
        there = f"{counts.min()} to {counts.max()} of {total} have values at each time"
    else:
        first, last = (position(variable, dim, numbers[place]) for place in (0, -1))
        there = f"{counts[0]} of {total} have values at {first}, {counts[-1]} at {last}"
    return [there]


def missing_of(values: Any) -> list[str]:
    """How many values are missing, if any are.

    Args:
        values: The values, an array
    """
    number = int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
    return [f"{number} of {values.size} values are missing"] if number else []


def axis_label(variable: xarray.DataArray, dim: str) -> str:
    """What stands at the axis of a dimension.

    Args:
        variable: A variable with the dimension
        dim: The dimension
    """
    return _with_unit(name_of(variable, dim), variable[dim].attrs)


def value_label(variable: xarray.DataArray, origin: int = 0) -> str:
    """What stands at the axis of the values.

    Args:
        variable: The variable
        origin: What has been taken from all values
    """
    if is_of_timers(variable):
        return "time [s]"
    label = _with_unit(str(variable.name or ""), variable.attrs)
    return f"{label} − {origin}" if origin else label


def _with_unit(name: str, attrs: dict[Any, Any]) -> str:
    name = str(attrs.get("long_name", name))
    unit = text_of(attrs.get("units", attrs.get("unit", "")))
    return f"{name} [{unit}]" if unit not in ("", "None") else name
