"""Literals and numbers of a tree, checked."""

from __future__ import annotations

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.planner.values import constant_of

__all__ = ["count_of", "flag_of", "literal", "number_of"]


def literal(value: ast.Expression) -> ast.Scalar:
    """Return the value of a literal, or of arithmetic with literals; a parameter must be bound by now."""
    return value.value if isinstance(value, ast.Literal) else constant_of(value)


def count_of(value: ast.Expression | None, what: str, *, least: int) -> int | None:
    """Return a whole number of at least ``least``, or None where it is left out."""
    if value is None:
        return None
    if isinstance(value, ast.Field) and value.name.upper() == "ALL":
        raise ChromaSQLPlanningError(
            f"there is no {what} ALL; leave {what} out for all rows", code="unsupported-syntax", span=value.span
        )
    number = literal(value)
    if not ast.is_whole_number(number) or number < least:
        raise ChromaSQLPlanningError(
            f"{what} takes a whole number of at least {least}", code="invalid-argument", span=value.span
        )
    return number


def number_of(value: ast.Expression | None, what: str) -> float | None:
    """Return a number, or None where it is left out."""
    if value is None:
        return None
    number = literal(value)
    if not ast.is_number(number):
        raise ChromaSQLPlanningError(f"{what} takes a number", code="invalid-argument", span=value.span)
    if abs(number) > ast.MAX_NUMBER:
        raise ChromaSQLPlanningError(
            f"{what} takes a number of at most {ast.MAX_NUMBER:.2g}", code="invalid-argument", span=value.span
        )
    return number


def flag_of(value: ast.Expression | None, what: str) -> bool | None:
    """Return a truth value of an argument, or None where it is not given."""
    if value is None:
        return None
    flag = literal(value)
    if not isinstance(flag, bool):
        raise ChromaSQLPlanningError(f"{what} takes TRUE or FALSE", code="invalid-argument", span=value.span)
    return flag
