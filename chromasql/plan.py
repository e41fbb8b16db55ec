"""
What will be done: plain, comparable, JSON-able data that knows nothing of the tree.

The planner decides everything here and the executor obeys, so EXPLAIN can show a plan and a test can pin it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from chromasql.expressions import (
    Arithmetic,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)

__all__ = [
    "ALWAYS",
    "EMBEDDING_KEY",
    "NEVER",
    "AggregateCall",
    "Aggregation",
    "AllOf",
    "AnyOf",
    "Bm25Leaf",
    "Column",
    "Condition",
    "DescribePlan",
    "Fetch",
    "Filter",
    "Keep",
    "KnnLeaf",
    "Leaf",
    "OrderKey",
    "Output",
    "Piece",
    "PlanWarning",
    "QueryPlan",
    "Ranking",
    "RerankPlan",
    "ShowPlan",
    "SparseQuery",
    "StatementPlan",
    "Test",
    "TextQuery",
    "VectorQuery",
    "View",
    "columns_of",
    "plan_to_dict",
    "view_of",
]

EMBEDDING_KEY = "#embedding"
"""Chroma's name for the dense embedding of a record."""

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """
    A part of a record: id, document, metadata, embedding, uri, distance, score or _collection.

    With a key it is one metadata value; ``group`` with a number is a value of an aggregated row.
    """

    part: str
    key: str | None = None

    def __str__(self) -> str:
        return self.part if self.key is None else f"{self.part}.{self.key}"


@dataclass(frozen=True, slots=True)
class Output:
    """
    A column of the result.

    Of the whole metadata, ``without`` names the keys that ``* EXCEPT`` leaves out, and ``only`` those that may be seen,
    where that is not all of them.
    """

    name: str
    column: Column
    without: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


# Conditions: negation is already pushed down to the tests, so a test that is unknown may count as not true.


@dataclass(frozen=True, slots=True)
class Test:
    """
    One test of one column.

    Operators: = != < <= > >= in, not in, is null, is not null, is distinct, contains, not contains, like, not like,
    ilike, not ilike, regex, not regex. The operand of in and not in is a tuple, that of the null tests is None.
    """

    __test__ = False  # the name is SQL's, not pytest's

    column: Column
    operator: str
    operand: Scalar | tuple[Scalar, ...] = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where each part is true; with no parts, always."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one part is true; with no parts, never."""

    parts: tuple[Condition, ...] = ()


Condition: TypeAlias = Test | AllOf | AnyOf

ALWAYS = AllOf()
NEVER = AnyOf()


@dataclass(frozen=True, slots=True)
class Piece:
    """
    One request's worth of a filter: records that have one of the ids and satisfy both filters.

    ``ids`` is None where any id will do; ``where`` and ``where_document`` are Chroma's own form.
    """

    ids: tuple[str, ...] | None = None
    where: dict[str, Any] | None = None
    where_document: dict[str, Any] | None = None

    @property
    def restricts(self) -> bool:
        """Whether Chroma is sent any restriction."""
        return not (self.ids is None and self.where is None and self.where_document is None)


@dataclass(frozen=True, slots=True)
class Filter:
    """
    WHERE in two halves: what Chroma is sent, and what is re-checked here.

    Every record that satisfies the statement is in the union of the ``pieces``; with no pieces there is none, and
    nothing is asked. ``residual`` removes what they let through besides; it is None where they are exact.
    """

    pieces: tuple[Piece, ...] = (Piece(),)
    residual: Condition | None = None

    @property
    def restricts(self) -> bool:
        """Whether the statement restricts its records at all."""
        return self.residual is not None or not self.pieces or any(piece.restricts for piece in self.pieces)

    @property
    def selective(self) -> bool:
        """Whether each piece sends Chroma a restriction."""
        return all(piece.restricts for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class View:
    """
    What a statement sees of a collection, whatever it says: all of it, unless a scope says otherwise.

    It sees the records that satisfy ``condition``, which ``filter`` finds, ``page`` of them at a time, and of their
    metadata the ``keys``, or all where that is None.
    """

    condition: Condition = ALWAYS
    filter: Filter = Filter()
    keys: tuple[str, ...] | None = None
    page: int = 10_000

    def shown(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may be seen of a record's metadata."""
        return {key: value for key, value in metadata.items() if self.keys is None or key in self.keys}


@dataclass(frozen=True, slots=True)
class TextQuery:
    """A text to embed, by the named model where one is given."""

    text: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A dense vector."""

    values: tuple[float, ...]

    def __hash__(self) -> int:
        # Leaves are keys of what each collection found, and hashing a long vector that often is most of the merge.
        return hash(self.values[:8])


@dataclass(frozen=True, slots=True)
class SparseQuery:
    """A sparse vector: indices, ascending, and as many weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class KnnLeaf:
    """
    The records nearest to one query: ``limit`` of them over all collections.

    ``default`` stands in for a record that is not among them; with ``optional`` such a record stays in the ranking,
    and with ``return_rank`` the leaf gives positions from 0 rather than distances. ``key`` is ``#embedding`` or the
    metadata key of a sparse index.
    """

    query: TextQuery | VectorQuery | SparseQuery
    limit: int
    key: str = EMBEDDING_KEY
    default: float | None = None
    return_rank: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Bm25Leaf:
    """
    The documents that hold one of the words, best first by BM25, which is negated so that lower is better.

    ``matching`` finds them under the statement's filter; ``counted`` finds all documents under it, for the
    statistics, or, where ``subtracted``, the records without one, to be subtracted from all. The rest is as for
    `KnnLeaf`.
    """

    words: tuple[str, ...]
    limit: int
    matching: Filter = dataclasses.field(hash=False)
    counted: Filter = dataclasses.field(hash=False)
    subtracted: bool = False
    k1: float = 1.2
    b: float = 0.75
    default: float | None = None
    return_rank: bool = False
    optional: bool = False


Leaf: TypeAlias = KnnLeaf | Bm25Leaf


_FIRST_LEAF = LeafValue(0)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Some leaves, and the expression over them whose value is the score; lower is better."""

    leaves: tuple[Leaf, ...]
    score: Expression = _FIRST_LEAF

    @property
    def is_plain(self) -> bool:
        """Whether the score is the distance of one KNN."""
        return self.score == _FIRST_LEAF and isinstance(self.leaves[0], KnnLeaf) and not self.leaves[0].return_rank


@dataclass(frozen=True, slots=True)
class Keep:
    """``GROUP BY keys KEEP count BY order``: of each group the first ones."""

    keys: tuple[Column, ...]
    count: int
    order: tuple[OrderKey, ...] = ()


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """COUNT, SUM, AVG, MIN or MAX of a column; COUNT of no column counts records."""

    function: str
    column: Column | None
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """
    Groups by ``keys`` with their aggregates, where ``having`` is true.

    Above it, columns are ``group.0``, ``group.1``, ..: the keys and then the aggregates, in their order.
    """

    keys: tuple[Column, ...]
    calls: tuple[AggregateCall, ...] = ()
    having: Condition | None = None


@dataclass(frozen=True, slots=True)
class RerankPlan:
    """RERANK BY: the strategy re-orders the best ``candidates`` rows; ``arguments`` are as written."""

    strategy: str
    candidates: int
    arguments: dict[str, Any]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of the order of the final rows."""

    column: Column
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """
    Which parts of the records come when, each named once.

    ``first`` comes with the candidates, ``score`` for the merged candidates before the rank expression, ``order``
    before they are grouped and ordered, and ``last`` for the rows of the page alone; ``reason`` says why.
    """

    first: tuple[str, ...] = ()
    score: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """Something that is legal but hardly meant; ``code`` is stable, ``message`` is a sentence."""

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """
    All that is decided about a SELECT.

    ``condition`` is its WHERE, and ``filter`` what becomes of it in the ``dialect`` of the Chroma that is asked,
    which returns at most ``page`` records at a time. ``search`` says whether ``collection.search`` ranks: ``no``,
    ``leaves`` (each leaf by a payload, fused here) or ``whole`` (the statement in one payload).

    ``collections`` is None until the plan is placed: it then runs on the one collection that it is given.
    ``per_collection`` is how many candidates each collection gives to a leaf, where that is not the leaf's limit.
    ``candidates`` says how they are found: ``query`` asks the index with the filter, ``widen`` asks for more until
    enough of them pass the residual, ``resolve`` looks up the ids that pass first. ``view`` is what a scope lets it
    see, and None without one; its condition is a part of ``condition``, too.
    """

    statement: str
    outputs: tuple[Output, ...]
    condition: Condition = AllOf()
    filter: Filter = Filter()
    rankings: tuple[Ranking, ...] = ()
    batch: bool = False
    space: str | None = None
    per_collection: int | None = None
    candidates: str = "query"
    merge: str = "distance"
    threshold: float | None = None
    keep: Keep | None = None
    rerank: RerankPlan | None = None
    aggregation: Aggregation | None = None
    distinct: bool = False
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    offset: int = 0
    fetch: Fetch = Fetch()
    on_error: str = "skip"
    timeout: float | None = None
    read_level: str | None = None
    dialect: str = "local"
    search: str = "no"
    page: int = 10_000
    collections: tuple[str, ...] | None = None
    route: str = "the collection given"
    view: View | None = None
    explain: str | None = None
    warnings: tuple[PlanWarning, ...] = ()

    @property
    def mode(self) -> str:
        """``vector`` for a ranked statement, ``filter`` for any other."""
        return "vector" if self.rankings else "filter"

    @property
    def needed(self) -> int | None:
        """How many rows the page reaches down to, or None for all."""
        return None if self.limit is None else self.offset + self.limit


@dataclass(frozen=True, slots=True)
class ShowPlan:
    """SHOW COLLECTIONS: names, filtered by a LIKE pattern."""

    statement: str
    like: str | None = None
    limit: int | None = None
    offset: int = 0
    view: View | None = None
    warnings: tuple[PlanWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class DescribePlan:
    """DESCRIBE: what one collection holds, judged by a sample of its records."""

    statement: str
    collection: str
    sample: int = 1000
    view: View | None = None


StatementPlan: TypeAlias = QueryPlan | ShowPlan | DescribePlan

_ALL = View()


def view_of(plan: StatementPlan) -> View:
    """Return what a statement sees of a collection: all of it where no scope says otherwise."""
    return plan.view or _ALL


def columns_of(condition: Condition | None) -> set[Column]:
    """Return the columns that a condition reads."""
    match condition:
        case None:
            return set()
        case Test(column):
            return {column}
        case AllOf(parts) | AnyOf(parts):
            return set().union(*(columns_of(part) for part in parts))


def plan_to_dict(plan: StatementPlan) -> dict[str, Any]:
    """
    Return the plan as plain dicts, lists and scalars, ready for JSON.

    Every field is there under its own name, and each nested part says its kind under ``kind`` where kinds mix.
    """
    fields: dict[str, Any] = _plain(plan)
    if isinstance(plan, QueryPlan):
        fields["mode"] = plan.mode
    return fields


_KINDS: dict[type, str] = {
    AllOf: "all",
    AnyOf: "any",
    Arithmetic: "arithmetic",
    Bm25Leaf: "bm25",
    Constant: "constant",
    DescribePlan: "describe",
    Fusion: "rrf",
    KnnLeaf: "knn",
    LeafValue: "leaf",
    MetadataValue: "metadata",
    QueryPlan: "select",
    ScalarFunction: "function",
    ShowPlan: "show",
    SparseQuery: "sparse",
    Test: "test",
    TextQuery: "text",
    VectorQuery: "vector",
}


def _plain(value: Any) -> Any:
    if isinstance(value, Column):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = _KINDS.get(type(value))
        fields = {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return fields if kind is None else {"kind": kind, **fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
