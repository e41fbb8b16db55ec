"""The operators that EXPLAIN prints: their names, and how a tree of them is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["OPERATOR_NAMES", "Operator", "OperatorName", "render_tree"]

OperatorName: TypeAlias = Literal[
    "Aggregate",
    "Distinct",
    "Filter",
    "Fuse",
    "GroupLimit",
    "KeywordSearch",
    "KnnSearch",
    "Limit",
    "Materialize",
    "Merge",
    "Project",
    "RankExpression",
    "Rerank",
    "Scan",
    "Sort",
]


OPERATOR_NAMES: tuple[OperatorName, ...] = get_args(OperatorName)
"""Every name that can stand at the head of a line; the glossary of the documentation explains each."""


@dataclass(frozen=True, slots=True)
class Operator:
    """
    One step of a plan, in the tree that EXPLAIN prints.

    ``inputs`` are the operators whose rows it takes. ``qualifier`` says which of several operators of one name it is,
    ``summary`` what it does, and ``facts`` are further lines about it.
    """

    name: OperatorName
    summary: str
    inputs: tuple[Operator, ...] = ()
    facts: tuple[str, ...] = ()
    qualifier: str = ""


def render_tree(root: Operator, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a tree: the root first, then its facts, then its inputs, both indented by two blanks."""
    margin = "  " * depth
    qualifier = f" ({root.qualifier})" if root.qualifier else ""
    yield f"{margin}{root.name}{qualifier}: {root.summary}"
    for fact in root.facts:
        yield f"{margin}  {fact}"
    for operator in root.inputs:
        yield from render_tree(operator, depth + 1)
