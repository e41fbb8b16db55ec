"""Ast to plan: all semantic checks, and every decision."""

from chromasql.planner.dialect import DISTRIBUTED, LOCAL, Dialect, dialect_named
from chromasql.planner.planner import build_plan, place_plan, plan_bound, plan_statement, with_vector
from chromasql.planner.ranking import MAX_POOL
from chromasql.planner.scoping import place_view
from chromasql.planner.settings import OPTIONS, Settings

__all__ = [
    "DISTRIBUTED",
    "LOCAL",
    "MAX_POOL",
    "OPTIONS",
    "Dialect",
    "Settings",
    "build_plan",
    "dialect_named",
    "place_plan",
    "place_view",
    "plan_bound",
    "plan_statement",
    "with_vector",
]
