"""The same groups and datasets of many universes as one of each.

Universes are added one after the other, and no more is kept of each than where its
values are: what they have in common is kept once.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import InexactError
from .last import is_time
from .lazy import Array, Labelled, LazyArray, PlacedArray, StackedArray
from .missing import MAX_EXACT, all_missing, common_type, put, with_missing
from .reading import Node
from .rounding import warn_of_rounding

Position = tuple[int, ...]
"""Where a universe is: its index along each of the swept parameters"""


class Pool:
    """Coordinates, of which the same are kept once.

    Two from a pool have the same values if they are the same object.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[np.dtype[Any], bytes], Array] = {}

    def keep(self, coords: Array) -> Array:
        """Gives the coordinates that were first kept with these values.

        Args:
            coords: The coordinates
        """
        return self._kept.setdefault((coords.dtype, coords.tobytes()), coords)


class Group:
    """A group of many universes.

    Attributes:
        attrs: The attributes that are the same everywhere
    """

    def __init__(self, pool: Pool | None = None) -> None:
        """Begins without universes.

        Args:
            pool: Where the coordinates are kept
        """
        self.attrs: dict[str, Any] | None = None
        self._variables: dict[str, _Variable] = {}
        self._children: dict[str, Group] = {}
        self._pool = pool or Pool()

    def add(self, position: Position, node: Node) -> None:
        """Adds that group of a universe.

        Args:
            position: Where the universe is
            node: The group
        """
        self.attrs = common(self.attrs, node.attrs)
        for name, data in node.variables.items():
            if name not in self._variables:
                self._variables[name] = _Variable(data)
            self._variables[name].add(position, data, self._pool)
        for name, child in node.children.items():
            if name not in self._children:
                self._children[name] = Group(self._pool)
            self._children[name].add(position, child)

    def stack(self, outer: Mapping[str, Array]) -> Node:
        """Makes one group of those that were added.

        Args:
            outer: The values of the swept parameters, by their names
        """
        stacked = Node(attrs=self.attrs or {})
        for name, variable in self._variables.items():
            if (data := variable.stack(name, outer)) is not None:
                stacked.variables[name] = data
        for name, child in self._children.items():
            stacked.children[name] = child.stack(outer)
        return stacked


class _Variable:
    """A dataset of many universes."""

    def __init__(self, first: Labelled) -> None:
        self._dims = first.dims
        self._attrs: dict[str, Any] | None = None
        self._arrays: dict[Position, LazyArray] = {}
        # For each dimension the coordinates in each of the universes
        self._coords: tuple[dict[Position, Array | None], ...]
        self._coords = tuple({} for _ in first.dims)
        self._have_same_dims = True

    def add(self, position: Position, data: Labelled, pool: Pool) -> None:
        if data.dims != self._dims:
            self._have_same_dims = False
            return
        self._attrs = common(self._attrs, data.attrs)
        self._arrays[position] = data.array
        for dim, all_coords in zip(self._dims, self._coords, strict=True):
            coords = data.coords.get(dim)
            all_coords[position] = None if coords is None else pool.keep(coords)

    def stack(self, name: str, outer: Mapping[str, Array]) -> Labelled | None:
        dtypes = {array.dtype for array in self._arrays.values()}
        if not self._have_same_dims or not _have_common_type(dtypes):
            warnings.warn(
                f"'{name}' has other dimensions or types in other universes, and is "
                "left out.",
                stacklevel=2,
            )
            return None
        # A parameter keeps its name, and a dimension of that name does not.
        inner = [f"{name}_{dim}" if dim in outer else dim for dim in self._dims]
        joined = [
            _join(f"'{dim}' of '{name}'", list(all_coords.values()))
            for dim, all_coords in zip(self._dims, self._coords, strict=True)
        ]
        coords = {
            dim: values
            for dim, (values, _) in zip(inner, joined, strict=True)
            if values is not None
        }
        shape = tuple(map(len, outer.values()))
        return Labelled(
            (*outer, *inner),
            StackedArray(self._placed([places for _, places in joined]), shape),
            {**outer, **coords},
            self._attrs or {},
            {
                new: last
                for dim, new, all_coords in zip(
                    self._dims, inner, self._coords, strict=True
                )
                if is_time(dim) and new in coords and _are_distinct(coords[new])
                if (last := _last(all_coords, shape)) is not None
            },
        )

    def _placed(self, places: list["_Places"]) -> dict[Position, LazyArray]:
        """The arrays, each where its coordinates are among the joined ones."""
        if not any(places):
            return self._arrays
        return {
            position: PlacedArray(
                array,
                [
                    places_of_dim.get(id(all_coords[position]))
                    for places_of_dim, all_coords in zip(
                        places, self._coords, strict=True
                    )
                ],
            )
            for position, array in self._arrays.items()
        }


def _last(
    all_coords: Mapping[Position, Array | None], shape: tuple[int, ...]
) -> Array | None:
    """The last coordinate of each universe; None if they cannot be told exactly."""
    last = {
        position: coords[-1]
        for position, coords in all_coords.items()
        if coords is not None and len(coords)
    }
    if not last:
        return None
    labels = np.array(list(last.values()))
    is_complete = len(last) == np.prod(shape, dtype=int)
    values = all_missing(
        shape, labels.dtype if is_complete else with_missing(labels.dtype)
    )
    try:
        put(values, tuple(np.array(list(last)).T), labels)
    except InexactError:
        return None
    return values


def _are_distinct(coords: Array) -> bool:
    is_sorted = coords.dtype.kind in "iuf" and bool((coords[1:] > coords[:-1]).all())
    return is_sorted or len(np.unique(coords)) == len(coords)


_Places = dict[int, Array]
"""Where coordinates are among the joined ones, by their ``id``; those that are not
in it are at the beginning"""


def _join(what: str, all_coords: list[Array | None]) -> tuple[Array | None, _Places]:
    """Joins the coordinates of a dimension, which are from a pool.

    Returns:
        All coordinates there are; and where the given ones are among these
    """
    distinct = {id(coords): coords for coords in all_coords if coords is not None}
    if not distinct:
        return None, {}
    is_some_missing = any(coords is None for coords in all_coords)
    longest = max(distinct.values(), key=len)
    if not is_some_missing and all(
        np.array_equal(coords, longest[: len(coords)]) for coords in distinct.values()
    ):
        return longest, {}
    if (
        is_some_missing
        or not _can_be_joined(list(distinct.values()))
        or any(len(np.unique(coords)) < len(coords) for coords in distinct.values())
    ):
        warnings.warn(
            f"The coordinates of {what} differ between universes, and some are missing "
            "or repeated, or of another type: they are left out.",
            stacklevel=2,
        )
        return None, {}
    warn_of_rounding(what, distinct.values())
    joined = np.unique(np.concatenate(list(distinct.values())))
    return joined, {
        key: np.searchsorted(joined, coords) for key, coords in distinct.items()
    }


def _can_be_joined(all_coords: list[Array]) -> bool:
    """Whether each of the coordinates remains what it is."""
    if len({coords.dtype.kind in "OSU" for coords in all_coords}) > 1:
        return False  # a number and its text are not the same
    kinds = {coords.dtype.kind for coords in all_coords}
    integers = [c for c in all_coords if c.dtype.kind in "iu" and len(c)]
    # Integers that differ in type become floats, too.
    return (
        len({c.dtype for c in all_coords}) == 1
        or kinds <= {"U"}
        or all(c.min() >= -MAX_EXACT and c.max() <= MAX_EXACT for c in integers)
    )


def common(
    shared: Mapping[str, Any] | None, attrs: Mapping[str, Any]
) -> dict[str, Any]:
    """Those attributes that are the same.

    Args:
        shared: The attributes that others have in common; None if there are none yet
        attrs: Some more attributes
    """
    if shared is None:
        return dict(attrs)
    return {
        key: value
        for key, value in shared.items()
        if key in attrs and _is_same(attrs[key], value)
    }


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other  # much faster
    return np.array_equal(one, other)


def _have_common_type(dtypes: Iterable[np.dtype[Any]]) -> bool:
    try:
        common_type(dtypes)
    except TypeError:
        return False
    return True
