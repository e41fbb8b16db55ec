"""Ast to plan: all semantic checks, and every decision."""

from chromasql.planner.planner import MAX_POOL, Settings, build_plan, place_plan, plan_statement

__all__ = ["MAX_POOL", "Settings", "build_plan", "place_plan", "plan_statement"]
