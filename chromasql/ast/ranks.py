"""Rank expressions: what RANK BY holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chromasql.ast.values import Array, Embedding, Field, Node, Parameter, Value

__all__ = ["Binary", "Bm25", "Call", "Knn", "Number", "RankExpr", "Rrf", "Unary"]

# Rank expressions


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number in a rank expression, literal or by parameter."""

    value: Value


@dataclass(frozen=True, slots=True)
class Knn(Node):
    """``KNN(query, key =, limit =, default =, return_rank =)``: the nearest neighbours of one query."""

    query: Embedding | Parameter
    key: Field | Value | None = None
    limit: Value | None = None
    default: Value | None = None
    return_rank: Value | None = None


@dataclass(frozen=True, slots=True)
class Bm25(Node):
    """``BM25('words', limit =, default =, return_rank =, k1 =, b =)``: keyword ranking of documents."""

    query: Value
    limit: Value | None = None
    default: Value | None = None
    return_rank: Value | None = None
    k1: Value | None = None
    b: Value | None = None


@dataclass(frozen=True, slots=True)
class Rrf(Node):
    """``RRF(rank, .., k =, weights =, normalize =, default =, require_all =)``: reciprocal rank fusion."""

    ranks: tuple[RankExpr, ...]
    k: Value | None = None
    weights: Array | Parameter | None = None
    normalize: Value | None = None
    default: Value | None = None
    require_all: Value | None = None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A sign before a rank expression, + or -."""

    operator: str
    operand: RankExpr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left operator right`` with one of + - * /."""

    operator: str
    left: RankExpr
    right: RankExpr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of rank expressions: ABS EXP LOG MIN MAX COALESCE (LN, LEAST and GREATEST become these)."""

    function: str
    arguments: tuple[RankExpr, ...]


RankExpr: TypeAlias = Number | Field | Knn | Bm25 | Rrf | Unary | Binary | Call
