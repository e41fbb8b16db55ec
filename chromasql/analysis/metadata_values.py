"""The values of a metadata key that WHERE allows, for routers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from chromasql import ast

__all__ = ["extract_metadata_values"]

# Each value comes with its kind, since TRUE is not 1 though they are equal in Python.
_Values: TypeAlias = frozenset[tuple[ast.Kind, ast.Scalar]]


def extract_metadata_values(
    query: ast.Query, *, field_path: str | Sequence[str]
) -> set[str | int | float | bool] | None:
    """
    Return the values that a metadata key may have in the records that satisfy WHERE; routers choose collections by it.

    ``field_path`` is the key, or its parts: ``("org", "region")`` is the key ``org.region``. The parameters
    of the query must be bound; a predicate with one that is not constrains nothing.

    The set is sound: the value of every record that WHERE keeps is in it, numbers compared by value. It is
    empty for a contradiction. None means that WHERE does not restrict the key to a set: it has no predicate on the key,
    an OR with a branch without one, or only predicates such as ``!=``, ``<`` and ``IS NULL``. It is also None if both
    TRUE and 1 (or FALSE and 0) are allowed, which a set cannot hold side by side in Python.
    """
    if query.where is None:
        return None
    key = field_path if isinstance(field_path, str) else ".".join(field_path)
    allowed = _allowed(query.where, key, holds=True)
    if allowed is None:
        return None
    values = {value for _, value in allowed if value is not None}
    return values if len(values) == len(allowed) else None


_TESTS = (ast.BetweenPredicate, ast.InPredicate, ast.IsDistinctPredicate, ast.LikePredicate)


def _allowed(predicate: ast.Expression, key: str, *, holds: bool) -> _Values | None:
    """
    Return the values of the key under which the predicate is true, or false where not ``holds``.

    NOT swaps true and false and keeps unknown, so it can be pushed down to the leaves.
    """
    match predicate:
        case ast.NotPredicate():
            return _allowed(predicate.predicate, key, holds=not holds)
        case ast.BooleanPredicate():
            parts = [_allowed(part, key, holds=holds) for part in predicate.predicates]
            return _in_all(parts) if (predicate.operator == "AND") is holds else _in_any(parts)
        case ast.Field():
            return frozenset({("boolean", holds)}) if _is_about(predicate, key) else None
        case ast.ComparisonPredicate() if predicate.quantifier is None:
            equal = predicate.operator == ("=" if holds else "!=")
            sides = (predicate.operand, predicate.value)
            one, other = sides if _is_about(predicate.operand, key) else sides[::-1]
            return _equal_to(other) if equal and _is_about(one, key) else None
        case ast.IsTruthPredicate(operand, value):
            return (
                frozenset({("boolean", value)}) if predicate.negated is not holds and _is_about(operand, key) else None
            )
        case _ if not isinstance(predicate, _TESTS) or not _is_about(predicate.operand, key):
            return None
        case ast.InPredicate():
            if predicate.negated is holds or isinstance(predicate.values, ast.Parameter):
                return None
            return _equal_to(*predicate.values.items)
        case ast.BetweenPredicate():
            low = _equal_to(predicate.low)
            return low if predicate.negated is not holds and low == _equal_to(predicate.high) else None
        case ast.IsDistinctPredicate():
            # Not distinct from NULL means that the key is missing, which no set of values can express.
            return (_equal_to(predicate.value) or None) if predicate.negated is holds else None
        case ast.LikePredicate():
            if predicate.negated is holds or predicate.ignore_case or predicate.escape is not None:
                return None
            exact = _equal_to(predicate.pattern)
            return None if exact is None or any("%" in str(text) for _, text in exact) else exact
        case _:
            return None


def _is_about(operand: ast.Expression, key: str) -> bool:
    return isinstance(operand, ast.Field) and operand.is_metadata and operand.key == key


def _equal_to(*values: ast.Expression) -> _Values | None:
    """Return the values that equal one of these: nothing equals NULL, and a parameter may be anything."""
    known = [value.value for value in values if isinstance(value, ast.Literal)]
    if len(known) < len(values):
        return None
    return frozenset((ast.kind_of(value), value) for value in known if value is not None)


def _in_any(parts: Sequence[_Values | None]) -> _Values | None:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _in_all(parts: Sequence[_Values | None]) -> _Values | None:
    known = [part for part in parts if part is not None]
    return frozenset.intersection(*known) if known else None
