"""The documents of one collection that hold words of BM25: read, counted, and scored when all collections are."""

from __future__ import annotations

from collections.abc import Sequence

from chromasql.keyword_index import KeywordIndex
from chromasql.operators.bm25 import Tally
from chromasql.operators.words import split_words
from chromasql.plan import Bm25Leaf, Filter, QueryPlan, visible_records_of
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.indexed_keywords import search_index
from chromasql.retrieval.keyword_matches import KeywordMatches
from chromasql.retrieval.scan import scan

__all__ = ["search_keywords"]


async def search_keywords(
    reader: CollectionReader, plan: QueryPlan, leaves: Sequence[Bm25Leaf], index: KeywordIndex | None = None
) -> dict[Bm25Leaf, KeywordMatches]:
    """
    Count the words of BM25 leaves in one collection: by an index, or by reading each document under the filter once.

    The mean length is that of all these documents, so that a pattern sent to Chroma could save nothing; and what is a
    word is decided here alone.
    """
    if index is not None:
        found = await search_index(reader, plan, leaves, index)
        if found is not None:
            return found
    matched = await _tally(reader, plan.filter, leaves, plan.page)
    counted = matched
    visible = visible_records_of(plan).filter
    whole = [leaf for leaf in leaves if leaf.statistics == "all"]
    if whole and visible != plan.filter:
        counted = {**matched, **await _tally(reader, visible, whole, plan.page)}
    return {leaf: KeywordMatches(reader, matched[leaf].postings, counted[leaf].statistics) for leaf in leaves}


async def _tally(
    reader: CollectionReader, filter_: Filter, leaves: Sequence[Bm25Leaf], page: int
) -> dict[Bm25Leaf, Tally]:
    tallies = {leaf: Tally(leaf.words) for leaf in leaves}
    async for rows in scan(reader, filter_, ("document",), page=page):
        for row in rows:
            if row.document is not None:
                words = split_words(row.document)
                for tally in tallies.values():
                    tally.add(row.id, words)
    return tallies
