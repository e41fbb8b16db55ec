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
from chromasql.explain.tree import build_tree
from chromasql.explain.wording import explain_condition, explain_score, plural
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

    For each collection and each step that it took part in, it has calls, rows, milliseconds, and the bytes of the
    answers where the adapter knows them. Within a scope, calls and bytes are left out, as they depend on records that
    it hides.
    """
    assert isinstance(result.plan, QueryPlan)
    return "\n".join([*_plan_lines(result.plan), *_run_lines(result)])


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


def _run_lines(result: ExecutionResult) -> Iterator[str]:
    timings = result.timings
    # How often and how much a collection had to be read depends on the records that a scope hides.
    hidden = isinstance(result.plan, QueryPlan) and result.plan.view is not None
    yield f"ran: {plural(len(result.rows), 'row')} in {timings.total:.1f} ms"
    yield f"  waiting for Chroma: {timings.waiting:.1f} ms"
    yield f"  embedding: {timings.embedding:.1f} ms, {plural(timings.embedding_calls, 'call')}"
    yield f"  ChromaSQL itself: {timings.own:.1f} ms"
    for outcome in result.outcomes:
        retries = f", {plural(outcome.retries, 'retry', 'retries')}" if outcome.retries else ""
        yield f"  {outcome.collection}: {outcome.status}{retries}"
        if outcome.error is not None:
            yield f"    {outcome.error.kind}: {outcome.error.message}"
        for step in outcome.steps:
            size = "" if step.bytes is None or hidden else f", {step.bytes} bytes"
            calls = "" if hidden else f"{plural(step.calls, 'call')}, "
            yield f"    {step.step}: {calls}{plural(step.rows, 'row')}, {step.milliseconds:.1f} ms{size}"
