"""A plan for the collections found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from chromasql.plan import And, Column, Comparison, Condition, KnnLeaf, Or, QueryPlan, Ranking, VectorQuery
from chromasql.plan.dialect import DISTRIBUTED, LOCAL, Dialect
from chromasql.planner.materialization import plan_materialization
from chromasql.planner.pushdown import push_down
from chromasql.planner.pushdown.search import plan_search
from chromasql.planner.scope_rules import bind_visible_records
from chromasql.planner.select import candidate_search
from chromasql.planner.selectivity import share_checked_here

__all__ = ["bind_collections", "with_vector"]


def with_vector(plan: QueryPlan, values: tuple[float, ...]) -> QueryPlan:
    """Return the plan of a statement USING EMBEDDING (VECTOR ..) for another vector, on which no decision depends."""
    ((leaf,),) = [ranking.leaves for ranking in plan.rankings]
    assert isinstance(leaf, KnnLeaf)
    return dataclasses.replace(plan, rankings=(Ranking((dataclasses.replace(leaf, query=VectorQuery(values)),)),))


def bind_collections(
    plan: QueryPlan, collections: Sequence[str], route: str = "the caller", *, dialect: Dialect = LOCAL
) -> QueryPlan:
    """
    Set a plan on its collections, in the order of ties, and decide what depends on how many and of what kind they are.

    Collections that cannot hold a record of the answer (``_collection = 'a'``) are left out.

    Parameters
    ----------
    plan
        A plan of `build_plan`.
    collections
        Names of the collections; on a tie of score and id, the first of them comes first.
    route
        Why these collections, for EXPLAIN.
    dialect
        The kind of Chroma that holds them. Default: the local one.

    Returns
    -------
    A plan with ``collections``, ``materialization`` and, on distributed Chroma, ``search``.
    """
    names = tuple(name for name in collections if _may_contain(plan.condition, name))
    if dialect.name != plan.dialect:
        plan = _translated(plan, dialect)
    plan = dataclasses.replace(plan, collections=names, route=route)
    if dialect == DISTRIBUTED:
        plan = dataclasses.replace(plan, search=plan_search(plan))
    plan = dataclasses.replace(plan, share=share_checked_here(plan, len(names)))
    return dataclasses.replace(plan, materialization=plan_materialization(plan, len(names)))


def _translated(plan: QueryPlan, dialect: Dialect) -> QueryPlan:
    """Return the plan for another kind of Chroma."""
    filter_ = push_down(plan.condition, dialect)
    return dataclasses.replace(
        plan,
        filter=filter_,
        candidates=candidate_search(filter_, exact=plan.exact),
        dialect=dialect.name,
        page=dialect.page,
        view=None if plan.view is None else bind_visible_records(plan.view, dialect),
    )


def _may_contain(condition: Condition | None, collection: str) -> bool:
    """Whether a record of the collection may satisfy the condition, judged by ``_collection`` alone."""
    match condition:
        case Comparison(Column("_collection"), ("=" | "!=") as operator, operand):
            return (operand == collection) is (operator == "=")
        case Comparison(Column("_collection"), ("in" | "not in") as operator, tuple(operands)):
            return (collection in operands) is (operator == "in")
        case And(parts):
            return all(_may_contain(part, collection) for part in parts)
        case Or(parts):
            return any(_may_contain(part, collection) for part in parts)
        case _:
            return True
