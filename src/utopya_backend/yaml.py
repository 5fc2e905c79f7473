"""Reading and writing YAML 1.2 configurations, with the tags of the frontend.

What is read equals what the frontend's own loader, ``paramspace.yaml.yaml``,
gives in a plain installation, where ruamel.yaml's parser written in Python
does the work. Three things differ:

* the C parser is used where it was never seen to give anything else, because it
  is three to four times faster;
* ``paramspace`` and ``yayaml`` are imported only if a file has their tags;
* the frontend's tags for validated parameters (``!is-*`` and ``!param``) give
  the value, or the default value, of the parameter.
"""

import contextlib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError as YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter

from .errors import suggest

_NOT_FOR_C_PARSER = re.compile(r"[^\n\x20-\x7e]|[|>%&]|!(?=\s|$)|!!!")
"""Where the two parsers may differ, found by comparing them on random texts:
block scalars that meet a comment or document marker, directives, anchors with a
colon, odd tags, tabs, and characters beyond ASCII (line separators, byte order
marks)."""

_PACKAGES_WITH_TAGS = ("yayaml", "paramspace.yaml")
"""Packages whose import adds tags to ruamel.yaml's SafeConstructor"""

_CONSTRAINT = re.compile(r"!(is-|param\b)")
"""What a document with constraints has in it"""

Constraints = dict[tuple[str | int, ...], Any]
"""Constraints by their places in a document: keys and indices from the root on"""


class _UnknownTagError(Exception):
    """A tag was met that none of the packages imported so far knows."""


def load(text: str) -> Any:
    """Reads a YAML 1.2 document.

    Args:
        text: The document

    Returns:
        What it describes: typically a dict

    Raises:
        ruamel.yaml.YAMLError: If it cannot be read, for instance because of
            its syntax, a duplicate key or an unknown tag
    """
    return _load_with(_Constructor, text)


def load_with_constraints(text: str) -> tuple[Any, Constraints]:
    """Reads a YAML 1.2 document, and what it demands of its values.

    Args:
        text: The document

    Returns:
        What :py:func:`load` gives; and a
        :py:class:`~utopya_backend.constraints.Constraint` for each ``!param`` and
        ``!is-*`` that stands in mappings and sequences, by its place

    Raises:
        ruamel.yaml.YAMLError: If it cannot be read, or if a constraint makes no sense
    """
    if not _CONSTRAINT.search(text):
        return load(text), {}
    value, constraints = _load_with(_ConstraintConstructor, text)
    return value, constraints


def _load_with(constructor: "type[_Constructor]", text: str) -> Any:
    try:
        return _load_with_tags(constructor, text)
    except YAMLError:
        raise
    except Exception as error:  # of what constructs a value, e.g. a date
        if "ParamDim" in str(error):
            raise YAMLError(
                "A sweep is written as e.g. !sweep {default: 8, values: [8, 16]} "
                f"({type(error).__name__}: {str(error)[:100]})."
            ) from error
        raise YAMLError(f"{type(error).__name__}: {error}") from error


def _load_with_tags(constructor: "type[_Constructor]", text: str) -> Any:
    try:
        return _load(constructor, text)
    except _UnknownTagError as error:
        tag = str(error)
    for package in _PACKAGES_WITH_TAGS:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise YAMLError(
                f"The tag {tag} is not known, unless it is one of the package "
                "paramspace, which sweeps need, too. Install that with: "
                f"pip install paramspace ({error})"
            ) from None
        try:
            return _load(constructor, text)
        except _UnknownTagError as error:
            tag = str(error)
    known = [name for name in _Constructor.all_constructors() if name]
    raise YAMLError(f"There is no tag {tag}.{suggest(tag, known)}")


def dump(obj: Any, stream: TextIO) -> None:
    """Writes an object in a form that both this package and the frontend read.

    Args:
        obj: Dicts, lists, tuples, sets, strings, numbers (numpy's included),
            numpy arrays (as lists), booleans, None, dates, bytes, ranges,
            slices, and what knows how it is written, as the sweeps of ``paramspace``
        stream: The file to write to

    Raises:
        ruamel.yaml.YAMLError: If there is something else in it
    """
    yaml = YAML(
        typ="safe", pure=False, plug_ins=[]
    )  # libyaml's emitter, 3 times as fast
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    # Keep the order of the keys.
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # as None
    yaml.dump(obj, stream)


class _YAML(YAML):
    """Does not look into its directory for plug-ins, each time one is made."""

    def official_plug_ins(self) -> list[str]:
        return []


def _load(constructor: "type[_Constructor]", text: str) -> Any:
    if not _NOT_FOR_C_PARSER.search(text):
        try:
            return _parser(constructor, pure=False).load(text)
        except YAMLError:
            pass  # the other parser decides what is an error, and how to say it
    return _parser(constructor, pure=True).load(text)


def _parser(constructor: "type[_Constructor]", *, pure: bool) -> YAML:
    # A parser keeps state, notably of a document with a directive: one each.
    yaml = _YAML(typ="safe", pure=pure)
    yaml.Constructor = constructor
    return yaml


# .. Tags .....................................................................


class _Constructor(SafeConstructor):
    """Knows the tags that survive into the configuration of a universe."""

    own_constructors: dict[str | None, Callable[..., Any]]

    @classmethod
    def all_constructors(cls) -> dict[str | None, Callable[..., Any]]:
        # SafeConstructor's tags are those of the packages imported so far.
        return {**SafeConstructor.yaml_constructors, **cls.own_constructors}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.yaml_constructors = self.all_constructors()

    def construct_unknown(self, node: Node) -> Any:
        raise _UnknownTagError(str(node.tag))

    def construct_range(self, node: Node) -> Any:
        return self._call(range, node)

    def construct_slice(self, node: Node) -> Any:
        return self._call(slice, node)

    def construct_value(self, node: Node) -> Any:
        """The value behind ``!is-positive 1.5`` and the like."""
        for construct in (
            self.construct_yaml_bool,
            self.construct_yaml_int,
            self.construct_yaml_float,
        ):
            try:
                return construct(node)
            except (KeyError, ValueError, IndexError):
                continue
        return None if node.value in ("~", "null") else self.construct_yaml_str(node)

    def construct_default(self, node: Node) -> Any:
        """The default of ``!param {default: 1.5, limits: [0, 2]}``."""
        if isinstance(node, MappingNode):
            parameter = self.construct_mapping(node, deep=True)
            if "default" in parameter:
                return parameter["default"]
        raise ConstructorError(
            None, None, "expected !param {default: …}", node.start_mark
        )

    def construct_sweep(self, node: Node) -> Any:
        """Something that is swept, by ``paramspace``, which may be slow at it."""
        construct = SafeConstructor.yaml_constructors.get(str(node.tag))
        if construct is None:
            raise _UnknownTagError(str(node.tag))
        if not isinstance(node, MappingNode):
            problem = f"a sweep is a mapping. {_EXAMPLE_OF_A_SWEEP}"
            raise ConstructorError(None, None, problem, node.start_mark)
        entries = {key.value: value for key, value in node.value}
        self._check_sweep(entries, node)
        number = self._number_of_values(entries, node)
        if number > _MANY_VALUES and not {"values", "assert_unique"} & {*entries}:
            # It would compare each with each other; they differ in any case.
            flag = (_scalar("str", "assert_unique"), _scalar("bool", "false"))
            node.value += [flag]
        return construct(self, node)

    def _check_sweep(self, entries: Mapping[str, Node], node: Node) -> None:
        """Says in words what ``paramspace`` would stumble over."""
        kinds = [kind for kind in _VALUES_OF_SWEEPS if kind in entries]
        problem = ""
        if "default" not in entries:
            problem = "it lacks a default: the value where nothing is swept"
        elif not kinds:
            problem = f"it lacks one of: {', '.join(_VALUES_OF_SWEEPS)}"
        elif isinstance(entries[kinds[0]], (ScalarNode, MappingNode)):
            problem = f"{kinds[0]} has to be a list, in brackets"
        elif "range" in kinds and isinstance(entries["range"], SequenceNode):
            args = self.construct_sequence(entries["range"], deep=True)
            if not all(isinstance(arg, int) for arg in args):
                problem = f"range takes integers, but has {args}; linspace takes others"
        if problem:
            text = f"in this sweep, {problem}. {_EXAMPLE_OF_A_SWEEP}"
            raise ConstructorError(None, None, text, node.start_mark)

    def _number_of_values(self, entries: Mapping[str, Node], node: Node) -> int:
        """How many values a sweep has that are computed, not listed."""
        number = 0
        for key in ("range", "linspace", "logspace"):
            if isinstance(entries.get(key), SequenceNode):
                args = self.construct_sequence(entries[key], deep=True)
                with contextlib.suppress(TypeError, ValueError, IndexError):
                    number = len(range(*args)) if key == "range" else int(args[2])
        if number > _TOO_MANY_VALUES:
            problem = f"these are {number:,} values; at most {_TOO_MANY_VALUES:,}"
            raise ConstructorError(None, None, problem, node.start_mark)
        return number

    def construct_stop_condition(self, node: Node) -> Any:
        """The entries of a ``!stop-condition``, which may stand there without a tag."""
        return self.construct_mapping(node, deep=True)

    def _call(self, func: Callable[..., Any], node: Node) -> Any:
        try:
            if isinstance(node, SequenceNode):
                return func(*self.construct_sequence(node, deep=True))
            return func(self.construct_value(node))
        except (TypeError, YAMLError) as error:
            problem = f"expected e.g. {node.tag} [0, 10, 2]: {error}"
            raise ConstructorError(None, None, problem, node.start_mark) from None


_VALUES_OF_SWEEPS = ("values", "range", "linspace", "logspace")
_EXAMPLE_OF_A_SWEEP = "Write e.g.: !sweep {default: 8, values: [8, 16]}"
_MANY_VALUES = 1000
_TOO_MANY_VALUES = 10_000_000  # along one dimension, which has them all in memory


def _scalar(kind: str, value: str) -> ScalarNode:
    return ScalarNode(f"tag:yaml.org,2002:{kind}", value)


# The names that `utopya.parameter.Parameter` defines
_PARAMETER_SHORTHANDS = (
    "positive", "positive-or-zero", "negative", "negative-or-zero", "probability",
    "in-unit-interval", "int", "positive-int", "negative-int", "unsigned", "string",
    "bool",
)  # fmt: skip

_Constructor.own_constructors = {
    "!range": _Constructor.construct_range,
    "!slice": _Constructor.construct_slice,
    "!param": _Constructor.construct_default,
    "!stop-condition": _Constructor.construct_stop_condition,
    **dict.fromkeys(("!sweep", "!pdim"), _Constructor.construct_sweep),
    **{f"!is-{name}": _Constructor.construct_value for name in _PARAMETER_SHORTHANDS},
    None: _Constructor.construct_unknown,
}


class _ConstraintConstructor(_Constructor):
    """Gives the value of a document and the constraints in it."""

    def construct_document(self, node: Node) -> tuple[Any, Constraints]:
        value = super().construct_document(node)
        # Only now the nodes of merged mappings (`<<: *base`) are where they belong.
        return value, dict(self._constraints_in(node, ()))

    def _constraints_in(
        self, node: Node, path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        if _CONSTRAINT.match(str(node.tag)):
            yield path, self._constraint_at(node)
        elif len(path) > _MAX_DEPTH or str(node.tag) not in _WITH_PLACES:
            return
        elif isinstance(node, MappingNode):
            for key_node, value_node in node.value:
                key = self.construct_object(key_node, deep=True)
                yield from self._constraints_in(value_node, (*path, key))
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                yield from self._constraints_in(item, (*path, index))

    def _constraint_at(self, node: Node) -> Any:
        from .constraints import Constraint  # few documents have any

        mode = str(node.tag).removeprefix("!")
        try:
            if mode == "param":
                return Constraint(**self.construct_mapping(node, deep=True))
            return Constraint.from_shorthand(mode, self.construct_value(node))
        except (TypeError, ValueError) as error:
            problem = f"this constraint makes no sense: {error}"
            raise ConstructorError(None, None, problem, node.start_mark) from None


_WITH_PLACES = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!pspace")
"""Tags of what has keys or indices, rather than values that are computed"""

_MAX_DEPTH = 100
"""Below that, a document surely refers to itself"""


class _Representer(SafeRepresenter):
    """Knows ranges, slices, numpy's numbers and arrays, and odd characters."""

    def represent_text(self, data: str) -> Node:
        # Line separators and the like get lost unless they are escaped.
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_range(self, data: range) -> Node:
        return self.represent_sequence("!range", [data.start, data.stop, data.step])

    def represent_slice(self, data: slice) -> Node:
        return self.represent_sequence("!slice", [data.start, data.stop, data.step])

    def represent_numpy(self, data: np.generic | np.ndarray[Any, Any]) -> Any:
        return self.represent_data(data.tolist())

    def represent_tagged(self, data: Any) -> Any:
        """Something with a tag of its own, such as a sweep."""
        to_yaml = getattr(type(data), "to_yaml", None)
        return to_yaml(self, data) if to_yaml else self.represent_undefined(data)

    def represent_mapping_like(self, data: Mapping[Any, Any]) -> Node:
        return self.represent_dict(dict(data))

    def ignore_aliases(self, data: Any) -> bool:
        # An alias where the same list stands twice helps nobody who reads it.
        return True


_Representer.add_representer(str, _Representer.represent_text)
_Representer.add_representer(range, _Representer.represent_range)
_Representer.add_representer(slice, _Representer.represent_slice)
_Representer.add_multi_representer(np.generic, _Representer.represent_numpy)
_Representer.add_multi_representer(np.ndarray, _Representer.represent_numpy)
_Representer.add_multi_representer(dict, _Representer.represent_mapping_like)
_Representer.add_multi_representer(object, _Representer.represent_tagged)
