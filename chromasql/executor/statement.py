"""The order of the steps of a SELECT."""

from __future__ import annotations

import time

from chromasql.executor.hints import warn_of_the_answer
from chromasql.executor.page import cut_page
from chromasql.executor.ranked import rank
from chromasql.executor.state import Cut, StatementContext
from chromasql.executor.unranked import aggregate, scan_collections
from chromasql.operators.project import EXPLAIN_COLUMN, project_rows
from chromasql.result import ExecutionResult

__all__ = ["run_statement"]


async def run_statement(context: StatementContext) -> ExecutionResult:
    """Run the steps of a statement and return its result."""
    started = time.perf_counter()
    plan, ledger = context.plan, context.dispatcher.ledger
    cuts = await _pages(context)
    ledger.require_some()
    if plan.total:
        for cut in cuts:
            for row in cut.rows:
                row.total = cut.total
    pages = [cut.rows for cut in cuts]
    explains = context.options.explain_rows
    results = tuple(project_rows(rows, plan, explain_rows=explains) for rows in pages)
    shown = [row for rows in results for row in rows]
    await warn_of_the_answer(context, pages, shown)
    columns = tuple(output.name for output in plan.outputs)
    return ExecutionResult(
        rows=shown,
        raw=ledger.raw(),
        columns=(*columns, EXPLAIN_COLUMN) if explains and plan.rankings else columns,
        results=results,
        outcomes=ledger.outcomes(),
        warnings=tuple(dict.fromkeys((*plan.warnings, *ledger.warnings))),
        plan=plan,
        total=cuts[0].total if plan.total else None,
        timings=ledger.clock.timings(time.perf_counter() - started),
    )


async def _pages(context: StatementContext) -> list[Cut]:
    """Return a page of rows for each ranking, or one page."""
    plan = context.plan
    if plan.rankings:
        return [await cut_page(context, found) for found in await rank(context)]
    if plan.aggregation is not None:
        return [await aggregate(context, plan.aggregation)]
    return [await cut_page(context, await scan_collections(context))]
