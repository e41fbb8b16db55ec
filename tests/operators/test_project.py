"""Rows of the engine as rows of the answer."""

from __future__ import annotations

import pytest

from chromasql.operators.project import EXPLAIN_COLUMN, project_rows
from chromasql.operators.row import LeafHit, Row
from chromasql.parser import parse
from chromasql.plan import QueryPlan
from chromasql.planner import build_plan

pytestmark = pytest.mark.unit


def planned(sql: str) -> QueryPlan:
    plan = build_plan(parse(sql))
    assert isinstance(plan, QueryPlan)
    return plan


def test_columns_have_their_names_and_order() -> None:
    """A row of the answer has the columns of SELECT under their aliases, in their order, NULL where a key is missing."""
    row = Row("docs", 0, "a", metadata={"year": 2024})

    (shown,) = project_rows([row], planned("SELECT year AS y, id, author FROM docs"), explain_rows=False)

    assert list(shown.items()) == [("y", 2024), ("id", "a"), ("author", None)]


def test_metadata_is_shown_in_the_order_of_its_keys() -> None:
    """The whole metadata is a dict sorted by key, whatever order Chroma returned."""
    row = Row("docs", 0, "a", metadata={"b": 1, "a": 2})

    (shown,) = project_rows([row], planned("SELECT metadata FROM docs"), explain_rows=False)

    assert list(shown["metadata"].items()) == [("a", 2), ("b", 1)]


def test_the_audit_trail_names_every_leaf() -> None:
    """With explain_rows a row says its score, and the rank and distance in each leaf, or None where it was not found."""
    row = Row("docs", 0, "a", score=0.5, hits=(LeafHit(3, 0.25), None))
    plan = planned("SELECT id FROM docs RANK BY KNN('x', limit => 9) + KNN('y', default => 1)")

    (shown,) = project_rows([row], plan, explain_rows=True)

    assert shown[EXPLAIN_COLUMN] == {"score": 0.5, "leaves": [{"rank": 3, "distance": 0.25}, None]}
