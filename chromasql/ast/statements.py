"""Statements and their clauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chromasql.ast.expressions import Expression
from chromasql.ast.values import Array, Embedding, EmbeddingBatch, Field, Node, Parameter, SparseVector, Value

__all__ = [
    "Argument",
    "Describe",
    "Direction",
    "ExplainMode",
    "GroupBy",
    "Keep",
    "NullsPosition",
    "OrderItem",
    "Projection",
    "ProjectionItem",
    "Query",
    "Rerank",
    "Script",
    "ShowCollections",
    "Source",
    "Star",
    "Statement",
]


@dataclass(frozen=True, slots=True)
class Source(Node):
    """A collection, a pattern of collections (``logs-*``), or a parameter for the name of one."""

    name: str | Parameter
    alias: str | None = None
    quoted: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether ``*`` stands for any characters here; it does not in a quoted name."""
        return isinstance(self.name, str) and not self.quoted and "*" in self.name


# Projection


@dataclass(frozen=True, slots=True)
class Star(Node):
    """``*``, ``* EXCEPT (..)`` or ``* REPLACE (expression AS column, ..)``."""

    excluded: tuple[Field, ...] = ()
    replaced: tuple[ProjectionItem, ...] = ()
    qualifier: str | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ProjectionItem(Node):
    """One column of the result."""

    operand: Expression
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Projection(Node):
    """The columns of the result, in order."""

    items: tuple[Star | ProjectionItem, ...]
    distinct: bool = False

    @property
    def select_all(self) -> bool:
        """Whether ``*`` is among the items."""
        return any(isinstance(item, Star) for item in self.items)


# Clauses and statements


Direction: TypeAlias = Literal["ASC", "DESC"]


NullsPosition: TypeAlias = Literal["FIRST", "LAST"]


ExplainMode: TypeAlias = Literal["PLAN", "ANALYZE"]


@dataclass(frozen=True, slots=True)
class OrderItem(Node):
    """One key of an order; with ``nulls`` None the direction decides where NULL goes."""

    operand: Expression
    direction: Direction = "ASC"
    nulls: NullsPosition | None = None


@dataclass(frozen=True, slots=True)
class Keep(Node):
    """``KEEP n [BY ..]``: the first n records of each group."""

    count: Value
    order_by: tuple[OrderItem, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupBy(Node):
    """``GROUP BY keys [KEEP n [BY ..]]``."""

    keys: tuple[Expression, ...]
    keep: Keep | None = None


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """``name = value`` in RERANK BY and in WITH; the name is in lower case, and a bare word is a string."""

    name: str
    value: Value | Array | SparseVector | Field


@dataclass(frozen=True, slots=True)
class Rerank(Node):
    """``RERANK BY NAME(..)``; the strategy is in capitals."""

    strategy: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A SELECT statement."""

    projection: Projection
    sources: tuple[Source, ...]
    excluded: tuple[Source, ...] = ()
    embedding: Embedding | EmbeddingBatch | None = None
    rank: Expression | None = None
    where: Expression | None = None
    where_document: Expression | None = None
    similarity: str | None = None
    topk: Value | None = None
    group_by: GroupBy | None = None
    having: Expression | None = None
    order_by: tuple[OrderItem, ...] = ()
    rerank: Rerank | None = None
    limit: Expression | None = None
    offset: Expression | None = None
    score_threshold: Value | None = None
    options: tuple[Argument, ...] = ()
    explain: ExplainMode | None = None
    source_text: str | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def collection(self) -> str | None:
        """The collection after FROM if there is a single one and it is not a parameter; otherwise None."""
        name = self.sources[0].name
        return name if len(self.sources) == 1 and isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class ShowCollections(Node):
    """``SHOW COLLECTIONS [LIKE pattern] [LIMIT n] [OFFSET n]``."""

    like: Value | None = None
    limit: Value | None = None
    offset: Value | None = None
    source_text: str | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Describe(Node):
    """``DESCRIBE name``."""

    collection: Source
    source_text: str | None = field(default=None, compare=False, repr=False, kw_only=True)


Statement: TypeAlias = Query | ShowCollections | Describe


Script: TypeAlias = tuple[Statement, ...]
