"""Plan to tree: which operator takes whose rows, in the order in which the executor runs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chromasql.explain.operators import Operator, OperatorName
from chromasql.explain.wording import (
    explain_call,
    explain_condition,
    explain_leaf,
    explain_order,
    explain_output,
    explain_request,
    explain_score,
    plural,
    shortened_json,
)
from chromasql.plan import FEW_MATCHES, Bm25Leaf, Filter, Leaf, QueryPlan, Ranking
from chromasql.plan.expressions import Fusion

__all__ = ["build_tree"]

_MAX_NAMES = 8


_TIES = "ties by id, then by collection"


_CANDIDATES = {
    "whole": "Chroma's Search API ranks the whole statement in one payload",
    "leaves": "Chroma's Search API, one payload for each leaf; the lists are fused here",
    "filtered": "the index, restricted by the filter",
    "expanding": "the index, over-fetching until enough rows pass the filter (nothing selective can be pushed down)",
    "prefilter": "the ids that satisfy the filter, which is selective; the index ranks them",
    "prefilter or exact": (
        f"the ids that satisfy the filter, which is selective; up to {FEW_MATCHES} of them are measured here, "
        "more are ranked by the index"
    ),
    "filtered or exact": (
        f"the index, restricted by the filter; where up to {FEW_MATCHES} records satisfy it, they are measured here"
    ),
    "exact": "every record that satisfies the filter, measured here from its stored vector",
}


def build_tree(plan: QueryPlan) -> Operator:
    """Return the operators of a plan; the root is the step that is run last."""
    tree = _ranked(plan) if plan.rankings else _scanned(plan)
    if plan.threshold is not None:
        tree = Operator("Filter", f"score <= {plan.threshold:g}", (tree,), qualifier="threshold")
    tree = _materialize(tree, plan.materialization.for_ordering, "for groups and order")
    tree = _grouped(plan, tree)
    if plan.rerank is None:
        tree = _materialize(_limited(plan, _sorted(plan, tree)), plan.materialization.for_page, "for the page")
    else:
        # RERANK BY decides which rows are on the page; ORDER BY sorts those.
        tree = _sorted(
            plan, _materialize(_limited(plan, _reranked(plan, tree)), plan.materialization.for_page, "for the page")
        )
    reason = f"materialization: {plan.materialization.reason}"
    return Operator("Project", ", ".join(map(explain_output, plan.outputs)), (tree,), (reason,))


def _materialize(tree: Operator, parts: Sequence[str], when: str) -> Operator:
    return Operator("Materialize", ", ".join(parts), (tree,), qualifier=when) if parts else tree


def _grouped(plan: QueryPlan, tree: Operator) -> Operator:
    if plan.keep is not None:
        by = f" by {explain_order(plan.keep.order)}" if plan.keep.order else ""
        keys = ", ".join(map(str, plan.keep.keys))
        tree = Operator("GroupLimit", f"the best {plan.keep.count} of each {keys}{by}", (tree,))
    if plan.aggregation is not None:
        keys = ", ".join(map(str, plan.aggregation.keys)) or "all rows"
        calls = ", ".join(map(explain_call, plan.aggregation.calls)) or "nothing"
        tree = Operator("Aggregate", f"by {keys}, computing {calls}", (tree,))
        if plan.aggregation.having is not None:
            tree = Operator("Filter", explain_condition(plan.aggregation.having), (tree,), qualifier="HAVING")
    return tree


def _reranked(plan: QueryPlan, tree: Operator) -> Operator:
    rerank = plan.rerank
    assert rerank is not None
    arguments = "".join(f", {name} = {shortened_json(value)}" for name, value in rerank.arguments.items())
    reads = (f"reads: {', '.join(rerank.parts)}",) if rerank.parts else ()
    return Operator("Rerank", f"{rerank.strategy} of the best {rerank.candidates}{arguments}", (tree,), reads)


def _sorted(plan: QueryPlan, tree: Operator) -> Operator:
    if plan.order:
        tree = Operator("Sort", f"{explain_order(plan.order)}; {_TIES}", (tree,))
    return Operator("Distinct", "equal rows once", (tree,)) if plan.distinct else tree


def _limited(plan: QueryPlan, tree: Operator) -> Operator:
    if plan.limit is None and not plan.offset:
        return tree
    limit = "all rows" if plan.limit is None else plural(plan.limit, "row")
    return Operator("Limit", f"{limit} from row {plan.offset}", (tree,))


# Over all collections


def _scanned(plan: QueryPlan) -> Operator:
    if plan.order or plan.keep is not None or plan.aggregation is not None or plan.needed is None:
        summary = "every matching record, all collections at once, in pages"
    else:
        summary = f"collections in turn, in record order, until there are {plural(plan.needed, 'row')}"
    scan = Operator("Scan", summary, facts=(*_pushed_down(plan.filter), *_fetched(plan)))
    how = "in the order of the collections" if plan.aggregation is None else "the groups of all collections, combined"
    return Operator("Merge", how, (_filtered(plan.filter, scan),), tuple(_route(plan)))


def _ranked(plan: QueryPlan) -> Operator:
    route = tuple(_route(plan))
    if plan.merge == "rrf":
        # Each collection's list is ranked by itself, and the lists are fused.
        lists = tuple(_expression(plan, ranking, _leaves(plan, place)) for place, ranking in enumerate(plan.rankings))
        how = "by reciprocal rank fusion of the collections' lists, -sum 1 / (60 + rank); one row per id"
        return Operator("Merge", how, lists, route)
    leaves = tuple(leaf for place in range(len(plan.rankings)) for leaf in _leaves(plan, place))
    if plan.batch:
        route = (*route, f"{len(plan.rankings)} result lists, one per ranking")
    merged = Operator("Merge", f"by score over all collections; {_TIES}", leaves, route)
    return merged if plan.batch else _expression(plan, plan.rankings[0], (merged,))


def _expression(plan: QueryPlan, ranking: Ranking, inputs: tuple[Operator, ...]) -> Operator:
    """Return the operator that scores the rows, or the only input where the score is the distance of one KNN."""
    if ranking.is_plain:
        (tree,) = inputs
        return tree
    if plan.materialization.for_scoring:
        inputs = (
            Operator(
                "Materialize", ", ".join(plan.materialization.for_scoring), inputs, qualifier="for the rank expression"
            ),
        )
    name: OperatorName = "Fuse" if isinstance(ranking.score, Fusion) else "RankExpression"
    return Operator(name, explain_score(ranking.score), inputs)


def _route(plan: QueryPlan) -> Iterator[str]:
    names = plan.collections
    if names is None:
        yield f"route: {plan.route}"
        return
    shown = ", ".join(names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    yield f"route: {plural(len(names), 'collection')}, by {plan.route}{': ' if names else ''}{shown}{more}"


# In each collection


def _leaves(plan: QueryPlan, place: int) -> tuple[Operator, ...]:
    """Return the searches of one ranking."""
    ranking = plan.rankings[place]
    batch = f"{place + 1} of {len(plan.rankings)}" if plan.batch else ""
    names = [batch] if ranking.is_plain else [f"leaf{leaf}" for leaf in range(len(ranking.leaves))]
    return tuple(_search(plan, leaf, name) for leaf, name in zip(ranking.leaves, names, strict=True))


def _search(plan: QueryPlan, leaf: Leaf, name: str) -> Operator:
    summary = explain_leaf(leaf, plan.per_collection)
    if isinstance(leaf, Bm25Leaf):
        of = "that is visible, whatever the filter" if leaf.statistics == "all" else "that satisfies the filter"
        facts = (*_pushed_down(plan.filter), f"statistics: of every document {of}")
        return _filtered(plan.filter, Operator("KeywordSearch", summary, facts=facts, qualifier=name))
    return _knn_search(plan, summary, name)


def _knn_search(plan: QueryPlan, summary: str, name: str) -> Operator:
    space = () if plan.space is None else (f"space: {plan.space}, or the statement is refused",)
    if plan.share is not None and plan.search == "no":
        expected = f"candidates: the index, without the filter; about {100 * plan.share:.2g} % are expected to pass"
        tree = Operator(
            "KnnSearch", summary, facts=("pushed down: nothing yet", expected, *space, *_fetched(plan)), qualifier=name
        )
        return Operator("Filter", explain_condition(plan.condition), (tree,), qualifier="tested here")
    how = plan.search if plan.search != "no" else plan.candidates
    if how in ("prefilter", "filtered") and plan.exact is None and plan.dialect == "local":
        how = f"{how} or exact"
    source = _CANDIDATES[how] if plan.filter.restricts or how in ("whole", "leaves") else "the index"
    if how == "exact" and not plan.filter.restricts:
        source = "every record, measured here from its stored vector"
    candidates = (f"candidates: {source}", *space, *_fetched(plan))
    if how not in ("prefilter", "prefilter or exact") and (how != "exact" or not plan.filter.restricts):
        facts = (*_pushed_down(plan.filter), *candidates)
        return _filtered(plan.filter, Operator("KnnSearch", summary, facts=facts, qualifier=name))
    ids = Operator("Scan", "ids of every matching record, in pages", facts=tuple(_pushed_down(plan.filter)))
    return Operator("KnnSearch", summary, (_filtered(plan.filter, ids),), candidates, name)


def _filtered(found: Filter, tree: Operator) -> Operator:
    if found.residual is None or not found.requests:
        return tree
    return Operator("Filter", explain_condition(found.residual), (tree,), qualifier="re-checked here")


def _pushed_down(found: Filter) -> Iterator[str]:
    if not found.restricts:
        yield "filter: none"
        return
    if not found.requests:
        yield "filter: no record can satisfy it, so nothing is sent to Chroma"
        return
    for number, request in enumerate(found.requests, start=1):
        which = f", {number} of {len(found.requests)}" if len(found.requests) > 1 else ""
        yield f"pushed down{which}: {explain_request(request)}"
    if found.residual is None:
        yield "re-checked here: nothing, Chroma's answer is exact"


def _fetched(plan: QueryPlan) -> Iterator[str]:
    if plan.materialization.with_candidates:
        yield f"fetched with the rows: {', '.join(plan.materialization.with_candidates)}"
