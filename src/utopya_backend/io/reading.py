"""Reading of output files, as labelled data.

This needs xarray, which a model does not: it comes with the extra ``analysis``.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..errors import MissingPackageError
from .attributes import read_attributes
from .labels import grid_shape_of, is_label, read_coords, read_dims
from .lazy import Array, GridArray, Labelled, LazyArray, StackedArray, StoredArray
from .missing import common_type
from .opening import (
    find_outputs,
    open_for_reading,
    reporting_damage,
    universe_number,
)
from .recovery import Recovery
from .walking import is_time_series, members, printable, text_of

if TYPE_CHECKING:
    import xarray


class LabelWarning(UserWarning):
    """Labels do not fit the data, which is read without them."""


class RecoveryWarning(UserWarning):
    """A file was changed: the last commit of a process that was killed is complete."""


def open_output(path: str | os.PathLike[str]) -> "xarray.DataTree":
    """Opens the output of a run as labelled data.

    The values are read from the file when they are looked at. A commit that was
    interrupted because the model was killed is completed first, with a
    :py:class:`RecoveryWarning`. A file that is still being written is opened as
    it is at its last commit: open it again to see more.

    Args:
        path: A ``data.h5``, or the directory of a universe or of a run

    Returns:
        A tree of the same groups as in the file. Datasets have their dimensions
        and coordinates; what the file says about its origin is in the
        attributes of the tree.
        If there are many universes, the parameters in which they differ are
        dimensions in front of the others; a parameter that is coupled to one of
        these is a further coordinate along it. Where something is missing, because
        a universe is, or has ended early, there is NaN, NaT or None, never anything
        that looks like data; see :py:mod:`.missing`.

    Raises:
        ImportError: If xarray is not installed
        FileNotFoundError: If there is no such file
        ValueError: If it is no HDF5 file, or truncated; or if its journal does
            not belong to it. Nothing is changed then.

    Example:
        ::

            tree = open_output("out/ForestFire/261122-162331")
            tree["ForestFire/tree_density"].plot()
    """
    try:
        import xarray

        from .engine import OutputEntrypoint
    except ImportError as error:
        raise MissingPackageError(
            f"Reading output as labelled data needs xarray ({error}): install it by "
            "pip install xarray paramspace"
        ) from None
    return xarray.open_datatree(path, engine=OutputEntrypoint)


def read_output(path: str | os.PathLike[str]) -> "Node":
    """Reads what is in the output of a run, but not the values.

    Args:
        path: A ``data.h5``, or the directory of a universe or of a run

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: As :py:func:`open_output`
    """
    files = find_outputs(path)
    if len(files) == 1 and (
        files[0].parent in (Path(path), Path(path).parent)
        or universe_number(files[0]) == 0  # a sweep begins with 1
    ):
        return read_file(files[0])
    from .ensemble import read_run

    return read_run(files[0].parents[2], files)


@dataclass
class Node:
    """A group of a file.

    Attributes:
        variables: Its datasets, by their name
        children: Its groups, by their name
        attrs: Its attributes
    """

    variables: dict[str, Labelled] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    coords: dict[str, tuple[str, Array]] = field(default_factory=dict)


def read_file(path: str | os.PathLike[str]) -> Node:
    """Reads what is in an output file, but not the values.

    Args:
        path: The file

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If it is no HDF5 file, or truncated; or if its journal does
            not belong to it.
    """
    file, recovery = open_for_reading(path)
    with file, reporting_damage(path):
        if recovery is Recovery.REPLAYED:
            warnings.warn(
                f"{os.fspath(path)}: its writer was killed; {recovery.value}.",
                RecoveryWarning,
                stacklevel=3,
            )
        return _read_group(file)


def _read_group(group: h5py.Group, above: frozenset[int] = frozenset()) -> Node:
    node = Node(attrs=_storable(_read_attributes(group)))
    linked = set()
    for name, item, path in members(group, above):
        if isinstance(item, h5py.Dataset) and _can_be_read(item):
            attrs = _read_attributes(item)
            node.variables[name] = _read_dataset(item, attrs)
            linked.update(_linked_coords(item, attrs))
        elif isinstance(item, h5py.Group):
            if is_time_series(item):
                series = _read_time_series(name, item, path)
                node.variables.update(series)
            else:
                node.children[name] = _read_group(item, path)
    for name in linked:  # they are coordinates now
        node.variables.pop(name, None)
    return node


def _read_attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    def report(key: str, error: Exception) -> None:
        _warn(f"The attribute {key} of {item.name} cannot be read ({error})")

    return read_attributes(item, report)


def _storable(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of types that can be written to a netCDF file."""
    return {
        key: int(value) if isinstance(value, np.bool_) else value
        for key, value in attrs.items()
        if not isinstance(value, h5py.Empty)
    }


def _path_of(item: h5py.Group | h5py.Dataset) -> str:
    """The path of the file in which something is; an external link leads to others."""
    return os.path.abspath(os.fsdecode(h5py.h5f.get_name(item.id)))


def _can_be_read(dset: h5py.Dataset) -> bool:
    is_reference = h5py.check_ref_dtype(dset.dtype) is not None
    return dset.shape is not None and not is_reference


def _basename(dset: h5py.Dataset) -> str:
    return printable(dset.name).rsplit("/", 1)[-1]


def _linked_coords(dset: h5py.Dataset, attrs: Mapping[str, Any]) -> list[str]:
    """The names of the datasets that were made for the coordinates of another."""
    targets = {
        f"{_basename(dset)}__coords__{dim}": text_of(attrs.get(f"coords__{dim}"))
        for key, mode in attrs.items()
        if key.startswith("coords_mode__") and text_of(mode) == "linked"
        for dim in [key.removeprefix("coords_mode__")]
    }
    return [target for made, target in targets.items() if target == made]


def _read_dataset(dset: h5py.Dataset, attrs: Mapping[str, Any]) -> Labelled:
    name = _basename(dset)
    dims = _labelled_dims(dset, attrs)
    if len(set(dims) - {None}) < len([dim for dim in dims if dim]):
        _warn(f"Two dimensions of {dset.name} have the same name, of {dims}")
        dims = [None] * len(dims)
    coords = {}
    array = StoredArray(_path_of(dset), dset.name, dset.id)
    for dim, size in zip(dims, array.shape, strict=False):
        if dim is None:
            continue
        try:
            values = read_coords(dset, dim, size, attrs)
        except ValueError as error:
            _warn(str(error))
        else:
            if values is not None:
                coords[dim] = values
    dims += [None] * (len(array.shape) - len(dims))
    others = {key: value for key, value in attrs.items() if not is_label(key)}
    data = Labelled(
        # xarray takes a slash for that of a path.
        tuple(
            f"{name}_dim_{axis}" if dim is None else dim.replace("/", "_")
            for axis, dim in enumerate(dims)
        ),
        array,
        {dim.replace("/", "_"): values for dim, values in coords.items()},
        _storable(others),
    )
    return _as_grid(data) if text_of(data.attrs.get("content")) == "grid" else data


def _as_grid(data: Labelled) -> Labelled:
    """Gives grids their shape, and the centres of the cells as coordinates."""
    shape = grid_shape_of(data.attrs)
    dims = ("x", "y", "z")[: len(shape)]
    extent = np.ravel(data.attrs.get("space_extent", shape))
    order = "".join(map(text_of, np.ravel(data.attrs.get("index_order", "F"))[:1]))
    if (
        not data.dims
        or not 1 <= len(shape) <= 3
        or np.prod(shape, dtype=int) != data.array.shape[-1]
        or extent.shape != (len(shape),)
        or extent.dtype.kind not in "iuf"
        or set(dims) & set(data.dims[:-1])
    ):
        _warn(
            f"A grid has {data.array.shape} values, but the attributes grid_shape "
            f"{shape} and space_extent {extent}"
        )
        return data
    lengths = extent / shape
    coords: dict[str, Array] = {
        dim: np.arange(size)
        if "space_extent" not in data.attrs
        else np.linspace(0.0, total, size, endpoint=False) + length / 2
        for dim, size, total, length in zip(dims, shape, extent, lengths, strict=True)
    }
    outer = data.dims[:-1]
    return Labelled(
        (*outer, *dims),
        GridArray(data.array, shape, order or "F"),
        {**{dim: data.coords[dim] for dim in outer if dim in data.coords}, **coords},
        data.attrs,
    )


def _read_time_series(
    name: str, group: h5py.Group, above: frozenset[int]
) -> dict[str, Labelled]:
    """Makes one array of a group that has a dataset for each time.

    There may be very many: the labels are those of the largest one.
    """
    path = _path_of(group)
    try:
        by_time = sorted((int(key), key) for key in group)
        ids = [h5py.h5d.open(group.id, key.encode()) for _, key in by_time]
        arrays: dict[tuple[int, ...], LazyArray] = {
            (number,): StoredArray(path, f"{printable(group.name)}/{key}", dset_id)
            for number, ((_, key), dset_id) in enumerate(zip(by_time, ids, strict=True))
        }
        ranks = {len(dset_id.shape) for dset_id in ids}
        common_type(array.dtype for array in arrays.values())
    except (ValueError, KeyError, TypeError):
        ranks = set()
    has_time = ranks and "time" in _labelled_dims(group[by_time[0][1]])
    if len(ranks) != 1 or has_time:
        if len(group):
            _warn(f"The group {group.name} is no time series, as it says")
        others = _read_group(group, above).variables
        return {f"{name}_{key}": data for key, data in others.items()}
    array = StackedArray(arrays, (len(arrays),))
    largest = max(range(len(ids)), key=lambda number: ids[number].shape)
    dset = group[by_time[largest][1]]
    labels = _read_dataset(dset, _read_attributes(dset))
    coords = {
        dim: values
        for dim, values in labels.coords.items()
        if len(values) == array.shape[1 + labels.dims.index(dim)]
    }
    coords["time"] = np.array([time for time, _ in by_time])
    return {name: Labelled(("time", *labels.dims), array, coords, labels.attrs)}


def _labelled_dims(
    dset: h5py.Dataset, attrs: Mapping[str, Any] | None = None
) -> list[str | None]:
    try:
        dims = read_dims(dset, attrs)
        "".join(dim or "" for dim in dims).encode()
        return dims
    except UnicodeError as error:
        _warn(f"The names of the dimensions of {dset.name} are no UTF-8 ({error})")
        return [None] * dset.ndim


def _warn(message: str) -> None:
    warnings.warn(f"{message}: it is read without them.", LabelWarning, stacklevel=2)
