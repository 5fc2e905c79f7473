"""Reading of all attributes of an object at once.

In a run with many universes, most of the time that it takes to open them is spent here.
"""

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

_TEXT = h5py.string_dtype()
_STORED_TEXT = h5py.h5t.py_create(_TEXT)


def read_attributes(
    item: h5py.Group | h5py.Dataset, report: Callable[[str, Exception], None]
) -> dict[str, Any]:
    """Reads the attributes of a group or dataset, as h5py gives them.

    Args:
        item: The group or dataset
        report: Is told the name of each one that cannot be read, and why
    """
    names: list[bytes] = []
    h5py.h5a.iterate(item.id, names.append)
    attrs = {}
    for name in names:
        key = name.decode("utf-8", "surrogateescape")
        try:
            attrs[key] = _read(item, name)
        except (UnicodeDecodeError, TypeError, OSError) as error:
            report(key, error)
    return attrs


def _read(item: h5py.Group | h5py.Dataset, name: bytes) -> Any:
    attr = h5py.h5a.open(item.id, name)
    stored, shape = attr.get_type(), attr.shape
    is_text = isinstance(stored, h5py.h5t.TypeStringID) and stored.is_variable_str()
    is_number = isinstance(stored, (h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID))
    if shape is None or not (is_text or is_number):
        return item.attrs[name]
    # As h5py does it, in half the time: without what only other types need.
    values = np.empty(shape, _TEXT if is_text else stored.dtype)
    attr.read(values, _STORED_TEXT if is_text else stored)
    if is_text:
        texts = [text.decode("utf-8", "surrogateescape") for text in values.flat]
        if not shape:
            return texts[0]
        values = np.array(texts, _TEXT).reshape(shape)
    return values if shape else values[()]
