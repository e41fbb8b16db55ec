"""What one collection holds of the words of a BM25, and its rows once all collections are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chromasql.keyword_index import Segment
from chromasql.operators.bm25 import Postings, Statistics, best_matches
from chromasql.operators.row import Row
from chromasql.plan import Bm25Leaf
from chromasql.retrieval.collection_reader import CollectionReader

__all__ = ["KeywordMatches", "best_rows_of"]


@dataclass(frozen=True, slots=True)
class KeywordMatches:
    """
    What one collection holds of the words of a BM25.

    ``statistics`` are over the documents that count. ``segment`` is that of the keyword index, or None where the
    documents were read.
    """

    reader: CollectionReader
    postings: Postings
    statistics: Statistics
    segment: Segment | None = None

    def __len__(self) -> int:
        return self.postings.matches


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
