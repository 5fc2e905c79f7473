"""Grids: time series of 2D or 3D arrays, as the frontend reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .timeseries import TimeSeries

GRID_STRUCTURES = ("square", "hexagonal")


class GridSeries(TimeSeries):
    """A time series of grids, of shape ``[time, cell_ids]``.

    The cells of a grid are stored one after the other, the last index varying
    fastest, as numpy has them; attributes tell the grid's shape.
    """

    grid_shape: tuple[int, ...]
    """The shape of a grid"""

    def append(self, row: Any, *, time: float | None = None) -> None:
        """Appends a grid.

        Args:
            row: The grid, array[x, y] or array[x, y, z]
            time: Its time; by default, the model's.

        Raises:
            ValueError: If it has another shape, or the time of another one.
                Nothing is appended then.
            TypeError: If it has values of a type that the dataset cannot hold.
                Nothing is appended then, either.
        """
        grid = row
        if type(row) is not np.ndarray:
            self._note_unit(row)
            grid = np.asarray(self._converted(row, self.dtype))
        if grid.shape != self.grid_shape:
            raise ValueError(
                f"A grid of '{self.name}' has the shape {self.grid_shape}, but this "
                f"one has {grid.shape}."
            )
        super().append(grid.reshape(-1), time=time)


def check_grid(
    grid_shape: Sequence[int], space_extent: Sequence[float] | None, structure: str
) -> None:
    """Checks the description of a grid.

    Args:
        grid_shape: Its number of cells along each axis
        space_extent: Its physical size along each axis
        structure: How the cells are arranged

    Raises:
        ValueError: If it is not valid
    """
    is_shape = isinstance(grid_shape, (Sequence, np.ndarray)) and all(
        isinstance(size, (int, np.integer)) and size > 0 for size in grid_shape
    )
    if not is_shape or len(grid_shape) not in (2, 3):
        raise ValueError(
            f"A grid has two or three dimensions of at least one cell each, but "
            f"grid_shape is {grid_shape!r}. Give e.g. grid_shape=(512, 512)"
        )
    if space_extent is not None and (
        np.shape(space_extent) != (len(grid_shape),)
        or np.asarray(space_extent).dtype.kind not in "iuf"
    ):
        raise ValueError(
            f"space_extent has to be a list of {len(grid_shape)} numbers, one for each "
            f"dimension of the grid, but is {space_extent!r}."
        )
    if structure not in GRID_STRUCTURES:
        raise ValueError(
            f"There is no grid structure {structure!r}: choose one of "
            f"{', '.join(GRID_STRUCTURES)}."
        )
