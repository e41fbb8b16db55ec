"""What a scope allows a statement, as rules of the planner."""

from __future__ import annotations

import pytest

from chromasql.errors import ChromaSQLPlanningError
from chromasql.parser import parse
from chromasql.plan import And, Column, Comparison, QueryPlan
from chromasql.planner import Settings, build_plan
from chromasql.planner.scope import Scope

pytestmark = pytest.mark.unit


def planned(sql: str, scope: Scope, settings: Settings | None = None) -> QueryPlan:
    return build_plan(parse(sql), scope=scope, settings=settings)


@pytest.mark.parametrize(
    ("sql", "options", "code"),
    [
        ("SELECT author FROM docs", {"fields": ["year"]}, "scope-denied"),
        ("SELECT id FROM docs WHERE author = 'a'", {"fields": ["id"]}, "scope-denied"),
        ("SELECT id FROM docs ORDER BY author", {"fields": ["id"]}, "scope-denied"),
        ("SELECT id FROM docs LIMIT 9", {"max_limit": 5}, "scope-limit"),
        ("SELECT id FROM docs RANK BY KNN([1], limit = 9)", {"max_candidates": 5}, "scope-limit"),
        ("SELECT id FROM docs WITH (timeout = 9)", {"max_timeout": 5}, "scope-limit"),
    ],
)
def test_what_a_scope_closes_is_refused_in_its_place(sql: str, options: dict[str, object], code: str) -> None:
    """A column outside the scope and a number above its limit are errors with a code and a place in the text."""
    with pytest.raises(ChromaSQLPlanningError) as caught:
        planned(sql, Scope(**options))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.span is not None


def test_a_limit_stands_in_where_the_statement_has_none() -> None:
    """Without LIMIT the answer ends at the maximum, with a warning; a lower LIMIT stays."""
    scope = Scope(max_limit=5)

    assert planned("SELECT id FROM docs LIMIT 3", scope).limit == 3
    bounded = planned("SELECT id FROM docs", scope)
    assert bounded.limit == 5
    assert [warning.code for warning in bounded.warnings] == ["limited"]


def test_the_timeout_of_the_caller_is_bounded_in_silence() -> None:
    """A timeout that the application set itself is cut to the maximum, and a missing one becomes the maximum."""
    scope = Scope(max_timeout=5)

    assert planned("SELECT id FROM docs", scope, Settings(timeout=9)).timeout == 5
    assert planned("SELECT id FROM docs", scope).timeout == 5
    assert planned("SELECT id FROM docs", scope, Settings(timeout=2)).timeout == 2


def test_the_predicate_of_a_scope_reads_any_field() -> None:
    """The predicate stands in the condition of the plan, although the statement itself may not name its field."""
    plan = planned("SELECT id FROM docs WHERE year = 1", Scope(fields=["id", "year"], where="owner = 'ada'"))

    assert plan.condition == And(
        (Comparison(Column("metadata", "owner"), "=", "ada"), Comparison(Column("metadata", "year"), "=", 1))
    )
