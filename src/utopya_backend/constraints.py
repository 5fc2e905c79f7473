"""What a configuration demands of its own values: ``!is-positive 1.5``, ``!param``.

These are the frontend's tags for validated parameters, and a value is valid here if
it is there, where :py:class:`utopya.parameter.Parameter` says so.
"""

import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number, Real
from typing import Any

import numpy as np

from .errors import ConfigError, Mistakes, reporting, show, suggest
from .limits import check_range

Path = tuple[str | int, ...]
"""A place in a configuration: keys and indices from the root on"""

SHORTHANDS: dict[str, dict[str, Any]] = {
    "is-positive": {"limits": (0, None), "limits_mode": "(]"},
    "is-positive-or-zero": {"limits": (0, None)},
    "is-negative": {"limits": (None, 0), "limits_mode": "[)"},
    "is-negative-or-zero": {"limits": (None, 0)},
    "is-probability": {"limits": (0, 1), "dtype": float},
    "is-in-unit-interval": {"limits": (0, 1), "dtype": float},
    "is-int": {"dtype": int},
    "is-positive-int": {"limits": (0, None), "limits_mode": "()", "dtype": int},
    "is-negative-int": {"limits": (None, 0), "limits_mode": "()", "dtype": int},
    "is-unsigned": {"limits": (0, None), "limits_mode": "[)", "dtype": "uint"},
    "is-string": {"dtype": str},
    "is-bool": {"dtype": bool},
}
"""What the tags ``!is-*`` stand for"""

_ABOVE: dict[str, Callable[[Any, Any], bool]] = {"[": operator.ge, "(": operator.gt}
_BELOW: dict[str, Callable[[Any, Any], bool]] = {"]": operator.le, ")": operator.lt}

_KINDS = {
    "i": "an integer",
    "u": "an integer of at least 0",
    "f": "a number",
    "b": "true or false",
    "U": "a string",
}
"""Kinds of data types in words"""

_MAX_CHOICES = 100


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What a value has to be: the content of a ``!param``.

    Attributes:
        default: The value where nothing else is given
        name: The name of the parameter; not used
        description: What it means
        is_any_of: The valid values
        limits: The smallest and the largest valid number; None for no limit
        limits_mode: Whether these two are valid themselves: ``[`` and ``]``, or
            not: ``(`` and ``)``
        dtype: The data type, as numpy calls it. A value fits that it can represent.
    """

    default: Any
    name: str | None = None
    description: str | None = None
    is_any_of: Sequence[Any] | None = None
    limits: Sequence[float | None] | None = None
    limits_mode: str = "[]"
    dtype: Any = None

    def __post_init__(self) -> None:
        """Refuses what the frontend refuses.

        Raises:
            TypeError: On limits or a data type that are none, and on limits of what
                is no number
            ValueError: On an unknown mode, too many limits, or two ways at once
        """
        if self.limits_mode not in ("[]", "()", "[)", "(]"):
            raise ValueError(
                f"limits_mode has to be [], (), [) or (], not {self.limits_mode}"
            )
        if self.limits and self.is_any_of:
            raise ValueError("it has both limits and is_any_of")
        if self.is_any_of is not None:
            if not isinstance(self.is_any_of, (list, tuple, set, range, Mapping)):
                raise TypeError(
                    f"is_any_of has to be a list, but is {show(self.is_any_of)}"
                )
            check_range(self.is_any_of, "is_any_of has")
        if self.limits is not None:
            if not isinstance(self.limits, (tuple, list)):
                raise TypeError(f"limits has to be a list, but is {show(self.limits)}")
            if len(self.limits) != 2:
                raise ValueError(f"limits has to have 2 elements, but is {self.limits}")
            if not all(one is None or isinstance(one, Real) for one in self.limits):
                raise TypeError(f"limits has to have numbers, but is {self.limits}")
            if self.default is not None and not isinstance(self.default, Number):
                raise TypeError(f"limits of {show(self.default)}, which is no number")
        if self.dtype is not None:
            object.__setattr__(self, "dtype", np.dtype(self.dtype))

    @classmethod
    def from_shorthand(cls, mode: str, default: Any) -> "Constraint":
        """Makes what a tag like ``!is-positive`` stands for.

        Args:
            mode: The tag, without the exclamation mark
            default: The value behind it
        """
        return cls(default=default, **SHORTHANDS[mode])

    def complaint(self, value: Any) -> str:
        """What is wrong with a value.

        Args:
            value: The value

        Returns:
            The end of a sentence; or the empty string, if it is valid
        """
        if self.is_any_of and value not in self.is_any_of:
            names = [one for one in self.is_any_of if isinstance(one, str)]
            choices = [repr(one) for one in list(self.is_any_of)[:_MAX_CHOICES]]
            if len(self.is_any_of) > _MAX_CHOICES:
                choices += ["…"]
            return (
                f"has to be one of {', '.join(choices)}, but is {show(value)}."
                f"{suggest(value, names)}"
            )
        if self.dtype is not None and not self._fits_dtype(value):
            kind = _KINDS.get(self.dtype.kind, "a value")
            return f"has to be {kind} (of type {self.dtype}), but is {show(value)}."
        if self.limits and not self._is_within_limits(value):
            return f"has to be a number in {self.interval}, but is {show(value)}."
        return ""

    @property
    def interval(self) -> str:
        """The limits, as mathematicians write them."""
        lower, upper = self.limits or (None, None)
        left = f"{self.limits_mode[0]}{lower}" if lower is not None else "(-inf"
        right = f"{upper}{self.limits_mode[1]}" if upper is not None else "inf)"
        return f"{left}, {right}"

    def _is_within_limits(self, value: Any) -> bool:
        lower, upper = self.limits or (None, None)
        return (
            isinstance(value, Number)
            and _ABOVE[self.limits_mode[0]](value, -np.inf if lower is None else lower)
            and _BELOW[self.limits_mode[1]](value, np.inf if upper is None else upper)
        )

    def _fits_dtype(self, value: Any) -> bool:
        kind = type(value)
        is_integer = np.issubdtype(kind, np.integer)
        fits = (
            np.issubdtype(kind, self.dtype)
            or (
                np.issubdtype(self.dtype, np.floating)
                and (is_integer or np.issubdtype(kind, np.floating))
            )
            or (
                np.issubdtype(self.dtype, np.unsignedinteger)
                and is_integer
                and value >= 0
            )
        )
        is_number = np.issubdtype(self.dtype, np.number) and np.issubdtype(
            kind, np.number
        )
        return fits and (not is_number or self._can_represent(value))

    def _can_represent(self, value: Any) -> bool:
        if value != value:  # not a number
            return True
        try:
            with np.errstate(all="ignore"):
                coerced = self.dtype.type(value)
                return bool(coerced == value or np.isclose(coerced, value))
        except (OverflowError, TypeError):
            return False


Constraints = dict[Path, Constraint]
"""Constraints by their places in a configuration"""


def check_constraints(
    cfg: Any, constraints: Mapping[Path, Constraint], mistakes: Mistakes | None = None
) -> None:
    """Checks the values of a configuration against constraints.

    Args:
        cfg: The configuration. Of a sweep, all values are checked, and the default.
        constraints: The constraints. Those of places that are not there say nothing.
        mistakes: Where to note invalid values; by default, they are raised.

    Raises:
        ValueError: If a value is not valid
    """
    if any(map(is_sweep, _walk(cfg))):
        # Only within a whole parameter space, coupled sweeps know their targets.
        from .space import parameter_space

        cfg = parameter_space(cfg)._dict
    with reporting(mistakes) as found:
        for path, constraint in constraints.items():
            complaints = map(constraint.complaint, _values_at(cfg, path))
            for complaint in dict.fromkeys(filter(None, complaints)):
                with found:
                    raise ConfigError(f"{format_path(path)} {complaint}")


def format_path(path: Path) -> str:
    """A place in a configuration, as messages show it.

    Args:
        path: The place

    Example:
        >>> format_path(("SIR", "sizes", 0))
        'SIR.sizes[0]'
    """
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in path]
    return "".join(parts).removeprefix(".")


def is_sweep(value: Any) -> bool:
    """Whether a value stands for several: a ``!sweep``.

    Args:
        value: The value
    """
    paramspace = sys.modules.get("paramspace.paramdim")  # else, there are none
    return paramspace is not None and isinstance(value, paramspace.ParamDimBase)


def _walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping):
        for element in value.values():
            yield from _walk(element)
    elif isinstance(value, (list, tuple)):
        for element in value:
            yield from _walk(element)


def _values_at(value: Any, path: Path) -> Iterator[Any]:
    if is_sweep(value):
        for one in _values_of(value):
            yield from _values_at(one, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        if path[0] in value:
            yield from _values_at(value[path[0]], path[1:])
    elif isinstance(value, (list, tuple)) and path[0] in range(len(value)):
        yield from _values_at(value[int(path[0])], path[1:])


def _values_of(sweep: Any) -> Iterator[Any]:
    """The default, and the values; masked ones are not part of the sweep."""
    masked = sys.modules["paramspace.paramdim"].Masked
    default = sweep.default  # is masked where the sweep is not at it
    yield default.value if isinstance(default, masked) else default
    yield from (value for value in sweep.values if not isinstance(value, masked))
