"""Values as a configuration has them: plain ones, for which YAML has a form.

What is given in Python, or computed by a tag, arrives as the plain value that it stands
for. What cannot be kept exactly is refused: a model must not compute with something
else than what was given.
"""

import datetime
import enum
import numbers
import os
from collections.abc import Callable, KeysView, Mapping, Sequence, Set, ValuesView
from typing import Any

import numpy as np
from ruamel.yaml.scalarbool import ScalarBoolean

from .constraints import format_path
from .errors import ConfigError, show
from .limits import check_depth, check_integer, check_number


def plain(value: Any, *path: str | int) -> Any:
    """The plain value that a value stands for.

    Args:
        value: The value: dicts, lists, sets, texts, numbers, dates, paths and members
            of an Enum, of whatever subclass, and arrays and scalars of numpy and pandas
        path: Where in the configuration it stands, for an error message

    Returns:
        Dicts, lists, sets, ranges, slices, strings, bytes, integers, floats, booleans,
        dates and None, and nothing else in them. What has a form in YAML of its own, as
        a sweep, is as it was.

    Raises:
        ValueError: If there is none, or none that is the same
    """
    return _Place(path, [0]).plain(value)


class _Place:
    """A place in a configuration."""

    def __init__(self, path: tuple[str | int, ...], counter: list[int]) -> None:
        self.path = path
        self._counter = counter  # of all values

    def plain(self, value: Any) -> Any:
        """Makes a plain value of any."""
        self._counter[0] += 1
        check_number(self._counter[0])
        if type(value) in _PLAIN or hasattr(type(value), "to_yaml"):
            return value
        for kind, convert in _RULES:
            if isinstance(value, kind):
                return convert(value, self)
        if hasattr(type(value), "__array__"):
            return _of_labelled(value, self)
        raise self.refusal(value)

    def within(self, key: Any, value: Any) -> Any:
        """Makes a plain value of an element."""
        path = (*self.path, key if isinstance(key, int) else str(key))
        check_depth(len(path))
        return _Place(path, self._counter).plain(value)

    def refusal(self, value: Any, remedy: str = "") -> ConfigError:
        """What is said if there is no plain value."""
        remedy = remedy or (
            "give numbers, strings, lists, dicts or arrays, and have setup() make of "
            "them what it needs"
        )
        return ConfigError(
            f"{format_path(self.path) or 'This'} cannot stand in a configuration, "
            f"which is in YAML, since it is {show(value)}: {remedy}."
        )


# .. Texts and numbers ........................................................


def _of_text(value: str, place: _Place) -> str:
    text = str.__str__(value)  # a subclass may print something else
    try:
        text.encode()
    except UnicodeEncodeError:
        raise place.refusal(value, "half of a surrogate pair is no text") from None
    return text


def _of_path(value: os.PathLike[Any], place: _Place) -> str:
    return place.plain(os.fsdecode(value))  # type: ignore[no-any-return]  # a text


def _of_bytes(value: bytes | bytearray, place: _Place) -> bytes:
    return bytes(value)


def _of_truth(value: Any, place: _Place) -> bool:
    return bool(value)


def _of_int(value: Any, place: _Place) -> int:
    number = int.__int__(value) if isinstance(value, int) else int(value)
    check_integer(number)
    return number


def _of_number(value: Any, place: _Place) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise place.refusal(value, "give real numbers") from None
    if number != value and value == value:
        remedy = f"as a float it would not be the same; give float(…), {number!r}, if"
        raise place.refusal(value, f"{remedy} that is meant")
    return number


def _of_complex(value: Any, place: _Place) -> Any:
    raise place.refusal(value, "give its real and its imaginary part")


# .. Dates ....................................................................


def _of_datetime(value: datetime.datetime, place: _Place) -> datetime.datetime:
    if value != value:
        raise place.refusal(value, "a missing date is no date; give null, by None")
    if getattr(value, "nanosecond", 0):  # of pandas
        raise place.refusal(value, _NO_NANOSECONDS)
    offset = value.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        raise place.refusal(value, "give a time zone of whole minutes")
    zone = None if offset is None else datetime.timezone(offset)
    return datetime.datetime(
        value.year, value.month, value.day,
        value.hour, value.minute, value.second, value.microsecond, tzinfo=zone,
    )  # fmt: skip


def _of_date(value: datetime.date, place: _Place) -> datetime.date:
    return datetime.date(value.year, value.month, value.day)


def _of_datetime64(value: np.datetime64, place: _Place) -> datetime.date:
    if np.isnat(value):
        raise place.refusal(value, "a missing date is no date; give null, by None")
    coarse = (
        value if np.datetime_data(value)[0] in "YMWDhms" else value.astype("M8[us]")
    )
    date = coarse.item()
    if coarse != value:
        raise place.refusal(value, _NO_NANOSECONDS)
    if not isinstance(date, datetime.date):
        raise place.refusal(value, "give a date of the years 1 to 9999")
    return date


def _of_duration(value: Any, place: _Place) -> Any:
    raise place.refusal(value, "give a number, e.g. of seconds")


def _of_time(value: datetime.time, place: _Place) -> Any:
    raise place.refusal(value, f"give a text, e.g. '{value.isoformat()}'")


_NO_NANOSECONDS = (
    "dates are kept to the microsecond; round it, or give a text or a number"
)


# .. Collections ..............................................................


def _of_list(values: Any, place: _Place) -> list[Any]:
    return [place.within(number, value) for number, value in enumerate(values)]


def _of_set(values: Set[Any], place: _Place) -> set[Any]:
    return {_hashable(place.within("{…}", value)) for value in values}


def _of_mapping(values: Mapping[Any, Any], place: _Place) -> dict[Any, Any]:
    found = {}
    for given, value in values.items():
        key = _hashable(place.within(f"(the key {given!r})", given))
        if key in found:
            raise place.refusal(values, f"two keys would be {key!r}; give them others")
        found[key] = place.within(key, value)
    return found


def _of_slice(value: slice, place: _Place) -> slice:
    parts = (value.start, value.stop, value.step)
    return slice(*(place.within(number, part) for number, part in enumerate(parts)))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


# .. Arrays ...................................................................


def _of_scalar(value: Any, place: _Place) -> Any:
    if value.dtype.names is not None:
        return place.plain({name: value[name] for name in value.dtype.names})
    return place.plain(value.item())


def _of_array(values: Any, place: _Place) -> Any:
    from .io.values import (  # on first use: few configurations have arrays
        to_array,
        unit_of,
    )

    if unit := unit_of(values):
        raise place.refusal(
            values, f"its unit, {unit}, would be lost; give the number alone"
        )
    array = to_array(values)
    if hasattr(array, "mask") and np.ma.is_masked(array):
        if array.dtype.kind != "f":
            raise place.refusal(values, "fill what is masked, e.g. by .filled(-1)")
        array = np.ma.filled(array, np.nan)
    values = np.asarray(array)
    if values.dtype.kind in "biu" or values.dtype in ("f2", "f4", "f8"):
        return values.tolist()
    return _of_list(values, place) if values.ndim else place.plain(values[()])


def _of_labelled(values: Any, place: _Place) -> Any:
    """A list for an array of another library, unless that has labels."""
    labels = [*getattr(values, "axes", ()), *getattr(values, "coords", {}).values()]
    if any(not np.array_equal(label, np.arange(np.size(label))) for label in labels):
        raise place.refusal(
            values, "its labels would be lost; give .to_dict(), or the values alone"
        )
    if hasattr(type(values), "units"):
        return _of_array(values, place)
    array = np.asarray(values)
    if array.dtype.kind != getattr(values, "dtype", array.dtype).kind:
        # E.g. integers of pandas of which some are missing: not as rounded floats
        array = np.asarray(values, dtype=object)
    return _of_array(array, place)


_PLAIN = frozenset({bool, float, bytes, range, type(None)})
"""Types of which all values are plain"""

_RULES: tuple[tuple[Any, Callable[[Any, _Place], Any]], ...] = (
    (enum.Enum, lambda value, place: place.plain(value.value)),
    (str, _of_text),
    ((np.bool_, ScalarBoolean), _of_truth),
    (int, _of_int),
    (dict, _of_mapping),
    (list, _of_list),
    (datetime.datetime, _of_datetime),
    (datetime.date, _of_date),
    (datetime.time, _of_time),
    ((datetime.timedelta, np.timedelta64), _of_duration),
    (np.datetime64, _of_datetime64),
    ((bytes, bytearray), _of_bytes),
    (os.PathLike, _of_path),
    (np.ndarray, _of_array),
    (np.longdouble, _of_number),
    (numbers.Integral, _of_int),
    ((complex, np.complexfloating), _of_complex),
    (numbers.Number, _of_number),
    (np.generic, _of_scalar),
    (slice, _of_slice),
    (Mapping, _of_mapping),
    ((Sequence, ValuesView, KeysView), _of_list),
    (Set, _of_set),
)
"""How to make a plain value, by what a value is; the first that fits counts"""
