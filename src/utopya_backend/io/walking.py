"""Going through all that is in an HDF5 file, whatever its links lead to."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np


def members(
    group: h5py.Group, above: frozenset[int] = frozenset()
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset, frozenset[int]]]:
    """The groups and datasets in a group.

    Links that lead nowhere, or to one of the groups above, are left out.

    Args:
        group: The group
        above: The addresses of the groups above

    Yields:
        The name; the object; and, to go on in it, what is above that

    Raises:
        KeyError: If the file is damaged
    """
    above = above | {_address(group)}
    for key in group:
        try:
            item = group[key]
        except KeyError:
            if group.get(key, getclass=True, getlink=True) is h5py.HardLink:
                raise
            continue
        if isinstance(item, h5py.Dataset) or (
            isinstance(item, h5py.Group) and _address(item) not in above
        ):
            yield printable(key), item, above


def printable(name: str | bytes) -> str:
    """A name in a form that can be printed, if it is no UTF-8.

    Args:
        name: The name; h5py gives bytes then.
    """
    return name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")


def text_of(value: Any) -> str:
    """The text that an attribute has, in whatever form HDF5 has stored it.

    Args:
        value: The attribute; an array of several texts is shown as a list.
    """
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else value.tolist()
    return printable(value) if isinstance(value, bytes) else str(value)


def visible(text: str) -> str:
    """A text of which each character can be printed; lines remain lines.

    Args:
        text: Whatever files or users have for a name, a unit, a value
    """
    import unicodedata  # for people who look at data: a model needs none of it

    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in _INVISIBLE and char != "\n"
        else char
        for char in text
    )


_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, no characters, line ends


def leaves(
    group: h5py.Group, above: frozenset[int] = frozenset()
) -> Iterator[h5py.Dataset | h5py.Group]:
    """The datasets and time series in a group, and in the groups in it.

    Args:
        group: The group
        above: The addresses of the groups above
    """
    for _, item, path in members(group, above):
        if isinstance(item, h5py.Dataset) or is_time_series(item):
            yield item
        else:
            yield from leaves(item, path)


def all_datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    """The datasets in a group, and in the groups in it, but for time series.

    Args:
        group: The group
    """
    return (item for item in leaves(group) if isinstance(item, h5py.Dataset))


def is_time_series(item: h5py.Group | h5py.Dataset) -> bool:
    """Whether something is a group with a dataset for each time, maybe very many.

    Args:
        item: A group or a dataset
    """
    # Most groups have no such attribute, and an error inside h5py takes its time.
    if not isinstance(item, h5py.Group) or "content" not in item.attrs:
        return False
    return text_of(item.attrs["content"]) == "time_series"


def _address(group: h5py.Group) -> int:
    address: int = h5py.h5o.get_info(group.id).addr
    return address
