"""Which variables can be drawn, and what their dimensions are by their names."""

import numpy as np
import xarray

from ..errors import NotDrawableError
from .reduce import Array

SEEDS = ("seed", "universe")
"""Dimensions that tell universes apart, but mean nothing"""


def check_drawable(variable: xarray.DataArray) -> None:
    """Checks that there may be a picture of a variable.

    Args:
        variable: The variable

    Raises:
        ValueError: If it is empty, a single value, or has no real numbers
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


def check_finite(variable: xarray.DataArray, values: Array) -> None:
    """Checks that there is anything to draw.

    Args:
        variable: The variable
        values: What was read of it

    Raises:
        ValueError: If none of the values is finite
    """
    if not np.isfinite(values).any():
        raise NotDrawableError(f"{variable.name} has no finite values.")


def is_text(variable: xarray.DataArray, dim: str) -> bool:
    """Whether the coordinates of a dimension are no numbers.

    Args:
        variable: A variable with that dimension
        dim: Its name
    """
    return dim in variable.coords and variable[dim].dtype.kind not in "biuf"
