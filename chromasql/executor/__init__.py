"""
Plan to result.

The steps of a statement: open and embed; rank or scan; merge; fetch what scores and orders need; group, rerank, order
and cut the page; fetch what is shown; project. Between two steps only pure functions run, and every call goes through
the dispatcher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from chromasql import _publish
from chromasql.dispatch.dispatcher import Dispatcher
from chromasql.dispatch.options import CollectionSource, DispatchOptions
from chromasql.executor.state import DEFAULT_OPTIONS, RunOptions, StatementContext
from chromasql.executor.statement import run_statement
from chromasql.executor.unranked import stream_rows
from chromasql.explain import analyzed, explained
from chromasql.operators.project import EXPLAIN_COLUMN
from chromasql.plan import QueryPlan
from chromasql.plan.dialect import LOCAL, Dialect
from chromasql.planner import Settings, bind_collections
from chromasql.protocols import EmbedFunction
from chromasql.result import ExecutionResult
from chromasql.retrieval.dialect_detection import detect_dialect
from chromasql.retrieval.embedders import as_embed_function

__all__ = [
    "EXPLAIN_COLUMN",
    "RunOptions",
    "analyzed",
    "execute_plan",
    "explained",
    "run_on_collection",
    "run_plan",
    "stream_plan",
]


def execute_plan(plan: QueryPlan, collection: Any, *, embed_fn: EmbedFunction | None = None) -> ExecutionResult:
    """
    Run a plan on one collection and wait for the result, also where an event loop is running.

    Parameters
    ----------
    plan : QueryPlan
        The plan of a SELECT.
    collection : object
        A collection of chromadb, blocking or async, or anything with its ``get`` and ``query``.
    embed_fn : EmbedFunction, optional
        ``embed_fn(text, model)`` embeds TEXT. Default: the embedding function of the collection.

    Returns
    -------
    ExecutionResult
        Its ``raw`` is the response of Chroma if there was one request, as in 1.8.0, and ``{"responses": [..]}`` with
        all of them, in their order, if there were several.

    Raises
    ------
    ChromaSQLPlanningError
        Where the collection does not fit the statement, in its space or dimension for example.
    ChromaSQLExecutionError
        Where a call, embedding or reranking fails; `ChromaSQLTimeoutError` where the timeout of the plan is over.
    """
    from chromasql.concurrency.portal import run_in_portal

    return run_in_portal(run_on_collection, plan, collection, embed_fn)


async def run_on_collection(plan: QueryPlan, collection: Any, embed_fn: EmbedFunction | None = None) -> ExecutionResult:
    """Run a plan on one collection; the async form of `execute_plan`."""
    name = str(getattr(collection, "name", "collection"))
    bound = plan
    if plan.collections is None:
        bound = bind_collections(plan, (name,), "the collection given", dialect=await _dialect_of(collection))
    if bound.explain == "plan":
        return explained(bound)
    options = DispatchOptions(timeout=plan.timeout, on_error="fail", retries=Settings().retries, keep_raw=True)
    dispatcher = Dispatcher.start(CollectionSource(lambda _: collection), options)
    result = await run_plan(bound, dispatcher, RunOptions(as_embed_function(embed_fn)))
    if plan.explain == "analyze":
        return analyzed(result)
    raw = result.raw.get(name, [])
    return dataclasses.replace(result, raw=raw[0] if len(raw) == 1 else {"responses": raw})


async def _dialect_of(collection: Any) -> Dialect:
    try:
        return await detect_dialect(collection)
    except Exception:  # noqa: BLE001 - the statement will fail the same way, and say why
        return LOCAL


async def run_plan(plan: QueryPlan, dispatcher: Dispatcher, options: RunOptions = DEFAULT_OPTIONS) -> ExecutionResult:
    """
    Run a plan that is bound to collections.

    Parameters
    ----------
    plan : QueryPlan
        The plan; `chromasql.planner.bind_collections` binds it.
    dispatcher : Dispatcher
        Makes the calls, and keeps what happened.
    options : RunOptions
        The embedder, known vectors, and whether rows are explained.

    Returns
    -------
    ExecutionResult
        Rows, outcomes, warnings and timings.

    Raises
    ------
    ChromaSQLExecutionError
        Where all collections failed, one did and ``on_error`` is ``fail``, or embedding or reranking did.
    ChromaSQLPlanningError
        Where the collections turn out not to fit together, or not to fit the statement.
    HandleChanged
        Where a collection was recreated with other properties during the run.
    """
    return await run_statement(StatementContext.of(plan, dispatcher, options))


async def stream_plan(
    plan: QueryPlan, dispatcher: Dispatcher, options: RunOptions = DEFAULT_OPTIONS
) -> AsyncIterator[list[dict[str, Any]]]:
    """
    Run a plan that is bound to collections, and yield its rows in pages, as they come.

    An unranked statement without order or groups holds one page at a time, however many rows there are; any other is
    run completely first. Raises as `run_plan` does. Since the rows that came before cannot be taken back, a collection
    that fails ends the stream with `ChromaSQLExecutionError`, whatever ``on_error`` is.
    """
    context = StatementContext.of(plan, dispatcher, options)
    if plan.rankings or plan.order or plan.keep is not None or plan.aggregation is not None:
        yield (await run_statement(context)).require_complete().rows
        return
    async for rows in stream_rows(context):
        yield rows


_publish(__name__)
