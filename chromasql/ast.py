"""
What a statement says: frozen nodes with spans.

Children are tuples, nothing is ever modified, and the span takes no part in equality, so a test can write
the tree it expects by hand. A value in the text is a `Literal` or a `Parameter`; once parameters
are bound (`chromasql.analysis.bind_parameters`) only literals remain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias, TypeVar

from chromasql._source import NO_SPAN, Span

__all__ = [
    "SYSTEM_COLUMNS",
    "Aggregate",
    "Argument",
    "Array",
    "BetweenPredicate",
    "Binary",
    "Bm25",
    "BooleanPredicate",
    "Call",
    "ComparisonPredicate",
    "ContainsPredicate",
    "Describe",
    "Embedding",
    "EmbeddingBatch",
    "EmbeddingText",
    "EmbeddingVector",
    "Field",
    "GroupBy",
    "InPredicate",
    "IsDistinctPredicate",
    "IsNullPredicate",
    "Keep",
    "Knn",
    "LikePredicate",
    "Literal",
    "Node",
    "NotPredicate",
    "Number",
    "Operand",
    "OrderItem",
    "Parameter",
    "Predicate",
    "Projection",
    "ProjectionItem",
    "Query",
    "RankExpr",
    "RegexPredicate",
    "Rerank",
    "Rrf",
    "Scalar",
    "Script",
    "ShowCollections",
    "Source",
    "SparseVector",
    "Star",
    "Statement",
    "Unary",
    "Value",
    "Vector",
    "children",
    "transform",
    "walk",
]

Scalar: TypeAlias = str | int | float | bool | None

SYSTEM_COLUMNS = ("id", "document", "embedding", "metadata", "distance", "score", "uri", "_collection")
"""Names that mean a part of the record rather than a metadata key."""


@dataclass(frozen=True, slots=True)
class Node:
    """The base of all nodes: it knows which part of the text it stands for."""

    span: Span = field(default=NO_SPAN, compare=False, repr=False, kw_only=True)


# Values


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A string, number, boolean or NULL."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A value given by the caller: a name for ``:name``, ``$name``, a position from 1 for ``?``, ``$1``."""

    key: str | int

    def __str__(self) -> str:
        return f":{self.key}" if isinstance(self.key, str) else f"${self.key}"


Value: TypeAlias = Literal | Parameter


@dataclass(frozen=True, slots=True)
class Array(Node):
    """A dense vector or a list of values, in square or round brackets."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class SparseVector(Node):
    """A sparse vector: pairs of index and weight, in the order written."""

    items: tuple[tuple[int, Value], ...]


@dataclass(frozen=True, slots=True)
class Vector(Node):
    """A dense vector that a parameter gave; in the text it is an `Array`."""

    values: tuple[float, ...]


# Names


@dataclass(frozen=True, slots=True)
class Field(Node):
    """
    A column of a record.

    ``root`` is a system column; where it is ``metadata`` and ``path`` is not empty, the field is the metadata
    key whose name is the parts of the path joined by dots. ``bare`` tells ``year`` from ``metadata.year``,
    and ``qualifier`` holds the alias in ``d.year``: both only name the result column.
    """

    root: str
    path: tuple[str, ...] = ()
    bare: bool = False
    qualifier: str | None = None

    @property
    def is_metadata(self) -> bool:
        """Whether this is a metadata key, or all the metadata."""
        return self.root == "metadata"

    @property
    def key(self) -> str | None:
        """The flat metadata key, or None for a system column."""
        return ".".join(self.path) if self.path else None

    @property
    def name(self) -> str:
        """The name as it was written: what the result column is called without AS."""
        parts = self.path if self.bare and self.path else (self.root, *self.path)
        return ".".join(parts if self.qualifier is None else (self.qualifier, *parts))


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """``COUNT(*)``, ``SUM(price)`` and their like; the argument is None for ``*``."""

    function: str
    argument: Field | None
    distinct: bool = False

    @property
    def name(self) -> str:
        """The call as it was written, the function in capitals."""
        inner = "*" if self.argument is None else self.argument.name
        return f"{self.function}({'DISTINCT ' if self.distinct else ''}{inner})"


Operand: TypeAlias = Field | Aggregate


@dataclass(frozen=True, slots=True)
class Source(Node):
    """A collection, a pattern of collections (``logs-*``) or a parameter that names one."""

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
    """``*`` or ``* EXCEPT (..)``."""

    excluded: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectionItem(Node):
    """One column of the result."""

    operand: Operand
    alias: str | None = None

    @property
    def name(self) -> str:
        """What the result column is called."""
        return self.operand.name if self.alias is None else self.alias


@dataclass(frozen=True, slots=True)
class Projection(Node):
    """What SELECT asks for."""

    items: tuple[Star | ProjectionItem, ...]
    distinct: bool = False

    @property
    def select_all(self) -> bool:
        """Whether ``*`` is among the items."""
        return any(isinstance(item, Star) for item in self.items)


# Embeddings


@dataclass(frozen=True, slots=True)
class EmbeddingText(Node):
    """A text to be embedded, by the named model where one is given."""

    text: Value
    model: Value | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingVector(Node):
    """A vector given as it is, or by a parameter."""

    values: Array | SparseVector | Vector | Parameter


Embedding: TypeAlias = EmbeddingText | EmbeddingVector


@dataclass(frozen=True, slots=True)
class EmbeddingBatch(Node):
    """Several queries in one statement; each gives a result list of its own."""

    items: tuple[Embedding, ...]


# Predicates


@dataclass(frozen=True, slots=True)
class ComparisonPredicate(Node):
    """``operand operator value``; the operator is one of = != < <= > >=."""

    operand: Operand
    operator: str
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
    """``operand [NOT] CONTAINS value``, or ``CONTAINS ANY | ALL (..)`` where a quantifier is given."""

    operand: Operand
    value: Value | Array
    negated: bool = False
    quantifier: str | None = None


@dataclass(frozen=True, slots=True)
class NotPredicate(Node):
    """``NOT predicate``."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class BooleanPredicate(Node):
    """Two or more predicates joined by one operator, AND or OR."""

    operator: str
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


# Clauses and statements


@dataclass(frozen=True, slots=True)
class OrderItem(Node):
    """One key of an order; nulls is FIRST, LAST or None for the default of the direction."""

    operand: Operand
    direction: str = "ASC"
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class Keep(Node):
    """``KEEP n [BY ..]``: of each group the first n."""

    count: Value
    order_by: tuple[OrderItem, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupBy(Node):
    """``GROUP BY keys [KEEP n [BY ..]]``."""

    keys: tuple[Field, ...]
    keep: Keep | None = None


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """``name = value`` in RERANK BY and in WITH; names are lower case. A bare word is a string literal."""

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
    rank: RankExpr | None = None
    where: Predicate | None = None
    where_document: Predicate | None = None
    similarity: str | None = None
    topk: Value | None = None
    group_by: GroupBy | None = None
    having: Predicate | None = None
    order_by: tuple[OrderItem, ...] = ()
    rerank: Rerank | None = None
    limit: Value | None = None
    offset: Value | None = None
    score_threshold: Value | None = None
    options: tuple[Argument, ...] = ()
    explain: str | None = None
    source_text: str | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def collection(self) -> str | None:
        """The name after FROM where it is a single one written out; otherwise None."""
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

AnyNode = TypeVar("AnyNode", bound=Node)


def _contents(node: Node) -> tuple[str, ...]:
    """Name the fields that may hold nodes; where a node stands in the text is none of its contents."""
    return _contents_of(type(node))  # type: ignore[arg-type]  # mypy takes the nodes' hash for that of their class


@cache
def _contents_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(kind) if each.name not in ("span", "source_text"))


def _nodes_in(items: tuple[Any, ...]) -> Iterator[Node]:
    for item in items:
        if isinstance(item, Node):
            yield item
        elif isinstance(item, tuple):
            yield from _nodes_in(item)


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes right below this one, in the order of its fields."""
    for name in _contents(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes_in(value)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes below it, parents first, in the order of the text's clauses."""
    pending = [node]
    while pending:
        here = pending.pop()
        yield here
        pending.extend(reversed(list(children(here))))


def transform(node: AnyNode, change: Callable[[Node], Node]) -> AnyNode:
    """
    Return the tree with ``change`` applied to every node below the given one, children first.

    Nodes are shared where nothing changes; the tree given is left as it is.
    """

    def rebuilt(value: Any) -> Any:
        if isinstance(value, Node):
            return change(transform(value, change))
        if isinstance(value, tuple):
            items = tuple(rebuilt(item) for item in value)
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value

    changes = {}
    for name in _contents(node):
        old = getattr(node, name)
        new = rebuilt(old)
        if new is not old:
            changes[name] = new
    return dataclasses.replace(node, **changes) if changes else node
