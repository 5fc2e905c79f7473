"""What stands for a value that is missing: never something that looks like data.

=======================  ==============================================================
the type                 what is missing
=======================  ==============================================================
floats, complex numbers  NaN, of both parts
dates, durations         NaT
integers, truth values   NaN: they become float64, which holds integers up to 2^53; to
                         read one beyond that is an error
structured               each field as its type says
text, bytes, all else    None: they become objects
=======================  ==============================================================
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import InexactError

Array = np.ndarray[Any, Any]

_NUMBERS = "biufc"
MAX_EXACT = 2**53
"""The integer beyond which not each one is a float64"""


def with_missing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of values of which some are missing.

    Args:
        dtype: The type of those that are there
    """
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.kind in "fcmM":
        return dtype
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((with_missing(base), shape))
    if dtype.names is not None:
        return np.dtype([(name, with_missing(dtype[name])) for name in dtype.names])
    return np.dtype(object)


def common_type(dtypes: Iterable[np.dtype[Any]]) -> np.dtype[Any]:
    """A type that holds all values of several others, as what they are.

    Args:
        dtypes: The types. At least one

    Raises:
        TypeError: If there is none
    """
    distinct = set(dtypes)
    if len(distinct) == 1:
        return distinct.pop()
    kinds = {dtype.kind for dtype in distinct}
    if kinds <= set(_NUMBERS) or (len(kinds) == 1 and kinds <= set("mM")):
        return np.result_type(*distinct)
    names = {dtype.names for dtype in distinct}
    if names == {None} and kinds <= set(_NUMBERS + "OSUV"):
        return np.dtype(object)  # numpy would make texts of numbers
    if len(names) == 1 and (fields := names.pop()):
        return np.dtype([(f, common_type(d[f] for d in distinct)) for f in fields])
    raise TypeError(f"no common type of {', '.join(map(str, distinct))}")


def all_missing(shape: Iterable[int], dtype: np.dtype[Any]) -> Array:
    """An array of which all values are missing.

    Args:
        shape: Its shape
        dtype: Its type; if it is no result of :py:func:`with_missing`, the values are
            anything.
    """
    values = np.empty(tuple(shape), dtype)
    if dtype.names is not None:
        for name in dtype.names:
            field = values[name]  # a view, with the axes of the field behind the others
            field[...] = all_missing(field.shape, field.dtype)
    elif dtype.kind in "fcmM":
        values[...] = {
            "f": np.nan, "c": complex(np.nan, np.nan),
            "m": np.timedelta64("NaT", "s"), "M": np.datetime64("NaT", "s"),
        }[dtype.kind]  # fmt: skip
    return values


def put(values: Array, where: Any, part: Array) -> None:
    """Puts what is there among what is missing.

    Args:
        values: The array that is changed
        where: Which part of it
        part: What is there; maybe of another type, of which the array's is the
            common one

    Raises:
        ValueError: If it has integers which the array's type does not hold
    """
    if values.dtype.names is not None:
        for name in values.dtype.names:
            put(values[name], where, part[name])
        return
    if part.dtype.kind in "iu" and values.dtype.kind in "fc" and part.size:
        check_exact(int(part.min()), int(part.max()))
    part = part.astype(values.dtype, copy=False)
    # A single object is put there itself, not an array around it.
    values[where] = part if part.ndim else part[()]


def check_exact(*numbers: int) -> None:
    """Checks that integers are the same as floats.

    Args:
        numbers: The least and the largest of them

    Raises:
        ValueError: If not
    """
    for number in numbers:
        if abs(number) > MAX_EXACT:
            raise InexactError(
                f"There are integers beyond 2^53, such as {number}, where others are "
                "missing or no integers: as floats with NaN they would be rounded. "
                "Read each universe by itself, e.g. open_output('…/data/uni1'), or "
                "have the model write them as text."
            )
