"""Parameters checked against annotations: those of ``setup`` and of dataclasses.

What a value has to be is looked up in tables, by the annotation's type: how to check
it, and how to say it. An annotation that is in none of them, or that cannot be
evaluated, takes everything.
"""

import enum
import inspect
import itertools
import math
import numbers
import types
import typing
from collections import abc as cabc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ConfigError, ParameterError, reporting, show, suggest
from ..limits import check_range
from .annotations import (
    UNIONS,
    arguments_of,
    bare,
    choices_of,
    expected,
    is_hashable,
    is_path,
    is_record,
    name_of,
    origin_of,
    size_of,
)

Check = Callable[[Any, Any, str], Any]
"""Checks a value against an annotation, at a path; returns it, perhaps converted"""


class _MisfitError(ConfigError):
    """A value is not what its annotation says."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def check_parameters(
    func: Callable[..., Any],
    parameters: Mapping[Any, Any],
    *,
    section: str,
    elsewhere: Mapping[str, Any] = types.MappingProxyType({}),
) -> dict[str, Any]:
    """Checks that a function can be called with these keyword arguments.

    Args:
        func: The function, e.g. the ``setup`` method of a model; or a dataclass
        parameters: The arguments
        section: Where in the configuration they stand
        elsewhere: Where a missing one might stand by mistake: the root level

    Returns:
        The arguments as the annotations want them: a whole float as an int for
        ``int``, a list as a tuple, a mapping as a dataclass, a string as a path or as
        a member of an enum. Everything else is as it was.

    Raises:
        TypeError: If one is not taken, or if one without a default is missing
        ValueError: If one is not what its annotation says, or if several are wrong
    """
    arguments = arguments_of(func)
    catch_all = next(
        (arg for arg in arguments.values() if arg.kind is arg.VAR_KEYWORD), None
    )
    named = [name for name, arg in arguments.items() if arg is not catch_all]
    takes = f"{name_of(func)} takes: {', '.join(named) or 'none'}."
    checked: dict[str, Any] = {}
    with reporting() as mistakes:
        for key, value in parameters.items():
            argument = arguments[key] if key in named else catch_all
            with mistakes:
                if argument is None or not isinstance(key, str):
                    raise ParameterError(
                        f"{section}.{key}: {takes} '{key}' is not one of them."
                        f"{suggest(key, named)}"
                    )
                checked[key] = _check_argument(value, argument, f"{section}.{key}")
        for name in named:
            if arguments[name].default is inspect.Parameter.empty:
                with mistakes:
                    _require(name, parameters, section, elsewhere)
    return checked


def check(value: Any, annotation: Any, path: str) -> Any:
    """Checks a value against an annotation.

    Args:
        value: The value, as YAML has it
        annotation: What it should be
        path: Where in the configuration it stands

    Returns:
        The value, converted as :py:func:`check_parameters` says

    Raises:
        TypeError: If a field of a dataclass is missing, or is none of them
        ValueError: If it is something else
    """
    annotation = bare(annotation)
    return _check_for(origin_of(annotation))(value, annotation, path)


def defaults_of(func: Callable[..., Any]) -> dict[str, Any]:
    """The default values of a function's arguments, as far as YAML can have them.

    Args:
        func: The function, e.g. the ``setup`` method of a model
    """
    found = {}
    for name, argument in inspect.signature(func).parameters.items():
        default = argument.default
        if not isinstance(default, _DEFAULTS):
            continue
        if type(default) not in _SCALARS:
            from ..plain import plain  # few parameters need it

            try:
                default = plain(default)
            except ConfigError:
                continue
        found[name] = default
    return found


_SCALARS = (type(None), bool, int, float, str)
_DEFAULTS = (*_SCALARS, list, tuple, dict, enum.Enum)


# .. Arguments ................................................................


def _check_argument(value: Any, argument: inspect.Parameter, path: str) -> Any:
    try:
        return check(value, argument.annotation, path)
    except (ParameterError, ConfigError):
        if _is_same(value, argument.default) or _contradicts_itself(argument):
            return value
        raise


def _contradicts_itself(argument: inspect.Parameter) -> bool:
    """Whether the default value is none that the annotation allows.

    Then the annotation is not to be trusted. None stands for "not given" as a rule.
    """
    if argument.default is None or argument.default is inspect.Parameter.empty:
        return False
    try:
        check(argument.default, argument.annotation, "")
    except (ParameterError, ConfigError):
        return True
    return False


def _is_same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and _is_equal(value, default)


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; a boolean is no number."""
    try:
        return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
    except Exception:  # whatever a class compares by: e.g. arrays, to an array
        return False


def _require(
    name: str,
    parameters: Mapping[Any, Any],
    section: str,
    elsewhere: Mapping[str, Any],
) -> None:
    if name in parameters:
        return
    hint = ""
    if name in elsewhere:
        hint = (
            f" There is a '{name}' at the root level. Write instead:\n"
            f"{section}:\n  {name}: {elsewhere[name]}"
        )
    raise ParameterError(
        f"{section}.{name}: '{name}' is missing, and has no default.{hint}"
    )


# .. Values ...................................................................


def _misfit(value: Any, annotation: Any, path: str) -> _MisfitError:
    from .hints import hint_at  # only needed once something is wrong

    is_what = "has no value" if value is None else f"is {show(value)}"
    is_union = origin_of(annotation) in UNIONS
    members = typing.get_args(annotation) if is_union else [annotation]
    wanted = {origin_of(bare(member)) for member in members}
    choices = [choice for member in members for choice in choices_of(bare(member))]
    return _MisfitError(
        f"{path} has to be {expected(annotation)}, but {is_what}."
        f"{hint_at(value, wanted, choices)}",
        path,
    )


def _accept(value: Any, annotation: Any, path: str) -> Any:
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _check_by(accepts: Callable[[Any], bool]) -> Check:
    def check(value: Any, annotation: Any, path: str) -> Any:
        if not accepts(value):
            raise _misfit(value, annotation, path)
        return value

    return check


def _check_int(value: Any, annotation: Any, path: str) -> Any:
    if not _is_number(value) or not -math.inf < value < math.inf or value % 1 != 0:
        raise _misfit(value, annotation, path)
    return value if isinstance(value, numbers.Integral) else int(value)


def _check_choice(value: Any, annotation: Any, path: str) -> Any:
    for choice in typing.get_args(annotation):
        if _is_equal(choice, value):
            return choice
    raise _misfit(value, annotation, path)


def _check_enum(value: Any, annotation: Any, path: str) -> Any:
    if isinstance(value, annotation):
        return value
    for member in annotation:
        if _is_equal(member.value, value):
            return member
    if isinstance(value, str) and value in annotation.__members__:
        return annotation[value]
    raise _misfit(value, annotation, path)


def _check_path(value: Any, annotation: Any, path: str) -> Any:
    if isinstance(value, annotation):
        return value
    if not isinstance(value, str):
        raise _misfit(value, annotation, path)
    return value if inspect.isabstract(annotation) else annotation(value)


def _check_union(value: Any, annotation: Any, path: str) -> Any:
    converted, misfits = [], []
    for member in typing.get_args(annotation):
        try:
            result = check(value, member, path)
        except (ParameterError, ConfigError) as error:
            misfits.append(error)
        else:
            if result is value:  # an int fits `float | int` better than as a float
                return value
            converted.append(result)
    if converted:
        return converted[0]
    # If only something within it is wrong, that is the mistake.
    within = [error for error in misfits if getattr(error, "path", None) != path]
    raise within[0] if len(within) == 1 else _misfit(value, annotation, path)


def _check_record(value: Any, annotation: Any, path: str) -> Any:
    cls = origin_of(annotation)
    is_dict = typing.is_typeddict(cls)
    if not is_dict and isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise _misfit(value, annotation, path)
    fields = check_parameters(cls, value, section=path)
    if is_dict:
        return _same_or_new(value, fields)
    try:
        return cls(**fields)
    except (ValueError, TypeError, AssertionError) as error:  # of its __post_init__
        raise ConfigError(f"{path}: {error}") from error


def _check_elements(*kinds: type) -> Check:
    def check(value: Any, annotation: Any, path: str) -> Any:
        if not isinstance(value, kinds):
            raise _misfit(value, annotation, path)
        args = typing.get_args(annotation)
        if not args or isinstance(value, Mapping):
            return value
        return _check_each(value, itertools.repeat(args[0]), path)

    return check


def _check_tuple(value: Any, annotation: Any, path: str) -> Any:
    size = size_of(annotation)
    check_range(value, f"{path} is made a tuple, and has")
    if not isinstance(value, _LISTS) or size not in (None, len(value)):
        raise _misfit(value, annotation, path)
    args = typing.get_args(annotation)
    if args:
        each = args if size is not None else itertools.repeat(args[0])
        value = _check_each(value, each, path)
    return value if isinstance(value, tuple) else tuple(value)


def _check_each(values: Any, annotations: Iterable[Any], path: str) -> Any:
    """The values as they are, if nothing in them was to be converted."""
    check_range(values, f"{path} is checked one by one, and has")
    if isinstance(annotations, itertools.repeat) and _needs_no_look(
        values, next(annotations)
    ):
        return values
    elements = []
    with reporting() as mistakes:
        for number, (value, annotation) in enumerate(zip(values, annotations)):  # noqa: B905  # there are endless annotations
            with mistakes:
                elements.append(check(value, annotation, f"{path}[{number}]"))
    same = all(one is other for one, other in zip(elements, values, strict=True))
    return values if same else elements


def _needs_no_look(values: Any, annotation: Any) -> bool:
    """Whether the types of all elements say enough: a list may be long."""
    fine = _AS_IS.get(annotation) if type(annotation) is type else None
    return fine is not None and fine.issuperset(map(type, values))


def _check_mapping(value: Any, annotation: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _misfit(value, annotation, path)
    if len(args := typing.get_args(annotation)) != 2:
        return value
    elements = {}
    with reporting() as mistakes:
        for key, element in value.items():
            with mistakes:
                check(key, args[0], f"The key {key!r} of {path}")
            with mistakes:
                elements[key] = check(element, args[1], f"{path}.{key}")
    return _same_or_new(value, elements)


def _same_or_new(value: Mapping[Any, Any], new: dict[Any, Any]) -> Mapping[Any, Any]:
    return value if all(new[key] is value[key] for key in new) else new


# .. Tables ...................................................................

_LISTS = (list, tuple, range, np.ndarray)

_AS_IS: dict[Any, set[type]] = {
    int: {int},
    float: {int, float},
    str: {str},
    bool: {bool},
}
"""What certainly is fine, by the annotation"""

_CHECKS: dict[Any, Check] = {
    int: _check_int,
    float: _check_by(_is_number),
    complex: _check_by(lambda value: _is_number(value) or isinstance(value, complex)),
    bool: _check_by(lambda value: isinstance(value, (bool, np.bool_))),
    str: _check_by(_is_text),
    bytes: _check_by(lambda value: isinstance(value, bytes)),
    types.NoneType: _check_by(lambda value: value is None),
    numbers.Real: _check_by(_is_number),
    numbers.Number: _check_by(_is_number),
    numbers.Integral: _check_int,
    typing.Literal: _check_choice,
    typing.Union: _check_union,
    types.UnionType: _check_union,
    tuple: _check_tuple,
    np.ndarray: _check_by(lambda value: isinstance(value, _LISTS)),
    **dict.fromkeys((list, cabc.Sequence), _check_elements(*_LISTS)),
    **dict.fromkeys(
        (set, frozenset, cabc.Set, cabc.Collection, cabc.Iterable),
        _check_elements(*_LISTS, set, frozenset, Mapping),
    ),
    **dict.fromkeys((dict, cabc.Mapping, cabc.MutableMapping), _check_mapping),
}
"""How to check a value, by the annotation's type"""


def _check_for(origin: Any) -> Check:
    if not is_hashable(origin):  # no annotation at all
        return _accept
    if origin in _CHECKS:
        return _CHECKS[origin]
    for is_kind, check_kind in _KINDS:
        if is_kind(origin):
            return check_kind
    return _accept


_KINDS: tuple[tuple[Callable[[Any], bool], Check], ...] = (
    (lambda origin: isinstance(origin, enum.EnumMeta), _check_enum),
    (is_path, _check_path),
    (is_record, _check_record),
)
"""How to check what is not in the table"""
