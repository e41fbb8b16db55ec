"""BM25 as arithmetic on documents."""

from __future__ import annotations

import math

import pytest

from chromasql.operators.bm25 import score_documents, split_words, words_pattern
from chromasql.operators.patterns import compile_regex
from chromasql.operators.row import Row

pytestmark = pytest.mark.unit


def rows(*documents: str) -> list[tuple[Row, str]]:
    return [(Row("docs", 0, str(number)), document) for number, document in enumerate(documents)]


def test_words_are_compared_without_case_or_punctuation() -> None:
    """A text is split into runs of letters, digits and underscores, in lower case."""
    assert split_words("Lazy, lazy DOG_1!") == ["lazy", "lazy", "dog_1"]


@pytest.mark.parametrize(
    ("document", "holds"),
    [("the cat", True), ("Cat", True), ("cat, dog", True), ("concatenate", False), ("cats", False), ("a c+ b", True)],
)
def test_the_pattern_finds_whole_words(document: str, holds: bool) -> None:
    """The pattern that is sent to Chroma finds the documents that hold one of the words, as split_words does."""
    assert compile_regex(words_pattern(["cat", "c"]))(document) is holds
    assert any(word in ("cat", "c") for word in split_words(document)) is holds


def test_a_score_is_the_formula() -> None:
    """One word in two of four documents scores -ln(1 + 2.5 / 2.5) * tf / (tf + k1 (1 - b + b len / mean))."""
    short, long = rows("cat", "cat dog cat")

    score_documents(["cat"], [short, long], total=4, k1=1.2, b=0.75)

    idf = math.log(2)
    assert short[0].score == pytest.approx(-idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2)))
    assert long[0].score == pytest.approx(-idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)))


def test_a_word_in_every_document_still_counts() -> None:
    """Lucene's idf is positive even for a word that every document holds, so a match never scores above 0."""
    ((row, document),) = rows("cat")

    score_documents(["cat"], [(row, document)], total=1, k1=1.2, b=0.75)

    assert row.score is not None
    assert row.score < 0


def test_documents_without_a_word_are_left_out() -> None:
    """A document that holds none of the words has no score and is not returned."""
    found = score_documents(["cat"], rows("dog", "cat"), total=2, k1=1.2, b=0.75)

    assert [row.id for row in found] == ["1"]
    assert score_documents(["cat"], rows("dog"), total=1, k1=1.2, b=0.75) == []
