"""Ast to plan: all semantic checks, and every decision."""

from chromasql import _publish
from chromasql.plan.dialect import DISTRIBUTED, LOCAL, Dialect, dialect_named
from chromasql.planner.placement import bind_collections, with_vector
from chromasql.planner.planner import build_plan, plan_bound, plan_statement
from chromasql.planner.ranking import MAX_CANDIDATES
from chromasql.planner.scope_rules import bind_visible_records
from chromasql.planner.settings import OPTIONS, Settings

__all__ = [
    "DISTRIBUTED",
    "LOCAL",
    "MAX_CANDIDATES",
    "OPTIONS",
    "Dialect",
    "Settings",
    "bind_collections",
    "bind_visible_records",
    "build_plan",
    "dialect_named",
    "plan_bound",
    "plan_statement",
    "with_vector",
]

_publish(__name__)
