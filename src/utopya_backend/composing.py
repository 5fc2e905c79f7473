"""What ruamel.yaml has parsed is checked before nodes and values are made of it."""

import re
from collections.abc import Iterable
from typing import Any

from ruamel.yaml.composer import Composer as PureComposer
from ruamel.yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from .errors import ConfigError
from .limits import (
    MAX_DEPTH,
    MAX_MADE,
    MAX_TEXT,
    MAX_VALUES,
    check_depth,
    check_number,
)

_INDENTED = re.compile(r"^(?: |[-?:] ){20}", re.MULTILINE)
"""What a document without tabs has that is more than 50 levels deep in block style: in
each column, at most a mapping and a list in it can begin."""


def may_be_too_large(text: str) -> bool:
    """Whether a text without tabs has to be looked at closely; most have not.

    Args:
        text: The text
    """
    return (
        len(text) > MAX_VALUES
        or text.count("[") + text.count("{") > MAX_DEPTH // 2
        or _INDENTED.search(text) is not None
    )


def check_events(events: Iterable[Any]) -> None:
    """Checks how deep and how large a document is, without any recursion.

    Args:
        events: What was parsed

    Raises:
        ValueError: If that is too much
    """
    depth = number = 0
    for event in events:
        if isinstance(event, CollectionStartEvent):
            check_depth(depth := depth + 1, event.start_mark.line)
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        check_number(number := number + isinstance(event, NodeEvent))


class Composer(PureComposer):
    """Makes nodes of a document that is within the limits."""

    _level = 0
    _number = 0

    def compose_document(self) -> Any:
        """Composes a document, and refuses what aliases make too large of it."""
        node = super().compose_document()
        if self.anchors:
            _check_aliases(node)
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes a node, unless there are too many around it or before it."""
        self._number += 1
        check_number(self._number)
        if self._level >= MAX_DEPTH and self.parser.check_event(
            SequenceStartEvent, MappingStartEvent
        ):
            check_depth(self._level + 1, self.parser.peek_event().start_mark.line)
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


def _check_aliases(root: Node) -> None:
    """Checks a document as it would be with its aliases written out.

    Raises:
        ValueError: If it is too large, or contains itself
    """
    sizes: dict[int, tuple[int, int]] = {}  # number and depth, by nodes that are done
    own = 0
    entered = set()
    todo = [root]
    while todo:
        node = todo[-1]
        children = _nodes_in(node)
        if id(node) in sizes:
            todo.pop()
        elif id(node) not in entered:
            entered.add(id(node))
            for child in children:
                if id(child) in entered and id(child) not in sizes:
                    raise ConfigError(_of_itself(child, node))
            todo += [child for child in children if id(child) not in sizes]
        else:
            within = [sizes[id(child)] for child in children]
            sizes[id(node)] = number, _ = _size(node, within)
            own += number - sum(number for number, _ in within)
            by_aliases = number - own  # at least, as there are others
            check_number(by_aliases, "Written out, aliases (*name) add", MAX_MADE)
            todo.pop()


def _size(node: Node, within: list[tuple[int, int]]) -> tuple[int, int]:
    if not isinstance(node, (MappingNode, SequenceNode)):
        # Long texts count several times, so that altogether they do not get too long.
        return 1 + len(node.value) * MAX_VALUES // MAX_TEXT, 0
    number = 1 + sum(number for number, _ in within)
    depth = 1 + max((depth for _, depth in within), default=0)
    check_depth(depth, node.start_mark.line)
    return number, depth


def _of_itself(node: Node, inner: Node) -> str:
    name = node.anchor
    return (
        f"The value &{name} contains itself, by *{name} (in line "
        f"{inner.start_mark.line + 1} or below): write out what is meant."
    )


def _nodes_in(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [one for pair in node.value for one in pair]
    return node.value if isinstance(node, SequenceNode) else []
