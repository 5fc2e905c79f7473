"""Stop conditions, as the frontend's users write them: when a universe is to end.

::

    run_kwargs:
      stop_conditions:
        - func: timeout_wall
          seconds: 600
        - name: extinct, and not just begun
          to_check:
            - {func: timeout_wall, seconds: 1}
            - {func: check_monitor_entry, entry_name: M.size, operator: "<", value: 1}

A universe is stopped if one of them is fulfilled; one is if all that it checks holds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, MissingKeyError, show, suggest

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("==", "eq"), operator.eq),
    **dict.fromkeys(("!=", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys(("<=", "le"), operator.le),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys((">=", "ge"), operator.ge),
    **dict.fromkeys(("^", "xor"), operator.xor),
    "contains": operator.contains,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
    "in interval": lambda value, limits: limits[0] <= value <= limits[1],
    "not in interval": lambda value, limits: not limits[0] <= value <= limits[1],
}
"""Those of the frontend"""


@dataclass(frozen=True)
class Timeout:
    """``timeout_wall``: holds some time after a universe was started.

    Attributes:
        seconds: That time [s]
    """

    seconds: float

    def holds(self, elapsed: float, monitor: Mapping[str, Any]) -> bool:
        """Whether it holds.

        Args:
            elapsed: For how long the universe has been running [s]
            monitor: What its monitor has told last
        """
        return elapsed > self.seconds


@dataclass(frozen=True)
class MonitorEntry:
    """``check_monitor_entry``: compares what the monitor of a model tells.

    Attributes:
        entry_name: The entry, with dots between the keys of nested ones
        operator: How to compare
        value: What to compare it with
    """

    entry_name: str
    operator: str
    value: Any

    def holds(self, elapsed: float, monitor: Mapping[str, Any]) -> bool:
        """Whether it holds; it does not for an entry that is not there.

        Args:
            elapsed: For how long the universe has been running [s]
            monitor: What its monitor has told last
        """
        entry: Any = monitor
        for key in self.entry_name.split("."):
            if not isinstance(entry, Mapping) or key not in entry:
                return False
            entry = entry[key]
        try:
            compare = _OPERATORS[self.operator]
            return bool(compare(_converted(entry), _converted(self.value)))
        except (TypeError, LookupError):  # such as of a number and a string
            return False


@dataclass(frozen=True)
class StopCondition:
    """When universes are to be stopped.

    Attributes:
        name: What it is called
        checks: What has to hold
        description: What it is for
    """

    name: str
    checks: tuple[Timeout | MonitorEntry, ...]
    description: str = ""

    def is_fulfilled(self, elapsed: float, monitor: Mapping[str, Any]) -> bool:
        """Whether a universe is to be stopped.

        Args:
            elapsed: For how long it has been running [s]
            monitor: What its monitor has told last
        """
        holds = (check.holds(elapsed, monitor) for check in self.checks)
        return bool(self.checks) and all(holds)

    @property
    def needs_monitor(self) -> bool:
        """Whether it depends on what the monitor tells."""
        return any(isinstance(check, MonitorEntry) for check in self.checks)


def _converted(value: Any) -> Any:
    """What a string stands for, as the frontend understands it."""
    if not isinstance(value, str):
        return value
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    for convert in (int, float):
        with suppress(ValueError):
            return convert(value)
    return value


_WORDS = {"true": True, "false": False, "none": None, "~": None}


def parse_stop_conditions(content: Any) -> list[StopCondition]:
    """Reads stop conditions.

    Args:
        content: The entry ``stop_conditions`` of a configuration

    Returns:
        Those that are enabled

    Raises:
        ValueError: If one is not what it has to be
        KeyError: If one lacks an entry
    """
    if content is None:
        return []
    if not isinstance(content, (list, tuple)):
        raise ConfigError(
            f"stop_conditions has to be a list, but is {show(content)}. Write e.g.: "
            "stop_conditions: [{func: timeout_wall, seconds: 600}]"
        )
    return [
        _parse_condition(entry)
        for entry in content
        if not isinstance(entry, Mapping) or entry.get("enabled", True)
    ]


def _parse_condition(content: Any) -> StopCondition:
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"A stop condition has to be a mapping, but is {show(content)}. Write "
            "e.g.: {func: timeout_wall, seconds: 600}"
        )
    others = {k: v for k, v in content.items() if k not in _OF_CONDITIONS}
    to_check = content.get("to_check")
    if to_check is None:
        to_check = [others]
    elif others or not isinstance(to_check, (list, tuple)):
        raise ConfigError(
            "A stop condition has either a list `to_check`, or `func` with its "
            f"arguments, but this one is {dict(content)}."
        )
    checks = tuple(_parse_check(check) for check in to_check)
    name = content.get("name") or " && ".join(check["func"] for check in to_check)
    return StopCondition(str(name), checks, str(content.get("description") or ""))


_OF_CONDITIONS = ("name", "description", "enabled", "to_check")
_CHECKS: dict[str, tuple[type[Timeout] | type[MonitorEntry], tuple[str, ...]]] = {
    "timeout_wall": (Timeout, ("seconds",)),
    "check_monitor_entry": (MonitorEntry, ("entry_name", "operator", "value")),
}


def _parse_check(content: Any) -> Timeout | MonitorEntry:
    func = content.get("func") if isinstance(content, Mapping) else None
    if not isinstance(func, str) or func not in _CHECKS:
        raise ConfigError(
            f"There is no stop condition {show(func)}, but: {', '.join(_CHECKS)}."
            f"{suggest(func, _CHECKS)}"
        )
    kind, keys = _CHECKS[func]
    arguments = {key: value for key, value in content.items() if key != "func"}
    for key in keys:
        if key not in arguments:
            raise MissingKeyError(f"The stop condition {func} lacks the entry '{key}'.")
    for key in arguments:
        if key not in keys:
            raise ConfigError(
                f"The stop condition {func} takes: {', '.join(keys)}. '{key}' is not "
                f"one of them.{suggest(key, keys)}"
            )
    _check_arguments(arguments)
    return kind(**arguments)


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    seconds = arguments.get("seconds", 0)
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or seconds != seconds:  # is no number itself
        raise ConfigError(
            f"seconds has to be a number, but is {show(seconds)}. Write e.g.: "
            "{func: timeout_wall, seconds: 600}"
        )
    name = arguments.get("operator", "==")
    if not isinstance(name, str) or name not in _OPERATORS:
        raise ConfigError(
            f"There is no operator {show(name)}, but: {', '.join(_OPERATORS)}. Put it "
            "in quotes."
        )
    if not isinstance(arguments.get("entry_name", ""), str):
        raise ConfigError(
            f"entry_name has to be a string, but is {show(arguments['entry_name'])}. "
            "Write e.g.: entry_name: Walk.mean"
        )
