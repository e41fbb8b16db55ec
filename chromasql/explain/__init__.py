"""
Plan to words: EXPLAIN, a pure function of the plan and the same text on every run.

A plan is printed as a tree of operators under the names that database engines use (`OPERATOR_NAMES`): the step that
runs last is the root, and the steps whose rows it takes stand below it, indented. Facts about an operator stand right
below it, in lower case; facts about the whole statement stand at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from chromasql.explain.operators import OPERATOR_NAMES, render_tree
from chromasql.explain.run import run_lines
from chromasql.explain.tree import build_tree
from chromasql.explain.wording import explain_condition, explain_score
from chromasql.plan import QueryPlan
from chromasql.plan.serialize import plan_to_dict
from chromasql.result import ExecutionResult

__all__ = [
    "OPERATOR_NAMES",
    "analyzed",
    "explain_condition",
    "explain_plan",
    "explain_run",
    "explain_score",
    "explained",
    "plan_to_dict",
]


def explain_plan(plan: QueryPlan) -> str:
    """
    Describe a plan as an indented tree of operators.

    Each search says what is pushed down to Chroma and how candidates are found; a Filter above it says what is
    re-checked here. Vectors are given by their length, and values of more than 160 characters are cut;
    `plan_to_dict` has both whole.
    """
    return "\n".join(_plan_lines(plan))


def explain_run(result: ExecutionResult) -> str:
    """
    Describe a plan that was run: the tree of `explain_plan`, then what happened.

    Collections that failed, were late or were retried come first, then the slowest; the others share a line. Each step
    has calls, records read and kept, milliseconds, and the bytes of the answers where the adapter knows them. A hint
    follows where much more was read than kept. Within a scope only rows and times are shown, for every collection in
    the order of the statement, as the rest depends on records that it hides.
    """
    assert isinstance(result.plan, QueryPlan)
    return "\n".join([*_plan_lines(result.plan), *run_lines(result)])


def explained(plan: QueryPlan) -> ExecutionResult:
    """Return the result of EXPLAIN: a row for each line of the plan. Nothing is run."""
    text = explain_plan(plan)
    rows = [{"plan": line} for line in text.splitlines()]
    return ExecutionResult(
        rows, columns=("plan",), results=(rows,), warnings=plan.warnings, plan=plan, explanation=text
    )


def analyzed(result: ExecutionResult) -> ExecutionResult:
    """Return the result of EXPLAIN ANALYZE, from the result of the statement itself; its rows are replaced."""
    text = explain_run(result)
    rows = [{"plan": line} for line in text.splitlines()]
    return dataclasses.replace(result, rows=rows, columns=("plan",), results=(rows,), explanation=text)


def _plan_lines(plan: QueryPlan) -> Iterator[str]:
    yield from render_tree(build_tree(plan))
    if plan.read_level is not None:
        passed = "passed to Chroma" if plan.search != "no" else "of no effect, as this Chroma always reads everything"
        yield f"read level: {plan.read_level}, {passed}"
    missing = "ends the statement" if plan.on_error == "fail" else "is skipped and reported"
    timeout = "" if plan.timeout is None else f", within {plan.timeout:g} s"
    yield f"on error: a collection that fails {missing}{timeout}"
    for warning in plan.warnings:
        yield f"warning: {warning.message}"
