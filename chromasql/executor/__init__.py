"""
Plan to result: the waves of a statement, in reading order.

Open and embed; rank or scan; merge; fetch what scores and orders need; group, rerank, order and page; fetch what is
shown; project. Between two waves only pure functions run, and every call goes through the dispatcher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

from chromasql import _publish
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.executor.statement import StatementRun
from chromasql.explain import analyzed, explained
from chromasql.operators.project import EXPLAIN_COLUMN
from chromasql.plan import QueryPlan
from chromasql.plan.dialect import LOCAL, Dialect
from chromasql.planner import Settings, bind_collections
from chromasql.result import ExecutionResult
from chromasql.retrieval.dialect_detection import detect_dialect
from chromasql.retrieval.embedding import VectorCache

__all__ = ["EXPLAIN_COLUMN", "analyzed", "execute_plan", "explained", "run_on_collection", "run_plan", "stream_plan"]


def execute_plan(plan: QueryPlan, collection: Any, *, embed_fn: Callable[..., Any] | None = None) -> ExecutionResult:
    """
    Run a plan on one collection and wait for the result; it works where an event loop is running, too.

    ``collection`` is chromadb's own, blocking or async, or anything with its ``get`` and ``query``.
    ``embed_fn(text, model)`` embeds TEXT; without it the collection's own embedding function does.
    """
    from chromasql.concurrency.portal import run_in_portal

    return run_in_portal(run_on_collection, plan, collection, embed_fn)


async def run_on_collection(
    plan: QueryPlan, collection: Any, embed_fn: Callable[..., Any] | None = None
) -> ExecutionResult:
    """Run a plan on one collection; the async form of `execute_plan`."""
    name = str(getattr(collection, "name", "collection"))
    placed = plan
    if plan.collections is None:
        placed = bind_collections(plan, (name,), "the collection given", dialect=await _dialect_of(collection))
    if placed.explain == "plan":
        return explained(placed)
    dispatcher = Dispatcher(
        lambda _: collection, timeout=plan.timeout, on_error="fail", retries=Settings().retries, keep_raw=True
    )
    result = await run_plan(placed, dispatcher, embed_fn)
    if plan.explain == "analyze":
        return analyzed(result)
    raw = result.raw.get(name, [])
    return dataclasses.replace(result, raw=raw[0] if len(raw) == 1 else {"responses": raw})


async def _dialect_of(collection: Any) -> Dialect:
    try:
        return await detect_dialect(collection)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the statement will meet it and say so
        return LOCAL


async def run_plan(
    plan: QueryPlan,
    dispatcher: Dispatcher,
    embed_fn: Callable[..., Any] | None = None,
    *,
    cache: VectorCache | None = None,
    explain_rows: bool = False,
) -> ExecutionResult:
    """
    Run a placed plan and return its result; vectors of texts in ``cache`` are not embedded again.

    With ``explain_rows`` each row of a ranked statement has ``_explain``: its score, and what each leaf knows of it.

    Raises `ChromaSQLExecutionError` where all collections failed or ``on_error`` is FAIL, and
    `ChromaSQLPlanningError` where the collections found cannot be merged.
    """
    return await StatementRun(plan, dispatcher, embed_fn, cache=cache, explain_rows=explain_rows).result()


async def stream_plan(
    plan: QueryPlan,
    dispatcher: Dispatcher,
    embed_fn: Callable[..., Any] | None = None,
    *,
    cache: VectorCache | None = None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """
    Run a placed plan and yield its rows page by page, as they come.

    An unranked statement without order or groups holds one page at a time, whatever its size; any other is answered
    first. A collection that fails ends the stream with `ChromaSQLExecutionError`, as rows that are missing could
    not be told.
    """
    run = StatementRun(plan, dispatcher, embed_fn, cache=cache)
    if plan.rankings or plan.order or plan.keep is not None or plan.aggregation is not None:
        yield (await run.result()).require_complete().rows
        return
    async for rows in run.pages():
        yield rows


_publish(__name__)
