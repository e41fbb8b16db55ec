"""
The leaves of a ranking, searched in one collection: nearest neighbours and keyword matches.

What comes back is raw: distances for KNN leaves, and documents for BM25, which first needs the statistics of all
collections.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chromasql.operators.bm25 import score_documents
from chromasql.operators.row import Row
from chromasql.operators.sort import score_order_key
from chromasql.plan import FEW_MATCHES, Bm25Leaf, KnnLeaf, Leaf, QueryPlan
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.knn import nearest
from chromasql.retrieval.knn_request import KnnRequest, MatchCount
from chromasql.retrieval.scan import scan
from chromasql.retrieval.search_api import search_knn

__all__ = ["CandidateRows", "rows_by_leaf", "search_leaves"]


@dataclass(slots=True)
class CandidateRows:
    """
    What one collection returned: rows of each leaf, and for BM25 the number of documents that count towards N.

    ``matched`` is how many records satisfy the filter, where the index was asked for more of them than are wanted; it
    counts none that the index does not return. They are ``short`` where they are fewer than wanted.
    """

    knn: dict[KnnLeaf, Sequence[Row]] = field(default_factory=dict)
    bm25: dict[Bm25Leaf, list[Row]] = field(default_factory=dict)
    totals: dict[Bm25Leaf, int] = field(default_factory=dict)
    matched: int | None = None
    short: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.knn.values())) + sum(map(len, self.bm25.values()))


async def search_leaves(
    reader: CollectionReader,
    plan: QueryPlan,
    leaves: Sequence[Leaf],
    queries: Mapping[KnnLeaf, Any],
    matching: Mapping[str, Row] | None = None,
) -> CandidateRows:
    """
    Search all leaves in one collection; KNN leaves with equally many candidates share their requests.

    Parameters
    ----------
    reader : CollectionReader
        The collection, open.
    plan : QueryPlan
        The plan of the statement.
    leaves : Sequence of Leaf
        The leaves of all its rankings, each once.
    queries : Mapping
        The vector of each KNN leaf: a list of floats, or a sparse vector in the form of the Search API.
    matching : Mapping, optional
        The rows that satisfy the filter, by id, where they are known.

    Returns
    -------
    CandidateRows
        The candidates of each leaf, unmerged.

    Raises
    ------
    ChromaSQLExecutionError
        Where a sparse leaf cannot be searched; see `search_knn`.
    """
    found = CandidateRows()
    if plan.search != "no":
        found.knn = await search_knn(
            reader, plan, {leaf: queries[leaf] for leaf in leaves if isinstance(leaf, KnnLeaf)}
        )
        leaves = [leaf for leaf in leaves if leaf not in found.knn]
    by_count: dict[int, list[KnnLeaf]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            by_count.setdefault(plan.per_collection or leaf.limit, []).append(leaf)
    space = reader.handle.space or plan.space or "l2"
    for count, group in by_count.items():
        request = KnnRequest(
            plan.filter, plan.candidates, count, plan.materialization.with_candidates, space, plan.page, matching
        )
        if may_be_few(plan) and count <= FEW_MATCHES:
            request = dataclasses.replace(request, probe=FEW_MATCHES + 1, matches=MatchCount())
        lists = await nearest(reader, request, [queries[leaf] for leaf in group])
        if request.matches is not None:
            found.matched = max(found.matched or 0, request.matches.count)
            found.short = found.short or request.matches.count < count
        found.knn.update(zip(group, lists, strict=True))
    for leaf in leaves:
        if isinstance(leaf, Bm25Leaf):
            await _search_words(reader, plan, leaf, found)
    return found


def may_be_few(plan: QueryPlan) -> bool:
    """Tell whether the index is asked with a filter that few records may satisfy, so that these are to be measured."""
    asked = plan.exact is None and plan.search == "no" and plan.page == LOCAL.page
    return asked and plan.candidates == "filtered" and plan.filter.restricts


async def _search_words(reader: CollectionReader, plan: QueryPlan, leaf: Bm25Leaf, found: CandidateRows) -> None:
    parts = ("document", *plan.materialization.with_candidates)
    pages = scan(reader, leaf.matching, parts, page=plan.page)
    found.bm25[leaf] = [row async for rows in pages for row in rows]
    counted = 0
    async for rows in scan(reader, leaf.counted, (), page=plan.page):
        counted += len(rows)
    found.totals[leaf] = await reader.count() - counted if leaf.subtracted else counted


def rows_by_leaf(
    leaves: Sequence[Leaf], found: Sequence[CandidateRows], plan: QueryPlan
) -> dict[Leaf, list[Sequence[Row]]]:
    """Return for each leaf its rows, scored and best first, as a list for each collection."""
    lists: dict[Leaf, list[Sequence[Row]]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            lists[leaf] = [candidates.knn[leaf] for candidates in found]
            continue
        documents = [(row, row.document or "") for candidates in found for row in candidates.bm25[leaf]]
        total = sum(candidates.totals[leaf] for candidates in found)
        scored = {id(row) for row in score_documents(leaf.words, documents, total, leaf.k1, leaf.b)}
        count = plan.per_collection or leaf.limit
        lists[leaf] = [
            sorted((row for row in candidates.bm25[leaf] if id(row) in scored), key=score_order_key)[:count]
            for candidates in found
        ]
    return lists
