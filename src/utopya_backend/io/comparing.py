"""Comparing two output files: do they hold the same data?"""

import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from .opening import open_for_reading
from .provenance import OF_ONE_RUN
from .timers import holds_elapsed_times

Array = np.ndarray[Any, Any]


def compare(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> list[str]:
    """Compares two HDF5 files: groups, datasets, values bit by bit, and attributes.

    What tells one run from another is left out: when and where it was made, see
    :py:mod:`.provenance`, and how long its parts have taken.

    Args:
        first: A file
        second: Another one

    Returns:
        The differences, each as a line of text; none if the data is the same

    Raises:
        UserError: If one of them cannot be read
    """
    with open_for_reading(first)[0] as one, open_for_reading(second)[0] as other:
        return list(_differences(one, other))


def first_difference(one: Array, other: Array) -> str | None:
    """Says where two arrays of the same shape and type differ first, bit by bit.

    Args:
        one: An array
        other: Another one

    Example:
        >>> first_difference(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
        'at [1]: 2.0 and 3.0'
    """
    if one.size == 0:
        return None
    if one.dtype.hasobject:  # e.g. strings
        pairs = zip(one.flat, other.flat, strict=True)
        differ = np.array([not np.array_equal(*pair) for pair in pairs])
    else:
        one_raw, other_raw = (
            np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, -1)
            for array in (one, other)
        )
        differ = (one_raw != other_raw).any(axis=1)
    if not differ.any():
        return None
    index = np.unravel_index(np.argmax(differ), one.shape)
    where = f"at {[int(number) for number in index]}: " if index else ""
    return f"{where}{one[index]} and {other[index]}"


def _differences(one: h5py.File, other: h5py.File) -> Iterator[str]:
    members: tuple[dict[str, Any], ...] = ({"/": one}, {"/": other})
    for file, found in zip((one, other), members, strict=True):
        file.visititems(found.__setitem__)
    for path in sorted({**members[0], **members[1]}):
        if path not in members[0] or path not in members[1]:
            yield f"{path}: only in the {_which(path, *members)}"
            continue
        pair = members[0][path], members[1][path]
        if isinstance(pair[0], h5py.Dataset) != isinstance(pair[1], h5py.Dataset):
            yield f"{path}: a dataset in one, a group in the other"
            continue
        if isinstance(pair[0], h5py.Dataset):
            yield from (f"{path}: {text}" for text in _in_datasets(*pair))
        yield from (f"{path}: {text}" for text in _in_attributes(*pair))


def _in_datasets(one: h5py.Dataset, other: h5py.Dataset) -> Iterator[str]:
    if one.dtype != other.dtype:
        yield f"dtype {one.dtype} and {other.dtype}"
    elif one.shape != other.shape:
        yield f"shape {one.shape} and {other.shape}"
    elif one.shape is not None and not holds_elapsed_times(one):
        values = (np.asarray(dset[()], dset.dtype) for dset in (one, other))
        if where := first_difference(*values):
            yield f"values differ, first {where}"


def _in_attributes(one: h5py.HLObject, other: h5py.HLObject) -> Iterator[str]:
    left_out = OF_ONE_RUN if one.name == "/" else frozenset()
    for key in sorted({*one.attrs, *other.attrs} - left_out):
        if key not in one.attrs or key not in other.attrs:
            yield f"attribute {key} only in the {_which(key, one.attrs, other.attrs)}"
        elif not _are_same(one.attrs[key], other.attrs[key]):
            yield f"attribute {key}: {one.attrs[key]} and {other.attrs[key]}"


def _are_same(one: Any, other: Any) -> bool:
    if isinstance(one, h5py.Empty) or isinstance(other, h5py.Empty):
        return bool(one == other)
    one, other = np.asarray(one), np.asarray(other)
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and first_difference(one, other) is None
    )


def _which(key: str, first: Any, _: Any) -> str:
    return "first" if key in first else "second"
