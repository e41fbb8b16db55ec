"""Plans as JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from chromasql.parser import parse
from chromasql.plan import QueryPlan, plan_to_dict
from chromasql.planner import build_plan
from chromasql.planner.planner import plan_statement

pytestmark = pytest.mark.unit

STATEMENTS = (
    "SELECT id FROM docs WHERE year IN (1, 2) OR NOT title LIKE 'a%' LIMIT 3",
    "SELECT id FROM docs RANK BY RRF(KNN('x', return_rank => TRUE), BM25('y', return_rank => TRUE)) LIMIT 3",
    "SELECT author, COUNT(*) FROM docs GROUP BY author",
    "SHOW COLLECTIONS",
    "DESCRIBE docs",
)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_plan_is_json(sql: str) -> None:
    """Every field of a plan is there under its own name, and the whole survives JSON."""
    plan = plan_statement(parse(sql))
    fields = plan_to_dict(plan)

    assert json.loads(json.dumps(fields)) == fields
    assert set(fields) - {"kind", "mode"} == {field.name for field in dataclasses.fields(plan)}


def test_parts_of_a_union_say_their_kind() -> None:
    """Where kinds mix, a part says which it is; columns are written as in SQL."""
    plan = build_plan(parse("SELECT id FROM docs WHERE year = 1 OR id = 'a'"))
    assert isinstance(plan, QueryPlan)

    condition = plan_to_dict(plan)["condition"]
    assert condition["kind"] == "any"
    assert [(part["kind"], part["column"]) for part in condition["parts"]] == [
        ("test", "metadata.year"),
        ("test", "id"),
    ]
