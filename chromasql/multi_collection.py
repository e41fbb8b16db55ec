"""Route, fan out, merge: one statement over many collections, from async code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chromasql import ast
from chromasql.analysis import bind_parameters
from chromasql.catalogue import describe_collection, show_collections
from chromasql.dispatcher import Dispatcher
from chromasql.errors import (
    ChromaSQLError,
    ChromaSQLExecutionError,
    ChromaSQLPlanningError,
    ChromaSQLRoutingError,
    Failure,
    describe_exception,
    near_names,
)
from chromasql.executor import explained, run_plan
from chromasql.parser import parse
from chromasql.plan import DescribePlan, QueryPlan, ShowPlan, StatementPlan
from chromasql.planner import Settings, place_plan, plan_statement
from chromasql.protocols import AsyncCollectionProvider, CollectionRouter, EmbedFunction, RouteFunction
from chromasql.regex import compile_regex, like_to_regex
from chromasql.result import ExecutionResult

__all__ = [
    "AsyncCollectionProvider",
    "CollectionRouter",
    "Engine",
    "execute_multi_collection",
]

Parameters = Mapping[str, Any] | Sequence[Any] | None

DEFAULT_CONCURRENCY = 8
"""How many collections are asked at once where neither the caller nor the provider says."""


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
    timeout: float | None = None,
    max_concurrency: int | None = None,
) -> ExecutionResult:
    """
    Ask many collections with one statement and merge their rows into one answer.

    ``router`` chooses the collections (None: FROM does), ``collection_provider`` opens them, ``embed_fn(text, model)``
    embeds TEXT. ``merge_strategy`` is ``distance`` or ``rrf``; ``n_results_per_collection`` is the number of candidates
    that each collection gives (otherwise as many as the answer may need); ``timeout`` is in seconds for the whole
    statement; ``on_error`` is ``skip`` (the result says which collections are missing) or ``fail``.

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
        keep_raw=True,
    )
    return await engine.execute(query_str, params)


class Engine:
    """What stays the same between statements: where collections come from, who routes and who embeds."""

    def __init__(
        self,
        provider: AsyncCollectionProvider,
        *,
        router: CollectionRouter | RouteFunction | None = None,
        embed_fn: EmbedFunction | None = None,
        settings: Settings | None = None,
        max_concurrency: int | None = None,
        keep_raw: bool = False,
    ) -> None:
        if max_concurrency is not None and max_concurrency < 1:
            raise ChromaSQLPlanningError(f"max_concurrency takes a whole number of at least 1, not {max_concurrency!r}")
        self._provider = provider
        self._router = router
        self._embed_fn = embed_fn
        self._settings = settings or Settings()
        self._concurrency = max_concurrency or getattr(provider, "max_concurrency", None) or DEFAULT_CONCURRENCY
        self._keep_raw = keep_raw

    async def execute(self, statement: str | ast.Statement, params: Parameters = None) -> ExecutionResult:
        """Run one statement."""
        parsed = parse(statement) if isinstance(statement, str) else statement
        bound = bind_parameters(parsed, params)
        plan = await self._placed(bound, plan_statement(bound, settings=self._settings))
        match plan:
            case QueryPlan(explain="plan"):
                return explained(plan)
            case QueryPlan():
                return await run_plan(plan, self._dispatcher(plan, bound), self._embed_fn)
            case ShowPlan():
                return await show_collections(plan, await self._names(), self._dispatcher(plan, bound))
            case DescribePlan():
                return await describe_collection(plan, self._dispatcher(plan, bound))

    async def _placed(self, statement: ast.Statement, plan: StatementPlan) -> StatementPlan:
        if not isinstance(statement, ast.Query) or not isinstance(plan, QueryPlan):
            return plan
        if plan.explain == "analyze":
            raise ChromaSQLPlanningError("EXPLAIN ANALYZE is not executed yet; EXPLAIN shows the plan")
        if self._router is None:
            names = await self._from_sources(statement)
            return place_plan(plan, names, "FROM")
        routed = await self._routed(statement)
        if routed is None:
            return place_plan(plan, await self._names(), "the router, which asks all")
        return place_plan(plan, list(dict.fromkeys(routed)), "the router")

    def _dispatcher(self, plan: StatementPlan, statement: ast.Statement) -> Dispatcher:
        return Dispatcher(
            self._provider.get_collection,
            forget=getattr(self._provider, "forget_collection", None),
            missing=None if self._router is not None else _NoSuchCollection(statement, self._names),
            concurrency=self._concurrency,
            timeout=plan.timeout if isinstance(plan, QueryPlan) else self._settings.timeout,
            on_error=plan.on_error if isinstance(plan, QueryPlan) else self._settings.on_error,
            keep_raw=self._keep_raw,
        )

    # Names

    async def _names(self) -> list[str]:
        try:
            listed = await self._provider.list_collection_names()
        except Exception as error:
            if isinstance(error, ChromaSQLPlanningError):
                raise
            raise ChromaSQLExecutionError(
                "the names of the collections cannot be listed",
                failures=[Failure(None, type(error).__name__, describe_exception(error))],
            ) from error
        return list(dict.fromkeys(listed))

    async def _routed(self, query: ast.Query) -> Sequence[str] | None:
        route = getattr(self._router, "route", self._router)
        assert callable(route)
        try:
            names = route(query)
            if inspect.isawaitable(names):
                names = await names
        except ChromaSQLError as error:
            raise error.located_in(query.source_text or "") from error.__cause__
        except Exception as error:
            raise ChromaSQLRoutingError(f"the router failed: {describe_exception(error)}") from error
        if isinstance(names, str) or not (names is None or isinstance(names, Sequence | set | frozenset)):
            raise ChromaSQLRoutingError(
                f"a router returns a list of names or None, and this one returned {type(names).__name__}"
            )
        return sorted(names) if isinstance(names, set | frozenset) else names

    async def _from_sources(self, query: ast.Query) -> list[str]:
        """Return the collections that FROM names, in its order, patterns by name."""
        if not any(source.is_pattern for source in (*query.sources, *query.excluded)):
            excluded = {source.name for source in query.excluded}
            return list(dict.fromkeys(str(each.name) for each in query.sources if each.name not in excluded))
        known = sorted(await self._names())
        left_out = {name for source in query.excluded for name in _matching(source, known)}
        found: dict[str, None] = {}
        for source in query.sources:
            names = _matching(source, known)
            if not names:
                raise _no_match(source, known, query.source_text)
            found.update(dict.fromkeys(names))
        return [name for name in found if name not in left_out]


class _NoSuchCollection:
    """Makes the error for a name after FROM that does not exist."""

    def __init__(self, statement: ast.Statement, names: Callable[[], Any]) -> None:
        self._statement = statement
        self._names = names

    async def __call__(self, name: str) -> ChromaSQLRoutingError:
        match self._statement:
            case ast.Query(sources=sources):
                source = next((each for each in sources if each.name == name), None)
            case ast.Describe(source):
                pass
            case _:
                source = None
        if source is None:
            return ChromaSQLRoutingError(f"there is no collection {name} any more; it was deleted just now")
        try:
            known = await self._names()
        except ChromaSQLExecutionError:
            known = []
        return _no_match(source, known, self._statement.source_text)


def _matching(source: ast.Source, known: Sequence[str]) -> list[str]:
    name = str(source.name)
    if not source.is_pattern:
        return [name]
    matches = compile_regex(like_to_regex(name.replace("*", "%")))
    return [each for each in known if matches(each)]


def _no_match(source: ast.Source, known: Sequence[str], text: str | None) -> ChromaSQLRoutingError:
    name = str(source.name)
    near = near_names(name.replace("*", ""), known)
    if source.is_pattern:
        message = f"no collection matches {name}"
    else:
        message = f"there is no collection {name}"
    some = f"; there are {', '.join(sorted(known)[:5])}" if known else "; there is none at all"
    return ChromaSQLRoutingError(message + (near or some), source=text, span=source.span)
