"""Ranked statements: open, embed, rank in every collection at once, merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.executor.compatibility import (
    check_dimensions,
    check_embeddings,
    check_keys,
    check_spaces,
    have_comparable_distances,
)
from chromasql.executor.keywords import outdated_collections, warn_of_slow_search
from chromasql.executor.leaves import Answers, Queries, QueriesByName, search_collections
from chromasql.executor.materialize import materialize
from chromasql.executor.rounds import open_accesses, search_all
from chromasql.executor.state import SHARE, Candidates, Page, StatementContext
from chromasql.operators.merge import merge_by_distance, merge_by_rank
from chromasql.operators.rank_expression import candidates_of, rank_rows
from chromasql.operators.row import Row
from chromasql.operators.sorted_access import SortedAccess
from chromasql.plan import (
    EMBEDDING_KEY,
    Bm25Leaf,
    KnnLeaf,
    Leaf,
    PlanWarning,
    QueryPlan,
    Ranking,
    SparseQuery,
    TextQuery,
    VectorQuery,
)
from chromasql.plan.search_payload import query_of
from chromasql.protocols import QueryVector
from chromasql.retrieval.candidates import rows_by_leaf
from chromasql.retrieval.embedding import SparseVectors, Vectors, count_calls, embed_sparse, embed_texts
from chromasql.retrieval.scan import scan
from chromasql.retrieval.search_api import search_whole

__all__ = ["rank"]


async def rank(context: StatementContext) -> list[Candidates | Page]:
    """
    Rank in every collection at once and merge.

    Returns
    -------
    list of Candidates or Page
        Candidates for each ranking, or one list in all where ranks are fused; one `Page` where Chroma's Search API
        answered the whole statement.

    Raises
    ------
    ChromaSQLPlanningError
        Where the collections cannot be ranked together.
    ChromaSQLExecutionError
        Where every collection fails, or embedding does.
    """
    plan, dispatcher = context.plan, context.dispatcher
    fused = plan.merge == "rrf"
    if not plan.filter.requests or not context.handles:
        return [Candidates([], ranking) for ranking in (plan.rankings[:1] if fused else plan.rankings)]
    opened = await dispatcher.open_all(context.handles, share=SHARE)
    dispatcher.ledger.require_some()
    if plan.rerank is not None and "embedding" in plan.rerank.parts:
        check_embeddings(opened)
    leaves = list(dict.fromkeys(leaf for ranking in plan.rankings for leaf in ranking.leaves))
    queries = await _prepare(context, opened, [leaf for leaf in leaves if isinstance(leaf, KnnLeaf)])
    if plan.search == "whole" and not context.options.explain_rows:
        page = await _search_whole(context, opened[0], queries)
        if page is not None:
            return [page]
    accesses = open_accesses(plan, leaves, opened)
    answers, lists = await _answers(context, opened, leaves, queries, accesses)
    for handle, found in answers:
        context.reader(handle, "rank").count_rows(len(found))
    warn_of_slow_search(context, answers)
    for leaf, access in accesses.items():
        lists[leaf] = [access.rows()]
    if not fused:
        total = await _count_matching(context, opened) if _counts_all(plan) else None
        return [
            Candidates(
                await _score(context, ranking, lists),
                ranking,
                _shared_vector(context, ranking, queries),
                total=total,
                full=not plan.goes_on
                and any(sum(map(len, lists[leaf])) >= (plan.per_collection or leaf.limit) for leaf in ranking.leaves),
            )
            for ranking in plan.rankings
        ]
    ranking = plan.rankings[0]
    comparable = have_comparable_distances(opened)
    merged = await _fuse(context, lists, len(answers), comparable=comparable)
    return [Candidates(merged, ranking, _shared_vector(context, ranking, queries))]


def _counts_all(plan: QueryPlan) -> bool:
    """Whether the total is of all records that satisfy WHERE."""
    return plan.total and plan.goes_on and plan.keep is None and plan.threshold is None


async def _count_matching(context: StatementContext, handles: Sequence[CollectionHandle]) -> int:
    """Return how many records satisfy the filter."""
    plan = context.plan

    async def count(handle: CollectionHandle) -> int:
        reader = context.reader(handle, "scan")
        if not plan.filter.restricts:
            number: int = await reader.count()
            return number
        return sum([len(rows) async for rows in scan(reader, plan.filter, (), page=plan.page)])

    return sum(number for _, number in await context.dispatcher.fan_out("scan", handles, count))


async def _prepare(
    context: StatementContext, opened: Sequence[CollectionHandle], leaves: Sequence[KnnLeaf]
) -> QueriesByName:
    """Check that the collections can be ranked together, and embed the texts; no query is sent before."""
    if not leaves:
        return {}
    check_keys(context.plan, leaves)
    check_spaces(context.plan, opened)
    dense = [leaf for leaf in leaves if leaf.key == EMBEDDING_KEY]
    texts = [leaf.query for leaf in dense if isinstance(leaf.query, TextQuery)]
    words = [(leaf.query, leaf.key) for leaf in leaves if isinstance(leaf.query, TextQuery) and leaf not in dense]
    embedded = await _embed(context, opened, texts)
    sparse: dict[str, SparseVectors] = {}
    if words:
        sparse = await context.dispatcher.embed(partial(embed_sparse, words, opened), len(words))
    # One object for each vector of a statement: what an adapter makes of it serves for every collection.
    written = {leaf: _written_query(leaf) for leaf in leaves if not isinstance(leaf.query, TextQuery)}
    of_texts = [leaf for leaf in leaves if leaf not in written]
    queries: dict[str, Queries] = {}
    for handle in opened:
        vectors, weights = embedded.get(handle.name, {}), sparse.get(handle.name, {})
        own: Queries = written
        if of_texts:
            own = {**written, **{leaf: _embedded(leaf, vectors, weights) for leaf in of_texts}}
        queries[handle.name] = own
        check_dimensions(handle, [own[leaf] for leaf in dense])
    return queries


def _written_query(leaf: KnnLeaf) -> QueryVector | dict[str, Any]:
    """Return the query of a leaf that is written in the statement."""
    if isinstance(leaf.query, VectorQuery):
        return QueryVector(leaf.query.values)
    assert isinstance(leaf.query, SparseQuery)
    sparse: dict[str, Any] = query_of(leaf)
    return sparse


def _embedded(leaf: KnnLeaf, dense: Vectors, sparse: SparseVectors) -> list[float] | dict[str, Any]:
    """Return the query of a leaf whose text was embedded."""
    assert isinstance(leaf.query, TextQuery)
    return dense[leaf.query] if leaf.key == EMBEDDING_KEY else sparse[leaf.query, leaf.key]


async def _embed(
    context: StatementContext, opened: Sequence[CollectionHandle], texts: Sequence[TextQuery]
) -> dict[str, Vectors]:
    """Embed the texts of dense leaves; warn where the collections do so with different functions."""
    if not texts:
        return {}
    embed_fn = context.options.embed_fn
    work = partial(embed_texts, texts, opened, embed_fn, context.options.cache)
    embedded = await context.dispatcher.embed(work, count_calls(texts, opened, embed_fn))
    if embed_fn is None and context.plan.merge != "rrf":
        functions = {own.key for handle in opened if (own := handle.embedding_function) is not None}
        if len(functions) > 1:
            message = (
                f"the collections have {len(functions)} different embedding functions, whose distances hardly "
                "compare; merge = RRF compares ranks"
            )
            context.dispatcher.ledger.warn(PlanWarning("different-embedders", message))
    return embedded


async def _answers(
    context: StatementContext,
    opened: Sequence[CollectionHandle],
    leaves: Sequence[Leaf],
    queries: QueriesByName,
    accesses: dict[KnnLeaf, SortedAccess],
) -> tuple[Answers, dict[Leaf, list[Sequence[Row]]]]:
    """Search every collection, and those again whose keyword index turns out to be behind; return the rows by leaf."""
    ledger = context.dispatcher.ledger
    words = [leaf for leaf in leaves if isinstance(leaf, Bm25Leaf)]
    answers = await search_all(context, leaves, queries, opened, accesses)
    compared: set[str] = set()
    while True:
        lists = rows_by_leaf(leaves, [found for _, found in answers], context.plan)
        # What was read again is not compared a second time, so that this ends whoever writes meanwhile.
        outdated = await outdated_collections(context, answers, lists) - compared
        failed = {handle.name for handle, _ in answers if ledger.has_failed(handle.name)}
        if not outdated | failed:
            return answers, lists
        compared |= outdated
        for handle, _ in answers:
            if handle.name in failed:
                for access in accesses.values():
                    access.drop(handle.place)
        behind = [handle for handle in opened if handle.name in outdated - failed]
        again = await search_collections(context, behind, words, queries, outdated=True) if behind else []
        nearest = {handle.place: found.knn for handle, found in answers}
        for handle, found in again:
            found.knn = nearest[handle.place]
        kept = [answer for answer in answers if answer[0].name not in outdated | failed]
        answers = sorted([*kept, *again], key=lambda answer: answer[0].place)


async def _search_whole(context: StatementContext, handle: CollectionHandle, queries: QueriesByName) -> Page | None:
    """Let Chroma rank the whole statement; None where its response cannot be trusted."""
    fetch = context.plan.materialization
    parts = (*fetch.with_candidates, *fetch.for_scoring, *fetch.for_ordering, *fetch.for_page)

    async def search(handle: CollectionHandle) -> list[Row] | None:
        reader = context.reader(handle, "rank")
        rows = await search_whole(reader, context.plan, queries[handle.name], parts)
        reader.count_rows(len(rows or ()))
        return rows

    answers = await context.dispatcher.fan_out("rank", [handle], search)
    rows = answers[0][1] if answers else []
    return None if rows is None else Page(rows)


def _count(plan: QueryPlan, leaf: Leaf, lists: Sequence[Sequence[Row]]) -> int:
    """Return how many candidates a leaf has: those of sorted access, which is one list, are as many as are wanted."""
    return len(lists[0]) if plan.goes_on and len(lists) == 1 else leaf.limit


async def _score(
    context: StatementContext, ranking: Ranking, lists: Mapping[Leaf, Sequence[Sequence[Row]]]
) -> list[Row]:
    """Merge the rows of each leaf, over all collections, and score those that are ranked."""
    plan = context.plan
    # A list that is fused on its own keeps every candidate that its collection returned.
    fused_limit = plan.per_collection if plan.merge == "rrf" else None
    merged = [merge_by_distance(lists[leaf], fused_limit or _count(plan, leaf, lists[leaf])) for leaf in ranking.leaves]
    for leaf, found in zip(ranking.leaves, merged, strict=True):
        if isinstance(leaf, Bm25Leaf):
            found[:] = await materialize(context, found, plan.materialization.with_candidates)
    rows = candidates_of(ranking.leaves, merged)
    if ranking.is_plain:
        return rows
    return rank_rows(ranking, await materialize(context, rows, plan.materialization.for_scoring))


async def _fuse(
    context: StatementContext, lists: Mapping[Leaf, Sequence[Sequence[Row]]], collections: int, *, comparable: bool
) -> list[Row]:
    """Fuse the rankings of each collection, each a list of its own, by rank."""
    rankings = context.plan.rankings
    apart = [
        await _score(context, ranking, {leaf: [of_all[index]] for leaf, of_all in lists.items()})
        for ranking in rankings
        for index in range(collections)
    ]
    merged = merge_by_rank(apart, max(leaf.limit for leaf in lists), comparable=comparable and len(rankings) == 1)
    if len(rankings) > 1:
        for row in merged:
            row.distance = None
    return merged


def _shared_vector(context: StatementContext, ranking: Ranking, queries: QueriesByName) -> list[float] | None:
    """Return the vector of the KNN that is the whole rank, where RERANK BY needs it and all collections share it."""
    leaf = ranking.leaves[0]
    if context.plan.rerank is None or not ranking.is_plain or not isinstance(leaf, KnnLeaf):
        return None
    vectors = [own[leaf] for own in queries.values()]
    first = vectors[0] if vectors else None
    return first if all(vector is first or vector == first for vector in vectors) else None
