"""Which expressions of RANK BY are computed with the searches, in single precision, and which from the record alone."""

from __future__ import annotations

from chromasql import ast

__all__ = ["RANK_FUNCTIONS", "UNARY_FUNCTIONS", "is_arithmetic", "without_groups"]

RANK_FUNCTIONS = {
    "ABS": "ABS",
    "COALESCE": "COALESCE",
    "EXP": "EXP",
    "GREATEST": "MAX",
    "LEAST": "MIN",
    "LN": "LOG",
    "LOG": "LOG",
    "MAX": "MAX",
    "MIN": "MIN",
}
"""The functions that a search can enter, as the Search API names them."""


UNARY_FUNCTIONS = frozenset({"ABS", "EXP", "LOG"})


def without_groups(rank: ast.Expression) -> ast.Expression:
    """Read MIN and MAX as functions of one row: in RANK BY there are no groups."""

    def change(node: ast.Node) -> ast.Node:
        if isinstance(node, ast.Aggregate) and node.function in ("MIN", "MAX") and node.argument is not None:
            return ast.Call(node.function, (node.argument,), span=node.span)
        return node

    return change(ast.transform(rank, change))  # type: ignore[return-value]


def is_arithmetic(node: ast.Expression) -> bool:
    """Whether an expression is of searches, numbers and metadata keys alone: what is computed in single precision."""
    match node:
        case ast.Literal(value):
            return ast.is_number(value)
        case ast.Parameter() | ast.Knn() | ast.Bm25() | ast.Rrf():
            return True
        case ast.Field():
            return node.is_metadata and node.key is not None
        case ast.Unary(_, operand):
            return is_arithmetic(operand)
        case ast.Binary(operator, left, right):
            return _enters(left) and _enters(right) if operator in ("+", "-", "*", "/") else False
        case ast.Call(function, arguments):
            return function in RANK_FUNCTIONS and all(map(_enters, arguments))
        case _:
            return False


def _enters(node: ast.Expression) -> bool:
    """Whether an expression can be a part of arithmetic: any that holds no search is computed by itself."""
    return is_arithmetic(node) or not any(isinstance(part, ast.Knn | ast.Bm25 | ast.Rrf) for part in ast.walk(node))
