"""How much of a statement goes into one payload of the Search API."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chromasql.parser import parse
from chromasql.planner import DISTRIBUTED, bind_collections, build_plan

pytestmark = pytest.mark.unit


def search(sql: str, collections: Sequence[str] = ("docs",)) -> str:
    return bind_collections(build_plan(parse(sql)), collections, dialect=DISTRIBUTED).search


@pytest.mark.parametrize(
    "rank",
    [
        "KNN([1, 2])",
        "KNN([1, 2]) * 2",
        "RRF(KNN([1, 2], return_rank => TRUE), KNN({0: 1}, key => 's', return_rank => TRUE))",
    ],
)
def test_one_payload_says_a_ranking_of_one_collection(rank: str) -> None:
    """A KNN, arithmetic on it, and a hybrid of dense and sparse are one payload each."""
    assert search(f"SELECT id FROM docs RANK BY {rank} LIMIT 3") == "whole"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM docs RANK BY KNN([1, 2]) / year LIMIT 3",
        "SELECT id FROM docs RANK BY LOG(KNN([1, 2])) LIMIT 3",
        "SELECT id FROM docs RANK BY KNN([1, 2]) ORDER BY year LIMIT 3",
        "SELECT id FROM docs RANK BY KNN([1, 2]) LIMIT 300",
    ],
)
def test_what_chroma_would_answer_otherwise_is_computed_here(sql: str) -> None:
    """If a value may be NULL or NaN, or the order is another, only the leaves are sent."""
    assert search(sql) == "leaves"


def test_many_collections_are_searched_leaf_by_leaf() -> None:
    """A payload is about one collection, so over several the leaves are sent and fused here."""
    assert search("SELECT id FROM docs RANK BY KNN([1, 2]) LIMIT 3", ["a", "b"]) == "leaves"


@pytest.mark.parametrize("sql", ["SELECT id FROM docs LIMIT 3", "SELECT id FROM docs RANK BY BM25('cat') LIMIT 3"])
def test_without_a_knn_there_is_nothing_to_search(sql: str) -> None:
    """Scans and BM25 do not use the Search API."""
    assert search(sql) == "no"
