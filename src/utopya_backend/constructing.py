"""Values of YAML nodes, with all the tags of the frontend."""

import contextlib
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from . import computing
from .errors import ConfigError, show
from .limits import MAX_MADE, check_digits, check_float, check_integer, check_number

CONSTRAINT = re.compile(r"!(is-|param\b)")
"""What a document with constraints has in it"""

Constraints = dict[tuple[str | int, ...], Any]
"""Constraints by their places in a document: keys and indices from the root on"""


class UnknownTagError(Exception):
    """A tag was met that none of the packages imported so far knows."""


class Constructor(SafeConstructor):
    """Knows the tags that survive into the configuration of a universe."""

    own_constructors: dict[str | None, Callable[..., Any]]

    @classmethod
    def all_constructors(cls) -> dict[str | None, Callable[..., Any]]:
        """What makes a value, by the tag."""
        # SafeConstructor's tags are those of the packages imported so far.
        return {**SafeConstructor.yaml_constructors, **cls.own_constructors}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.yaml_constructors = self.all_constructors()
        self._num_computed = 0.0  # values

    def construct_unknown(self, node: Node) -> Any:
        """Complains."""
        raise UnknownTagError(str(node.tag))

    def construct_range(self, node: Node) -> Any:
        """What ``range(…)`` gives."""
        return self._call(range, node)

    def construct_slice(self, node: Node) -> Any:
        """What ``slice(…)`` gives."""
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

    def construct_yaml_int(self, node: Node) -> int:
        """An integer that can be written, too."""
        if len(node.value) < 1000:  # as ever
            value: int = super().construct_yaml_int(node)
            return value
        with _mistakes_at(node):
            check_digits(node.value)
            value = super().construct_yaml_int(node)
            check_integer(value)
        return value

    def construct_yaml_float(self, node: Node) -> float:
        """A float that is what is written, but for rounding."""
        value: float = super().construct_yaml_float(node)
        with _mistakes_at(node):
            check_float(value, node.value)
        return value

    def construct_computed(self, node: Node) -> Any:
        """Something that a package computes, if that is within the limits."""
        construct = self._constructor_of_package(node)
        with _mistakes_at(node):
            self._num_computed += self._number_of_values(node)
            check_number(self._num_computed, "Its tags make", MAX_MADE)
        return construct(self, node)

    def construct_space(self, node: Node) -> Any:
        """A parameter space, which ``paramspace`` goes through."""
        construct = self._constructor_of_package(node)
        with _mistakes_at(node):
            check_number(self._number_of_values(node), f"{node.tag} takes")
        return construct(self, node)

    def construct_expression(self, node: Node) -> Any:
        """An arithmetic expression, likewise."""
        construct = self._constructor_of_package(node)
        if isinstance(node, ScalarNode):
            with _mistakes_at(node):
                computing.check_expression(node.value)
        return construct(self, node)

    def construct_sweep(self, node: Node) -> Any:
        """Something that is swept, by ``paramspace``, which may be slow at it."""
        construct = self._constructor_of_package(node)
        if not isinstance(node, MappingNode):
            problem = f"a sweep is a mapping. {_EXAMPLE_OF_A_SWEEP}"
            raise ConstructorError(None, None, problem, node.start_mark)
        self.flatten_mapping(node)
        entries = {key.value: value for key, value in node.value}
        self._check_sweep(entries, node)
        with _mistakes_at(node):
            number = self._number_of_values(node)
            check_number(number, f"{node.tag} takes")
        if "values" in entries:
            number = max(number, len(entries["values"].value))
        if number > _MANY_VALUES and "assert_unique" not in entries:
            # It would compare each with each other.
            if "values" in entries:
                self._check_unique(entries["values"])
            flag = (_scalar("str", "assert_unique"), _scalar("bool", "false"))
            node.value += [flag]
        return construct(self, node)

    def _constructor_of_package(self, node: Node) -> Callable[..., Any]:
        known: dict[str, Callable[..., Any]] = SafeConstructor.yaml_constructors
        construct = known.get(str(node.tag))
        if construct is None:
            raise UnknownTagError(str(node.tag))
        return construct

    def _number_of_values(self, node: Node) -> float:
        """How many values a tag makes that are computed, not listed."""
        content: Any
        if isinstance(node, SequenceNode):
            content = self.construct_sequence(node, deep=True)
        elif isinstance(node, MappingNode):
            content = self.construct_mapping(node, deep=True)
        else:
            content = self.construct_value(node)
        return computing.number_of_values(str(node.tag), content)

    def _check_unique(self, node: Node) -> None:
        seen = set()
        for value in self.construct_object(node, deep=True):
            key = value if isinstance(value, Hashable) else repr(value)
            if key in seen:
                problem = f"the value {show(value)} is swept twice: leave out one"
                raise ConstructorError(None, None, problem, node.start_mark)
            seen.add(key)

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

    def construct_masked(self, node: Node) -> Any:
        """A value of a sweep that is left out, as ``paramspace`` writes it."""
        construct = self._constructor_of_package(node)
        keys = node.value if isinstance(node, MappingNode) else []
        if [key.value for key, _ in keys] != ["_val"]:
            problem = "a masked value is written as !Masked {_val: 1}"
            raise ConstructorError(None, None, problem, node.start_mark)
        return construct(self, node)

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
_EXPRESSIONS = ("!expr", "!expression", "!compute")


@contextlib.contextmanager
def _mistakes_at(node: Node) -> Iterator[None]:
    """Says where something is that exceeds a limit."""
    try:
        yield
    except ConfigError as error:
        line = node.start_mark.line + 1
        raise ConfigError(f"In line {line}: {error}") from None


def _scalar(kind: str, value: str) -> ScalarNode:
    return ScalarNode(f"tag:yaml.org,2002:{kind}", value)


# The names that `utopya.parameter.Parameter` defines
_PARAMETER_SHORTHANDS = (
    "positive", "positive-or-zero", "negative", "negative-or-zero", "probability",
    "in-unit-interval", "int", "positive-int", "negative-int", "unsigned", "string",
    "bool",
)  # fmt: skip

Constructor.own_constructors = {
    "!range": Constructor.construct_range,
    "!slice": Constructor.construct_slice,
    "!param": Constructor.construct_default,
    "!Masked": Constructor.construct_masked,
    "!stop-condition": Constructor.construct_stop_condition,
    "tag:yaml.org,2002:int": Constructor.construct_yaml_int,
    "tag:yaml.org,2002:float": Constructor.construct_yaml_float,
    **dict.fromkeys(_EXPRESSIONS, Constructor.construct_expression),
    **dict.fromkeys(computing.TAGS, Constructor.construct_computed),
    **dict.fromkeys(computing.SPACES, Constructor.construct_space),
    **dict.fromkeys(("!sweep", "!pdim"), Constructor.construct_sweep),
    **{f"!is-{name}": Constructor.construct_value for name in _PARAMETER_SHORTHANDS},
    None: Constructor.construct_unknown,
}


class ConstraintConstructor(Constructor):
    """Gives the value of a document and the constraints in it."""

    def construct_document(self, node: Node) -> tuple[Any, Constraints]:
        """Gives both."""
        value = super().construct_document(node)
        # Only now the nodes of merged mappings (`<<: *base`) are where they belong.
        return value, dict(self._constraints_in(node, ()))

    def _constraints_in(
        self, node: Node, path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        if CONSTRAINT.match(str(node.tag)):
            yield path, self._constraint_at(node)
        elif str(node.tag) not in _WITH_PLACES:
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
