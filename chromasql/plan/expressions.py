"""Rank expressions as plain data: what a plan says about scores, and nothing about how they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chromasql.plan.columns import Column
from chromasql.plan.values import Computed, columns_in

__all__ = [
    "RRF_K",
    "Arithmetic",
    "ComputedValue",
    "Constant",
    "Expression",
    "Fusion",
    "LeafValue",
    "MetadataValue",
    "ScalarFunction",
    "columns_of_score",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class LeafValue:
    """What a leaf (a KNN or BM25, by its position in the ranking) gives for a record: its rank or its distance."""

    leaf: int


@dataclass(frozen=True, slots=True)
class MetadataValue:
    """A metadata key read as a number; anything else is NULL."""

    key: str


@dataclass(frozen=True, slots=True)
class ComputedValue:
    """A value computed from the columns of a record, read as a number; TRUE is 1, and anything else is NULL."""

    value: Computed


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``left operator right``; the operator is one of + - * /."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """ABS, EXP, LOG, MIN, MAX or COALESCE of expressions."""

    name: str
    arguments: tuple[Expression, ...]


RRF_K = 60.0
"""The constant of reciprocal rank fusion where a statement does not give one: that of the paper."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """
    Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): the sum over the ranks of - weight / (k + rank).

    A rank that is NULL, as its leaf did not return the record, adds nothing.
    """

    ranks: tuple[Expression, ...]
    weights: tuple[float, ...]
    k: float = RRF_K


Expression: TypeAlias = Constant | LeafValue | MetadataValue | ComputedValue | Arithmetic | ScalarFunction | Fusion


def _parts(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Arithmetic(_, left, right):
            return left, right
        case ScalarFunction(_, arguments):
            return arguments
        case Fusion(ranks):
            return ranks
        case _:
            return ()


def columns_of_score(expression: Expression) -> frozenset[Column]:
    """Return the columns of the records that an expression reads."""
    match expression:
        case MetadataValue(key):
            return frozenset({Column("metadata", key)})
        case ComputedValue(value):
            return columns_in(value)
        case _:
            return frozenset().union(*map(columns_of_score, _parts(expression)))
