"""Which plans are kept, and that a kept plan is the plan that would be made anew."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import ChromaSQLPlanningError, Scope, Settings, parse
from chromasql.multi_collection.plan_cache import PlanCache
from chromasql.planner import plan_statement
from chromasql.planner.scope import OPEN

RANKED = "SELECT id FROM docs USING EMBEDDING (VECTOR :v) LIMIT 1"
FILTERED = "SELECT id FROM docs WHERE n = :n USING EMBEDDING (VECTOR :v) LIMIT 1"


@pytest.mark.parametrize(
    ("sql", "params", "is_kept"),
    [
        ("SELECT id FROM docs WHERE n > 0", None, True),
        ("SELECT id FROM docs WHERE n > 0", {}, True),
        ("SELECT id FROM docs USING EMBEDDING (VECTOR [1, 2]) LIMIT 1", None, True),
        ("SHOW COLLECTIONS", None, True),
        (RANKED, {"v": [1.0, 2.0]}, True),
        (FILTERED, {"v": [1.0, 2.0], "n": 1}, False),
        ("SELECT id FROM docs WHERE n = :n", {"n": 1}, False),
        ("SELECT id FROM docs USING EMBEDDING (TEXT :t) LIMIT 1", {"t": "words"}, False),
        ("SELECT id FROM docs USING EMBEDDING (VECTOR [1, 2]) LIMIT 2 RERANK BY MMR", None, False),
    ],
)
def test_what_is_kept(sql: str, params: Any, is_kept: bool) -> None:
    """Kept is the plan of a statement whose only parameter, if any, is its vector, and which does not rerank."""
    plans, settings = PlanCache(OPEN), Settings()
    statement = parse(sql)
    first = plans.bind_and_plan(statement, params, settings)

    assert len(plans) == is_kept
    assert (plans.bind_and_plan(statement, params, settings)[1] is first[1]) is (is_kept and not params)


@pytest.mark.parametrize("sql", [RANKED, FILTERED])
def test_a_kept_plan_is_the_plan(sql: str) -> None:
    """Whatever was planned before, a statement gets the tree and the plan that its own parameters lead to."""
    plans, settings, scope = PlanCache(Scope(max_limit=5)), Settings(), Scope(max_limit=5)
    for component in (1.0, 2.0, -3.5):
        params = {"v": [component, 0.0]} | ({"n": int(component)} if ":n" in sql else {})
        bound, plan = plans.bind_and_plan(parse(sql), params, settings)

        assert plan == plan_statement(parse(sql), params, settings=settings, scope=scope)
        assert bound.embedding.values.values == (component, 0.0)


@pytest.mark.parametrize("params", [None, {}, {"v": {1: 0.5}}, {"v": []}, {"v": [1.0], "w": 1}, {"w": [1.0]}], ids=str)
def test_wrong_parameters_are_refused_each_time(params: Any) -> None:
    """A statement that was planned with a vector is refused with anything that is not one."""
    plans, settings = PlanCache(OPEN), Settings()
    for _ in range(2):
        plans.bind_and_plan(parse(RANKED), {"v": [0.0, 0.0]}, settings)
        with pytest.raises(ChromaSQLPlanningError):
            plans.bind_and_plan(parse(RANKED), params, settings)


def test_parameters_that_a_kept_statement_lacks_are_refused() -> None:
    """A statement without parameters is refused with some, even where its plan is kept."""
    plans, settings = PlanCache(OPEN), Settings()
    statement = parse("SELECT id FROM docs")
    plans.bind_and_plan(statement, None, settings)
    with pytest.raises(ChromaSQLPlanningError):
        plans.bind_and_plan(statement, {"n": 1}, settings)


def test_settings_have_plans_of_their_own() -> None:
    """Another timeout leads to another plan."""
    plans, statement = PlanCache(OPEN), parse("SELECT id FROM docs")
    for seconds in (1.0, 2.0, 1.0):
        assert plans.bind_and_plan(statement, None, Settings(timeout=seconds))[1].timeout == seconds
    assert len(plans) == 2


def test_the_plan_used_least_recently_is_dropped() -> None:
    """Of more statements than are kept, the one used longest ago is planned again."""
    plans, settings = PlanCache(OPEN, max_bytes=14_000), Settings()
    statements = [parse(f"SELECT id FROM docs LIMIT {limit}") for limit in (1, 2, 3)]
    kept = [plans.bind_and_plan(statements[index], None, settings)[1] for index in (0, 1, 0, 2)]

    assert kept[0] is kept[2]
    assert len(plans) == 2
    assert plans.bind_and_plan(statements[0], None, settings)[1] is kept[0]
    assert plans.bind_and_plan(statements[1], None, settings)[1] is not kept[1]
