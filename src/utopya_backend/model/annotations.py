"""Reading the annotations of a function or a class, and saying them in words.

An annotation that cannot be evaluated, as its names are not there at run time, is
read as :py:data:`~typing.Any`; the other ones are not affected by that.
"""

import enum
import inspect
import numbers
import os
import sys
import types
import typing
from collections import ChainMap
from collections import abc as cabc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

UNIONS = (typing.Union, types.UnionType)
"""What :py:func:`origin_of` gives for a union"""

_TRANSPARENT = (typing.Annotated, typing.Final, typing.Required, typing.NotRequired)
"""What says nothing about the value"""


_EXPECTED: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    complex: "a number",
    bool: "true or false",
    str: "a string",
    bytes: "binary data (!!binary)",
    types.NoneType: "null",
    numbers.Real: "a number",
    numbers.Number: "a number",
    numbers.Integral: "an integer",
    **dict.fromkeys((list, tuple, set, frozenset, np.ndarray), "a list"),
    **dict.fromkeys(
        (cabc.Sequence, cabc.Set, cabc.Collection, cabc.Iterable), "a list"
    ),
    **dict.fromkeys((dict, cabc.Mapping, cabc.MutableMapping), "a mapping"),
}
"""How to say what it has to be"""


def arguments_of(func: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword arguments that a function takes, their annotations evaluated.

    Args:
        func: The function, or a dataclass or :py:class:`~typing.TypedDict`

    Returns:
        Those that can be given by name, and the one that takes all others; by name
    """
    if typing.is_typeddict(func):
        return _keys_of(func)
    arguments = {}
    for name, arg in inspect.signature(func).parameters.items():
        if arg.kind not in (arg.POSITIONAL_ONLY, arg.VAR_POSITIONAL):
            annotation = _evaluate(arg.annotation, func)
            if arg.kind is arg.VAR_KEYWORD and _is_mapping(annotation):
                annotation = Any  # meant is what they are together
            same = annotation is arg.annotation
            arguments[name] = arg if same else arg.replace(annotation=annotation)
    return arguments


def _is_mapping(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Mapping)


def bare(annotation: Any) -> Any:
    """What is behind ``Annotated``, ``NewType``, a type alias and the like.

    Args:
        annotation: The annotation
    """
    while not isinstance(annotation, type):
        if annotation is None:
            return types.NoneType
        if typing.get_origin(annotation) in _TRANSPARENT:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # not in Python 3.11
            annotation = _value_of_alias(annotation)
        elif type(annotation).__name__ == "InitVar":  # of dataclasses
            annotation = annotation.type
        else:
            break
    return annotation


def origin_of(annotation: Any) -> Any:
    """The type without its arguments.

    Args:
        annotation: The annotation, without what :py:func:`bare` takes off
    """
    return typing.get_origin(annotation) or annotation


def choices_of(annotation: Any) -> list[Any]:
    """The values that a ``Literal`` or an enum takes; else none.

    Args:
        annotation: The annotation, without what :py:func:`bare` takes off
    """
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    if isinstance(annotation, enum.EnumMeta):
        members: dict[str, Any] = dict(annotation.__members__)
        values = [member.value for member in members.values()]
        names = [name for name in members if name not in values]
        return [*values, *names]
    return []


def is_path(origin: Any) -> bool:
    """Whether it is a class of paths.

    Args:
        origin: What :py:func:`origin_of` gives
    """
    return isinstance(origin, type) and issubclass(origin, os.PathLike)


def is_record(origin: Any) -> bool:
    """Whether it has fields: a dataclass or a ``TypedDict``.

    Args:
        origin: What :py:func:`origin_of` gives
    """
    return isinstance(origin, type) and (
        hasattr(origin, "__dataclass_fields__") or typing.is_typeddict(origin)
    )


def expected(annotation: Any) -> str:
    """What an annotation stands for, in words.

    Args:
        annotation: The annotation

    Example:
        >>> expected(int | None)
        'an integer or null'
    """
    annotation = bare(annotation)
    origin = origin_of(annotation)
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(map(expected, typing.get_args(annotation))))
    if choices := choices_of(annotation):
        return f"{'one of ' if len(choices) > 1 else ''}{', '.join(map(repr, choices))}"
    if origin is tuple and (size := size_of(annotation)) is not None:
        return f"a list of {size} value{'s' if size != 1 else ''}"
    if origin in _EXPECTED:
        return _EXPECTED[origin]
    if is_path(origin):
        return "a path"
    if is_record(origin):
        return f"a mapping, to the fields of {origin.__name__}"
    return "anything"


def name_of(func: Callable[..., Any]) -> str:
    """How to call a function or a class in a message.

    Args:
        func: The function or class
    """
    name: str = getattr(func, "__qualname__", "setup")
    return name if isinstance(func, type) else f"{name}()"


def size_of(annotation: Any) -> int | None:
    """The number of elements of a tuple, where it is fixed.

    Args:
        annotation: The annotation, without what :py:func:`bare` takes off
    """
    args = typing.get_args(annotation)
    return None if not args or args[-1] is ... else len(args)


# .. Evaluating them ...........................................................


def _evaluate(annotation: Any, owner: Any) -> Any:
    """The annotation itself where it is a string, or has strings in it."""
    is_value = typing.get_origin(annotation) is None and not is_hashable(annotation)
    if annotation is inspect.Parameter.empty or is_value:
        return Any
    if type(annotation) is type:
        return annotation
    try:
        if isinstance(annotation, str):  # as `from __future__ import annotations` has
            annotation = eval(annotation, *_names_known_to(owner))
        if not _has_strings(annotation):
            return annotation
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        names = _names_known_to(owner)
        return typing.get_type_hints(holder, *names, include_extras=True)["it"]
    except Exception:  # whatever stands there: it was never meant to be evaluated
        return Any


def is_hashable(value: Any) -> bool:
    """Whether a value can be looked up in a table; a tuple with a list cannot.

    Args:
        value: The value
    """
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _has_strings(annotation: Any) -> bool:
    if isinstance(annotation, (str, typing.ForwardRef)):
        return True
    origin = typing.get_origin(annotation)
    return origin not in (None, typing.Literal) and any(
        map(_has_strings, typing.get_args(annotation))
    )


def _names_known_to(owner: Any) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The global and local names in the annotations of a function or class."""
    if isinstance(owner, type):  # fields may be inherited from another module
        modules = [sys.modules.get(base.__module__) for base in owner.__mro__]
        spaces = [vars(module) for module in modules if module is not None]
        return spaces[0] if spaces else {}, ChainMap(*spaces)
    function = inspect.unwrap(getattr(owner, "func", owner))
    names = getattr(function, "__globals__", {})
    return names, names


def _keys_of(cls: Any) -> dict[str, inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return {
        key: inspect.Parameter(
            key,
            kind,
            default=inspect.Parameter.empty if key in cls.__required_keys__ else ...,
            annotation=_evaluate(annotation, cls),
        )
        for key, annotation in cls.__annotations__.items()
    }


def _value_of_alias(alias: Any) -> Any:
    try:
        return alias.__value__
    except Exception:  # as above
        return Any
