"""Plans of statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chromasql.plan.conditions import ALWAYS, NO_FILTER, Condition, Filter
from chromasql.plan.rankings import Ranking
from chromasql.plan.values import Computed, Read

__all__ = [
    "FEW_MATCHES",
    "AggregateCall",
    "Aggregation",
    "CandidateSearch",
    "DescribePlan",
    "Keep",
    "Materialization",
    "OrderKey",
    "Output",
    "PlanWarning",
    "QueryPlan",
    "RerankPlan",
    "ShowPlan",
    "StatementPlan",
    "VisibleRecords",
    "visible_records_of",
]


CandidateSearch: TypeAlias = Literal["filtered", "expanding", "prefilter", "exact"]
"""How a ranked statement finds candidates; see `QueryPlan`."""


FEW_MATCHES = 100
"""
Up to how many records, over all collections of a statement, are measured rather than ranked by the index.

That many vectors are read in about the time of one search of the index. The number is of the statement, not of a
collection, so that the answer does not depend on how records are spread.
"""


@dataclass(frozen=True, slots=True)
class Output:
    """
    A column of the result.

    Of the whole metadata, ``without`` names the keys that ``* EXCEPT`` leaves out, and ``only`` those that may be seen,
    where that is not all of them.
    """

    name: str
    column: Read
    without: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class VisibleRecords:
    """
    What a statement sees of a collection, whatever it says: all of it, unless a scope says otherwise.

    It sees the records that satisfy ``condition``, which ``filter`` finds, ``page`` of them at a time, and of their
    metadata the ``keys``, or all where that is None.
    """

    condition: Condition = ALWAYS
    filter: Filter = NO_FILTER
    keys: tuple[str, ...] | None = None
    page: int = 10_000

    def shown(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may be seen of a record's metadata."""
        return {key: value for key, value in metadata.items() if self.keys is None or key in self.keys}


@dataclass(frozen=True, slots=True)
class Keep:
    """``GROUP BY keys KEEP count BY order``: of each group the first ones."""

    keys: tuple[Read, ...]
    count: int
    order: tuple[OrderKey, ...] = ()


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """COUNT, SUM, AVG, MIN or MAX of a column; COUNT of no column counts records."""

    function: str
    column: Read | None
    distinct: bool = False
    others: tuple[Read, ...] = ()
    where: Computed | None = None

    @property
    def reads(self) -> tuple[Read, ...]:
        """What it reads from a record."""
        found = (self.column, *self.others, self.where)
        return tuple(read for read in found if read is not None)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """
    Groups by ``keys`` with their aggregates, where ``having`` is true.

    Above it, columns are ``group.0``, ``group.1``, ..: the keys and then the aggregates, in their order.
    """

    keys: tuple[Read, ...]
    calls: tuple[AggregateCall, ...] = ()
    having: Condition | None = None

    @property
    def reads(self) -> tuple[Read, ...]:
        """What the aggregates read from a record."""
        return tuple(read for call in self.calls for read in call.reads)


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

    column: Read
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Materialization:
    """
    Which parts of the records come when, each named once.

    Parts come ``with_candidates``, ``for_scoring`` (for the merged candidates, before the rank expression),
    ``for_ordering`` (before they are grouped and ordered) or ``for_page`` (for the rows of the page alone); ``reason``
    says why.
    """

    with_candidates: tuple[str, ...] = ()
    for_scoring: tuple[str, ...] = ()
    for_ordering: tuple[str, ...] = ()
    for_page: tuple[str, ...] = ()
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

    ``collections`` is None until the plan is bound: before that it runs on the one collection that it is given.
    ``per_collection`` is how many candidates each collection gives to a leaf, where that is not the leaf's limit.
    ``candidates`` says how they are found: ``filtered`` asks the index with the filter, ``expanding`` over-fetches
    until enough of them pass the residual, ``prefilter`` looks up the ids that pass first, and ``exact`` measures every
    record that passes. With ``exact`` None, records are measured where few pass. With a ``share``, the part of the
    records that is expected to satisfy the filter, the index is asked without it instead, and it is tested here.
    ``goes_on`` says that one KNN is the whole rank, so that it is read as far as the page needs;
    ``default_candidates`` that the statement does not say how many candidates there are. ``view`` is what a scope lets
    it see, and None without one; its condition is a part of ``condition``, too. ``reads_clock`` says that it depends on
    the moment at which it was made, and ``total`` that the rows before LIMIT and OFFSET are counted.
    """

    statement: str
    outputs: tuple[Output, ...]
    condition: Condition = ALWAYS
    filter: Filter = NO_FILTER
    rankings: tuple[Ranking, ...] = ()
    batch: bool = False
    space: str | None = None
    per_collection: int | None = None
    candidates: CandidateSearch = "filtered"
    share: float | None = None
    goes_on: bool = False
    default_candidates: bool = False
    merge: str = "distance"
    threshold: float | None = None
    keep: Keep | None = None
    rerank: RerankPlan | None = None
    aggregation: Aggregation | None = None
    distinct: bool = False
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    offset: int = 0
    materialization: Materialization = Materialization()
    on_error: str = "skip"
    timeout: float | None = None
    read_level: str | None = None
    exact: bool | None = None
    dialect: str = "local"
    search: str = "no"
    page: int = 10_000
    collections: tuple[str, ...] | None = None
    route: str = "the collection given"
    view: VisibleRecords | None = None
    explain: str | None = None
    reads_clock: bool = False
    total: bool = False
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
    view: VisibleRecords | None = None
    warnings: tuple[PlanWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class DescribePlan:
    """DESCRIBE: what one collection holds, judged by a sample of its records."""

    statement: str
    collection: str
    sample: int = 1000
    view: VisibleRecords | None = None


StatementPlan: TypeAlias = QueryPlan | ShowPlan | DescribePlan


_ALL = VisibleRecords()


def visible_records_of(plan: StatementPlan) -> VisibleRecords:
    """Return what a statement sees of a collection: all of it where no scope says otherwise."""
    return plan.view or _ALL
