"""Walking and rebuilding a tree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

from chromasql.ast.expressions import Binary
from chromasql.ast.values import Field, Node

__all__ = ["AnyNode", "children", "content_names", "is_hyphenated", "transform", "walk"]

AnyNode = TypeVar("AnyNode", bound=Node)


def content_names(kind: type[Node]) -> tuple[str, ...]:
    """Return the names of the fields of a class of nodes, without those that say where it is in the text."""
    return _content_names(kind)  # type: ignore[arg-type]  # mypy takes the nodes' hash for that of their class


@cache
def _content_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in ("span", "source_text"))


def _nodes_in(items: tuple[Any, ...]) -> Iterator[Node]:
    for item in items:
        if isinstance(item, Node):
            yield item
        elif isinstance(item, tuple):
            yield from _nodes_in(item)


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below this one, in the order of its fields."""
    for name in _content_names(type(node)):  # type: ignore[arg-type]
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes_in(value)


def is_hyphenated(node: Node) -> bool:
    """Tell whether a node is a minus without blanks between two bare names: ``a-b``, which may be meant as one name."""
    return (
        isinstance(node, Binary)
        and node.operator == "-"
        and isinstance(node.left, Field)
        and isinstance(node.right, Field)
        and node.right.span.start - node.left.span.end == 1
    )


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes below it, parents first, in the order of the text's clauses."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))


def transform(node: AnyNode, change: Callable[[Node], Node]) -> AnyNode:
    """
    Return the tree with ``change`` applied to every node below the given one, children first.

    The tree itself is left as it is, and what does not change is shared with it.
    """

    def rebuilt(value: Any) -> Any:
        if isinstance(value, Node):
            return change(transform(value, change))
        if isinstance(value, tuple):
            items = tuple(rebuilt(item) for item in value)
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value

    changes = {}
    for name in _content_names(type(node)):  # type: ignore[arg-type]
        old = getattr(node, name)
        new = rebuilt(old)
        if new is not old:
            changes[name] = new
    return dataclasses.replace(node, **changes) if changes else node
