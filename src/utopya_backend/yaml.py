"""Reading and writing YAML 1.2 configurations, with the tags of the frontend.

What is read equals what the frontend's own loader, ``paramspace.yaml.yaml``,
gives in a plain installation, where ruamel.yaml's parser written in Python
does the work. Four things differ:

* the C parser is used where it was never seen to give anything else, because it
  is three to four times faster;
* ``paramspace`` and ``yayaml`` are imported only if a file has their tags;
* the frontend's tags for validated parameters (``!is-*`` and ``!param``) give
  the value, or the default value, of the parameter;
* what no configuration needs, but ends or hangs the process that reads it, is refused:
  see :py:mod:`.limits`.
"""

import importlib
import re
from collections import OrderedDict
from typing import Any, TextIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError as YAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.representer import RepresenterError, SafeRepresenter

from .composing import Composer, check_events, may_be_too_large
from .constructing import (
    CONSTRAINT,
    ConstraintConstructor,
    Constraints,
    Constructor,
    UnknownTagError,
)
from .errors import ConfigError, suggest

_NOT_FOR_C_PARSER = re.compile(r"[^\n\x20-\x7e]|[|>%&]|!(?=\s|$)|!!!")
"""Where the two parsers may differ, found by comparing them on random texts:
block scalars that meet a comment or document marker, directives, anchors with a
colon, odd tags, tabs, and characters beyond ASCII (line separators, byte order
marks)."""

_PACKAGES_WITH_TAGS = ("yayaml", "paramspace.yaml")
"""Packages whose import adds tags to ruamel.yaml's SafeConstructor"""


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
    return _load_with(Constructor, text)


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
    if not CONSTRAINT.search(text):
        return load(text), {}
    value, constraints = _load_with(ConstraintConstructor, text)
    return value, constraints


def _load_with(constructor: type[Constructor], text: str) -> Any:
    try:
        return _load_with_tags(constructor, text)
    except YAMLError:
        raise
    except ConfigError as error:  # it exceeds a limit
        raise YAMLError(str(error)) from None
    except RecursionError:
        raise YAMLError(
            "The document is nested too deeply for what is left of Python's stack."
        ) from None
    except Exception as error:  # of what constructs a value, e.g. a date
        if "ParamDim" in str(error):
            raise YAMLError(
                "A sweep is written as e.g. !sweep {default: 8, values: [8, 16]} "
                f"({type(error).__name__}: {str(error)[:100]})."
            ) from error
        raise YAMLError(f"{type(error).__name__}: {error}") from error


def _load_with_tags(constructor: type[Constructor], text: str) -> Any:
    try:
        return _load(constructor, text)
    except UnknownTagError as error:
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
        except UnknownTagError as error:
            tag = str(error)
    known = [name for name in Constructor.all_constructors() if name]
    raise YAMLError(f"There is no tag {tag}.{suggest(tag, known)}")


def dump(obj: Any, stream: TextIO) -> None:
    """Writes an object in a form that both this package and the frontend read.

    Args:
        obj: What :py:func:`.plain` makes plain values of, and what knows how it is
            written, as the sweeps of ``paramspace``
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


def _load(constructor: type[Constructor], text: str) -> Any:
    if not _NOT_FOR_C_PARSER.search(text):
        try:
            if may_be_too_large(text):
                # It makes nodes by a recursion in C, which has no limit.
                check_events(_parser(constructor, pure=False).parse(text))
            return _parser(constructor, pure=False).load(text)
        except YAMLError:
            pass  # the other parser decides what is an error, and how to say it
    return _parser(constructor, pure=True).load(text)


def _parser(constructor: type[Constructor], *, pure: bool) -> YAML:
    # A parser keeps state, notably of a document with a directive: one each.
    yaml = _YAML(typ="safe", pure=pure)
    yaml.Constructor = constructor
    if pure:
        yaml.Composer = Composer
    return yaml


class _Representer(SafeRepresenter):
    """Knows ranges, slices, odd characters, and what stands for plain values."""

    def represent_text(self, data: str) -> Node:
        # Line separators and the like get lost unless they are escaped.
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_range(self, data: range) -> Node:
        return self.represent_sequence("!range", [data.start, data.stop, data.step])

    def represent_slice(self, data: slice) -> Node:
        return self.represent_sequence("!slice", [data.start, data.stop, data.step])

    def represent_other(self, data: Any) -> Any:
        """Something with a tag of its own, such as a sweep, or what stands for it."""
        from .plain import plain  # few values need it

        if to_yaml := getattr(type(data), "to_yaml", None):
            return to_yaml(self, data)
        try:
            return self.represent_data(plain(data))
        except ConfigError as error:
            raise RepresenterError(str(error)) from None

    def ignore_aliases(self, data: Any) -> bool:
        # An alias where the same list stands twice helps nobody who reads it.
        return True


_Representer.add_representer(str, _Representer.represent_text)
_Representer.add_representer(range, _Representer.represent_range)
_Representer.add_representer(slice, _Representer.represent_slice)
_Representer.add_representer(OrderedDict, _Representer.represent_other)
_Representer.add_multi_representer(object, _Representer.represent_other)
