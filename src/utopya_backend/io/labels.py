"""Labels of datasets: the names of their dimensions and their coordinates.

They are stored as attributes, as the ``utopya`` frontend reads them:
``dim_names``, and for each dimension that has coordinates a
``coords_mode__<dim>`` and its argument ``coords__<dim>``, as described in the
documentation of ``dantro.utils.coords.extract_coords``.

==================  ==================================================================
mode                the argument
==================  ==================================================================
``values``          the coordinates, numbers or strings; this is the default
``range``           the arguments of Python's ``range``
``arange``          the arguments of ``numpy.arange``
``linspace``        the arguments of ``numpy.linspace``: first, last, how many
``logspace``        the arguments of ``numpy.logspace``
``start_and_step``  the first one and the distance of two, integers; there are as many
                    as the dimension is long
``trivial``         none: they are 0, 1, …
``scalar``          the only one
``linked``          the path of a dataset that holds them, relative to the dataset's
                    group
==================  ==================================================================
"""

import itertools
from collections.abc import (
    Callable,
    Collection,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    Set,
    ValuesView,
)
from typing import Any

import h5py
import numpy as np

from ..errors import show, suggest
from .values import as_array, as_text, unit_of
from .walking import text_of

# HDF5 stores an attribute in the object's header, a block of 64 KiB at most;
# https://docs.hdfgroup.org/hdf5/v1_14/_h5_a__u_g.html, "Large Attributes".
MAX_ATTRIBUTE_BYTES = 60_000
"""Size of an attribute at most; what is larger goes into a dataset"""

_BYTES_OF_VLEN_STRING = 16  # a reference to where the characters are

Coordinates = Mapping[str, Any] | Collection[Any] | np.ndarray[Any, Any]
"""Coordinate values, or a mapping with the ``mode`` and its ``coords``"""


def check_dims(dims: Sequence[str]) -> list[str]:
    """Checks the names of the dimensions of a dataset.

    Args:
        dims: The names

    Returns:
        The names, as plain strings

    Raises:
        TypeError: If it is no sequence of strings
        ValueError: If a name stands twice
    """
    if isinstance(dims, str) or not all(isinstance(dim, str) for dim in dims):
        raise TypeError(
            f"The dimensions have to be a list or tuple of names, but are {dims!r}. "
            f"Give e.g. extra_dims=['x']"
        )
    if len(set(dims)) < len(dims):
        raise ValueError(
            f"Each dimension has to have a name of its own, but the names are "
            f"{', '.join(dims)}."
        )
    return [as_text(dim) for dim in dims]


def check_name(group: h5py.Group, name: Any) -> None:
    """Checks the name of something that is to be created.

    Args:
        group: Where
        name: The name, or the path within the group

    Raises:
        TypeError: If it is no string
        ValueError: If it is empty, leads out of the group, or is there already
    """
    if not isinstance(name, str):
        raise TypeError(f"A name has to be a string, but is {name!r}.")
    if not name.strip("/") or {".", ".."} & set(name.split("/")):
        raise ValueError(f"{name!r} is not the name of anything in the group.")
    if name.startswith("/"):
        raise ValueError(
            f"The name {name!r} leads to the root of the file, out of the group of the "
            f"model: give {name.lstrip('/')!r}."
        )
    if name in group:
        raise ValueError(
            f"There is a '{name}' in {group.name} already: choose another name."
        )


def check_sizes(
    given: Mapping[str, int | None], sizes: Mapping[str, int | None]
) -> None:
    """Checks sizes, and refuses one that probably belongs to another dimension.

    Args:
        given: Sizes, maybe also of dimensions that this dataset does not have
        sizes: The size of each of its dimensions, None where it is not known

    Raises:
        TypeError: If a size is no integer
        ValueError: If a size is not positive; or if there is one for a name that
            is not a dimension, but similar to one without a size
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"The sizes have to be a dict, e.g. {{'x': 10}}, but are {given!r}."
        )
    for dim, size in sizes.items():
        if size is not None and not isinstance(size, (int, np.integer)):
            raise TypeError(
                f"The size of dimension '{dim}' has to be an integer, or None if it is "
                f"not limited, but is {size!r}."
            )
        if size is not None and size < 1:
            raise ValueError(
                f"The size of dimension '{dim}' has to be at least 1, but is {size}. "
                "Leave it out if it is not known yet."
            )
    unsized = [dim for dim in sizes if dim not in given]
    for name in given:
        if name not in sizes and (hint := suggest(name, unsized)):
            raise ValueError(
                f"sizes has a '{name}', which is not one of the extra dimensions, "
                f"{', '.join(sizes)}.{hint}"
            )


def check_coords(
    coords: Mapping[str, Coordinates], sizes: Mapping[str, int | None]
) -> dict[str, Coordinates]:
    """Checks that coordinates belong to a dimension and have its size.

    Args:
        coords: The coordinates of some dimensions, by the dimension's name
        sizes: The size of each dimension, None where it is not known

    Returns:
        The coordinates, of values as an array that can be written

    Raises:
        ValueError: If there is no such dimension, the sizes differ, or coordinates are
            no numbers or texts; and on a mapping without a mode.
    """
    if not isinstance(coords, Mapping):
        raise TypeError(
            f"The coords have to be a dict, e.g. {{'x': [0, 1]}}, but are {coords!r}."
        )
    checked: dict[str, Coordinates] = {}
    for dim, values in coords.items():
        if dim not in sizes:
            raise ValueError(
                f"Dimension '{dim}' has coordinates, but was not part of the list of "
                f"extra dimensions ({', '.join(sizes) or 'there are none'})."
            )
        size, unit = sizes[dim], ""
        if isinstance(values, Mapping) and values.get("mode") == "values":
            unit = values.get("unit", "")
            values = values.get("coords", [])
        if isinstance(values, Mapping):
            _check_mode(dim, values, size)
            checked[dim] = values
            continue
        if isinstance(values, Iterator) and size is not None:
            values = list(itertools.islice(values, size + 1))  # it may have no end
        checked[dim] = labels = _as_labels(dim, values)
        if size is not None and len(labels) != size:
            raise ValueError(
                f"The number of coordinates of dimension '{dim}', {len(labels)}, does "
                f"not match its size, {size}."
            )
        if unit := unit_of(values) or unit:
            checked[dim] = {"mode": "values", "coords": labels, "unit": unit}
    return checked


def _as_labels(dim: str, values: Any) -> np.ndarray[Any, Any]:
    """Makes an array of coordinates, as it is written."""
    if isinstance(values, (KeysView, ValuesView, Iterator)):
        values = list(values)
    is_array = isinstance(values, Sequence) or hasattr(type(values), "__array__")
    if isinstance(values, (str, bytes, Set)) or not is_array:
        raise ValueError(
            f"The coordinates of dimension '{dim}' have to be a list or an array, "
            f"but are {show(values)}."
        )
    try:
        labels = as_array(values, f"A coordinate of dimension '{dim}'")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The coordinates of dimension '{dim}' have to be numbers or strings, "
            f"but are {show(values)}: {error}"
        ) from None
    if labels.ndim != 1:
        raise ValueError(
            f"The coordinates of dimension '{dim}' have to be a list or an array with "
            f"one dimension, but are {show(values)}."
        )
    return labels


def _check_mode(dim: str, spec: Mapping[str, Any], size: int | None) -> None:
    if "mode" not in spec:
        raise ValueError(
            f"The coordinates of dimension '{dim}' have no mode, but only "
            f"{list(spec)}. Give e.g. dict(mode='range', coords=[0, 10])"
        )
    mode, args = spec["mode"], spec.get("coords", [])
    if mode == "linked":
        return  # what it leads to may not be there yet
    if mode not in _COORDINATES:
        raise ValueError(
            f"There is no mode {mode!r} for coordinates, as of dimension '{dim}': "
            f"choose one of {', '.join([*_COORDINATES, 'linked'])}."
            f"{suggest(mode, _COORDINATES)}"
        )
    try:
        number = len(_COORDINATES[mode](args, size or 0))
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"The coordinates of dimension '{dim}', {args!r}, are none for the mode "
            f"'{mode}': {error}"
        ) from None
    if size is not None and number != size:
        raise ValueError(
            f"The number of coordinates of dimension '{dim}', {number}, does not match "
            f"its size, {size}."
        )


def write_labels(
    dset: h5py.Dataset, dims: Sequence[str], coords: Mapping[str, Coordinates]
) -> None:
    """Labels the dimensions of a dataset.

    Args:
        dset: The dataset
        dims: The names of its dimensions, one for each axis
        coords: The coordinates of some of them. Values that are too large for
            an attribute go into a dataset beside this one, which is linked.
    """
    sizes: dict[str, int | None] = dict.fromkeys(dims)  # they are not looked at
    coords = check_coords(coords, sizes)  # all of them, before any is written
    dset.attrs["dim_names"] = as_array(list(dims), "The name of a dimension")
    for dim, values in coords.items():
        if isinstance(values, Mapping):
            write_coords(dset, dim, mode=values["mode"], args=values.get("coords", []))
            if "unit" in values:
                dset.attrs[f"units__{dim}"] = values["unit"]
        else:
            write_coords(dset, dim, mode="values", args=values)


def write_coords(dset: h5py.Dataset, dim: str, *, mode: str, args: Any) -> None:
    """Writes the coordinates of one dimension, replacing those it had.

    Args:
        dset: The dataset
        dim: The name of the dimension
        mode: How the argument is to be understood, e.g. ``values``, or
            ``start_and_step``.
        args: The argument: for ``values`` the coordinates, numbers or strings
    """
    dim = as_text(dim)
    if mode == "values":
        args = _as_labels(dim, args)
    elif mode == "scalar":
        args = _as_labels(dim, np.ravel(args) if np.ndim(args) else [args])[0]
    elif isinstance(args, (range, Sequence)) and not isinstance(args, str):
        args = np.asarray(args)
    if mode in ("linspace", "logspace") and np.asarray(args).dtype.kind == "f":
        # As floats, the frontend does not take their number.
        mode, args = "values", _COORDINATES[mode](args, 0)
    if mode == "values" and _num_bytes(args) > MAX_ATTRIBUTE_BYTES:
        mode, args = "linked", _write_linked(dset, dim, args)
    dset.attrs[f"coords_mode__{dim}"] = mode
    # An empty one, too: that is what the backend beside writes for `trivial`.
    dset.attrs[f"coords__{dim}"] = args


def grid_shape_of(attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of a grid; none, if its attribute is no such.

    Args:
        attrs: The attributes of its dataset
    """
    sizes = np.ravel(attrs.get("grid_shape", []))
    is_shape = sizes.dtype.kind in "iuf" and np.isfinite(sizes).all()
    return tuple(map(int, sizes)) if is_shape else ()


def read_dims(
    dset: h5py.Dataset, attrs: Mapping[str, Any] | None = None
) -> list[str | None]:
    """The names of the dimensions of a dataset, None for those without one.

    Args:
        dset: The dataset
        attrs: Its attributes, if they are in memory already
    """
    attrs = dset.attrs if attrs is None else attrs
    num_dims = len(dset.shape or ())
    names: list[str | None] = [None] * num_dims
    given = attrs.get("dim_names", [])
    given = [] if isinstance(given, h5py.Empty) else np.ravel(given)[:num_dims]
    for axis, name in enumerate(given):
        names[axis] = text_of(name)
    for axis in range(num_dims):
        if names[axis] is None and f"dim_name__{axis}" in attrs:
            names[axis] = text_of(attrs[f"dim_name__{axis}"])
    return names


def read_coords(
    dset: h5py.Dataset, dim: str, size: int, attrs: Mapping[str, Any] | None = None
) -> np.ndarray[Any, Any] | None:
    """The coordinates of a dimension of a dataset.

    Args:
        dset: The dataset
        dim: The name of the dimension
        size: Its size
        attrs: Its attributes, if they are in memory already

    Returns:
        The coordinates; None if there are none. A dimension that grows may have more
        of them than it is long by now: these are the first ones.

    Raises:
        ValueError: If the labels do not make sense
    """
    attrs = dset.attrs if attrs is None else attrs
    mode = text_of(attrs.get(f"coords_mode__{dim}", "values"))
    args = attrs.get(f"coords__{dim}")
    if args is None and mode != "trivial":
        return None
    try:
        if mode == "linked":
            args = dset.parent[text_of(args)][()]
            mode = "values"
        coords = _COORDINATES[mode](args, size)
    except (LookupError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"The coordinates of dimension '{dim}' of {dset.name} cannot be made of "
            f"the mode {mode!r} and the argument {args!r}: {error}"
        ) from None
    if coords.ndim == 1 and len(coords) > size and _can_grow(dset, dim, attrs):
        coords = coords[:size]
    if coords.shape != (size,):
        raise ValueError(
            f"The dimension '{dim}' of {dset.name} has the size {size}, but "
            f"coordinates of shape {coords.shape}."
        )
    return coords


def _can_grow(dset: h5py.Dataset, dim: str, attrs: Mapping[str, Any]) -> bool:
    axis = read_dims(dset, attrs).index(dim)
    return bool(dset.maxshape[axis] != dset.shape[axis])


def is_label(name: str) -> bool:
    """Whether an attribute of a dataset is one of its labels.

    Args:
        name: The name of the attribute
    """
    return name.startswith(("dim_name", "coords__", "coords_mode__"))


def _strings_or_numbers(args: Any, _: int) -> np.ndarray[Any, Any]:
    array = np.ravel(args)
    if array.dtype.kind in "OS":
        array = np.array([text_of(value) for value in array], dtype=str)
    return array


def _spaced(function: Callable[..., Any]) -> Callable[..., Any]:
    # How many there are comes as a float, if the limits are floats.
    return lambda args, _: function(*args[:2], *map(int, args[2:3]), *args[3:])


_COORDINATES: dict[str, Callable[..., np.ndarray[Any, Any]]] = {
    "values": _strings_or_numbers,
    "scalar": _strings_or_numbers,
    "range": lambda args, _: np.arange(*map(int, args)),
    "arange": lambda args, _: np.arange(*args),
    "linspace": _spaced(np.linspace),
    "logspace": _spaced(np.logspace),
    "start_and_step": lambda args, size: int(args[0]) + int(args[1]) * np.arange(size),
    "trivial": lambda _, size: np.arange(size),
}


def _num_bytes(values: Any) -> int:
    array = np.asarray(values)
    return array.size * (
        _BYTES_OF_VLEN_STRING if array.dtype.kind == "O" else array.itemsize
    )


def _write_linked(dset: h5py.Dataset, dim: str, values: Any) -> str:
    """Writes coordinates to a dataset beside another one, returns its name."""
    name = f"{dset.name.rsplit('/', 1)[-1]}__coords__{dim}"
    if name in dset.parent:
        del dset.parent[name]
    linked = dset.parent.create_dataset(name, data=values, compression=2)
    linked.attrs["dim_names"] = [dim]
    return name
