"""JSON schemas of the parameters of models, for editors and other tools.

What a schema accepts is what a model accepts, as far as JSON can say it: see
:py:mod:`utopya_backend.model.parameters`. Not in it are sets, binary data and other
tagged values of YAML, keys of mappings that are no strings, constraints on elements
of lists, and what a dataclass checks itself.
"""

import enum
import inspect
import math
import numbers
import re
import types
import typing
from collections import abc as cabc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .constraints import Constraint, Constraints, Path
from .errors import UserError
from .logging import LOG_LEVELS
from .model.annotations import (
    UNIONS,
    arguments_of,
    bare,
    choices_of,
    is_path,
    is_record,
    origin_of,
    size_of,
)
from .model.config import DEFAULTS
from .model.parameters import check

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON schema"""

Schema = dict[str, Any]


def schema_of(
    model_class: type[Any],
    *,
    defaults: Mapping[str, Any] = types.MappingProxyType({}),
    constraints: Mapping[Path, Constraint] = types.MappingProxyType({}),
) -> Schema:
    """The schema of the parameters of a model, as its default configuration has them.

    Args:
        model_class: The class of the model. The parameters are those of its ``setup``,
            described in the section ``Args:`` of the docstring.
        defaults: The default values that its configuration file has
        constraints: The constraints in that file, by their places in it

    Returns:
        The schema, in draft 2020-12
    """
    definitions: dict[str, Schema] = {}
    setup = types.MethodType(model_class.setup, object())  # without `self`
    schema = _schema_of_call(setup, definitions)
    for name, value in defaults.items():
        if name in schema["properties"] and _is_json(value):
            schema["properties"][name]["default"] = value
    for path, constraint in constraints.items():
        _add_constraint(schema, path, constraint)
    schema = {"$schema": DIALECT, "title": model_class.__name__, **schema}
    return {**schema, "$defs": definitions} if definitions else schema


def run_schema_of(model_class: type[Any], *, name: str, **options: Any) -> Schema:
    """The schema of a run configuration: of what is to differ from the defaults.

    Args:
        model_class: The class of the model
        name: The name of the model, and of its section
        **options: See :py:func:`schema_of`
    """
    section = schema_of(model_class, **options)
    section.pop("$schema")
    definitions = section.pop("$defs", {})
    section.pop("required", None)  # the defaults have them
    section["type"] = ["object", "null"]  # an empty one changes nothing
    properties = {**_ROOT, name: section}
    properties["root_model_name"] = {"const": name}
    return {
        "$schema": DIALECT,
        "title": f"Run configuration of {name}",
        "type": "object",
        "properties": {
            **properties,
            "parameter_space": {"type": ["object", "null"], "properties": properties},
        },
        **({"$defs": definitions} if definitions else {}),
    }


# .. Root level ...............................................................

_COUNT = {"type": "integer", "minimum": 0}
_BOOLEAN_OR_SEED = {"type": ["boolean", "integer", "null"], "minimum": 0}
_LEVEL = {"enum": [*(level.lower() for level in LOG_LEVELS)]}

_ROOT: dict[str, Schema] = {
    "root_model_name": {"type": "string"},
    "output_path": {"type": "string", "description": "The HDF5 file to write"},
    "output_dir": {"type": "string"},
    "num_steps": {**_COUNT, "default": 3, "description": "How many steps to make"},
    "write_start": {
        **_COUNT,
        "default": 0,
        "description": "The time at which data is written for the first time",
    },
    "write_every": {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "How many steps lie between two writes",
    },
    "seed": {
        **_COUNT,
        "default": DEFAULTS["seed"],
        "description": "Seed of the random numbers",
    },
    "seed_numpy_rng": {
        **_BOOLEAN_OR_SEED,
        "description": "Whether to seed numpy.random, by seed + 1; or an integer",
    },
    "seed_system_rng": {
        **_BOOLEAN_OR_SEED,
        "description": "Whether to seed random, by seed + 2; or an integer",
    },
    "monitor_emit_interval": {
        "type": "number",
        "minimum": 0,
        "default": DEFAULTS["monitor_emit_interval"],
        "description": "How much time lies at least between two reports [s]",
    },
    "output": {
        "type": ["object", "null"],
        "description": "How the output file is written",
        "properties": {
            "driver": {"enum": ["transactional", "native"]},
            "commit_interval": {"type": "number", "minimum": 0},
            "fsync": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
    "log_levels": {
        "type": "object",
        "properties": {
            key: {"anyOf": [_LEVEL, {"type": ["integer", "null"]}], "default": level}
            for key, level in DEFAULTS["log_levels"].items()
        },
    },
}
"""The keys of the root level of a configuration, but for the model's section"""


# .. Arguments ................................................................


def _schema_of_call(func: Callable[..., Any], definitions: dict[str, Schema]) -> Schema:
    """The schema of the keyword arguments of a function or dataclass."""
    descriptions = _descriptions_in(func)
    schema: Schema = {"type": "object", "properties": {}}
    required = []
    rest: Schema | bool = False
    for name, arg in arguments_of(func).items():
        entry = _schema_of(arg.annotation, definitions)
        if arg.kind is arg.VAR_KEYWORD:
            rest = entry or True
            continue
        if arg.default is arg.empty:
            required.append(name)
        elif _is_json(arg.default):
            entry = _or_default(entry, arg)
        if name in descriptions:
            entry["description"] = descriptions[name]
        schema["properties"][name] = entry
    if required:
        schema["required"] = required
    schema["additionalProperties"] = rest
    return schema


def _or_default(schema: Schema, arg: inspect.Parameter) -> Schema:
    """A default is valid, even where the annotation does not say so."""
    default = arg.default
    if schema:
        try:
            check(default, arg.annotation, arg.name)
        except UserError:
            schema = {"anyOf": [schema, {"const": default}]}
    return {**schema, "default": default}


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) for key in value) and all(
            map(_is_json, value.values())
        )
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) in (str, int, bool, types.NoneType)


_ARGS = re.compile(r"^(Args|Attributes):\n((?:[ \t]+.*\n|\n)*)", re.MULTILINE)
_ARG = re.compile(r"^    (\w+)(?: \(.*?\))?:[ \t]*(.*(?:\n(?:        .*|\s*$))*)", re.M)


def _descriptions_in(func: Callable[..., Any]) -> dict[str, str]:
    """What a docstring in Google's style says about the arguments."""
    doc = inspect.getdoc(func) or ""
    if not (section := _ARGS.search(f"{doc}\n")):
        return {}
    return {
        name: " ".join(text.split()) for name, text in _ARG.findall(section[2]) if text
    }


# .. Annotations ..............................................................


def _schema_of(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    annotation = bare(annotation)
    origin = origin_of(annotation)
    if type(origin).__hash__ is None:  # no annotation at all
        return {}
    if origin in _SCALARS:
        return dict(_SCALARS[origin])
    if choices := choices_of(annotation):
        return {"enum": [_value_of(choice) for choice in choices]}
    for kinds, schema_of_kind in _GENERICS:
        if origin in kinds:
            return schema_of_kind(annotation, definitions)
    if is_path(origin):
        return {"type": "string"}
    if is_record(origin):
        return _reference_to(origin, definitions)
    return {}


def _value_of(choice: Any) -> Any:
    return choice.value if isinstance(choice, enum.Enum) else choice


def _schema_of_union(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    members = [_schema_of(arg, definitions) for arg in typing.get_args(annotation)]
    if not all(members):
        return {}
    if all(member.keys() == {"type"} for member in members):
        return {"type": [*dict.fromkeys(member["type"] for member in members)]}
    return {"anyOf": members}


def _schema_of_list(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    args = typing.get_args(annotation)
    items = _schema_of(args[0], definitions) if args else {}
    return {"type": "array", **({"items": items} if items else {})}


def _schema_of_tuple(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    if (size := size_of(annotation)) is None:
        return _schema_of_list(annotation, definitions)
    args = typing.get_args(annotation)
    return {
        "type": "array",
        "prefixItems": [_schema_of(arg, definitions) for arg in args],
        "minItems": size,
        "maxItems": size,
    }


def _schema_of_mapping(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    args = typing.get_args(annotation)
    values = _schema_of(args[1], definitions) if len(args) == 2 else {}
    return {"type": "object", **({"additionalProperties": values} if values else {})}


def _reference_to(cls: type[Any], definitions: dict[str, Schema]) -> Schema:
    if cls.__name__ not in definitions:
        definitions[cls.__name__] = {}  # it may refer to itself
        definitions[cls.__name__] = _schema_of_call(cls, definitions)
    return {"$ref": f"#/$defs/{cls.__name__}"}


_SCALARS: dict[Any, Schema] = {
    int: {"type": "integer"},
    numbers.Integral: {"type": "integer"},
    float: {"type": "number"},
    complex: {"type": "number"},
    numbers.Real: {"type": "number"},
    numbers.Number: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    bytes: {"type": "string"},
    types.NoneType: {"type": "null"},
    np.ndarray: {"type": "array"},
}

_GENERICS: tuple[
    tuple[tuple[Any, ...], Callable[[Any, dict[str, Schema]], Schema]], ...
] = (
    (UNIONS, _schema_of_union),
    ((tuple,), _schema_of_tuple),
    ((dict, cabc.Mapping, cabc.MutableMapping), _schema_of_mapping),
    ((list, cabc.Sequence, set, frozenset, cabc.Set), _schema_of_list),
)


# .. Constraints ..............................................................

_TYPES = {
    "i": "integer",
    "u": "integer",
    "f": "number",
    "b": "boolean",
    "U": "string",
}
_LIMITS = {"[": "minimum", "(": "exclusiveMinimum"}
_UPPER_LIMITS = {"]": "maximum", ")": "exclusiveMaximum"}


def _add_constraint(schema: Schema, path: Path, constraint: Constraint) -> None:
    """Adds what a constraint demands of a property, perhaps a nested one."""
    if any(isinstance(key, int) for key in path):  # elements of lists are not named
        return
    for key in path:
        schema = schema.setdefault("properties", {}).setdefault(key, {})
    if constraint.description is not None:
        schema["description"] = constraint.description
    if demands := _demands_of(constraint):
        # Beside what the annotation demands
        schema.setdefault("allOf", []).append(demands)


def _demands_of(constraint: Constraint) -> Schema:
    schema: Schema = {}
    if constraint.is_any_of:
        schema["enum"] = list(constraint.is_any_of)
    if constraint.dtype is not None and constraint.dtype.kind in _TYPES:
        schema["type"] = _TYPES[constraint.dtype.kind]
        if constraint.dtype.kind in "iu":
            info = np.iinfo(constraint.dtype)
            schema |= {"minimum": int(info.min), "maximum": int(info.max)}
    if constraint.limits:
        schema.setdefault("type", "number")
        lower, upper = constraint.limits
        if lower is not None:
            schema[_LIMITS[constraint.limits_mode[0]]] = lower
        if upper is not None:
            schema[_UPPER_LIMITS[constraint.limits_mode[1]]] = upper
    return schema


def constraints_below(constraints: Constraints, name: str) -> Constraints:
    """The constraints on a model's parameters, by their places in its section.

    Args:
        constraints: Those on the configuration of a universe
        name: The name of the model
    """
    return {
        path[1:]: constraint
        for path, constraint in constraints.items()
        if path[0] == name and len(path) > 1
    }
