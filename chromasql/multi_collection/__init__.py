"""Route, fan out, merge: one statement over many collections, from async code."""

from __future__ import annotations

from chromasql import _publish, ast
from chromasql.multi_collection.engine import Engine, OptionalParameters
from chromasql.multi_collection.options import EngineOptions
from chromasql.planner import Settings
from chromasql.planner.scope import OPEN, Scope
from chromasql.protocols import AsyncCollectionProvider, CollectionRouter, EmbedFunction, RouteFunction
from chromasql.result import ExecutionResult

__all__ = ["AsyncCollectionProvider", "CollectionRouter", "Engine", "EngineOptions", "execute_multi_collection"]


async def execute_multi_collection(
    query_str: str | ast.Statement,
    router: CollectionRouter | RouteFunction | None,
    collection_provider: AsyncCollectionProvider,
    *,
    embed_fn: EmbedFunction | None = None,
    merge_strategy: str = "distance",
    n_results_per_collection: int | None = None,
    params: OptionalParameters = None,
    on_error: str = "skip",
    timeout: float | None = None,  # noqa: ASYNC109 - the engine keeps it, and returns what was in time
    max_concurrency: int | None = None,
    scope: Scope | None = None,
) -> ExecutionResult:
    """
    Ask many collections with one statement and merge their rows into one answer.

    It opens and closes nothing: `chromasql.connect_async` makes an object for many statements, which keeps plans and
    vectors.

    Parameters
    ----------
    query_str : str or chromasql.ast.Statement
        The statement.
    router : CollectionRouter or RouteFunction, optional
        Chooses the collections; with None, FROM does.
    collection_provider : AsyncCollectionProvider
        Opens the collections.
    embed_fn : EmbedFunction, optional
        Embeds TEXT. Default: the embedding function of each collection.
    merge_strategy : str
        ``distance``, the default, or ``rrf``.
    n_results_per_collection : int, optional
        The number of candidates from each collection. Default: as many as the answer may need.
    params : Mapping or Sequence, optional
        The values of parameters, by name or by position.
    on_error : str
        ``skip``, the default (the result says which collections are missing), or ``fail``.
    timeout : float, optional
        Seconds for the whole statement. Default: no limit.
    max_concurrency : int, optional
        The maximum of concurrent calls to a server. Default: that of the provider, or 8.
    scope : Scope, optional
        What the statement may reach. Default: everything; only then ``raw`` of the result holds Chroma's answers.

    Returns
    -------
    ExecutionResult
        Rows, outcomes by collection, warnings and timings.

    Raises
    ------
    ChromaSQLParseError
        The text is not a statement.
    ChromaSQLPlanningError
        The statement or an option cannot be meant; `ChromaSQLRoutingError` where it leads to no collection.
    ChromaSQLExecutionError
        Every collection failed, or one did and ``on_error`` is ``fail``.
    """
    settings = Settings(
        merge=merge_strategy, on_error=on_error, timeout=timeout, per_collection=n_results_per_collection
    )
    options = EngineOptions(
        router,
        embed_fn,
        settings,
        max_concurrency=max_concurrency,
        scope=OPEN if scope is None else scope,
        keep_raw=scope is None,
    )
    return await Engine(collection_provider, options).execute(query_str, params)


_publish(__name__)
