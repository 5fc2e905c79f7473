"""Arrays in files that are read when they are looked at, part by part.

A file is open only while it is read: one that a model is still writing must not be
kept from its next commit.
"""

import contextlib
import contextvars
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import h5py
import numpy as np

from .missing import Array as Array
from .missing import all_missing, common_type, put, with_missing
from .opening import open_for_reading, reporting_damage

Index = tuple[int | slice | Array, ...]
"""For each axis a number, a slice with a positive step, or an array of numbers.

Arrays are independent of each other, unlike in numpy: ``[[0, 1], [0, 1]]`` are four
values.
"""


class LazyArray(Protocol):
    """An array that is not in memory."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one
        """


@dataclass
class Labelled:
    """An array with labels.

    Attributes:
        dims: The names of its dimensions
        array: The array
        coords: The coordinates of those dimensions that have some
        attrs: What else is known about it
        last: Of many universes, the last coordinate along the time of each; by the
            names of such dimensions
    """

    dims: tuple[str, ...]
    array: LazyArray
    coords: Mapping[str, Array] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Array] = field(default_factory=dict)


class StoredArray:
    """A dataset of an HDF5 file."""

    def __init__(self, path: str, name: str | bytes, dset_id: Any) -> None:
        """Remembers where it is.

        Args:
            path: The file
            name: The path of the dataset in it
            dset_id: The h5py identifier of the dataset
        """
        self._path = path
        self._name = name
        dtype = dset_id.dtype
        self._stored_shape: tuple[int, ...] = dset_id.shape
        self.shape = self._stored_shape
        if dtype.subdtype is not None:  # each value is an array
            dtype, shape = dtype.subdtype
            self.shape += shape
        self._is_text = h5py.check_string_dtype(dtype) is not None
        self.dtype = _type_when_read(np.dtype(object) if self._is_text else dtype)

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one
        """
        # What h5py reads fast: everything from the first to the last one.
        spans = tuple(map(_span, index, self._stored_shape))
        with reporting_damage(self._path), _opened(self._path) as file:
            dset = file[self._name]
            if self._is_text:
                dset = dset.asstr("utf-8", "backslashreplace")
            values = dset[spans]
        if not self.shape and self.dtype.kind == "O":
            values, value = np.empty((), object), values
            values[()] = value
        values = np.asarray(values, dtype=None if self.dtype.names else self.dtype)
        if self.dtype.names is not None:
            values = _decoded(values, self.dtype)
        num_stored = len(self._stored_shape)
        within = tuple(map(_within_span, index[:num_stored]))
        return take(values, within + index[num_stored:])


def _type_when_read(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type with texts as Python has them, also in the fields of records.

    Bytes of a fixed length that a record has stay bytes, unless they are said to be
    in UTF-8.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((_type_when_read(base), shape))
    if dtype.names is not None:
        types = [_type_when_read(dtype[name]) for name in dtype.names]
        if all(
            new == dtype[name] for new, name in zip(types, dtype.names, strict=True)
        ):
            return dtype
        return np.dtype(list(zip(dtype.names, types, strict=True)))
    info = h5py.check_string_dtype(dtype)
    is_text = info is not None and (info.length is None or info.encoding == "utf-8")
    return np.dtype(object) if is_text else dtype


def _decoded(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values of that type, with texts for bytes."""
    if dtype.names is not None and dtype.hasobject:
        records = np.empty(values.shape, dtype)
        for name in dtype.names:
            records[name] = _decoded(values[name], dtype[name].base)
        return records
    if dtype.kind == "O":
        values = values.astype(object)
        for place, value in np.ndenumerate(values):
            if isinstance(value, bytes):
                values[place] = value.decode("utf-8", "backslashreplace")
    return np.asarray(values, dtype=dtype)


_file_in_use: contextvars.ContextVar[dict[str, h5py.File] | None]
_file_in_use = contextvars.ContextVar("_file_in_use", default=None)


@contextlib.contextmanager
def keeping_open() -> Iterator[None]:
    """Keeps a file open while many of its datasets are read one after the other."""
    files: dict[str, h5py.File] = {}
    token = _file_in_use.set(files)
    try:
        yield
    finally:
        _file_in_use.reset(token)
        for file in files.values():
            file.close()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[h5py.File]:
    files = _file_in_use.get()
    if files is None:
        with open_for_reading(path, is_known=True)[0] as file:
            yield file
        return
    if path not in files:
        while files:  # one at a time
            files.popitem()[1].close()
        files[path] = open_for_reading(path, is_known=True)[0]
    yield files[path]


class GridArray:
    """Grids whose cells are stored one after the other, in their own shape."""

    def __init__(
        self, cells: LazyArray, grid_shape: tuple[int, ...], order: str
    ) -> None:
        """Remembers the shape.

        Args:
            cells: The stored array, whose last axis are the cells
            grid_shape: The shape of a grid
            order: Whether the last (``C``) or first (``F``) index varies fastest
        """
        self.shape = cells.shape[:-1] + grid_shape
        self.dtype = cells.dtype
        self._cells = cells
        self._grid_shape = grid_shape
        self._order = order

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one
        """
        num_dims = len(self._grid_shape)
        cells = self._cells.read((*index[:-num_dims], slice(None)))
        outer = cells.shape[:-1]
        if self._order == "F":
            grids = cells.reshape(outer + self._grid_shape[::-1])
            axes = range(len(outer), grids.ndim)
            grids = grids.transpose(*range(len(outer)), *reversed(axes))
        else:
            grids = cells.reshape(outer + self._grid_shape)
        return take(grids, (slice(None),) * len(outer) + index[-num_dims:])


class StackedArray:
    """Arrays of many files or groups, stacked along new first axes.

    They may differ in size. What is missing is so in the sense of :py:mod:`.missing`.
    """

    def __init__(
        self, parts: Mapping[tuple[int, ...], LazyArray], shape: tuple[int, ...]
    ) -> None:
        """Remembers the parts.

        Args:
            parts: For each position along the new axes the array there. At
                least one
            shape: How many there are along each new axis
        """
        arrays = list(parts.values())
        inner = tuple(map(max, zip(*(array.shape for array in arrays), strict=True)))
        is_complete = len(parts) == np.prod(shape, dtype=int) and all(
            array.shape == inner for array in arrays
        )
        self.shape = shape + inner
        self.dtype = common_type(array.dtype for array in arrays)
        if not is_complete:
            self.dtype = with_missing(self.dtype)
        self._parts = parts
        self._num_outer = len(shape)

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one
        """
        sizes = self.shape
        numbers = [
            np.arange(size)[part] for size, part in zip(sizes, index, strict=True)
        ]
        outer, inner = numbers[: self._num_outer], numbers[self._num_outer :]
        values = all_missing(map(np.size, numbers), self.dtype)
        places = itertools.product(*(range(np.size(n)) for n in outer))
        with keeping_open():
            self._read_parts(values, places, outer, inner)
        # A single number leaves no axis.
        return values.reshape([n.size for n in numbers if n.ndim])

    def _read_parts(
        self,
        values: Array,
        places: Iterable[tuple[int, ...]],
        outer: Sequence[Array],
        inner: Sequence[Array],
    ) -> None:
        for place in places:
            position = tuple(
                int(np.ravel(n)[i]) for n, i in zip(outer, place, strict=True)
            )
            array = self._parts.get(position)
            if array is None:
                continue
            inside = [
                np.ravel(n) < size for n, size in zip(inner, array.shape, strict=True)
            ]
            wanted = tuple(np.ravel(n)[i] for n, i in zip(inner, inside, strict=True))
            where: Any = (*place, *np.ix_(*inside))
            put(values, where, array.read(wanted))


class PlacedArray:
    """An array whose values stand at other places along some axes."""

    def __init__(self, array: LazyArray, places: Sequence[Array | None]) -> None:
        """Remembers the places.

        Args:
            array: The array
            places: For each axis where each of its values stands, None where it
                stays. There is nothing at the other places.
        """
        has_holes = any(
            place is not None and len(place) <= place.max(initial=-1)
            for place in places
        )
        self.dtype = with_missing(array.dtype) if has_holes else array.dtype
        self.shape = tuple(
            size if place is None else int(place.max(initial=-1)) + 1
            for size, place in zip(array.shape, places, strict=True)
        )
        self._array = array
        self._places = places

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one, of arrays
        """
        inner, found = [], []
        for place, size, wanted in zip(self._places, self.shape, index, strict=True):
            numbers = np.arange(size)[wanted]
            if place is not None:
                origin = np.full(size, -1)
                origin[place] = np.arange(len(place))
                numbers = origin[numbers]
            inner.append(numbers[numbers >= 0])
            found.append(numbers >= 0)
        values = all_missing(map(len, found), self.dtype)
        put(values, np.ix_(*found), self._array.read(tuple(inner)))
        return values


class InMemory:
    """An array that is in memory already."""

    def __init__(self, values: Array) -> None:
        """Takes the values.

        Args:
            values: The values
        """
        self.shape, self.dtype = values.shape, values.dtype
        self._values = values

    def read(self, index: Index) -> Array:
        """Reads a part.

        Args:
            index: Which one
        """
        return take(self._values, index)


def take(values: Array, index: Index) -> Array:
    """Takes a part of an array in memory, axis by axis.

    Args:
        values: The array
        index: Which part
    """
    for axis in reversed(range(values.ndim)):
        part = index[axis]
        # The dots keep it an array: a single object would come out of it otherwise.
        values = values[(slice(None),) * axis + (part, ...)]
    return values


def _span(part: int | slice | Array, size: int) -> slice:
    if isinstance(part, slice):
        return slice(*part.indices(size))  # by now, there may be more
    numbers = np.ravel(part)
    if numbers.size == 0:
        return slice(0, 0)
    return slice(int(numbers.min()), int(numbers.max()) + 1)


def _within_span(part: int | slice | Array) -> Any:
    """The index of the same part, within what is read for it."""
    if isinstance(part, slice):
        return slice(None)
    if np.ndim(part) == 0:
        return 0
    numbers = np.asarray(part)
    return numbers - numbers.min() if numbers.size else numbers
