"""BM25 as arithmetic on counts of words."""

from __future__ import annotations

import math

import pytest

from chromasql.operators.bm25 import Statistics, Tally, best_matches
from chromasql.plan import Bm25Weights

pytestmark = pytest.mark.unit


def best(
    words: list[str], *documents: str, count: int = 10, weights: Bm25Weights | None = None
) -> list[tuple[str, float]]:
    tally = Tally(words)
    for number, document in enumerate(documents):
        tally.add(str(number), document.split())
    return best_matches(tally.postings, words, tally.statistics, weights or Bm25Weights(), count)


def test_a_score_is_the_formula() -> None:
    """One word in two of four documents scores -ln(1 + 2.5 / 2.5) * tf / (tf + k1 (1 - b + b len / mean))."""
    scores = dict(best(["cat"], "cat", "cat dog cat", "dog dog", "dog dog"))

    idf = math.log(2)
    assert scores == {
        "0": pytest.approx(-idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2))),
        "1": pytest.approx(-idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))),
    }


def test_a_word_in_every_document_still_counts() -> None:
    """Lucene's idf is positive even for a word that every document holds, so a match scores below 0."""
    ((_, score),) = best(["cat"], "cat")

    assert score < 0


def test_documents_without_a_word_are_left_out() -> None:
    """A document that holds none of the words has no score and is not returned."""
    assert [row for row, _ in best(["cat"], "dog", "cat")] == ["1"]
    assert best(["cat"], "dog") == []
    assert best(["cat"], "") == []


def test_ties_go_by_id() -> None:
    """Of equal scores the smaller id is better, also where the count cuts between them."""
    assert [row for row, _ in best(["cat"], "cat", "cat", "cat cat", "cat", count=3)] == ["2", "0", "1"]


def test_a_huge_k1() -> None:
    """Where k1 is so large that a product is infinite, the document that holds a word scores 0 and still matches."""
    assert best(["cat"], "cat cat", "dog", weights=Bm25Weights(k1=1.7e308)) == [("0", 0.0)]


def test_statistics_of_parts_add_up() -> None:
    """The statistics of two collections are summed, word by word."""
    total = Statistics(2, 9, {"cat": 1, "dog": 2}) + Statistics(1, 1, {"cat": 1})

    assert total == Statistics(3, 10, {"cat": 2, "dog": 2})
