"""Expressions: what SELECT, WHERE, HAVING, GROUP BY, ORDER BY, KEEP .. BY and RANK BY hold."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chromasql.ast.predicates import Predicate
from chromasql.ast.values import Array, Embedding, Field, Node, Parameter, Value
from chromasql.ast.values import Literal as LiteralValue

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "AggregateFunction",
    "ArithmeticOperator",
    "Binary",
    "Bm25",
    "Call",
    "Case",
    "Cast",
    "Element",
    "Expression",
    "Knn",
    "Rrf",
    "Sign",
    "Total",
    "TypedLiteral",
    "Unary",
    "When",
]

Sign: TypeAlias = Literal["+", "-"]


ArithmeticOperator: TypeAlias = Literal["+", "-", "*", "/", "%", "||"]


AggregateFunction: TypeAlias = Literal[
    "ANY_VALUE",
    "ARRAY_AGG",
    "AVG",
    "BOOL_AND",
    "BOOL_OR",
    "COUNT",
    "MAX",
    "MEDIAN",
    "MIN",
    "QUANTILE",
    "QUANTILE_CONT",
    "STDDEV",
    "STRING_AGG",
    "SUM",
    "VARIANCE",
]


AGGREGATES: tuple[AggregateFunction, ...] = typing.get_args(AggregateFunction)


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """
    ``COUNT(*)``, ``SUM(price * 1.2) FILTER (WHERE sold)`` and their like; the argument is None for ``*``.

    ``others`` are the arguments after the first: the separator of STRING_AGG, the share of QUANTILE, more columns of
    COUNT(DISTINCT a, b).
    """

    function: AggregateFunction
    argument: Expression | None
    distinct: bool = False
    others: tuple[Expression, ...] = ()
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Total(Node):
    """``COUNT(*) OVER ()``: how many rows there are before LIMIT and OFFSET cut the page."""


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A sign before an expression."""

    operator: Sign
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left operator right``."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of one row; its name is in capitals."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class When(Node):
    """``WHEN condition THEN result``."""

    condition: Expression
    result: Expression


@dataclass(frozen=True, slots=True)
class Case(Node):
    """``CASE [operand] WHEN .. THEN .. [ELSE ..] END``; without ELSE it is NULL where no condition is true."""

    branches: tuple[When, ...]
    operand: Expression | None = None
    otherwise: Expression | None = None


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """``CAST(operand AS type)`` and ``operand::type``; the type is in capitals, and TRY_CAST is ``safe``."""

    operand: Expression
    type: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Element(Node):
    """``list[index]``, counted from 1; NULL beyond its end."""

    operand: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class TypedLiteral(Node):
    """``DATE '2024-01-01'``, ``TIMESTAMP '..'`` or ``INTERVAL '30 days'``; the type is in capitals."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Knn(Node):
    """
    ``KNN(query, key =, limit =, default =, return_rank =)``: the nearest neighbours of one query.

    The fields are the names of the arguments, in the order in which they are printed.
    """

    query: Embedding | Parameter
    key: Field | Value | None = None
    limit: Value | None = None
    default: Value | None = None
    return_rank: Value | None = None


@dataclass(frozen=True, slots=True)
class Bm25(Node):
    """``BM25('words', limit =, default =, return_rank =, k1 =, b =, statistics =)``; the fields are its arguments."""

    query: Value
    limit: Value | None = None
    default: Value | None = None
    return_rank: Value | None = None
    k1: Value | None = None
    b: Value | None = None
    statistics: Value | None = None


@dataclass(frozen=True, slots=True)
class Rrf(Node):
    """``RRF(rank, .., k =, weights =, normalize =, default =, require_all =)``; the fields are its arguments."""

    ranks: tuple[Expression, ...]
    k: Value | None = None
    weights: Array | Parameter | None = None
    normalize: Value | None = None
    default: Value | None = None
    require_all: Value | None = None


Expression: TypeAlias = (
    LiteralValue
    | Parameter
    | Field
    | Aggregate
    | Total
    | Unary
    | Binary
    | Call
    | Case
    | Cast
    | Element
    | TypedLiteral
    | Knn
    | Bm25
    | Rrf
    | Predicate
)
"""Where a clause has no use for one of these, the planner says so."""
