"""Whether ``collection.search`` of a distributed Chroma ranks a statement: all of it, leaf by leaf, or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import assert_never

from chromasql.plan import ALWAYS, Column, KnnLeaf, Leaf, QueryPlan, Ranking, columns_in
from chromasql.plan.expressions import (
    Arithmetic,
    ComputedValue,
    Constant,
    Expression,
    Fusion,
    LeafValue,
    MetadataValue,
    ScalarFunction,
)
from chromasql.plan.search_payload import ABSENT_RANK, MAX_KNN, MAX_RESULTS, NotExpressible, search_payload

__all__ = ["plan_search"]

_NEGLIGIBLE = 5e-6


_LARGE = 1e12


def plan_search(plan: QueryPlan) -> str:
    """Return ``whole``, ``leaves`` or ``no`` for a bound plan; see `chromasql.plan.QueryPlan`."""
    leaves = [leaf for ranking in plan.rankings for leaf in ranking.leaves]
    knn = [leaf for leaf in leaves if isinstance(leaf, KnnLeaf)]
    if plan.exact or not knn or len(plan.filter.requests) != 1 or plan.filter.requests[0].ids is not None:
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
    if plan.total or plan.order or plan.rerank or plan.aggregation or plan.per_collection or plan.merge == "rrf":
        return False
    if plan.needed >= MAX_RESULTS or plan.limit == 0:
        return False
    ranking = plan.rankings[0]
    # A record that the re-check drops has taken a rank, or a place in a group or before the page, from another.
    if plan.filter.residual is not None and (not ranking.is_plain or plan.keep is not None or plan.offset):
        return False
    if plan.keep is not None and (plan.offset or not _keeps_best(plan, ranking)):
        return False
    shows_distance = any(Column("distance") in columns_in(output.column) for output in plan.outputs)
    if shows_distance and len(ranking.leaves) == 1 and not ranking.is_plain:
        return False
    try:
        # What the filter cannot say is checked here; what the rank or the groups cannot say, is not.
        search_payload(dataclasses.replace(plan, condition=ALWAYS))
    except NotExpressible:
        return False
    return _is_same_there(ranking.score, ranking.leaves)


def _keeps_best(plan: QueryPlan, ranking: Ranking) -> bool:
    """
    Tell whether KEEP chooses by the score alone, best first.

    A missing key comes first in Chroma's MinK and last here, and the worst of each group may be cut by the page
    before they can be checked.
    """
    assert plan.keep is not None
    scores = {Column("score"), Column("distance")} if ranking.is_plain else {Column("score")}
    return all(key.column in scores and not key.descending for key in plan.keep.order)


def _is_same_there(expression: Expression, leaves: Sequence[Leaf]) -> bool:
    """
    Tell whether Chroma computes an expression as `chromasql.operators.rank_expression` does.

    It does not where a value may be NaN or infinite, which it orders and answers otherwise, nor where the absent rank
    of a fusion would count.
    """
    match expression:
        case LeafValue(index):
            default = leaves[index].default
            return default is None or abs(default) < _LARGE
        case Constant(value):
            return abs(value) < _LARGE
        case Arithmetic("/", left, Constant(value)):
            return 1 / _LARGE < abs(value) < _LARGE and _is_same_there(left, leaves)
        case Arithmetic("/") | MetadataValue() | ComputedValue() | ScalarFunction("LOG" | "EXP" | "COALESCE"):
            return False
        case Arithmetic(_, left, right):
            return _is_same_there(left, leaves) and _is_same_there(right, leaves)
        case ScalarFunction(_, arguments):
            return all(_is_same_there(argument, leaves) for argument in arguments)
        case Fusion():
            return _is_union_there(expression, leaves)
        case _:
            assert_never(expression)


def _is_union_there(fusion: Fusion, leaves: Sequence[Leaf]) -> bool:
    """Tell whether a rank of `ABSENT_RANK` adds as good as nothing to any score of a fusion."""
    found = [leaves[rank.leaf] for rank in fusion.ranks if isinstance(rank, LeafValue)]
    if len(found) < len(fusion.ranks):
        return False
    if all(leaf.default is not None or not leaf.optional for leaf in found):
        return all(leaf.default is None or 0 <= leaf.default < _LARGE for leaf in found)
    absent = sum(fusion.weights) / (fusion.k + ABSENT_RANK)
    least = min(fusion.weights) / (fusion.k + max(leaf.limit for leaf in found))
    return absent <= _NEGLIGIBLE * least
