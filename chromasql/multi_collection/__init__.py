"""Route, fan out, merge: one statement over many collections, from async code."""

from __future__ import annotations

from chromasql import ast
from chromasql.multi_collection.engine import Engine, Parameters
from chromasql.planner import Settings
from chromasql.planner.scope import Scope
from chromasql.protocols import AsyncCollectionProvider, CollectionRouter, EmbedFunction, RouteFunction
from chromasql.result import ExecutionResult

__all__ = ["AsyncCollectionProvider", "CollectionRouter", "Engine", "execute_multi_collection"]


async def execute_multi_collection(
    query_str: str | ast.Statement,
    router: CollectionRouter | RouteFunction | None,
    collection_provider: AsyncCollectionProvider,
    *,
    embed_fn: EmbedFunction | None = None,
    merge_strategy: str = "distance",
    n_results_per_collection: int | None = None,
    params: Parameters = None,
    on_error: str = "skip",
    timeout: float | None = None,  # noqa: ASYNC109 - the engine keeps it, and returns what was in time
    max_concurrency: int | None = None,
    scope: Scope | None = None,
) -> ExecutionResult:
    """
    Ask many collections with one statement and merge their rows into one answer.

    ``router`` chooses the collections (None: FROM does), ``collection_provider`` opens them, ``embed_fn(text, model)``
    embeds TEXT. ``merge_strategy`` is ``distance`` or ``rrf``; ``n_results_per_collection`` is the number of candidates
    that each collection gives (otherwise as many as the answer may need); ``timeout`` is in seconds for the whole
    statement; ``on_error`` is ``skip`` (the result says which collections are missing) or ``fail``; ``scope`` is what
    the statement may reach.

    Raises `ChromaSQLParseError`, `ChromaSQLPlanningError` (with `ChromaSQLRoutingError`), and
    `ChromaSQLExecutionError` where every collection failed, or one did and ``on_error`` is ``fail``.
    """
    engine = Engine(
        collection_provider,
        router=router,
        embed_fn=embed_fn,
        settings=Settings(
            merge=merge_strategy, on_error=on_error, timeout=timeout, per_collection=n_results_per_collection
        ),
        max_concurrency=max_concurrency,
        scope=scope,
        keep_raw=scope is None,
    )
    return await engine.execute(query_str, params)
