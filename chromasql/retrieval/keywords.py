"""The documents of one collection that hold words of BM25: read, counted, and scored when all collections are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chromasql.operators.bm25 import Postings, Statistics, Tally, best_matches
from chromasql.operators.row import Row
from chromasql.operators.words import split_words
from chromasql.plan import Bm25Leaf, Filter, QueryPlan, visible_records_of
from chromasql.retrieval.collection_reader import CollectionReader
from chromasql.retrieval.scan import scan

__all__ = ["KeywordMatches", "best_rows_of", "search_keywords"]


@dataclass(frozen=True, slots=True)
class KeywordMatches:
    """What one collection holds of the words of a BM25; ``statistics`` are over the documents that count."""

    reader: CollectionReader
    postings: Postings
    statistics: Statistics

    def __len__(self) -> int:
        return len(self.postings)


async def search_keywords(
    reader: CollectionReader, plan: QueryPlan, leaves: Sequence[Bm25Leaf]
) -> dict[Bm25Leaf, KeywordMatches]:
    """
    Count the words of BM25 leaves in one collection, by reading every document under the filter, once for all leaves.

    The mean length is that of all these documents, so that a pattern sent to Chroma could save nothing; and what is a
    word is decided here alone.
    """
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


def best_rows_of(found: Sequence[KeywordMatches], leaf: Bm25Leaf, count: int) -> list[Sequence[Row]]:
    """Return the best rows of each collection, scored by the statistics of all of them."""
    statistics = sum((matches.statistics for matches in found), start=Statistics())
    return [
        [
            _scored(matches.reader.row(document_id), score)
            for document_id, score in best_matches(matches.postings, leaf.words, statistics, leaf.weights, count)
        ]
        for matches in found
    ]


def _scored(row: Row, score: float) -> Row:
    row.distance = row.score = score
    return row
