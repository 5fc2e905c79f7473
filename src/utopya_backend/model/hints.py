"""What a user probably meant by a value that is none of those expected."""

import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import suggest

_BOOLEANS = {
    **dict.fromkeys(("yes", "on", "y", "true"), "true"),
    **dict.fromkeys(("no", "off", "n", "false"), "false"),
}

_NUMBERS = {int, float, complex, numbers.Real, numbers.Number, numbers.Integral}
_NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?")
_EXPRESSION = re.compile(r"[-+*/().\d\s]*\d[-+*/().\d\seE]*")

_SCALARS = {*_NUMBERS, bool, str}


def hint_at(value: Any, wanted: Iterable[Any], choices: Sequence[Any] = ()) -> str:
    """Says what was probably meant by a value.

    Args:
        value: The value
        wanted: The types that would have been fine
        choices: The values that would have been fine

    Returns:
        A sentence behind a space, or the empty string

    Example:
        >>> hint_at("yes", {bool})
        ' In YAML 1.2 only true and false are booleans. Write: true'
    """
    wanted = set(wanted)
    for hint in _HINTS:
        if text := hint(value, wanted):
            return f" {text}"
    return suggest(value, [one for one in choices if isinstance(one, str)])


def _nothing(value: Any, wanted: set[Any]) -> str:
    return "Write one behind the colon." if value is None else ""


def _boolean(value: Any, wanted: set[Any]) -> str:
    if bool not in wanted or str(value).lower() not in _BOOLEANS:
        return ""
    meant = _BOOLEANS[str(value).lower()]
    return f"In YAML 1.2 only true and false are booleans. Write: {meant}"


def _number(value: Any, wanted: set[Any]) -> str:
    if not wanted & _NUMBERS or not isinstance(value, str):
        return ""
    if _NUMBER.fullmatch(value):
        if "," in value:
            return f"Write it with a decimal point: {value.replace(',', '.')}"
        return f"Write it without quotes: {value}"
    if value.endswith("%") and _NUMBER.fullmatch(value[:-1]):
        return f"Write: {float(value[:-1].replace(',', '.')) / 100:g}"
    if _EXPRESSION.fullmatch(value) and re.search(r"[-+*/(]", value[1:]):
        return f"To have it computed, write: !expr {value}"
    return ""


def _no_number(value: Any, wanted: set[Any]) -> str:
    if isinstance(value, bool) and wanted & _NUMBERS and not wanted & {bool, str}:
        return f"true and false are no numbers. Write: {int(value)}"
    return ""


def _text(value: Any, wanted: set[Any]) -> str:
    if str not in wanted or isinstance(value, (Mapping, list, tuple)):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"Write it in quotes: '{text}'"


def _single_value(value: Any, wanted: set[Any]) -> str:
    if not isinstance(value, list) or not wanted & _SCALARS:
        return ""
    return (
        "Write a single value; a sweep over several is: "
        "!sweep {default: …, values: […]}"
    )


def _list(value: Any, wanted: set[Any]) -> str:
    if wanted & {list, tuple, Sequence} and isinstance(value, (int, float, str)):
        return f"Write it in brackets: [{value}]"
    return ""


_HINTS: tuple[Callable[[Any, set[Any]], str], ...] = (
    _nothing,
    _boolean,
    _number,
    _no_number,
    _text,
    _single_value,
    _list,
)
"""From the most to the least particular ones"""
