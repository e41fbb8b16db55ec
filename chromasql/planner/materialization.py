"""Which parts of the records come when: at once with the candidates, or late for the few that are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from chromasql.operators.sorted_access import first_size
from chromasql.plan import Bm25Leaf, Column, KnnLeaf, Leaf, Materialization, QueryPlan, Read, columns_in, columns_of
from chromasql.plan.expressions import columns_of_score
from chromasql.plan.parts import PARTS

__all__ = ["plan_materialization"]

# What the parts cost, in units of one candidate's document and metadata (about 0.05 ms, embedded or over HTTP). Fitted
# to the times that tests/benchmarks/weighing.py measures: both ways, over 1 to 37 collections with 1 to 200 candidates
# from each of them, in documents of 800 bytes.
_PART_COST = {"document": 0.5, "metadata": 0.5, "uri": 0.5, "embedding": 2.0}


# An answer that has parts at all, beside one that has only ids and distances.
_ANSWER_COST = 8.0


# One more request for what late rows show.
_REQUEST_COST = 40.0


def plan_materialization(plan: QueryPlan, collections: int) -> Materialization:
    """Decide when the parts are fetched, for a plan on so many collections."""
    return _ranked(plan, collections) if plan.rankings else _unranked(plan)


def _unranked(plan: QueryPlan) -> Materialization:
    first = _checked(plan) | _ordered(plan)
    shown = _shown(plan)
    if first >= shown:
        return Materialization(_sorted(first), reason="what is shown is needed to filter or order anyway")
    if plan.limit is None:
        return Materialization(_sorted(first | shown), reason="every row is shown")
    if not plan.order and plan.offset == 0:
        return Materialization(_sorted(first | shown), reason="every row that is asked for is shown")
    return Materialization(
        _sorted(first), for_page=_sorted(shown - first), reason="the rows of the page alone are shown"
    )


def _ranked(plan: QueryPlan, collections: int) -> Materialization:
    first, score, order, shown = _read_first(plan), _scored(plan), _ordered(plan), _shown(plan)
    everything = first | score | order | shown
    leaves = [leaf for ranking in plan.rankings for leaf in ranking.leaves]
    candidates = collections * sum(_asked(plan, leaf, collections) for leaf in leaves)
    late = Materialization(
        _sorted(first),
        for_scoring=_sorted(score - first),
        for_ordering=_sorted(order - score - first),
        for_page=_sorted(shown - order - score - first),
        reason=f"of {candidates} candidates only the winners are shown",
    )
    at_once = (0.0 if first else collections * _ANSWER_COST) + candidates * _weight(everything - first)
    if any(isinstance(leaf, Bm25Leaf) for leaf in leaves):
        return dataclasses.replace(late, reason="BM25 reads every document, and of the winners alone what is shown")
    if everything == first or at_once <= _late_cost(plan, late, collections):
        return Materialization(_sorted(everything), reason=f"{candidates} candidates are few for another round trip")
    return late


def _asked(plan: QueryPlan, leaf: Leaf, collections: int) -> int:
    """Return how many candidates each collection is asked for at first."""
    if plan.per_collection is not None:
        return plan.per_collection
    spread = isinstance(leaf, KnnLeaf) and plan.merge != "rrf" and plan.search == "no" and collections > 0
    return first_size(leaf.limit, collections) if spread else leaf.limit


def _read_first(plan: QueryPlan) -> set[str]:
    """Return the parts that decide which candidates count."""
    first = _checked(plan) if plan.share is None else _parts(columns_of(plan.condition))
    if plan.goes_on and plan.keep is not None:
        first |= _parts(column for key in plan.keep.keys for column in columns_in(key))
    return first


def _late_cost(plan: QueryPlan, fetch: Materialization, collections: int) -> float:
    """Return what the later steps cost: a request for each collection that owns some of their rows, and the parts."""
    cost = 0.0
    fused = plan.merge == "rrf"
    for ranking in plan.rankings[:1] if fused else plan.rankings:
        merged = sum(leaf.limit for leaf in ranking.leaves)
        shown = merged if plan.limit is None else min(merged, plan.limit)
        for parts, rows in ((fetch.for_scoring, merged), (fetch.for_ordering, merged), (fetch.for_page, shown)):
            if parts:
                cost += _owners(rows, collections) * _REQUEST_COST + rows * _weight(parts)
    return cost


def _owners(rows: int, collections: int) -> float:
    """Return how many collections own so many rows, on average, where each row may be in any of them."""
    return collections * (1 - (1 - 1 / collections) ** rows) if collections else 0.0


def _weight(parts: Iterable[str]) -> float:
    return sum(_PART_COST[part] for part in parts)


def _checked(plan: QueryPlan) -> set[str]:
    return _parts(columns_of(plan.filter.residual))


def _scored(plan: QueryPlan) -> set[str]:
    return _parts(column for ranking in plan.rankings for column in columns_of_score(ranking.score))


def _ordered(plan: QueryPlan) -> set[str]:
    reads: list[Read] = [key.column for key in plan.order]
    if plan.keep is not None:
        reads += [*plan.keep.keys, *(key.column for key in plan.keep.order)]
    if plan.aggregation is not None:
        reads += [*plan.aggregation.keys, *plan.aggregation.reads]
    return _parts(column for read in reads for column in columns_in(read))


def _shown(plan: QueryPlan) -> set[str]:
    return _parts(column for output in plan.outputs for column in columns_in(output.column))


def _parts(columns: Iterable[Column]) -> set[str]:
    return {column.part for column in columns if column.part in PARTS}


def _sorted(parts: set[str]) -> tuple[str, ...]:
    return tuple(sorted(parts))
