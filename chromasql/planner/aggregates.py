"""The arguments of aggregates."""

from __future__ import annotations

from chromasql import ast
from chromasql.errors import ChromaSQLPlanningError
from chromasql.planner.numbers import literal

__all__ = ["check_arguments"]


def check_arguments(aggregate: ast.Aggregate) -> None:
    """Raise `ChromaSQLPlanningError` where an aggregate has too few or too many arguments, or some of another kind."""
    name, others = aggregate.function, aggregate.others
    if name == "COUNT":
        if others and not aggregate.distinct:
            raise _wrong(
                aggregate, "COUNT takes one field; of several it counts the combinations: COUNT(DISTINCT a, b)"
            )
        return
    if name in ("QUANTILE", "QUANTILE_CONT"):
        share = literal(others[0]) if len(others) == 1 else None
        if not ast.is_number(share) or not 0 <= share <= 1:
            raise _wrong(aggregate, f"{name} takes a field and a share from 0 to 1: {name}(price, 0.9)")
        return
    if name == "STRING_AGG":
        separator = literal(others[0]) if len(others) == 1 else None
        if not isinstance(separator, str):
            raise _wrong(aggregate, "STRING_AGG takes a field and a text between the values: STRING_AGG(tag, ', ')")
        return
    if others:
        fix = {"MIN": "; for the smallest of several write LEAST(..)", "MAX": "; for the largest write GREATEST(..)"}
        raise _wrong(aggregate, f"{name} takes one field{fix.get(name, '')}")


def _wrong(aggregate: ast.Aggregate, message: str) -> ChromaSQLPlanningError:
    return ChromaSQLPlanningError(message, code="invalid-argument", span=aggregate.span)
