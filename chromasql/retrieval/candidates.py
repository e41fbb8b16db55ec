"""
The leaves of a ranking, searched in one collection: nearest neighbours and keyword matches.

What comes back is raw: distances of KNN leaves, documents for BM25, which needs the statistics of all collections
first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chromasql.dispatch.open_collection import CollectionHandle
from chromasql.operators.bm25 import score_documents
from chromasql.operators.row import Row
from chromasql.operators.sort import score_order_key
from chromasql.plan import Bm25Leaf, KnnLeaf, Leaf, QueryPlan
from chromasql.retrieval.knn import KnnRequest, nearest
from chromasql.retrieval.scan import Ask, MakeRow, scan
from chromasql.retrieval.search_api import search_knn

__all__ = ["CandidateRows", "rows_by_leaf", "search_leaves"]


@dataclass(slots=True)
class CandidateRows:
    """What one collection gave: rows for each KNN leaf, and for each BM25 leaf documents and their number in all."""

    knn: dict[KnnLeaf, Sequence[Row]] = field(default_factory=dict)
    words: dict[Bm25Leaf, list[Row]] = field(default_factory=dict)
    totals: dict[Bm25Leaf, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.knn.values())) + sum(map(len, self.words.values()))


async def search_leaves(
    ask: Ask,
    plan: QueryPlan,
    leaves: Sequence[Leaf],
    handle: CollectionHandle,
    vectors: Mapping[KnnLeaf, Any],
    make: MakeRow,
) -> CandidateRows:
    """Search all leaves in one collection; KNN leaves that want equally many share their requests."""
    found = CandidateRows()
    if plan.search != "no":
        queries = {leaf: vectors[leaf] for leaf in leaves if isinstance(leaf, KnnLeaf)}
        found.knn = await search_knn(ask, plan, queries, make)
        leaves = [leaf for leaf in leaves if leaf not in found.knn]
    by_count: dict[int, list[KnnLeaf]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            by_count.setdefault(plan.per_collection or leaf.limit, []).append(leaf)
    for count, together in by_count.items():
        search = KnnRequest(
            plan.filter,
            plan.candidates,
            count,
            plan.materialization.with_candidates,
            handle.space or plan.space or "l2",
            plan.page,
        )
        lists = await nearest(ask, search, [vectors[leaf] for leaf in together], handle.place, make)
        found.knn.update(zip(together, lists, strict=True))
    for leaf in leaves:
        if isinstance(leaf, Bm25Leaf):
            await _search_words(ask, plan, leaf, make, found)
    return found


async def _search_words(ask: Ask, plan: QueryPlan, leaf: Bm25Leaf, make: MakeRow, found: CandidateRows) -> None:
    parts = ("document", *plan.materialization.with_candidates)
    found.words[leaf] = [row async for rows in scan(ask, leaf.matching, make, parts, page=plan.page) for row in rows]
    counted = 0
    async for rows in scan(ask, leaf.counted, make, (), page=plan.page):
        counted += len(rows)
    found.totals[leaf] = await ask("count") - counted if leaf.subtracted else counted


def rows_by_leaf(
    leaves: Sequence[Leaf], found: Sequence[CandidateRows], plan: QueryPlan
) -> dict[Leaf, list[Sequence[Row]]]:
    """Return for each leaf its rows, scored and best first, a list for each collection."""
    lists: dict[Leaf, list[Sequence[Row]]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            lists[leaf] = [each.knn[leaf] for each in found]
            continue
        documents = [(row, row.document or "") for each in found for row in each.words[leaf]]
        total = sum(each.totals[leaf] for each in found)
        scored = {id(row) for row in score_documents(leaf.words, documents, total, leaf.k1, leaf.b)}
        count = plan.per_collection or leaf.limit
        lists[leaf] = [
            sorted((row for row in each.words[leaf] if id(row) in scored), key=score_order_key)[:count]
            for each in found
        ]
    return lists
