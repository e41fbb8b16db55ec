"""Whether ``collection.search`` of a distributed Chroma ranks a statement: all of it, leaf by leaf, or not at all."""

from __future__ import annotations

import dataclasses

from chromasql.plan import ALWAYS, Column, KnnLeaf, QueryPlan
from chromasql.search import MAX_KNN, MAX_RESULTS, NotExpressible, search_payload

__all__ = ["plan_search"]


def plan_search(plan: QueryPlan) -> str:
    """Return ``whole``, ``leaves`` or ``no`` for a placed plan; see `chromasql.plan.QueryPlan`."""
    leaves = [leaf for ranking in plan.rankings for leaf in ranking.leaves]
    knn = [leaf for leaf in leaves if isinstance(leaf, KnnLeaf)]
    if not knn or len(plan.filter.pieces) != 1 or plan.filter.pieces[0].ids is not None:
        return "no"
    if any((plan.per_collection or leaf.limit) > MAX_RESULTS for leaf in knn):
        return "no"
    if len(knn) == len(leaves) <= MAX_KNN and _is_one_payload(plan):
        return "whole"
    return "leaves"


def _is_one_payload(plan: QueryPlan) -> bool:
    """Tell whether one payload gives the very page: nothing is left to do here but to check and to project."""
    if plan.collections is None or len(plan.collections) != 1 or len(plan.rankings) != 1 or plan.needed is None:
        return False
    if plan.order or plan.rerank or plan.aggregation or plan.per_collection or plan.merge == "rrf":
        return False
    if plan.needed > MAX_RESULTS or plan.limit == 0:
        return False
    # A missing key comes first in Chroma's MinK and last here, so only the score may choose within a group.
    if plan.keep is not None and any(key.column.key is not None for key in plan.keep.order):
        return False
    shows_distance = any(output.column == Column("distance") for output in plan.outputs)
    if shows_distance and len(plan.rankings[0].leaves) == 1 and not plan.rankings[0].is_plain:
        return False
    try:
        # What the filter cannot say is checked here; what the rank or the groups cannot say, is not.
        search_payload(dataclasses.replace(plan, condition=ALWAYS))
    except NotExpressible:
        return False
    return True
