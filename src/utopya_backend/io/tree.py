"""Labelled data as a tree of xarray: what is read becomes what people work with.

HDF5 lets every dataset have dimensions of its own. In xarray, those of the same name
have the same coordinates, within a group and below it. Where they differ, the
dimension of fewer datasets gets the name of the dataset in front, e.g. ``late_time``;
a dataset or group with the name of a dimension gets an underscore behind it.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import xarray
from xarray.backends import BackendArray
from xarray.core import indexing

from .last import name_of_last
from .lazy import Array, Labelled, LazyArray
from .reading import Node


def to_datasets(node: Node) -> dict[str, xarray.Dataset]:
    """Makes a dataset of each group.

    Args:
        node: A group

    Returns:
        For this group (``/``) and each one in it the dataset
    """
    datasets: dict[str, xarray.Dataset] = {}
    _collect(node, "/", {}, node.coords, datasets)
    return datasets


T = TypeVar("T")

Axis = tuple[int, bytes | None]
"""What dimensions of the same name have to agree in: the size and coordinates"""


def _collect(
    node: Node,
    path: str,
    inherited: Mapping[str, Axis],
    further: Mapping[str, tuple[str, Array]],
    datasets: dict[str, xarray.Dataset],
) -> None:
    axes = {**_choose_axes(node), **inherited}
    variables: dict[str, xarray.Variable] = {}
    coords: dict[str, xarray.Variable] = {}
    all_last: dict[str, dict[str, xarray.Variable]] = {}
    for name, data in node.variables.items():
        names = [
            _name_of_axis(name, dim, _axis(data, number), axes)
            for number, dim in enumerate(data.dims)
        ]
        # Where a group above has them already, they are the same.
        for old, new in zip(data.dims, names, strict=True):
            if old in data.coords:
                coords[new] = xarray.Variable((new,), data.coords[old])
            if old in data.last:
                last = xarray.Variable(names[: data.last[old].ndim], data.last[old])
                all_last.setdefault(new, {})[name] = last
        wrapped = indexing.LazilyIndexedArray(_Adapter(data.array))
        variables[name] = xarray.Variable(tuple(names), wrapped, dict(data.attrs))
    taken: set[Any] = set(coords) | set(inherited)
    taken |= {dim for variable in variables.values() for dim in variable.dims}
    # A tree of xarray hands down no coordinates but those of dimensions.
    names_here = taken | node.variables.keys() | node.children.keys()
    for name, (dim, values) in further.items():
        if dim in taken and name not in names_here:
            coords[name] = xarray.Variable((dim,), values)
            taken.add(name)
    renamed = _rename(variables, taken)
    names_here = taken | renamed.keys() | node.children.keys()
    coords |= _last_coords(all_last, variables, names_here)
    dataset = xarray.Dataset(renamed, coords, node.attrs)
    datasets[path] = dataset
    below = {**inherited, **{dim: axes[dim] for dim in axes if dim in dataset.dims}}
    children = _rename(node.children, {*taken, *dataset.variables})
    for name, child in children.items():
        _collect(child, f"{path.rstrip('/')}/{name}", below, further, datasets)


def _last_coords(
    all_last: Mapping[str, Mapping[str, xarray.Variable]],
    variables: Mapping[str, xarray.Variable],
    taken: set[Any],
) -> dict[str, xarray.Variable]:
    """Names the coordinates that say when the last values were; see io.last.

    Args:
        all_last: These of each variable, by the dimensions of the time
        variables: All variables
        taken: Names that they cannot have
    """
    coords = {}
    for dim, last in all_last.items():
        first = next(iter(last.values()))
        having = [name for name, variable in variables.items() if dim in variable.dims]
        is_same = len(having) == len(last) and all(
            first.dtype == other.dtype and bool(first.equals(other))  # type: ignore[no-untyped-call]  # of xarray
            for other in last.values()
        )
        for name, variable in {"": first}.items() if is_same else last.items():
            key = name_of_last(dim, name)
            while key in taken:
                key += "_"
            coords[key] = variable
    return coords


def _choose_axes(node: Node) -> dict[str, Axis]:
    """For each name of a dimension, the one that most of the datasets have."""
    counts: dict[str, Counter[Axis]] = {}
    for data in node.variables.values():
        for number, dim in enumerate(data.dims):
            counts.setdefault(dim, Counter())[_axis(data, number)] += 1
    return {
        # Of those with coordinates, if there are any
        dim: max(counter, key=lambda axis: (axis[1] is not None, counter[axis]))
        for dim, counter in counts.items()
    }


def _name_of_axis(name: str, dim: str, axis: Axis, axes: dict[str, Axis]) -> str:
    """The name of a dimension of a dataset, which is noted if it is a new one."""
    if _agree(axis, axes[dim]):
        return dim
    new = f"{name}_{dim}"
    while new in axes and not _agree(axis, axes[new]):
        new += "_"
    axes.setdefault(new, axis)
    return new


def _agree(axis: Axis, other: Axis) -> bool:
    return axis == other or (axis[1] is None and axis[0] == other[0])


def _axis(data: Labelled, number: int) -> Axis:
    coords = data.coords.get(data.dims[number])
    content = None if coords is None else coords.dtype.kind.encode() + coords.tobytes()
    return data.array.shape[number], content


def _rename(items: Mapping[str, T], taken: set[Any]) -> dict[str, T]:
    """Gives other names to those whose names are taken."""
    keep = {name: item for name, item in items.items() if name not in taken}
    renamed = dict(keep)
    for name, item in items.items():
        if name not in keep:
            new = f"{name}_"
            while new in taken or new in renamed:
                new += "_"
            renamed[new] = item
    return renamed


class _Adapter(BackendArray):
    """How xarray reads an array that is not in memory."""

    def __init__(self, array: LazyArray) -> None:
        self.shape = array.shape
        self.dtype = array.dtype
        self._array = array

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Array:
        index = tuple(
            part if isinstance(part, (int, slice)) else np.asarray(part) for part in key
        )
        return self._array.read(index)
