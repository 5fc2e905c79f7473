"""Values as the data type of a dataset has them.

There is one rule for all ways in which a model gives values, whatever they are: what
arrives in the file is the same value, rounded at most as floating-point numbers are;
or it is refused, before anything is written. Nothing is clipped or made infinite.

The one exception is h5py's way of writing, ``dset[-1] = 2.7``: existing models rely on
its cutting off the fraction for a type of integers. So it does, and a warning says so.
"""

import math
import numbers
import sys
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]

TEXT = h5py.string_dtype()
"""The type of texts of any length"""

_MAX_EXACT = 2**53
"""Up to that, each integer is a floating-point number"""

_REMEDIES = {
    "M": " HDF5 knows no dates: give texts, e.g. by numpy.datetime_as_string(dates).",
    "m": " HDF5 knows no durations: give numbers, e.g. of seconds.",
    "c": " Give the real part, or the absolute value.",
}
"""What helps, by the kind of a type"""


def convert(
    values: Any,
    dtype: np.dtype[Any],
    what: str,
    *,
    on_fraction: Callable[[float], None] | None = None,
) -> Any:
    """Converts values to the type of a dataset.

    Args:
        values: A number, a text, a record, or an array of them, of whatever kind
        dtype: The type
        what: What has that type, for an error message
        on_fraction: Called with a number of which the fraction is cut off, as the type
            has integers only. Without it, such numbers are refused.

    Returns:
        An array of that type; or the values as they are, where only h5py knows how
        they are stored, e.g. references.

    Raises:
        TypeError: If they are of a kind that the type does not hold
        ValueError: If they are too large or too long; or if they are masked, and the
            type has no NaN.
    """
    if dtype.kind in "mM":
        return _as_times(values, dtype, what)
    if type(values) is np.ndarray and values.dtype == dtype and not dtype.hasobject:
        return values
    if dtype.subdtype is not None:
        return convert(values, dtype.base, what)
    if dtype.names is not None:
        return _as_records(values, dtype, what)
    if h5py.check_string_dtype(dtype) is not None:
        return _as_texts(as_objects(values), dtype, what)
    if (base := h5py.check_vlen_dtype(dtype)) is not None:
        return _as_ragged(values, base, dtype, what)
    if dtype.kind in "biufc":
        return _as_numbers(values, dtype, what, on_fraction)
    return values


def as_array(values: Any, what: str) -> Array:
    """Makes an array of numbers or texts, of the type that fits them.

    Args:
        values: An array or a sequence, of whatever kind
        what: What they are, for an error message

    Raises:
        TypeError: If they are something else, or both
        ValueError: If some are masked, and there is no NaN for them; or if they are
            lists of different lengths.
    """
    array = to_array(values)
    kind = array.dtype.kind
    if kind in "OSUT":
        objects = as_objects(values)
        if not objects.size or not isinstance(objects.flat[0], numbers.Number):
            return _as_texts(objects, TEXT, what)
        is_int = all(isinstance(value, numbers.Integral) for value in objects.flat)
        return _as_numbers(objects, np.dtype(int if is_int else float), what)
    if kind not in "biufc":
        raise TypeError(
            f"{what} cannot be of type {array.dtype}: give numbers or texts."
            f"{_REMEDIES.get(kind, '')}"
        )
    return _as_numbers(array, array.dtype, what)


# .. Arrays of what was given .................................................


def to_array(values: Any, dtype: Any = None) -> Array:
    """Makes an array of numpy.

    Args:
        values: An array or a sequence, of whatever kind
        dtype: Its type

    Returns:
        The array, which is a masked one if something in it is masked
    """
    mask = _masks_in(values) if _has_masks(values) else None
    if isinstance(values, (list, tuple)):
        values = _without_subclasses(values)
    array = np.asarray(values, dtype=dtype)
    return array if mask is None else np.ma.array(array, mask=mask)


def as_objects(values: Any) -> Array:
    """Makes an array of Python's own objects.

    Args:
        values: An array or a sequence, of whatever kind

    Returns:
        The array. Texts are in it as they are; in one of numpy's own texts, a member
        of an Enum would be a piece of what it is printed as.
    """
    if hasattr(type(values), "__array__"):
        return to_array(values).astype(object)
    return to_array(values, object)


def as_text(text: str) -> str:
    """The text itself, of an instance of a subclass: e.g. of a member of an Enum.

    Args:
        text: The text
    """
    return str.__str__(text)


def unit_of(values: Any) -> str:
    """The unit of a quantity, as those of astropy, pint and unyt have one.

    Args:
        values: The values

    Returns:
        The unit; an empty string if they have none

    Raises:
        ValueError: If it is a list of quantities that have different ones
    """
    kind = type(values)
    if kind in (list, tuple):
        if not any(map(_is_quantity, set(map(type, values)))):
            return ""
        units = {unit_of(value) for value in values}
        if len(units) > 1:
            raise ValueError(
                f"The values have different units, {', '.join(map(repr, units))}: "
                "convert them to the same one."
            )
        return units.pop()
    if not _is_quantity(kind):
        return ""
    unit = values.unit if hasattr(kind, "unit") else values.units
    return "" if unit is None or str(unit) == "dimensionless" else str(unit)


def _is_quantity(kind: type) -> bool:
    is_array = kind is not np.ndarray and hasattr(kind, "__array__")
    return is_array and (hasattr(kind, "unit") or hasattr(kind, "units"))


def _has_masks(values: Any) -> bool:
    if isinstance(values, (list, tuple)):
        kinds = set(map(type, values))
        may_have = any(_can_be_masked(k) or issubclass(k, (list, tuple)) for k in kinds)
        return may_have and any(map(_has_masks, values))
    # That of numpy is a truth value if nothing is masked; that of pandas is a method.
    return (
        _can_be_masked(type(values))
        and isinstance(values.mask, (np.ndarray, np.generic, bool))
        and values.mask is not np.False_
    )


def _can_be_masked(kind: type) -> bool:
    return hasattr(kind, "mask") and hasattr(kind, "__array__")


def _masks_in(values: Any) -> Any:
    if isinstance(values, (list, tuple)):
        return [_masks_in(value) for value in values]
    return values.mask if _has_masks(values) else np.zeros(np.shape(values), bool)


def _without_subclasses(values: Any) -> Any:
    """Lists of arrays that are nothing but arrays: others may refuse to be in lists."""
    if isinstance(values, (list, tuple)):
        kinds = set(map(type, values))
        if any(map(_is_other_array, kinds)):
            parts = [_without_subclasses(value) for value in values]
            return tuple(parts) if isinstance(values, tuple) else parts  # a record
        return values
    return np.asarray(values) if _is_other_array(type(values)) else values


def _is_other_array(kind: type) -> bool:
    if kind in (list, tuple):
        return True
    return not issubclass(kind, np.generic) and hasattr(kind, "__array__")


def _split(array: Array, what: str, *, has_nan: bool) -> tuple[Array, Any]:
    """The values, with zeros where they are masked; and where that is."""
    if not isinstance(array, np.ma.MaskedArray):
        return array, None
    mask = np.ma.getmaskarray(array)
    if not mask.any():
        return array.data, None
    if not has_nan:
        raise ValueError(
            f"{what} cannot say that a value is masked, as {mask.sum()} of {mask.size} "
            "are: put a value in its place, e.g. by .filled(-1); or use floating-point "
            "numbers, which have NaN for it."
        )
    return np.where(mask, array.dtype.type(0), array.data), mask


# .. Dates and durations ......................................................


def _as_times(values: Any, dtype: np.dtype[Any], what: str) -> Array:
    array, mask = _split(to_array(values), what, has_nan=True)
    if array.dtype.kind not in (dtype.kind, "O", *("U" if dtype.kind == "M" else "")):
        raise TypeError(f"{what} holds {dtype}, and not values of type {array.dtype}.")
    if array.dtype.kind == dtype.kind:
        converted = _in_unit(array, dtype, what)
    else:  # each has a unit of its own
        converted = np.empty(array.shape, dtype)
        for place, value in np.ndenumerate(array):
            converted[place] = _in_unit(_as_time(value, dtype, what), dtype, what)
    if mask is not None:
        converted[mask] = "NaT"
    return converted


def _as_time(value: Any, dtype: np.dtype[Any], what: str) -> Array:
    """One date or duration, in the unit that it needs."""
    if value is None:
        return np.array("NaT", dtype)
    for name in ("to_datetime64", "to_timedelta64"):  # of pandas: to the nanosecond
        if hasattr(type(value), name):
            value = getattr(value, name)()
    kind = np.datetime64 if dtype.kind == "M" else np.timedelta64
    try:
        return np.asarray(kind(as_text(value) if isinstance(value, str) else value))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what} holds {dtype}, and not {value!r}: {error}") from None


def _in_unit(array: Array, dtype: np.dtype[Any], what: str) -> Array:
    if array.dtype == array.dtype.type and not np.isnat(array).all():
        raise TypeError(f"{what} holds {dtype}, and not numbers: give them a unit.")
    # A copy, whose type says how HDF5 stores it
    try:
        converted = array.astype(dtype)
    except OverflowError as error:  # numpy before 2.5 starts anew, without a word
        raise ValueError(f"{what} holds {dtype}, and not {array}: {error}") from None
    # There and back, as numpy compares them in the finer unit, in which they may be
    # too large, and start anew.
    changed = (converted.astype(array.dtype) != array) & ~np.isnat(array)
    if changed.any():
        raise ValueError(
            f"{what} holds {dtype}, and not {array[changed].flat[0]}: round it, or "
            "use another unit."
        )
    return converted


# .. Numbers ..................................................................


def _as_numbers(
    values: Any,
    dtype: np.dtype[Any],
    what: str,
    on_fraction: Callable[[float], None] | None = None,
) -> Array:
    array = to_array(values)
    is_list = array.ndim and not hasattr(type(values), "__array__")
    if is_list and array.dtype.kind == "f" and dtype.kind in "iu":
        is_exact = (np.abs(array) < _MAX_EXACT).all()
        if not is_exact or on_fraction is None:
            array = as_objects(values)  # numpy has rounded integers that are large
    array, mask = _split(array, what, has_nan=dtype.kind in "fc")
    if array.dtype.kind == "O":
        array = _numbers_of_objects(array, dtype, what)
    kind = array.dtype.kind
    if kind not in "biufc" or (kind == "c" and dtype.kind != "c"):
        raise TypeError(
            f"{what} holds {dtype}, and not values of type {array.dtype}."
            f"{_REMEDIES.get(kind, '')}"
        )
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
        if not np.can_cast(array.dtype, dtype, "safe"):
            _check_converted(converted, array, what, on_fraction)
    if mask is not None:
        converted[mask] = np.nan
    return converted


def _check_converted(
    converted: Array,
    array: Array,
    what: str,
    on_fraction: Callable[[float], None] | None,
) -> None:
    dtype = converted.dtype
    if dtype.kind in "fc":
        _refuse(np.isfinite(array) & ~np.isfinite(converted), array, dtype, what)
        return
    is_float = array.dtype.kind == "f"
    if is_float:
        array = array.astype(np.result_type(array.dtype, float))  # to compare it
        whole = np.trunc(array)
        if (differs := whole != array).any():
            example = array[differs].flat[0]
            may_be_cut = dtype.kind != "b" and np.isfinite(array).all()
            if on_fraction is None or not may_be_cut:
                raise TypeError(
                    f"{what} holds {dtype}, and not {example}: round it, or use a "
                    "dtype of floating-point numbers."
                )
            on_fraction(example)
            array = whole
    if dtype.kind == "b":
        _refuse(converted != array, array, dtype, what)
    else:
        limits = np.iinfo(dtype)
        beyond = array >= float(limits.max) + 1 if is_float else array > limits.max
        _refuse((array < limits.min) | beyond, array, dtype, what)


def _refuse(where: Any, array: Array, dtype: np.dtype[Any], what: str) -> None:
    """Refuses values that are too large."""
    if where.any():
        raise ValueError(
            f"{what} holds {dtype}, {_limits(dtype)}, but not {array[where].flat[0]}, "
            f"of values from {array.min()} to {array.max()}: use another dtype."
        )


def _limits(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return "from 0 to 1"
    limits: Any = (np.iinfo if dtype.kind in "iu" else np.finfo)(dtype)
    return f"from {limits.min} to {limits.max}"


def _numbers_of_objects(objects: Array, dtype: np.dtype[Any], what: str) -> Array:
    """Converts fractions, decimals, large integers, and what else is a number."""
    kind = {"f": float, "c": complex}.get(dtype.kind, int)
    found = np.array(
        [_number(value, kind, dtype, what) for value in objects.flat], object
    )
    if kind is not int:
        return found.astype(kind).reshape(objects.shape)
    limits = np.iinfo(dtype if dtype.kind in "iu" else np.int64)
    outside = [not limits.min <= value <= limits.max for value in found]
    _refuse(np.array(outside, bool), found, dtype, what)
    return found.astype(limits.dtype).reshape(objects.shape)


def _number(value: Any, kind: Any, dtype: np.dtype[Any], what: str) -> Any:
    if _is_missing(value) and kind is not int:
        return kind(math.nan)
    if not isinstance(value, (numbers.Number, np.bool_)):
        raise TypeError(
            f"{what} holds {dtype}, and not {value!r}, which is "
            f"{type(value).__name__} and no number."
        )
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        kind = ValueError if isinstance(error, OverflowError) else TypeError
        raise kind(f"{what} holds {dtype}, and not {value!r:.50}: {error}") from None
    is_same = bool(number == value)
    if kind is int and not is_same:
        raise TypeError(f"{what} holds {dtype}, and not {value!r}: round it.")
    if kind is float and math.isinf(number) and not is_same:
        raise ValueError(f"{what} holds {dtype}, which {value!r} is too large for.")
    return number


def _is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return value is None or (pandas is not None and value is pandas.NA)


# .. Texts ....................................................................


def _as_texts(objects: Array, dtype: np.dtype[Any], what: str) -> Array:
    objects, _ = _split(objects, what, has_nan=False)
    info = h5py.check_string_dtype(dtype)
    found = np.empty(objects.shape, dtype)
    for place, value in np.ndenumerate(objects):
        if not isinstance(value, (str, bytes)):
            raise TypeError(
                f"{what} holds texts, and not {value!r}, which is "
                f"{type(value).__name__}: give a text, e.g. str(…) of a number, or the "
                ".name of a member of an Enum."
            )
        found[place] = _stored_text(value, info, what)
    return found


def _stored_text(value: str | bytes, info: Any, what: str) -> str | bytes:
    text = as_text(value) if isinstance(value, str) else bytes(value)
    try:
        raw = text.encode(info.encoding) if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} cannot hold {text!r} ({error.reason}).") from None
    if info.length is None:
        if b"\0" in raw:
            raise ValueError(
                f"{what} cannot hold {text!r}: texts in HDF5 end at a \\0."
            )
        return text
    if raw.endswith(b"\0"):
        raise ValueError(
            f"{what} cannot hold {text!r}: a \\0 at its end would be cut off."
        )
    if len(raw) > info.length:
        raise ValueError(
            f"{what} holds texts of {info.length} bytes, and not {text!r}, which has "
            f"{len(raw)}: use dtype=str, or a larger length."
        )
    return raw


def _as_ragged(
    values: Any, base: np.dtype[Any], dtype: np.dtype[Any], what: str
) -> Any:
    """A list of any length as one value; of several, h5py makes what it can."""
    if isinstance(values, (list, tuple)) and any(map(np.ndim, values)):
        return values
    array = to_array(values)
    if array.ndim != 1 or array.dtype.kind == "O":
        return values
    found = np.empty((), dtype)
    found[()] = convert(array, base, what)
    return found


# .. Records ..................................................................


def _as_records(values: Any, dtype: np.dtype[Any], what: str) -> Array:
    array = to_array(values) if hasattr(type(values), "__array__") else None
    if array is None or array.dtype.names is None:
        try:
            array = np.asarray(values, dtype=_of_objects(dtype))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{what} holds records of {_fields(dtype)}, and not {values!r:.100}: "
                f"give a tuple of their values, or an array of that type ({error})."
            ) from None
    if {*array.dtype.names} != {*dtype.names}:  # type: ignore[misc]  # both have some
        raise TypeError(
            f"{what} holds records of {_fields(dtype)}, and not of "
            f"{_fields(array.dtype)}."
        )
    found = np.zeros(array.shape, dtype)
    for name in dtype.names:  # type: ignore[union-attr]  # likewise
        # By their names, as HDF5 does: numpy would take them by their order.
        found[name] = convert(array[name], dtype[name], f"{what}['{name}']")
    return found


def _fields(dtype: np.dtype[Any]) -> str:
    return ", ".join(dtype.names or ())


def _of_objects(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A type with the same fields, which takes each value as it is."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((_of_objects(base), shape))
    if dtype.names is None:
        return np.dtype(object)
    return np.dtype([(name, _of_objects(dtype[name])) for name in dtype.names])
