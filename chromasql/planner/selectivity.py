"""What share of the records a condition is expected to hold for, and whether that is worth testing here."""

from __future__ import annotations

from chromasql.operators.sorted_access import is_worth_checking
from chromasql.plan import And, Comparison, Condition, Holds, KnnLeaf, Or, QueryPlan
from chromasql.plan.dialect import LOCAL

__all__ = ["costs_less_unpushed", "expected_share", "may_cost_less_unpushed", "share_checked_here"]

_SHARES = {
    "=": 0.1,
    "!=": 0.8,
    "<": 0.4,
    "<=": 0.4,
    ">": 0.4,
    ">=": 0.4,
    "in": 0.2,
    "not in": 0.8,
    "is null": 0.3,
    "is not null": 0.7,
    "is distinct": 0.8,
    "contains": 0.1,
    "not contains": 0.8,
    "like": 0.1,
    "not like": 0.8,
    "ilike": 0.1,
    "not ilike": 0.8,
    "regex": 0.1,
    "not regex": 0.8,
}
"""The shares that optimizers guess where they know nothing; what is found corrects them."""


_LEAST = 0.01


_READ_BESIDE_MATCH = 10 / 1.5


def expected_share(condition: Condition) -> float:
    """Return the share of records, above 0 and up to 1, that a condition is expected to hold for."""
    match condition:
        case Comparison(_, operator):
            return _SHARES[operator]
        case Holds():
            return 0.3
        case And(parts):
            share = 1.0
            for part in parts:
                share *= expected_share(part)
            return max(round(share, 3), _LEAST)
        case Or(parts):
            return max(min(1.0, sum(map(expected_share, parts))), _LEAST)


def costs_less_unpushed(share: float, collections: int) -> bool:
    """
    Tell whether reading all records costs less than pushing a filter that ``share`` of them satisfy.

    Reading costs about 10 microseconds a record, and a pushed filter 1.5 for each record that matches it in the whole
    database, once for every collection.
    """
    return share * collections > _READ_BESIDE_MATCH


def may_cost_less_unpushed(collections: int) -> bool:
    """Tell whether any share of the records could make that so; one collection is always asked with its filter."""
    return collections > _READ_BESIDE_MATCH


def share_checked_here(plan: QueryPlan, collections: int) -> float | None:
    """
    Return the expected share of a filter that is tested here while the index is asked without it; None to push it.

    Where Chroma indexes metadata for each collection (distributed Chroma), where ids are named, and within a scope that
    hides records, whose number nothing may show, the filter is pushed.
    """
    leaves = [leaf for ranking in plan.rankings for leaf in ranking.leaves if isinstance(leaf, KnnLeaf)]
    if not leaves or not plan.filter.restricts or not plan.filter.requests or plan.dialect != LOCAL.name:
        return None
    if plan.view is not None and plan.view.filter.restricts:
        return None
    if plan.merge == "rrf" or plan.per_collection is not None:
        return None
    if any(request.ids is not None for request in plan.filter.requests):
        return None
    share = expected_share(plan.condition)
    rows = max(leaf.limit for leaf in leaves)
    residual = plan.filter.residual is not None
    return share if is_worth_checking(share, rows, max(1, collections), residual=residual) else None
