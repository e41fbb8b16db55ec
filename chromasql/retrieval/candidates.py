"""
The leaves of a ranking, searched in one collection: nearest neighbours and keyword matches.

What comes back is raw: distances for KNN leaves, and counts of words for BM25, which first needs the statistics of all
collections.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chromasql.keyword_index import KeywordIndex
from chromasql.operators.row import Row
from chromasql.operators.sorted_access import Ask, Found
from chromasql.plan import FEW_MATCHES, Bm25Leaf, KnnLeaf, Leaf, QueryPlan
from chromasql.plan.dialect import LOCAL
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.keyword_matches import KeywordMatches, best_rows_of
from chromasql.retrieval.keywords import search_keywords
from chromasql.retrieval.knn import nearest
from chromasql.retrieval.knn_request import KnnRequest, MatchCount
from chromasql.retrieval.search_api import search_knn
from chromasql.retrieval.source import ask_source

__all__ = ["CandidateRows", "rows_by_leaf", "search_leaves"]

NO_ASKS: Mapping[KnnLeaf, Ask] = MappingProxyType({})
"""No leaf is searched by sorted access."""


@dataclass(slots=True)
class CandidateRows:
    """
    What one collection returned: the rows of each KNN, and for each BM25 what documents hold of its words.

    ``matched`` is how many records satisfy the filter, where the index was asked for more of them than are wanted; it
    counts none that the index does not return. Where it is small the rows are ``unfinished``: some may be missing, and
    so may their parts.
    """

    knn: dict[KnnLeaf, Sequence[Row]] = field(default_factory=dict)
    sorted: dict[KnnLeaf, Found] = field(default_factory=dict)
    keywords: dict[Bm25Leaf, KeywordMatches] = field(default_factory=dict)
    matched: int | None = None
    unfinished: bool = False

    def __len__(self) -> int:
        shown = sum(len(found.rows) for found in self.sorted.values())
        return sum(map(len, self.knn.values())) + shown + sum(map(len, self.keywords.values()))


async def search_leaves(
    reader: CollectionReader,
    plan: QueryPlan,
    leaves: Sequence[Leaf],
    queries: Mapping[KnnLeaf, Any],
    index: KeywordIndex | None = None,
    matching: Mapping[str, Row] | None = None,
    asks: Mapping[KnnLeaf, Ask] = NO_ASKS,
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
    index : KeywordIndex, optional
        Where the words of documents are counted already. Default: the documents are read.
    matching : Mapping, optional
        The rows that satisfy the filter, by id, where they are known.
    asks : Mapping, optional
        How far the leaves of sorted access go. Default: every leaf returns all its candidates.

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
    own = {leaf: ask for leaf, ask in asks.items() if leaf in leaves}
    found.sorted = await ask_source(reader, plan, own, queries)
    leaves = [leaf for leaf in leaves if leaf not in own]
    by_count: dict[int, list[KnnLeaf]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            by_count.setdefault(plan.per_collection or leaf.limit, []).append(leaf)
    space = reader.handle.space or plan.space or "l2"
    for count, group in by_count.items():
        request = KnnRequest(
            plan.filter, plan.candidates, count, plan.materialization.with_candidates, space, plan.page, matching
        )
        matches = MatchCount() if _may_be_few(plan) and count <= FEW_MATCHES else None
        request = dataclasses.replace(
            request,
            known_few=plan.candidates == "exact" and plan.exact is None,
            probe=0 if matches is None else FEW_MATCHES + 1,
            matches=matches,
        )
        lists = await nearest(reader, request, [queries[leaf] for leaf in group])
        if matches is not None:
            found.matched = max(found.matched or 0, matches.count)
            found.unfinished = found.unfinished or matches.unfinished
        found.knn.update(zip(group, lists, strict=True))
    words = [leaf for leaf in leaves if isinstance(leaf, Bm25Leaf)]
    if words:
        found.keywords = await search_keywords(reader, plan, words, index)
    return found


def _may_be_few(plan: QueryPlan) -> bool:
    """Tell whether the index is asked with a filter that few records may satisfy, so that these are to be measured."""
    asked = plan.exact is None and plan.search == "no" and plan.page == LOCAL.page
    return asked and plan.candidates == "filtered" and plan.filter.restricts


def rows_by_leaf(
    leaves: Sequence[Leaf], found: Sequence[CandidateRows], plan: QueryPlan
) -> dict[Leaf, list[Sequence[Row]]]:
    """Return for each leaf its rows, scored and best first, as a list for each collection."""
    lists: dict[Leaf, list[Sequence[Row]]] = {}
    for leaf in leaves:
        if isinstance(leaf, KnnLeaf):
            lists[leaf] = [candidates.knn[leaf] for candidates in found if leaf in candidates.knn]
        else:
            matches = [candidates.keywords[leaf] for candidates in found]
            lists[leaf] = best_rows_of(matches, leaf, plan.per_collection or leaf.limit)
    return lists
