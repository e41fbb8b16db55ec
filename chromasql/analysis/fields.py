"""The fields that a statement uses."""

from __future__ import annotations

from collections.abc import Iterator

from chromasql import ast

__all__ = ["distinct_nodes", "fields_used"]

# Fields


def fields_used(query: ast.Query) -> tuple[ast.Field, ...]:
    """
    Return the fields whose values the statement needs, each once, in the order of its clauses.

    ``year`` and ``metadata.year`` are one field, given as it is written first. What ``*`` stands for is not
    among them, nor what EXCEPT takes away.
    """
    found: dict[tuple[str, str | None], ast.Field] = {}
    for node in distinct_nodes(query):
        if isinstance(node, ast.Field):
            found.setdefault((node.root, node.key), node)
    return tuple(found.values())


def distinct_nodes(node: ast.Node) -> Iterator[ast.Node]:
    """Yield the nodes of a tree in order, without literals, which may be many, and what EXCEPT names."""
    pending = [node]
    while pending:
        here = pending.pop()
        yield here
        if not isinstance(here, ast.Star):
            below = [child for child in ast.children(here) if not isinstance(child, ast.Literal)]
            pending.extend(reversed(below))
