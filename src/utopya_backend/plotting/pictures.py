"""What a picture shows, whoever draws it: small values, read and reduced already."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from .reduce import Array


@dataclass(frozen=True)
class Curve:
    """A line.

    Attributes:
        label: What tells it from the others
        values: Its points; the means, if there are bands
        bands: The lower and upper limits of bands around it, the widest first
    """

    label: str
    values: Array
    bands: tuple[tuple[Array, Array], ...] = ()


@dataclass(frozen=True)
class Lines:
    """Lines over the same axis.

    Attributes:
        x: The coordinates of the points
        x_label: What they are
        y_label: What the values are
        curves: The lines
        legend: What their labels are
        ticks: The names of the coordinates, if these are text, by their numbers
        notes: What should be known about it
    """

    x: Array
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    legend: str
    ticks: dict[int, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """Images of a grid.

    Attributes:
        frames: The values of the cells, an ``array[x, y]`` for each time
        times: When that was, e.g. ``time = 10``
        extent: The limits of both axes: from x, to x, from y, to y
        labels: What is along x and along y
        value_label: What the values are
        states: The values, if there are only a few integers
        notes: What should be known about it
    """

    frames: tuple[Array, ...]
    times: tuple[str, ...]
    extent: tuple[float, float, float, float]
    labels: tuple[str, str]
    value_label: str
    states: tuple[int, ...]
    notes: tuple[str, ...]

    def levels(self, frame: Array) -> Array:
        """What is drawn of cells: their values, or the numbers of their states.

        Args:
            frame: One of the images, or a part of it

        Returns:
            Floats, NaN where there is nothing
        """
        is_there = np.isfinite(frame)
        if self.states:
            # Of the same type, as large integers would be rounded otherwise
            states = np.array(self.states).astype(frame.dtype)
            frame = np.searchsorted(states, frame)
        levels = frame.astype(float)
        levels[~is_there] = np.nan
        return levels


@dataclass(frozen=True)
class Bars:
    """Bars beside each other, the first one on top.

    Attributes:
        names: What they are of
        values: How long they are
        y_label: What they are along
        x_label: What the values are
        is_share: Whether to say which share of the longest each one is
        notes: What should be known about it
    """

    names: tuple[str, ...]
    values: Array
    y_label: str
    x_label: str
    is_share: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Map:
    """A field for each pair of coordinates, coloured by its value.

    Attributes:
        values: The values, an ``array[x, y]``; NaN where there is none
        x: The coordinates along x, in their order; if they are text, numbers
        y: Those along y
        labels: What is along x and along y
        ticks: The names of the coordinates along x and along y, if these are text, by
            their numbers
        value_label: What the values are
        notes: What should be known about it
    """

    values: Array
    x: Array
    y: Array
    labels: tuple[str, str]
    ticks: tuple[dict[int, str], dict[int, str]]
    value_label: str
    notes: tuple[str, ...]


Picture = Lines | Image | Bars | Map

T = TypeVar("T")


def map_texts(item: T, change: Callable[[str], str]) -> T:
    """Changes all texts of a picture.

    Args:
        item: The picture, or a part of it
        change: What to do with each of them
    """
    new: Any = item
    if isinstance(item, str):
        new = change(item)
    elif isinstance(item, tuple):
        new = tuple(map_texts(part, change) for part in item)
    elif isinstance(item, dict):
        new = {key: map_texts(part, change) for key, part in item.items()}
    elif isinstance(item, Lines | Image | Bars | Map | Curve):
        texts = {f.name: map_texts(getattr(item, f.name), change) for f in fields(item)}
        new = replace(item, **texts)
    return new  # type: ignore[no-any-return]  # it has the type of the item
