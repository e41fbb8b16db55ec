"""The rounds of sorted access: every collection is asked once, and those that have to go on are asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.leaves import search_collections
from chromasql.executor.state import SHARE, StatementContext
from chromasql.operators.sorted_access import Ask, Demand, SortedAccess
from chromasql.plan import FEW_MATCHES, Column, KnnLeaf, Leaf, QueryPlan
from chromasql.retrieval.candidates import CandidateRows, search_leaves

__all__ = ["open_accesses", "search_all"]


def open_accesses(
    plan: QueryPlan, leaves: Sequence[Leaf], handles: Sequence[CollectionHandle]
) -> dict[KnnLeaf, SortedAccess]:
    """
    Return the sorted access of each KNN leaf.

    There is none where each collection's list counts by itself (``merge = RRF``, ``per_collection``), where Chroma's
    Search API ranks, and where a pushed filter or ``exact`` decides what the search looks at: then each collection
    returns all its candidates, unless the statement goes on beyond them.
    """
    if plan.merge == "rrf" or plan.per_collection is not None or plan.search != "no":
        return {}
    if (plan.exact or (plan.filter.restricts and plan.share is None)) and not _goes_beyond(plan):
        return {}
    places = [handle.place for handle in handles]
    residual = plan.filter.residual is not None
    return {
        leaf: SortedAccess(places, _demand(plan, leaf), share=plan.share, residual=residual, measures=bool(plan.exact))
        for leaf in leaves
        if isinstance(leaf, KnnLeaf)
    }


def _goes_beyond(plan: QueryPlan) -> bool:
    """Whether the page may need more rows than the candidates of a leaf."""
    return plan.goes_on and (plan.keep is not None or plan.needed is None or plan.total)


def _demand(plan: QueryPlan, leaf: KnnLeaf) -> Demand:
    plain = all(ranking.is_plain for ranking in plan.rankings)
    threshold = plan.threshold if plain else None
    if not plan.goes_on:
        return Demand(leaf.limit, threshold)
    keep = plan.keep
    if keep is not None and plan.needed is None and keep.keys == (Column("_collection"),):
        return Demand(None, threshold, keep, each=keep.count)
    rows = plan.needed
    if plan.total and (keep is not None or threshold is not None):
        rows = None  # the total is of all rows that these leave
    return Demand(rows, threshold, keep)


async def search_all(
    context: StatementContext,
    leaves: Sequence[Leaf],
    queries: Mapping[str, Mapping[KnnLeaf, Any]],
    handles: Sequence[CollectionHandle],
    accesses: dict[KnnLeaf, SortedAccess],
) -> list[tuple[CollectionHandle, CandidateRows]]:
    """
    Search all leaves in every collection, and on where the accesses need more.

    Returns what each collection found that did not fail; what it found for a leaf of sorted access is in the access. An
    access whose filter proved to be worth pushing is taken out: its collections have then returned all candidates.
    """
    if not accesses:
        return await search_collections(context, handles, leaves, queries)
    asks = {leaf: access.first() for leaf, access in accesses.items()}
    answers = await _ask(context, leaves, queries, handles, asks)
    there = _take(accesses, handles, answers)
    while True:
        asks = {leaf: more for leaf, access in accesses.items() if (more := access.more())}
        pushed = [leaf for leaf in asks if accesses[leaf].gave_up and not _goes_beyond(context.plan)]
        if pushed:
            answers = await _push(context, pushed, queries, there, answers)
            there = [handle for handle, _ in answers]
            for leaf in pushed:
                del accesses[leaf], asks[leaf]
        if not asks:
            break
        wanted = {place for by_place in asks.values() for place in by_place}
        again = [handle for handle in there if handle.place in wanted]
        further = await _ask(context, list(asks), queries, again, asks)
        failed = {handle.place for handle in again} - {handle.place for handle, _ in further}
        there = [handle for handle in there if handle.place not in failed]
        _take({leaf: accesses[leaf] for leaf in asks}, again, further)
        shown = {handle.place: found.sorted for handle, found in further}
        for handle, found in answers:
            found.sorted.update(shown.get(handle.place, {}))
        for leaf, access in accesses.items():
            if leaf not in asks:
                for place in failed:
                    access.drop(place)
        answers = [(handle, found) for handle, found in answers if handle.place not in failed]
    few = [leaf for leaf, access in accesses.items() if await _may_be_few(context, access, there)]
    if few and not _goes_beyond(context.plan):
        answers = await _push(context, few, queries, there, answers)
        for leaf in few:
            del accesses[leaf]
    return answers


async def _may_be_few(context: StatementContext, access: SortedAccess, handles: Sequence[CollectionHandle]) -> bool:
    """
    Tell whether so few records may satisfy a filter that was tested here that none of them may be missed.

    The index may not reach a record. As many collections are counted as it takes to see that more satisfy the filter.
    """
    plan = context.plan
    if plan.exact is not None or plan.share is None or access.share is None or access.kept > FEW_MATCHES:
        return False
    expected = 0.0
    for handle in handles:

        async def count(handle: CollectionHandle) -> int:
            number: int = await context.reader(handle, "rank").count()
            return number

        counted = await context.dispatcher.fan_out("rank", [handle], count, share=SHARE)
        expected += access.share * sum(number for _, number in counted)
        if expected > 2 * FEW_MATCHES:
            return False
    return True


async def _push(
    context: StatementContext,
    leaves: Sequence[KnnLeaf],
    queries: Mapping[str, Mapping[KnnLeaf, Any]],
    handles: Sequence[CollectionHandle],
    answers: Sequence[tuple[CollectionHandle, CandidateRows]],
) -> list[tuple[CollectionHandle, CandidateRows]]:
    """Search leaves with the filter pushed, and return the answers with what that found."""
    found = {handle.place: rows for handle, rows in await search_collections(context, handles, leaves, queries)}
    kept = [(handle, rows) for handle, rows in answers if handle.place in found]
    for handle, rows in kept:
        rows.knn.update(found[handle.place].knn)
        for leaf in leaves:
            rows.sorted.pop(leaf, None)
    return kept


def _take(
    accesses: Mapping[KnnLeaf, SortedAccess],
    asked: Sequence[CollectionHandle],
    answers: Sequence[tuple[CollectionHandle, CandidateRows]],
) -> list[CollectionHandle]:
    """Give the accesses what the collections have shown; return the collections that did not fail."""
    answered = {handle.place for handle, _ in answers}
    for leaf, access in accesses.items():
        for handle, found in answers:
            if leaf in found.sorted:
                access.add(handle.place, found.sorted[leaf])
        for handle in asked:
            if handle.place not in answered:
                access.drop(handle.place)
    return [handle for handle in asked if handle.place in answered]


async def _ask(
    context: StatementContext,
    leaves: Sequence[Leaf],
    queries: Mapping[str, Mapping[KnnLeaf, Any]],
    handles: Sequence[CollectionHandle],
    asks: Mapping[KnnLeaf, Mapping[int, Ask]],
) -> list[tuple[CollectionHandle, CandidateRows]]:
    async def search(handle: CollectionHandle) -> CandidateRows:
        reader = context.reader(handle, "rank")
        own = {leaf: by_place[handle.place] for leaf, by_place in asks.items() if handle.place in by_place}
        wanted = [leaf for leaf in leaves if leaf not in asks or leaf in own]
        index = context.options.keyword_index
        return await search_leaves(reader, context.plan, wanted, queries.get(handle.name, {}), index, asks=own)

    return await context.dispatcher.fan_out("rank", handles, search, share=context.share_before_fetch)
