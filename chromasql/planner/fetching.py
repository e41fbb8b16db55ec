"""Which parts of the records come when: at once with the candidates, or late for the few that are shown."""

from __future__ import annotations

from chromasql.expressions import metadata_keys
from chromasql.plan import Column, Fetch, QueryPlan, columns_of
from chromasql.rows import PARTS

__all__ = ["plan_fetch"]

_FETCH_AT_ONCE = 64
"""Up to so many candidates in all, a second round trip costs more than the parts of those that lose."""


def plan_fetch(plan: QueryPlan, collections: int) -> Fetch:
    """Decide when the parts are fetched, for a plan on so many collections."""
    return _ranked(plan, collections) if plan.rankings else _unranked(plan)


def _unranked(plan: QueryPlan) -> Fetch:
    first = _checked(plan) | _ordered(plan)
    shown = _shown(plan)
    if first >= shown:
        return Fetch(_sorted(first), reason="what is shown is needed to filter or order anyway")
    if plan.limit is None:
        return Fetch(_sorted(first | shown), reason="every row is shown")
    if not plan.order and plan.offset == 0:
        return Fetch(_sorted(first | shown), reason="every row that is asked for is shown")
    return Fetch(_sorted(first), last=_sorted(shown - first), reason="the rows of the page alone are shown")


def _ranked(plan: QueryPlan, collections: int) -> Fetch:
    first, score, order, shown = _checked(plan), _scored(plan), _ordered(plan), _shown(plan)
    everything = first | score | order | shown
    limits = [plan.per_collection or leaf.limit for ranking in plan.rankings for leaf in ranking.leaves]
    candidates = collections * sum(limits)
    if candidates <= _FETCH_AT_ONCE or everything == first:
        return Fetch(_sorted(everything), reason=f"{candidates} candidates are few")
    return Fetch(
        _sorted(first),
        score=_sorted(score - first),
        order=_sorted(order - score - first),
        last=_sorted(shown - order - score - first),
        reason=f"of {candidates} candidates only the winners are shown",
    )


def _checked(plan: QueryPlan) -> set[str]:
    return _parts(columns_of(plan.filter.residual))


def _scored(plan: QueryPlan) -> set[str]:
    return {"metadata"} if any(metadata_keys(ranking.score) for ranking in plan.rankings) else set()


def _ordered(plan: QueryPlan) -> set[str]:
    columns = {key.column for key in plan.order}
    if plan.keep is not None:
        columns |= {*plan.keep.keys, *(key.column for key in plan.keep.order)}
    if plan.aggregation is not None:
        columns |= {*plan.aggregation.keys, *(call.column for call in plan.aggregation.calls if call.column)}
    return _parts(columns)


def _shown(plan: QueryPlan) -> set[str]:
    return _parts({output.column for output in plan.outputs})


def _parts(columns: set[Column]) -> set[str]:
    return {column.part for column in columns if column.part in PARTS}


def _sorted(parts: set[str]) -> tuple[str, ...]:
    return tuple(sorted(parts))
