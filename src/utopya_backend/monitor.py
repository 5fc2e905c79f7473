"""Monitoring: what a run tells about itself while it goes on.

A frontend reads it as one line of YAML on standard output::

    !!map {progress: 0.5, n_iter: 3, MyModel: {density: 0.25}}

Its stop conditions compare the entries, and its progress bar computes with the
progress. So whatever a model puts into its monitoring information, the line
loads as a YAML 1.2 mapping, numbers arrive as numbers, and the progress is a
number between 0 and 1.
"""

import logging
import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .io.values import to_array

LINE_START = "!!map "
"""What distinguishes the monitor's lines from everything else in the output"""

MAX_ELEMENTS = 100
"""Larger arrays and lists are left out: they do not belong into a monitor"""

_MAX_DEPTH = 10
# YAML wants a key to end within 1024 characters.
_MAX_KEY_LENGTH = 1000

_PLAIN_STRING = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
_NOT_A_STRING = frozenset({"null", "true", "false"})


def format_line(
    monitor_info: Mapping[Any, Any], *, progress: float, n_iter: int, name: str
) -> str:
    """Formats the line by which a frontend is told about a run.

    Args:
        monitor_info: The entries of the model. Left out are those that are
            None, cannot be represented, or have more than
            :py:data:`MAX_ELEMENTS` elements.
        progress: The progress of the run, in [0, 1]
        n_iter: The number of iterations done
        name: The name of the model

    Returns:
        A YAML mapping, in ASCII, without a line break

    Example:
        >>> format_line({"mean": 0.5}, progress=1.0, n_iter=10, name="SIR")
        '!!map {progress: 1.0, n_iter: 10, SIR: {mean: 0.5}}'
    """
    line = {"progress": _float(progress), "n_iter": str(n_iter)}
    entries = _value(monitor_info, depth=0)
    if (key := _key(name)) is not None and entries is not None:
        line.setdefault(key, entries)
    return f"{LINE_START}{_flow_mapping(line)}"


class Progress:
    """The progress of a run: always a finite number in [0, 1].

    Attributes:
        value: The last good value, 0 at first.
    """

    def __init__(self, log: logging.Logger) -> None:
        """Begins with a progress of 0.

        Args:
            log: Where to warn, once, of a progress that is no number.
        """
        self.value = 0.0
        self._log = log
        self._warned = False

    def update(self, progress: Any) -> float:
        """Takes over a newly computed progress.

        Args:
            progress: What the model computed. A number outside of [0, 1] is
                clamped; nan, None, a string and whatever else is no number is
                ignored, with one warning.

        Returns:
            The last good value
        """
        try:
            value = math.nan if isinstance(progress, str) else float(progress)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not math.isnan(value):
            self.value = min(max(value, 0.0), 1.0)
        elif not self._warned:
            self._warned = True
            self._log.warning(
                "The progress of a model has to be a number between 0 and 1, but "
                "compute_progress() returned %r. Reporting %s instead.",
                progress,
                self.value,
            )
        return self.value


# .. YAML in flow style, on one line ..........................................


def _value(value: Any, *, depth: int) -> str | None:
    """The YAML of a value, or None if it is to be left out."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (numbers.Real, np.generic)):
        return _number(value)
    if isinstance(value, Mapping):
        return _mapping(value, depth=depth)
    if isinstance(value, (list, tuple)):
        return _sequence(value, depth=depth)
    return _array(value, depth=depth) if hasattr(value, "__array__") else None


def _number(value: Any) -> str | None:
    if isinstance(value, np.generic):
        value = value.item()
    try:
        if isinstance(value, numbers.Integral):
            return str(int(value))
        if isinstance(value, numbers.Real):
            return _float(float(value))
    except (OverflowError, ValueError):  # too large for a float, or for str()
        return None
    return _string(value) if isinstance(value, str) else None


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


def _array(value: Any, *, depth: int) -> str | None:
    # Other libraries' arrays may be anywhere, e.g. on a device that is gone.
    try:
        array = to_array(value)
    except Exception:
        return None
    if array.size > MAX_ELEMENTS:
        return None
    if hasattr(array, "mask"):
        array = np.where(array.mask, math.nan, np.asarray(array).astype(object))
    return _value(array.tolist(), depth=depth)


def _mapping(values: Mapping[Any, Any], *, depth: int) -> str:
    entries: dict[str, str] = {}
    for key, value in values.items():
        yaml_key, yaml_value = _key(key), _value(value, depth=depth + 1)
        if yaml_key is not None and yaml_value is not None:
            entries[yaml_key] = yaml_value  # a dict: YAML keys must not repeat
    return _flow_mapping(entries)


def _flow_mapping(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"


def _sequence(values: list[Any] | tuple[Any, ...], *, depth: int) -> str | None:
    if _num_elements(values, depth) > MAX_ELEMENTS:
        return None
    elements = [_value(value, depth=depth + 1) for value in values]
    # Leaving out one element would shift the others.
    good = [element for element in elements if element is not None]
    return "[" + ", ".join(good) + "]" if len(good) == len(elements) else None


def _num_elements(value: Any, depth: int) -> int:
    if not isinstance(value, (list, tuple)) or depth > _MAX_DEPTH:
        return 1
    return sum(_num_elements(element, depth + 1) for element in value)


def _key(key: Any) -> str | None:
    text: str | None
    if isinstance(key, str):
        text = _string(key)
    elif isinstance(key, numbers.Integral) and not isinstance(key, bool):
        text = _number(key)
    else:
        return None
    return text if text is not None and len(text) <= _MAX_KEY_LENGTH else None


def _string(text: str) -> str:
    text = str.__str__(text)  # a subclass, such as of an Enum, may show another one
    if _PLAIN_STRING.fullmatch(text) and text.lower() not in _NOT_A_STRING:
        return text
    return _quote(text)


def _quote(text: str) -> str:
    return '"' + "".join(_escape(ord(char)) for char in text) + '"'


def _escape(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:  # half of a surrogate pair: no character
        code = 0xFFFD
    if code in (0x22, 0x5C):  # quote and backslash
        return "\\" + chr(code)
    if 0x20 <= code < 0x7F:
        return chr(code)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
