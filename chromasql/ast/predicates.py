"""Predicates: what WHERE, WHERE_DOCUMENT and HAVING hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chromasql.ast.values import Array, Node, Operand, Parameter, Value

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
    """``operand operator value``, such as ``year >= 2020``."""

    operand: Operand
    operator: ComparisonOperator
    value: Value


@dataclass(frozen=True, slots=True)
class InPredicate(Node):
    """``operand [NOT] IN (..)``; one parameter may stand for the whole list."""

    operand: Operand
    values: Array | Parameter
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BetweenPredicate(Node):
    """``operand [NOT] BETWEEN low AND high``, both ends included."""

    operand: Operand
    low: Value
    high: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNullPredicate(Node):
    """``operand IS [NOT] NULL``."""

    operand: Operand
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsDistinctPredicate(Node):
    """``operand IS [NOT] DISTINCT FROM value``: never unknown."""

    operand: Operand
    value: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LikePredicate(Node):
    """``operand [NOT] LIKE pattern``; ``%`` is the only wildcard; ILIKE ignores case."""

    operand: Operand
    pattern: Value
    negated: bool = False
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class RegexPredicate(Node):
    """``operand [NOT] REGEX pattern``: an unanchored search."""

    operand: Operand
    pattern: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ContainsPredicate(Node):
    """``operand [NOT] CONTAINS value``; with a quantifier ``CONTAINS ANY | ALL (..)``, where the value is a list."""

    operand: Operand
    value: Value | Array
    negated: bool = False
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class NotPredicate(Node):
    """``NOT predicate``."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class BooleanPredicate(Node):
    """Two or more predicates joined by one operator."""

    operator: BooleanOperator
    predicates: tuple[Predicate, ...]


Predicate: TypeAlias = (
    ComparisonPredicate
    | InPredicate
    | BetweenPredicate
    | IsNullPredicate
    | IsDistinctPredicate
    | LikePredicate
    | RegexPredicate
    | ContainsPredicate
    | NotPredicate
    | BooleanPredicate
)
