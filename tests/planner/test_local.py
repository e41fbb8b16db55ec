"""Tests of a record as requests to local Chroma."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql.plan import Column, Comparison
from chromasql.planner.pushdown.local import push_local
from chromasql.planner.pushdown.lowering import ANY_TEXT, NOT_PUSHED

pytestmark = pytest.mark.unit

KEY = Column("metadata", "year")
DOCUMENT = Column("document")


def lowered(column: Column, operator: Any, operand: Any = None, *, present: bool = False) -> tuple[Any, bool]:
    pushed = push_local(Comparison(column, operator, operand), present)
    (request,) = pushed.requests
    return request.ids or request.where or request.where_document, pushed.exact


def test_equality_is_exact() -> None:
    """A value is sent as it is, and a whole float as an integer, since Chroma matches both by either."""
    assert lowered(KEY, "=", "a") == ({"year": {"$eq": "a"}}, True)
    assert lowered(KEY, "=", 2.0) == ({"year": {"$eq": 2}}, True)


def test_a_fraction_excludes_the_integer_that_it_is_truncated_to() -> None:
    """Chroma truncates a fraction where it meets an integer, so a second test corrects it, toward zero on either side."""
    assert lowered(KEY, "=", 1.5) == ({"$and": [{"year": {"$eq": 1.5}}, {"year": {"$ne": 1}}]}, True)
    assert lowered(KEY, "<", 1.5) == ({"$or": [{"year": {"$lt": 1.5}}, {"year": {"$lte": 1}}]}, True)
    assert lowered(KEY, ">", 1.5) == ({"year": {"$gt": 1.5}}, True)
    assert lowered(KEY, ">", -1.5) == ({"$or": [{"year": {"$gt": -1.5}}, {"year": {"$gte": -1}}]}, True)


@pytest.mark.parametrize(("operator", "operand"), [("!=", 1), ("not in", (1, 2)), ("not contains", "a")])
def test_a_negative_test_is_exact_only_beside_the_key(operator: str, operand: Any) -> None:
    """Chroma's negative operators match records without the key, so another test has to need the key."""
    assert lowered(KEY, operator, operand)[1] is False
    assert lowered(KEY, operator, operand, present=True)[1] is True


@pytest.mark.parametrize(("operator", "operand"), [("<", "a"), ("=", 2**53 + 1), ("is null", None), ("like", "a%")])
def test_what_chroma_cannot_say_of_a_key_is_not_sent(operator: Any, operand: Any) -> None:
    """The order of strings, integers that a double cannot hold, and NULL are left to the re-check."""
    assert push_local(Comparison(KEY, operator, operand), False) == NOT_PUSHED


def test_ids_go_by_ids() -> None:
    """Ids are sent as ids, each once, and an id that is not text is no record at all."""
    assert lowered(Column("id"), "in", ("a", "b", "a", 1)) == (("a", "b"), True)
    assert push_local(Comparison(Column("id"), "=", 1), False).requests == ()


def test_a_negative_test_of_the_document_asks_for_a_document() -> None:
    """A record without a document passes $not_regex, so any text is asked for as well."""
    assert lowered(DOCUMENT, "not contains", "a.b") == (
        {"$and": [{"$not_regex": r"a\.b"}, {"$regex": ANY_TEXT}]},
        True,
    )
    assert lowered(DOCUMENT, "is null") == ({"$not_regex": ANY_TEXT}, True)
