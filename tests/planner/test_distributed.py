"""Tests of a record as requests to distributed Chroma."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql.plan import Column, Comparison
from chromasql.planner.pushdown.distributed import push_distributed
from chromasql.planner.pushdown.lowering import NOT_PUSHED

pytestmark = pytest.mark.unit

KEY = Column("metadata", "year")
DOCUMENT = Column("document")


def lowered(column: Column, operator: Any, operand: Any = None) -> tuple[Any, bool]:
    pushed = push_distributed(Comparison(column, operator, operand), False)
    (request,) = pushed.requests
    assert request.ids is None
    return request.where or request.where_document, pushed.exact


def test_a_whole_number_is_asked_for_as_both_types() -> None:
    """Integers and floats are indexed apart, so each gets a test; no test of a key is exact, as arrays match too."""
    assert lowered(KEY, "=", 2) == ({"$or": [{"year": {"$eq": 2}}, {"year": {"$eq": 2.0}}]}, False)
    assert lowered(KEY, "=", 2.5) == ({"year": {"$eq": 2.5}}, False)


def test_an_upper_bound_also_asks_for_negative_integers() -> None:
    """Compacted integers are unsigned, so a negative one is above all others."""
    where, exact = lowered(KEY, "<", 5)

    assert not exact
    assert {"year": {"$gt": 2**31 - 1}} in where["$or"]
    assert {"year": {"$gt": 2**31 - 1}} not in lowered(KEY, ">", 5)[0]["$or"]


@pytest.mark.parametrize(("operator", "operand"), [("=", 2**31), ("<", -1), ("<", "a"), ("!=", 1), ("is null", None)])
def test_what_would_lose_records_is_not_sent(operator: Any, operand: Any) -> None:
    """Numbers beyond 31 bits, negative bounds and negative tests are left to the re-check."""
    assert push_distributed(Comparison(KEY, operator, operand), False) == NOT_PUSHED


def test_ids_are_part_of_the_filter() -> None:
    """Ids go by #id, exactly, also in negative tests."""
    assert lowered(Column("id"), "in", ("a", "b", "a")) == ({"#id": {"$in": ["a", "b"]}}, True)
    assert lowered(Column("id"), "!=", "a") == ({"#id": {"$ne": "a"}}, True)


def test_a_text_to_search_for_has_three_to_256_characters() -> None:
    """A shorter text is not sent; of a longer one the beginning is, and the rest is re-checked."""
    assert push_distributed(Comparison(DOCUMENT, "contains", "ab"), False) == NOT_PUSHED
    assert lowered(DOCUMENT, "contains", "abc") == ({"#document": {"$contains": "abc"}}, True)
    assert lowered(DOCUMENT, "contains", "a" * 300) == ({"#document": {"$contains": "a" * 256}}, False)
    assert lowered(DOCUMENT, "like", "ab%cdef%") == ({"#document": {"$contains": "cdef"}}, False)


def test_a_pattern_that_may_match_nothing_is_rechecked() -> None:
    """Such a pattern also matches records without a document, so its answer is not exact, nor its negation sent."""
    assert lowered(DOCUMENT, "regex", "abc") == ({"$regex": "abc"}, True)
    assert lowered(DOCUMENT, "regex", "a?") == ({"$regex": "a?"}, False)
    assert push_distributed(Comparison(DOCUMENT, "not regex", "a?"), False) == NOT_PUSHED
