"""
A statement to its plan, in the order of its clauses.

A plan is made in two steps: `build_plan` decides what does not depend on the collections, `bind_collections`
what does, once the router has named them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from chromasql import ast
from chromasql.analysis import bind_parameters
from chromasql.errors import ChromaSQLError, ChromaSQLPlanningError
from chromasql.plan import DescribePlan, PlanWarning, QueryPlan, ShowPlan, StatementPlan
from chromasql.planner.numbers import count_of, literal
from chromasql.planner.scope import OPEN, Scope
from chromasql.planner.scope_rules import Scoping
from chromasql.planner.select import QueryPlanner, statement_text
from chromasql.planner.settings import Settings

__all__ = ["build_plan", "plan_bound", "plan_statement"]


def plan_statement(
    statement: ast.Statement,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    settings: Settings | None = None,
    scope: Scope | None = None,
) -> StatementPlan:
    """Plan any statement; see `build_plan`."""
    return plan_bound(bind_parameters(statement, params), settings=settings, scope=scope)


def plan_bound(bound: ast.Statement, *, settings: Settings | None = None, scope: Scope | None = None) -> StatementPlan:
    """Plan a statement that has no parameters, or none any more, within a scope."""
    scoping = Scoping(scope or OPEN)
    try:
        match bound:
            case ast.Query():
                return QueryPlanner(bound, settings or Settings(), scoping).plan()
            case ast.ShowCollections():
                return _plan_show(bound, scoping)
            case ast.Describe(source):
                return DescribePlan(statement_text(bound), str(source.name), view=scoping.view)
            case _:
                assert_never(bound)
    except ChromaSQLError as error:
        if bound.source_text is not None and error.span is not None:
            error.located_in(bound.source_text)
        raise


def build_plan(
    query: ast.Statement,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    settings: Settings | None = None,
    scope: Scope | None = None,
) -> QueryPlan:
    """
    Plan a SELECT: check its meaning and decide what is sent to Chroma and what is done here.

    The plan does not name collections yet, so neither those that the scope allows nor the cost are checked here:
    `execute_plan` runs it on one collection, `bind_collections` sets it on many.

    Parameters
    ----------
    query
        The tree of a SELECT, from `parse`.
    params
        Values of the parameters: a mapping for ``:name``, a sequence for ``?``.
    settings
        Options for a statement that does not set its own in ``WITH (..)``. Default: those of `Settings`.
    scope
        What the statement may reach. Default: everything.

    Returns
    -------
    The plan, without collections.

    Raises
    ------
    ChromaSQLPlanningError
        If the statement is not a SELECT or does not make sense, with the place in the text.
    """
    plan = plan_statement(query, params, settings=settings, scope=scope)
    if not isinstance(plan, QueryPlan):
        raise ChromaSQLPlanningError(
            "build_plan takes a SELECT; execute SHOW and DESCRIBE on a database", code="not-a-select"
        )
    return plan


def _plan_show(show: ast.ShowCollections, scoping: Scoping) -> ShowPlan:
    pattern = None if show.like is None else literal(show.like)
    if show.like is not None and not isinstance(pattern, str):
        raise ChromaSQLPlanningError("LIKE takes a string", code="invalid-argument", span=show.like.span)
    warnings: list[PlanWarning] = []
    span = None if show.limit is None else show.limit.span
    limit = scoping.limit_names(count_of(show.limit, "LIMIT", least=0), span, warnings.append)
    return ShowPlan(
        statement_text(show),
        like=pattern if isinstance(pattern, str) else None,
        limit=limit,
        warnings=tuple(warnings),
        offset=count_of(show.offset, "OFFSET", least=0) or 0,
        view=scoping.view,
    )
