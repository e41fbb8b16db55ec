"""Rank expressions: what RANK BY holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chromasql.ast.values import Array, Embedding, Field, Node, Parameter, Value

__all__ = [
    "ArithmeticOperator",
    "Binary",
    "Bm25",
    "Call",
    "Knn",
    "Number",
    "RankExpr",
    "RankFunction",
    "Rrf",
    "Sign",
    "Unary",
]

Sign: TypeAlias = Literal["+", "-"]


ArithmeticOperator: TypeAlias = Literal["+", "-", "*", "/"]


RankFunction: TypeAlias = Literal["ABS", "COALESCE", "EXP", "LOG", "MAX", "MIN"]
"""The text also has LN for LOG, LEAST for MIN and GREATEST for MAX."""


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number in a rank expression, literal or by parameter."""

    value: Value


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

    ranks: tuple[RankExpr, ...]
    k: Value | None = None
    weights: Array | Parameter | None = None
    normalize: Value | None = None
    default: Value | None = None
    require_all: Value | None = None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A sign before a rank expression."""

    operator: Sign
    operand: RankExpr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left operator right``."""

    operator: ArithmeticOperator
    left: RankExpr
    right: RankExpr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of rank expressions."""

    function: RankFunction
    arguments: tuple[RankExpr, ...]


RankExpr: TypeAlias = Number | Field | Knn | Bm25 | Rrf | Unary | Binary | Call
