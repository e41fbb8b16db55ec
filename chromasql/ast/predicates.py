"""Predicates: tests, which are TRUE, FALSE or NULL (unknown), and how they are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from chromasql.ast.values import Array, Node, Parameter, Value

if TYPE_CHECKING:
    from chromasql.ast.expressions import Expression

__all__ = [
    "BetweenPredicate",
    "BooleanOperator",
    "BooleanPredicate",
    "ComparisonOperator",
    "ComparisonPredicate",
    "ContainsPredicate",
    "InPredicate",
    "IsDistinctPredicate",
    "IsNullPredicate",
    "IsTruthPredicate",
    "LikePredicate",
    "NotPredicate",
    "Predicate",
    "Quantifier",
    "RegexPredicate",
]

ComparisonOperator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
"""The text also has == for = and <> for !=."""


BooleanOperator: TypeAlias = Literal["AND", "OR"]


Quantifier: TypeAlias = Literal["ANY", "ALL"]


@dataclass(frozen=True, slots=True)
class ComparisonPredicate(Node):
    """
    ``operand operator value``, such as ``year >= 2020``.

    With a quantifier the value is a list: ``'x' = ANY(tags)`` is true where the test is for one of its elements.
    """

    operand: Expression
    operator: ComparisonOperator
    value: Expression
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class InPredicate(Node):
    """``operand [NOT] IN (..)``; one parameter may stand for the whole list."""

    operand: Expression
    values: Array | Parameter
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BetweenPredicate(Node):
    """``operand [NOT] BETWEEN low AND high``, both ends included."""

    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNullPredicate(Node):
    """``operand IS [NOT] NULL``."""

    operand: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsTruthPredicate(Node):
    """``operand IS [NOT] TRUE`` or ``FALSE``: never unknown."""

    operand: Expression
    value: bool
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsDistinctPredicate(Node):
    """``operand IS [NOT] DISTINCT FROM value``: never unknown."""

    operand: Expression
    value: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LikePredicate(Node):
    """``operand [NOT] LIKE pattern``; ``%`` is the only wildcard; ILIKE ignores case."""

    operand: Expression
    pattern: Expression
    negated: bool = False
    ignore_case: bool = False
    escape: Value | None = None


@dataclass(frozen=True, slots=True)
class RegexPredicate(Node):
    """``operand [NOT] REGEX pattern``: an unanchored search."""

    operand: Expression
    pattern: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ContainsPredicate(Node):
    """``operand [NOT] CONTAINS value``; with a quantifier ``CONTAINS ANY | ALL (..)``, where the value is a list."""

    operand: Expression
    value: Expression | Array
    negated: bool = False
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class NotPredicate(Node):
    """``NOT predicate``."""

    predicate: Expression


@dataclass(frozen=True, slots=True)
class BooleanPredicate(Node):
    """Two or more predicates joined by one operator."""

    operator: BooleanOperator
    predicates: tuple[Expression, ...]


Predicate: TypeAlias = (
    ComparisonPredicate
    | InPredicate
    | BetweenPredicate
    | IsNullPredicate
    | IsTruthPredicate
    | IsDistinctPredicate
    | LikePredicate
    | RegexPredicate
    | ContainsPredicate
    | NotPredicate
    | BooleanPredicate
)
