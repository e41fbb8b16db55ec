"""Predicates in three-valued logic as conditions in two-valued logic."""

from __future__ import annotations

import pytest

from chromasql.parser import parse
from chromasql.plan import ALWAYS, NEVER, And, Column, Comparison, Condition, Or, PlanWarning
from chromasql.planner import build_plan

pytestmark = pytest.mark.unit

YEAR, AUTHOR = Column("metadata", "year"), Column("metadata", "author")


def planned(where: str) -> tuple[Condition, tuple[PlanWarning, ...]]:
    plan = build_plan(parse(f"SELECT id FROM docs WHERE {where}"))
    return plan.condition, plan.warnings


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ("NOT year = 1", Comparison(YEAR, "!=", 1)),
        ("NOT year < 1", Comparison(YEAR, ">=", 1)),
        ("NOT NOT year = 1", Comparison(YEAR, "=", 1)),
        ("NOT (year = 1 OR author = 'a')", And((Comparison(YEAR, "!=", 1), Comparison(AUTHOR, "!=", "a")))),
        ("NOT (year = 1 AND author = 'a')", Or((Comparison(YEAR, "!=", 1), Comparison(AUTHOR, "!=", "a")))),
        ("NOT year IS NULL", Comparison(YEAR, "is not null")),
        ("NOT author LIKE 'a%'", Comparison(AUTHOR, "not like", "a%")),
        ("year BETWEEN 1 AND 2", And((Comparison(YEAR, ">=", 1), Comparison(YEAR, "<=", 2)))),
        ("year NOT BETWEEN 1 AND 2", Or((Comparison(YEAR, "<", 1), Comparison(YEAR, ">", 2)))),
    ],
)
def test_negation_is_pushed_down_to_the_tests(where: str, condition: Condition) -> None:
    """NOT becomes the opposite test, which a missing key does not satisfy either."""
    assert planned(where)[0] == condition


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ("year = NULL", NEVER),
        ("year NOT IN (1, NULL)", NEVER),
        ("year IN (1, NULL)", Comparison(YEAR, "=", 1)),
        ("NOT (year = NULL OR year = 1)", NEVER),
    ],
)
def test_a_comparison_with_null_is_never_true(where: str, condition: Condition) -> None:
    """NULL as a value makes a test unknown, and so does its negation; a list is searched for its other values."""
    assert planned(where)[0] == condition


def test_a_comparison_with_null_comes_with_a_warning() -> None:
    """What is never true was hardly meant, so the plan warns of it."""
    assert [warning.code for warning in planned("year = NULL")[1]] == ["null-comparison"]
    assert [warning.code for warning in planned("year NOT IN (1, NULL)")[1]] == ["null-comparison"]
    assert planned("year IS NULL")[1] == ()


def test_ids_and_collections_are_never_null() -> None:
    """Every record has an id and a collection, so a NULL test of them is decided here."""
    assert planned("id IS NULL")[0] == NEVER
    assert planned("_collection IS NOT NULL")[0] == ALWAYS
